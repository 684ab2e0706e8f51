//===- LibraryWriter.cpp - Kernel libraries on disk -----------------------===//

#include "codegen/library/LibraryWriter.h"

#include "format/Hash.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::kvarn;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

/// A name beside `target`, for what will be renamed to it.
static std::string temporaryName(StringRef target) {
  // For the end only: the target's name may have a '%' of its own.
  llvm::SmallString<16> end;
  fs::createUniquePath(".%%%%%%", end, /*MakeAbsolute=*/false);
  return (target + end).str();
}

static std::error_code writeNew(StringRef path, StringRef bytes) {
  std::error_code code;
  llvm::raw_fd_ostream stream(path, code, fs::CD_CreateNew);
  if (code)
    return code;
  stream << bytes;
  stream.close();
  code = stream.error();
  stream.clear_error(); // else its destructor ends the program
  return code;
}

LogicalResult mlir::kvarn::writeFileAtomically(StringRef target,
                                               StringRef bytes,
                                               std::string &error) {
  fs::file_status status;
  if (!fs::status(target, status) &&
      status.type() != fs::file_type::regular_file) {
    // A rename would take a folder, pipe or device away.
    error = "cannot write '" + target.str() + "': not a regular file";
    return failure();
  }
  std::string temporary = temporaryName(target);
  std::error_code code = writeNew(temporary, bytes);
  bool existed = code == std::errc::file_exists; // and is not ours
  if (!code)
    code = fs::rename(temporary, target);
  if (!code)
    return success();
  if (!existed)
    fs::remove(temporary);
  error = "cannot write '" + target.str() + "': " + code.message();
  return failure();
}

LibraryWriter::LibraryWriter(StringRef target, StringRef compiler)
    : path(target) {
  while (path.size() > 1 && path::is_separator(path.back()))
    path.pop_back();
  manifest.compiler = compiler.str();
  // Beside the target, so that a rename puts it in place.
  std::string folder = temporaryName(path);
  // By default it would be closed to others, whatever the umask says.
  if (std::error_code code =
          fs::create_directory(folder, /*IgnoreExisting=*/false, fs::all_all)) {
    (void)fail(code.message());
    return;
  }
  temporary = std::move(folder);
}

LibraryWriter::~LibraryWriter() {
  if (!temporary.empty())
    fs::remove_directories(temporary);
}

std::string LibraryWriter::describe(const Twine &text) const {
  return ("cannot write library '" + path + "': " + text).str();
}

LogicalResult LibraryWriter::fail(const Twine &text) {
  message = describe(text);
  return failure();
}

std::string LibraryWriter::binaryPath(StringRef fileName) const {
  llvm::SmallString<128> full(temporary);
  path::append(full, fileName);
  return full.str().str();
}

LogicalResult LibraryWriter::write(StringRef fileName, StringRef bytes,
                                   std::string &error) const {
  std::error_code code = writeNew(binaryPath(fileName), bytes);
  if (!code)
    return success();
  lacking = true;
  error = describe(fileName + ": " + code.message());
  return failure();
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
  if (failed(write(StringRef(::kvarn::kManifestFileName),
                   ::kvarn::writeManifest(manifest), message)))
    return failure();
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
