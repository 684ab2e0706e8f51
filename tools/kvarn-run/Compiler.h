//===- Compiler.h - The program kvarn-compile -------------------*- C++ -*-===//

#ifndef KVARN_TOOLS_RUN_COMPILER_H
#define KVARN_TOOLS_RUN_COMPILER_H

#include "runtime/Process.h"

#include <cstdint>

namespace kvarn::run {

/// The compiler: $KVARN_COMPILER, else beside this program, else in PATH.
/// Throws Error if there is none.
std::string findCompiler();

/// Runs words[0], the compiler, for `seconds` at most (0 = as long as it
/// takes), or until `stop` says so. Throws Error if it cannot be started.
ProcessResult runCompiler(const std::vector<std::string> &words,
                          int64_t seconds = 0, bool (*stop)() = nullptr);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_COMPILER_H
