//===- Pipeline.cpp - From tiles to the LLVM dialect for NVIDIA -----------===//

#include "codegen/Codegen.h"
#include "codegen/nvptx/ConvertTileToNvptx.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;

namespace {

/// The passes of MLIR go through the module once for each dialect.
struct ConvertNvptxToLlvm
    : public PassWrapper<ConvertNvptxToLlvm, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ConvertNvptxToLlvm)

  StringRef getArgument() const override { return "convert-nvptx-to-llvm"; }
  StringRef getDescription() const override {
    return "What PTX kernels are made of to the LLVM dialect";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<cf::ControlFlowDialect, LLVM::LLVMDialect>();
  }

  void runOnOperation() override {
    LLVMTypeConverter converter(&getContext());
    RewritePatternSet patterns(&getContext());
    populateSCFToControlFlowConversionPatterns(patterns);
    populateMathToLLVMConversionPatterns(converter, patterns);
    arith::populateArithToLLVMConversionPatterns(converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
    LLVMConversionTarget target(getContext());
    target.addIllegalDialect<scf::SCFDialect>();
    if (failed(applyPartialConversion(getOperation(), target,
                                      std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

// No canonicalization: LLVM's passes find the same, and do not look through a
// whole loop after each change inside it.
void mlir::kvarn::buildNvptxPipeline(OpPassManager &manager,
                                     const Target &target) {
  manager.addPass(createConvertTileToNvptxPass(target.name));
  // Ops without instructions of their own, in programs that users write.
  manager.addPass(arith::createArithExpandOpsPass());
  manager.addPass(std::make_unique<ConvertNvptxToLlvm>());
}
