//===- Request.h - What kvarn-compile is asked for --------------*- C++ -*-===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_REQUEST_H
#define KVARN_TOOLS_KVARNCOMPILE_REQUEST_H

#include "codegen/library/Compile.h"
#include "dialect/Targets.h"
#include "passes/Programs.h"
#include "tools/kvarn-compile/Options.h"
#include "tools/kvarn-compile/Tuned.h"

#include "llvm/Support/raw_ostream.h"

namespace mlir::kvarn {

inline constexpr int kCheckFailed = 1, kUsage = 2, kMissingTool = 3;

/// The checked form of the options.
struct Request {
  Request(const Options &options, llvm::raw_ostream &out,
          llvm::raw_ostream &err)
      : options(options), out(out), err(err) {}

  /// Prints an error and returns the exit code of bad input.
  int fail(const Twine &message) const {
    err << "kvarn-compile: error: " << message << "\n";
    return kUsage;
  }

  /// Writes a whole file, or to `out` if `path` is "-". Returns an exit code,
  /// after an error.
  int write(StringRef path, StringRef text) const;

  const Options &options;
  llvm::raw_ostream &out, &err;
  const StageRow *stage = nullptr;
  SmallVector<const Target *> targets;
  const Target *scheduleFrom = nullptr;
  Model model;
  SmallVector<StringRef> kernels;
  std::optional<TunedTable> tuned; // --schedules
};

/// Checks the options and fills in the rest. Returns an exit code, after an
/// error.
int check(Request &request);

} // namespace mlir::kvarn

#endif // KVARN_TOOLS_KVARNCOMPILE_REQUEST_H
