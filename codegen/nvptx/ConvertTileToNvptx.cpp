//===- ConvertTileToNvptx.cpp - Tiles to registers of lanes ---------------===//

#include "codegen/nvptx/ConvertTileToNvptx.h"
#include "codegen/nvptx/KernelEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::kvarn;

namespace {

struct ConvertTileToNvptx
    : public PassWrapper<ConvertTileToNvptx, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ConvertTileToNvptx)

  ConvertTileToNvptx() = default;
  ConvertTileToNvptx(const ConvertTileToNvptx &other) : PassWrapper(other) {}
  explicit ConvertTileToNvptx(StringRef name) { target = name.str(); }

  StringRef getArgument() const override { return "convert-tile-to-nvptx"; }
  StringRef getDescription() const override {
    return "Kernels on tiles with layouts to PTX kernels";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, math::MathDialect,
                    NVVM::NVVMDialect, scf::SCFDialect>();
  }

  void runOnOperation() override {
    const Target *row = findTarget(target);
    if (!row || row->backend != Backend::Nvptx) {
      getOperation().emitError()
          << "convert-tile-to-nvptx: '" << target << "' is no NVIDIA target";
      return signalPassFailure();
    }
    SmallVector<Operation *> hosts;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.walk([](tile::LaunchOp) { return WalkResult::interrupt(); })
              .wasInterrupted())
        hosts.push_back(function);
    for (Operation *host : hosts)
      host->erase();
    SmallVector<tile::KernelOp> kernels(
        getOperation().getOps<tile::KernelOp>());
    for (tile::KernelOp kernel : kernels)
      if (failed(nvptx::KernelEmitter(kernel, *row).run()))
        return signalPassFailure();
  }

  Option<std::string> target{*this, "target", llvm::cl::init("sm_90a"),
                             llvm::cl::desc("row of the table of targets")};
};

} // namespace

std::unique_ptr<Pass>
mlir::kvarn::createConvertTileToNvptxPass(StringRef target) {
  if (target.empty())
    return std::make_unique<ConvertTileToNvptx>();
  return std::make_unique<ConvertTileToNvptx>(target);
}
