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
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
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

void mlir::kvarn::buildPipeline(OpPassManager &manager, const Target &target) {
  if (target.backend == Backend::Nvptx)
    return buildNvptxPipeline(manager, target);
  buildCpuPipeline(manager, target);
}

std::optional<KernelNeeds> mlir::kvarn::kernelNeeds(ModuleOp module,
                                                    StringRef kernel) {
  Operation *function = module.lookupSymbol(kernel);
  if (!function)
    return std::nullopt;
  KernelNeeds needs;
  needs.awaitsPrevious = function->hasAttr("kvarn.awaits_previous");
  if (auto threads = function->getAttrOfType<DenseI32ArrayAttr>(
          NVVM::NVVMDialect::getMaxntidAttrName()))
    for (int32_t extent : threads.asArrayRef())
      needs.threads *= extent;
  for (StringRef name : {"kvarn.scratch_bytes", "kvarn.shared_bytes"})
    if (auto bytes = function->getAttrOfType<IntegerAttr>(name)) {
      needs.memoryBytes = bytes.getInt();
      return needs;
    }
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
        buildPipeline(manager, target ? *target : unknown);
      });
}
