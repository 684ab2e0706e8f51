//===- Main.cpp - The program kvarn-compile -------------------------------===//

#include "tools/kvarn-compile/kvarn-compile.h"

#include "llvm/Support/InitLLVM.h"

#include <csignal>
#include <unistd.h>

static constexpr int kInternal = 70;

/// A crash is our mistake, not the input's.
static void endAsInternalError(int) {
  static constexpr char message[] =
      "kvarn-compile: internal error, please report it with the command\n";
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, message, sizeof message - 1);
  _exit(kInternal);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE})
    std::signal(number, endAsInternalError);
  // Who starts us may ignore it, and then nobody is told how the linker ended.
  std::signal(SIGCHLD, SIG_DFL);
  return mlir::kvarn::runCompiler(argc, argv, llvm::outs(), llvm::errs());
}
