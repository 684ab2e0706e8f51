//===- Compiler.cpp - The program kvarn-compile ---------------------------===//

#include "tools/kvarn-run/Compiler.h"

#include "format/Environment.h"
#include "tools/kvarn-run/Runtime.h"

namespace kvarn::run {

std::string findCompiler() {
  if (const char *named = environment(Variable::Compiler)) {
    if (isProgram(named))
      return named;
    throw Error(kMissing, std::string("KVARN_COMPILER: '") + named +
                              "' is not a program that can be run");
  }
  std::string program = findProgram("kvarn-compile");
  if (program.empty())
    throw Error(kMissing,
                "kvarn-compile not found (looked at $KVARN_COMPILER, beside "
                "this program and in PATH)");
  return program;
}

ProcessResult runCompiler(const std::vector<std::string> &words,
                          int64_t seconds, bool (*stop)()) {
  ProcessResult result = runProcess(words, static_cast<int>(seconds), stop);
  if (!result.failure.empty())
    throw Error(kMissing, result.failure);
  return result;
}

} // namespace kvarn::run
