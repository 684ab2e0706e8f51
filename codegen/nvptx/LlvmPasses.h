//===- LlvmPasses.h - What LLVM does to kernels -----------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_LLVMPASSES_H
#define KVARN_CODEGEN_NVPTX_LLVMPASSES_H

#include "llvm/IR/PassManager.h"

namespace llvm {
class PassBuilder;
class TargetMachine;
class raw_pwrite_stream;
namespace legacy {
class PassManagerBase;
} // namespace legacy
} // namespace llvm

namespace mlir::kvarn::nvptx {

/// On a function whose loops fill the registers of a lane.
inline constexpr char kFillsRegisters[] = "kvarn.fills_registers";

/// In place of -O3: those of its passes that change kernels.
/// `fillsRegisters`: nothing is to move out of loops.
llvm::ModulePassManager createOptimizations(llvm::PassBuilder &builder,
                                            bool fillsRegisters);

/// TargetMachine::addPassesToEmitFile for PTX, with the same result in less
/// time. True if that is impossible.
bool addPassesToEmitPtx(llvm::TargetMachine &machine,
                        llvm::legacy::PassManagerBase &passes,
                        llvm::raw_pwrite_stream &out);

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_LLVMPASSES_H
