//===- KernelOps.cpp - What kernels of all targets are made of ------------===//

#include "codegen/KernelOps.h"
#include "dialect/TileDialect.h"
#include "passes/TileBuilder.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::kvarn;

/// Scalars come from the kernel's arguments only: there is no other memory.
static LogicalResult checkMemory(Operation *op, bool storesScalars) {
  Value memory;
  if (auto load = dyn_cast<memref::LoadOp>(op))
    memory = load.getMemRef();
  else if (auto store = dyn_cast<memref::StoreOp>(op); store && storesScalars)
    memory = store.getMemRef();
  else if (auto dim = dyn_cast<memref::DimOp>(op)) {
    memory = dim.getSource();
    std::optional<int64_t> index = dim.getConstantIndex();
    if (!index || *index < 0 ||
        *index >= cast<MemRefType>(memory.getType()).getRank())
      return op->emitOpError("expected a constant dimension of the memref");
  }
  if (!isa_and_nonnull<BlockArgument>(memory))
    return op->emitOpError()
           << "expected a load" << (storesScalars ? ", store" : "")
           << " or extent of an argument of the kernel";
  return success();
}

LogicalResult mlir::kvarn::checkKernelOp(Operation *op, bool storesScalars,
                                         StringRef target) {
  if (isa_and_nonnull<memref::MemRefDialect>(op->getDialect()) &&
      failed(checkMemory(op, storesScalars)))
    return failure();
  if (auto loop = dyn_cast<scf::WhileOp>(op); loop && failed(checkRepeat(loop)))
    return failure();
  bool tiles = hasTiles(op);
  if (isa_and_nonnull<tile::TileDialect>(op->getDialect()) ||
      isa<scf::ForOp, scf::WhileOp, scf::ConditionOp, scf::IfOp, scf::YieldOp,
          arith::ConstantOp>(op) ||
      (tiles && op->getNumResults() == 1 &&
       OpTrait::hasElementwiseMappableTraits(op)) ||
      (!tiles && op->isRegistered() && op->getNumRegions() == 0))
    return success();
  return op->emitOpError() << "is unknown to " << target;
}
