//===- ExternalTool.cpp - Programs that are run beside ours ---------------===//

#include "codegen/ExternalTool.h"

#include "format/Environment.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::kvarn;

TemporaryFile::TemporaryFile(StringRef suffix)
    : code(llvm::sys::fs::createTemporaryFile("kvarn", suffix, name)) {}

TemporaryFile::~TemporaryFile() {
  if (!kept && !name.empty())
    llvm::sys::fs::remove(name);
}

void TemporaryFile::write(StringRef bytes) {
  if (code)
    return;
  llvm::raw_fd_ostream stream(name, code, llvm::sys::fs::OF_None);
  if (code)
    return;
  stream << bytes;
  stream.close();
  code = stream.error();
  stream.clear_error();
}

std::string TemporaryFile::read() const {
  auto buffer = llvm::MemoryBuffer::getFile(name);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

ToolRun mlir::kvarn::runTool(ArrayRef<StringRef> command) {
  TemporaryFile output("txt");
  ToolRun run;
  if (output.error()) {
    run.text = "cannot create a temporary file: " + output.error().message();
    return run;
  }
  int status = llvm::sys::ExecuteAndWait(
      command.front(), command, std::nullopt,
      {StringRef(""), output.path(), output.path()}, 0, 0, &run.text);
  run.ok = status == 0;
  run.text += output.read();
  return run;
}

std::string mlir::kvarn::cudaHome() {
  const char *home = ::kvarn::environment(::kvarn::Variable::CudaHome);
  return home ? home : "/usr/local/cuda";
}

std::string mlir::kvarn::findCudaTool(StringRef name) {
  if (auto path = llvm::sys::findProgramByName(name))
    return *path;
  std::string folder = cudaHome() + "/bin";
  if (auto path = llvm::sys::findProgramByName(name, {folder}))
    return *path;
  return {};
}
