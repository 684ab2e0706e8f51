//===- ConvertTileToCpu.cpp - Tiles to vectors and loops ------------------===//

#include "codegen/cpu/ConvertTileToCpu.h"
#include "codegen/cpu/DropLayouts.h"
#include "codegen/cpu/KernelEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::kvarn;

namespace {

struct ConvertTileToCpu
    : public PassWrapper<ConvertTileToCpu, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ConvertTileToCpu)

  ConvertTileToCpu() = default;
  ConvertTileToCpu(const ConvertTileToCpu &other) : PassWrapper(other) {}
  explicit ConvertTileToCpu(StringRef name) { target = name.str(); }

  StringRef getArgument() const override { return "convert-tile-to-cpu"; }
  StringRef getDescription() const override {
    return "Kernels on tiles to functions on vectors";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry
        .insert<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect,
                math::MathDialect, scf::SCFDialect, vector::VectorDialect>();
  }

  void runOnOperation() override {
    const Target *row = findTarget(target);
    if (!row || row->backend == Backend::Nvptx) {
      getOperation().emitError()
          << "convert-tile-to-cpu: unknown target '" << target << "'";
      return signalPassFailure();
    }
    SmallVector<tile::KernelOp> kernels(
        getOperation().getOps<tile::KernelOp>());
    SmallVector<func::FuncOp> hosts;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.walk([](tile::LaunchOp) { return WalkResult::interrupt(); })
              .wasInterrupted())
        hosts.push_back(function);
    for (func::FuncOp host : hosts)
      host.erase();
    for (tile::KernelOp kernel : kernels)
      cpu::dropLayouts(kernel);
    for (tile::KernelOp kernel : kernels)
      if (failed(cpu::KernelEmitter(kernel, *row).run()))
        return signalPassFailure();
  }

  Option<std::string> target{*this, "target", llvm::cl::init("x86-64-v3"),
                             llvm::cl::desc("row of the table of targets")};
};

} // namespace

std::unique_ptr<Pass>
mlir::kvarn::createConvertTileToCpuPass(StringRef target) {
  if (target.empty())
    return std::make_unique<ConvertTileToCpu>();
  return std::make_unique<ConvertTileToCpu>(target);
}
