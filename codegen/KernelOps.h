//===- KernelOps.h - What kernels of all targets are made of ----*- C++ -*-===//

#ifndef KVARN_CODEGEN_KERNELOPS_H
#define KVARN_CODEGEN_KERNELOPS_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace mlir::kvarn {

/// Whether a value is a tile.
inline bool isTile(Value value) {
  return isa<RankedTensorType>(value.getType());
}

/// Whether `op` takes tiles or gives some.
inline bool hasTiles(Operation *op) {
  return llvm::any_of(op->getOperands(), isTile) ||
         llvm::any_of(op->getResults(), isTile);
}

/// Fails, with an error that says so, unless `op` of a kernel is one of `tile`,
/// a loop or branch, arithmetic on tiles element by element or on scalars, or
/// takes a scalar or an extent from an argument of the kernel. `target` names
/// who refuses it ("the CPU target"); some also store scalars.
LogicalResult checkKernelOp(Operation *op, bool storesScalars,
                            StringRef target);

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_KERNELOPS_H
