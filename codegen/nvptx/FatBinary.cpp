//===- FatBinary.cpp - Code for several chips in one file -----------------===//

#include "codegen/nvptx/FatBinary.h"

#include "codegen/ExternalTool.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;

std::string mlir::kvarn::nvptx::describeMissingFatBinaryTool() {
  if (!findCudaTool("fatbinary").empty())
    return {};
  return "cannot find fatbinary, which comes with a CUDA toolkit";
}

FailureOr<std::string> mlir::kvarn::nvptx::makeFatBinary(
    ArrayRef<Image> images, function_ref<InFlightDiagnostic()> emitError) {
  std::string tool = findCudaTool("fatbinary");
  if (tool.empty())
    return emitError() << describeMissingFatBinaryTool();
  TemporaryFile output("fatbin");
  std::error_code error = output.error();
  std::vector<std::unique_ptr<TemporaryFile>> inputs;
  std::vector<std::string> words = {tool, "-64",
                                    ("--create=" + output.path()).str()};
  for (const Image &image : images) {
    StringRef kind = image.ptx ? "ptx" : "elf";
    auto file = std::make_unique<TemporaryFile>(image.ptx ? "ptx" : "cubin");
    file->write(image.bytes);
    error = error ? error : file->error();
    StringRef chip = image.chip;
    chip.consume_front("sm_");
    words.push_back(
        ("--image3=kind=" + kind + ",sm=" + chip + ",file=" + file->path())
            .str());
    inputs.push_back(std::move(file));
  }
  if (error)
    return emitError() << "cannot write temporary files: " << error.message();
  ToolRun run = runTool(SmallVector<StringRef>(words.begin(), words.end()));
  std::string bytes = run.ok ? output.read() : std::string();
  if (!bytes.empty())
    return bytes;
  for (auto &input : inputs)
    input->keep();
  return emitError() << "making a fat binary failed: "
                     << StringRef(run.text).rtrim()
                     << "\nto repeat: " << llvm::join(words, " ");
}
