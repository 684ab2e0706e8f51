//===- Pipeline.cpp - Tile programs to NVIDIA GPUs ------------------------===//

#include "codegen/Codegen.h"
#include "dialect/TileDialect.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;
using namespace mlir::kvarn;

namespace {

/// Kernels without ops, so far: enough to build and test libraries with.
struct ConvertTileToNvptx
    : public PassWrapper<ConvertTileToNvptx, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ConvertTileToNvptx)

  StringRef getArgument() const override { return "convert-tile-to-nvptx"; }
  StringRef getDescription() const override {
    return "Kernels on tiles to kernels of NVIDIA GPUs";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, NVVM::NVVMDialect>();
  }
  void runOnOperation() override {
    for (tile::KernelOp kernel :
         llvm::make_early_inc_range(getOperation().getOps<tile::KernelOp>()))
      if (failed(convert(kernel)))
        return signalPassFailure();
  }

  static LogicalResult convert(tile::KernelOp kernel);
};

} // namespace

LogicalResult ConvertTileToNvptx::convert(tile::KernelOp kernel) {
  Operation &first = kernel.getBody().front().front();
  if (!isa<tile::ReturnOp>(first))
    return first.emitOpError("is unknown to NVIDIA targets");
  int64_t words = 0;
  for (Type type : kernel.getArgumentTypes()) {
    auto memref = dyn_cast<MemRefType>(type);
    words += memref ? 1 + 2 * memref.getRank() : 1;
  }
  OpBuilder builder(kernel);
  Type word = builder.getI64Type();
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(kernel.getContext()),
                                  SmallVector<Type>(words, word));
  auto function = builder.create<LLVM::LLVMFuncOp>(kernel.getLoc(),
                                                   kernel.getSymName(), type);
  ScheduleAttr schedule = kernel.getScheduleAttr();
  int32_t warps = schedule ? schedule.getWarps() : 1;
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                    builder.getUnitAttr());
  function->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                    builder.getDenseI32ArrayAttr({32 * warps}));
  function->setAttr("kvarn.shared_bytes", builder.getI64IntegerAttr(0));
  builder.setInsertionPointToStart(function.addEntryBlock(builder));
  builder.create<LLVM::ReturnOp>(kernel.getLoc(), ValueRange());
  kernel.erase();
  return success();
}

void mlir::kvarn::buildNvptxPipeline(OpPassManager &manager,
                                     const Target &target) {
  manager.addPass(std::make_unique<ConvertTileToNvptx>());
}
