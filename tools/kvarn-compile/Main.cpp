//===- Main.cpp - The program kvarn-compile -------------------------------===//

#include "tools/kvarn-compile/kvarn-compile.h"

#include "llvm/Support/InitLLVM.h"

#include <csignal>
#include <unistd.h>

static constexpr int kBadOutput = 2, kInternal = 70;

/// A crash is our mistake, not the input's.
static void endAsInternalError(int) {
  static constexpr char message[] =
      "kvarn-compile: internal error, please report it with the command\n";
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, message, sizeof message - 1);
  _exit(kInternal);
}

/// The destructors of streams end the program where they find an error.
static int flushStreams(int code) {
  llvm::outs().flush();
  std::error_code error = llvm::outs().error();
  llvm::outs().clear_error();
  if (error && code == 0) {
    llvm::errs() << "kvarn-compile: error: cannot write to standard output: "
                 << error.message() << "\n";
    code = kBadOutput;
  }
  llvm::errs().clear_error();
  return code;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE})
    std::signal(number, endAsInternalError);
  // Who starts us may ignore it, and then nobody is told how the linker ended.
  std::signal(SIGCHLD, SIG_DFL);
  // A limit on the size of files is an error of writing, which we report.
  std::signal(SIGXFSZ, SIG_IGN);
  return flushStreams(
      mlir::kvarn::runCompiler(argc, argv, llvm::outs(), llvm::errs()));
}
