//===- ExternalTool.h - Programs that are run beside ours -------*- C++ -*-===//

#ifndef KVARN_CODEGEN_EXTERNALTOOL_H
#define KVARN_CODEGEN_EXTERNALTOOL_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <system_error>

namespace mlir::kvarn {

/// A file that goes away with its object, unless it is kept so that a failed
/// command can be repeated.
class TemporaryFile {
public:
  /// Creates an empty file whose name ends in `.suffix`.
  explicit TemporaryFile(StringRef suffix);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile &) = delete;
  TemporaryFile &operator=(const TemporaryFile &) = delete;

  StringRef path() const { return name; }
  /// What creating, or the last write, came to.
  std::error_code error() const { return code; }
  void write(StringRef bytes);
  /// The bytes; empty if they cannot be read.
  std::string read() const;
  void keep() { kept = true; }

private:
  llvm::SmallString<128> name;
  std::error_code code;
  bool kept = false;
};

struct ToolRun {
  bool ok = false;
  /// Why it could not be started, and what it wrote to both streams.
  std::string text;
};

/// Runs `command`, whose first word is a path, to its end.
ToolRun runTool(ArrayRef<StringRef> command);

/// The program `name` of a CUDA toolkit: on PATH, else in CUDA_HOME/bin;
/// without CUDA_HOME in /usr/local/cuda/bin. Empty if there is none.
std::string findCudaTool(StringRef name);

/// CUDA_HOME, or where a toolkit lies without it.
std::string cudaHome();

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_EXTERNALTOOL_H
