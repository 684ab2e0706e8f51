//===- Codegen.h - From kernels on tiles to binaries ------------*- C++ -*-===//
//
// A kernel @name becomes a C function
//
//   void name(const int64_t *params, void *scratch,
//             int64_t x, int64_t y, int64_t z);
//
// `params` holds 8-byte words, for each argument of the kernel in turn: a
// memref is its address, then all its sizes, then all its strides in elements;
// a scalar is one word (f32: its bits in the low four bytes; i32 extended).
// `scratch` is 64-byte aligned memory of at least `scratchBytes` that no other
// program uses meanwhile; x, y, z is the program's place in the grid.
//
// On an NVIDIA GPU it becomes an entry point whose parameters are the same
// words, one 8-byte parameter each. The program's place in the grid is that of
// its block; its memory is the block's dynamic shared memory.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_CODEGEN_CODEGEN_H
#define KVARN_CODEGEN_CODEGEN_H

#include "dialect/Targets.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <string>

namespace mlir::kvarn {

/// For `kvarn-opt`: the passes of this folder and the pipeline
/// `tile-to-llvm=target=NAME`.
void registerCodegenPasses();

/// `tile` to the LLVM dialect, for targets of backend Cpu and Amdgpu.
void buildCpuPipeline(OpPassManager &manager, const Target &target);

/// `tile` to the LLVM dialect, for targets of backend Nvptx.
void buildNvptxPipeline(OpPassManager &manager, const Target &target);

/// That of the two which is for `target`.
void buildPipeline(OpPassManager &manager, const Target &target);

/// What a launch of a kernel must provide.
struct KernelNeeds {
  /// Of a block; 1 on a CPU.
  int64_t threads = 1;
  /// Scratch memory of a program; on a GPU dynamic shared memory of a block.
  int64_t memoryBytes = 0;
  /// Whether it waits for the launch before it by itself.
  bool awaitsPrevious = false;
};

/// The needs of a converted kernel; nothing if the module has no such kernel.
std::optional<KernelNeeds> kernelNeeds(ModuleOp module, StringRef kernel);

/// LLVM IR after optimization, assembly (PTX for NVIDIA), or an object file, of
/// a module in the LLVM dialect. Depends on the target only, never on this
/// machine.
FailureOr<std::string> emitLlvmIr(ModuleOp module, const Target &target);
FailureOr<std::string> emitAssembly(ModuleOp module, const Target &target);
FailureOr<std::string> emitObject(ModuleOp module, const Target &target);

/// The path of ld.lld-19, or of another ld.lld; empty if there is none.
std::string findLinker();

/// Runs findLinker() on an object file. A failure prints the command to repeat.
LogicalResult linkSharedObject(StringRef object, StringRef outputPath,
                               function_ref<InFlightDiagnostic()> emitError);

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_CODEGEN_H
