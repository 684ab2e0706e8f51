//===- LibraryWriter.cpp - Kernel libraries on disk -----------------------===//

#include "codegen/library/LibraryWriter.h"

#include "format/Hash.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::kvarn;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

LogicalResult mlir::kvarn::writeFileAtomically(StringRef target,
                                               StringRef bytes,
                                               std::string &error) {
  fs::file_status status;
  if (target != "-" && !fs::status(target, status) &&
      status.type() != fs::file_type::regular_file) {
    // A rename would take a folder, pipe or device away.
    error = "cannot write '" + target.str() + "': not a regular file";
    return failure();
  }
  auto write = [&](llvm::raw_ostream &os) {
    os << bytes;
    return llvm::Error::success();
  };
  if (llvm::Error failed = llvm::writeToOutput(target, write)) {
    // The library's message names a temporary file; the user's name counts.
    error = "cannot write '" + target.str() +
            "': " + llvm::errorToErrorCode(std::move(failed)).message();
    return failure();
  }
  return success();
}

LibraryWriter::LibraryWriter(StringRef target, StringRef compiler)
    : path(target) {
  while (path.size() > 1 && path::is_separator(path.back()))
    path.pop_back();
  manifest.compiler = compiler.str();
  // Beside the target, so that a rename puts it in place.
  llvm::SmallString<128> folder;
  fs::createUniquePath(path + ".%%%%%%", folder, /*MakeAbsolute=*/false);
  if (std::error_code code = fs::create_directory(folder, false)) {
    (void)fail(code.message());
    return;
  }
  temporary = folder.str();
}

LibraryWriter::~LibraryWriter() {
  if (!temporary.empty())
    fs::remove_directories(temporary);
}

LogicalResult LibraryWriter::fail(const Twine &text) {
  message = ("cannot write library '" + path + "': " + text).str();
  return failure();
}

std::string LibraryWriter::binaryPath(StringRef fileName) const {
  llvm::SmallString<128> full(temporary);
  path::append(full, fileName);
  return full.str().str();
}

LogicalResult LibraryWriter::add(::kvarn::Variant variant) {
  if (!message.empty())
    return failure();
  std::string error;
  auto hash = ::kvarn::hashFile(binaryPath(variant.binary.file), error);
  if (!hash)
    return fail(error);
  variant.binary.sha256 = hash->sha256;
  variant.binary.bytes = hash->bytes;
  manifest.variants.push_back(std::move(variant));
  return success();
}

LogicalResult LibraryWriter::finish() {
  if (!message.empty())
    return failure();
  std::string error = ::kvarn::describeManifestError(manifest);
  if (!error.empty())
    return fail(error);
  if (failed(
          writeFileAtomically(binaryPath(StringRef(::kvarn::kManifestFileName)),
                              ::kvarn::writeManifest(manifest), error)))
    return fail(error);
  // rename() replaces no folder that has files: move an older library away.
  std::string old;
  if (fs::exists(path)) {
    if (!fs::exists(path + "/" + std::string(::kvarn::kManifestFileName)))
      return fail("it exists and is no kernel library");
    old = temporary + ".old";
    if (std::error_code code = fs::rename(path, old))
      return fail(code.message());
  }
  if (std::error_code code = fs::rename(temporary, path)) {
    if (!old.empty())
      fs::rename(old, path);
    return fail(code.message());
  }
  temporary.clear();
  if (!old.empty())
    fs::remove_directories(old);
  return success();
}
