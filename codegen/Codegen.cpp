//===- Codegen.cpp - Passes and pipelines ---------------------------------===//

#include "codegen/Codegen.h"
#include "codegen/cpu/ConvertTileToCpu.h"
#include "codegen/nvptx/ConvertTileToNvptx.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::kvarn;

void mlir::kvarn::buildCpuPipeline(OpPassManager &manager,
                                   const Target &target) {
  manager.addPass(createConvertTileToCpuPass(target.name));
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  manager.addPass(createConvertSCFToCFPass());
  // Divisions that round up, and bf16, which most processors lack.
  manager.addPass(arith::createArithExpandOpsPass({/*includeBf16=*/true}));
  manager.addPass(createConvertVectorToLLVMPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createArithToLLVMConversionPass());
  // Branches as well.
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
}

std::optional<int64_t> mlir::kvarn::scratchBytes(ModuleOp module,
                                                 StringRef kernel) {
  if (Operation *function = module.lookupSymbol(kernel))
    if (auto bytes =
            function->getAttrOfType<IntegerAttr>("kvarn.scratch_bytes"))
      return bytes.getInt();
  return std::nullopt;
}

namespace {

struct PipelineOptions : public PassPipelineOptions<PipelineOptions> {
  Option<std::string> target{*this, "target", llvm::cl::init("x86-64-v3"),
                             llvm::cl::desc("row of the table of targets")};
};

} // namespace

void mlir::kvarn::registerCodegenPasses() {
  registerPass([] { return createConvertTileToCpuPass(); });
  registerPass([] { return createConvertTileToNvptxPass(); });
  PassPipelineRegistration<PipelineOptions>(
      "tile-to-llvm", "Kernels on tiles to the LLVM dialect",
      [](OpPassManager &manager, const PipelineOptions &options) {
        // An unknown name is reported by the first pass.
        const Target *target = findTarget(options.target);
        Target unknown{};
        unknown.name = options.target;
        if (target && target->backend == Backend::Nvptx)
          return buildNvptxPipeline(manager, *target);
        buildCpuPipeline(manager, target ? *target : unknown);
      });
}
