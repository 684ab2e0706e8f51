//===- Link.cpp - Object file to shared object ----------------------------===//

#include "codegen/Codegen.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

static std::error_code writeFile(StringRef path, StringRef bytes) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error, llvm::sys::fs::OF_None);
  if (!error) {
    stream << bytes;
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  return error;
}

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
  llvm::SmallString<128> input, messages;
  std::error_code error =
      llvm::sys::fs::createTemporaryFile("kvarn", "o", input);
  if (!error)
    error = llvm::sys::fs::createTemporaryFile("kvarn", "txt", messages);
  if (!error)
    error = writeFile(input, object);
  bool keepInput = false;
  auto removeFiles = llvm::make_scope_exit([&] {
    if (!keepInput)
      llvm::sys::fs::remove(input);
    llvm::sys::fs::remove(messages);
  });
  if (error)
    return emitError() << "cannot write '" << input << "': " << error.message();
  SmallVector<StringRef> arguments = {
      linker,        "-shared", "--gc-sections", "-z",
      "noexecstack", "-o",      outputPath,      input};
  std::string reason;
  int status = llvm::sys::ExecuteAndWait(
      linker, arguments, std::nullopt,
      {StringRef(""), StringRef(messages), StringRef(messages)}, 0, 0, &reason);
  if (status == 0)
    return success();
  // The object file stays, so that the command can be repeated.
  keepInput = true;
  if (auto text = llvm::MemoryBuffer::getFile(messages))
    reason += (*text)->getBuffer();
  return emitError() << "linking failed: " << reason
                     << "\nto repeat: " << llvm::join(arguments, " ");
}
