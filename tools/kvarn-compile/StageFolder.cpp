//===- StageFolder.cpp - The files of --save-temps ------------------------===//

#include "tools/kvarn-compile/StageFolder.h"

#include "llvm/Support/FileSystem.h"

#include <map>

using namespace mlir;
using namespace mlir::kvarn;
namespace fs = llvm::sys::fs;

std::string StageFolder::create(const std::string &folder) {
  path = folder;
  made = !fs::exists(path);
  // The default would leave others out, whatever the umask says.
  if (std::error_code code =
          fs::create_directories(path, /*IgnoreExisting=*/true, fs::all_all))
    return "cannot create '" + path + "': " + code.message();
  return {};
}

std::optional<std::string>
StageFolder::save(StringRef name, ModuleOp module,
                  const CompileOptions &compile) const {
  // A stage of two names is kept under that of its kind of target.
  std::map<Stage, StringRef> names;
  for (const StageRow *row : stagesOf(*compile.target))
    if (row->stage <= Stage::Obj)
      names[row->stage] = row->name;
  for (auto [stage, stageName] : names) {
    OwningOpRef<ModuleOp> copy = module.clone();
    FailureOr<std::string> text = emitStage(*copy, stage, compile);
    if (failed(text))
      return std::string();
    std::string file = path + "/" + name.str() + "." +
                       compile.target->name.str() + "." + stageName.str();
    std::string error;
    if (failed(writeFileAtomically(file, *text, error)))
      return error;
  }
  return std::nullopt;
}

void StageFolder::discard() {
  if (made)
    fs::remove_directories(path);
}
