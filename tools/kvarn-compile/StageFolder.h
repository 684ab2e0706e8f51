//===- StageFolder.h - The files of --save-temps ----------------*- C++ -*-===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_STAGEFOLDER_H
#define KVARN_TOOLS_KVARNCOMPILE_STAGEFOLDER_H

#include "codegen/library/Compile.h"

#include <optional>
#include <string>

namespace mlir::kvarn {

/// A folder with the stages of programs on their way to a library.
class StageFolder {
public:
  /// Makes it, if need be. Returns an error, or "".
  std::string create(const std::string &path);

  /// Saves the stages of a program, called `name`. Returns an error; that of a
  /// stage, empty, is a diagnostic. Programs of different contexts can be saved
  /// at once.
  std::optional<std::string> save(StringRef name, ModuleOp module,
                                  const CompileOptions &compile) const;

  /// Removes the folder, unless it was there before.
  void discard();

private:
  std::string path;
  bool made = false;
};

} // namespace mlir::kvarn

#endif // KVARN_TOOLS_KVARNCOMPILE_STAGEFOLDER_H
