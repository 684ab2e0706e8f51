//===- Link.cpp - Object file to shared object ----------------------------===//

#include "codegen/Codegen.h"
#include "codegen/ExternalTool.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace mlir::kvarn;

std::string mlir::kvarn::findLinker() {
  for (StringRef name : {"ld.lld-19", "ld.lld"})
    if (auto path = llvm::sys::findProgramByName(name))
      return *path;
  return {};
}

LogicalResult
mlir::kvarn::linkSharedObject(StringRef object, StringRef outputPath,
                              function_ref<InFlightDiagnostic()> emitError) {
  std::string linker = findLinker();
  if (linker.empty())
    return emitError() << "cannot find ld.lld-19 (Debian package lld-19)";
  TemporaryFile input("o");
  input.write(object);
  if (input.error())
    return emitError() << "cannot write '" << input.path()
                       << "': " << input.error().message();
  SmallVector<StringRef> command = {linker,     "-shared",     "--gc-sections",
                                    "-z",       "noexecstack", "-o",
                                    outputPath, input.path()};
  ToolRun run = runTool(command);
  if (run.ok)
    return success();
  input.keep();
  return emitError() << "linking failed: " << run.text
                     << "\nto repeat: " << llvm::join(command, " ");
}
