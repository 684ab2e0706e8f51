//===- Compiler.h - The compiler, for kernels that are missing --*- C++ -*-===//
//
// The compiler takes the command line of kvarn-compile, in this process or in a
// child. In this process it is libkvarn-compiler.so, which is opened when the
// first kernel is missing, and stays: LLVM cannot be unloaded. A crash of the
// compiler is one of the process then; of a child it is an error.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_RUNTIME_COMPILER_H
#define KVARN_RUNTIME_COMPILER_H

#include "runtime/kvarn.h"

#include <string>
#include <vector>

namespace kvarn::runtime {

/// What a compiler said.
struct Compilation {
  std::string missing; // why there is no compiler, or ""
  int exitCode = 0;    // as of kvarn-compile
  std::string failure; // for people, without the command; "" = all is well
  std::string output;  // of the compiler
};

class Compiler {
public:
  /// `mode` and `program` as in kvarn_jit_options.
  static kvarn_status create(int32_t mode, const char *program,
                             Compiler &compiler);

  /// Runs the compiler with `arguments`, without the name of the program.
  Compilation run(const std::vector<std::string> &arguments) const;

  /// The program as a command for people names it.
  std::string programName() const {
    return program.empty() ? "kvarn-compile" : program;
  }

private:
  int32_t mode = KVARN_COMPILER_IN_PROCESS;
  std::string program; // of a child
};

/// Where libkvarn.so is; "" if that is not known.
std::string runtimeFolder();

/// How a manifest of the compiler of this build begins: "kvarn 0.1.0 (build
/// 0123456789ab)".
std::string compilerOfThisBuild();

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_COMPILER_H
