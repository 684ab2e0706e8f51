//===- kvarn-compile.h - The compiler as a function -------------*- C++ -*-===//
//
// What the program kvarn-compile does is part of libkvarn-compiler.so, so that
// the runtime can have it done in its own process.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_KVARNCOMPILE_H
#define KVARN_TOOLS_KVARNCOMPILE_KVARNCOMPILE_H

#include "llvm/Support/raw_ostream.h"

namespace mlir::kvarn {

/// Does what the command line says; returns an exit code. May be called from
/// several threads at once.
int runCompiler(int argc, const char *const *argv, llvm::raw_ostream &out,
                llvm::raw_ostream &err);

} // namespace mlir::kvarn

/// The same for runtime/Compiler.cpp, which opens this library with dlopen: a C
/// interface that stays. `print` is called with all that was printed.
extern "C" {
int kvarn_compiler_run(int argc, const char *const *argv,
                       void (*print)(void *context, const char *text,
                                     size_t size),
                       void *context);
/// The build that this library is of, see format/Fingerprint.h.
const char *kvarn_compiler_fingerprint();
}

#endif // KVARN_TOOLS_KVARNCOMPILE_KVARNCOMPILE_H
