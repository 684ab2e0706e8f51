//===- Assemble.h - PTX to machine code -------------------------*- C++ -*-===//
//
// Assemblers are found when they are needed, never linked: the library
// nvJitLink, which works within our process, or else the program `ptxas`; for
// chips before sm_90 the other way round. Both come with a CUDA toolkit. The
// environment variable KVARN_PTX_ASSEMBLER (nvjitlink, ptxas, none) chooses.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_CODEGEN_NVPTX_ASSEMBLE_H
#define KVARN_CODEGEN_NVPTX_ASSEMBLE_H

#include "dialect/Targets.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace mlir::kvarn::nvptx {

/// What one kernel takes of a multiprocessor, in the assembler's words.
struct Resources {
  std::string kernel;
  /// Of a thread.
  int64_t registers = 0, stackBytes = 0;
  /// Bytes of registers that had to go to memory and back.
  int64_t spillStores = 0, spillLoads = 0;
  /// Of a block; dynamic shared memory is not known to the assembler.
  int64_t staticSharedBytes = 0;

  bool operator==(const Resources &) const = default;
};

struct Cubin {
  std::string bytes;
  /// In the assembler's order; empty if it did not say.
  std::vector<Resources> kernels;
  /// What it had to say besides: lost performance, say. A line each.
  std::vector<std::string> advice;
};

/// Whether KVARN_PTX_ASSEMBLER is something that it cannot be, as a message; ""
/// if it is well.
std::string describeBadAssemblerName();

/// Why there is no assembler, or "". If none is `required`, only one that
/// KVARN_PTX_ASSEMBLER asks for can be missing.
std::string describeMissingAssembler(bool required = true);

/// What assembles for `chip`, with its version: "nvJitLink 13.0", "ptxas 13.0
/// V13.0.88"; "" if nothing does.
std::string assemblerVersion(StringRef chip);

/// PTX of a module in the LLVM dialect, assembled. Warns of kernels that spill
/// registers and passes on what the assembler advises.
FailureOr<Cubin> emitCubin(ModuleOp module, const Target &target);

/// Machine code for `chip` (sm_90a). After a failure the PTX stays in a file,
/// and the message holds the command that repeats it.
FailureOr<Cubin> assemble(StringRef ptx, StringRef chip,
                          function_ref<InFlightDiagnostic()> emitError);

/// Fills the members of `cubin` but its bytes from what `ptxas -v` prints;
/// nvJitLink prints the same.
void readLog(StringRef log, Cubin &cubin);

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_ASSEMBLE_H
