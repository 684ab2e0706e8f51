//===- LibraryWriter.h - Kernel libraries on disk ---------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_LIBRARY_LIBRARYWRITER_H
#define KVARN_CODEGEN_LIBRARY_LIBRARYWRITER_H

#include "format/Manifest.h"

#include "mlir/Support/LLVM.h"

#include <atomic>

namespace mlir::kvarn {

/// A folder that appears under its name whole or not at all.
class LibraryWriter {
public:
  /// Starts a library that will be called `path`. After a failure `error()`
  /// says why.
  LibraryWriter(StringRef path, StringRef compiler);
  ~LibraryWriter();

  /// Where the binary of a variant is to be written before `add`.
  std::string binaryPath(StringRef fileName) const;

  /// Writes a file of the library, at binaryPath(fileName).
  LogicalResult write(StringRef fileName, StringRef bytes,
                      std::string &error) const;

  /// Adds a variant whose binary lies at binaryPath(variant.binary.file).
  LogicalResult add(::kvarn::Variant variant);

  /// Writes the manifest and puts the folder in place of an older one.
  LogicalResult finish();

  const std::string &error() const { return message; }
  /// Whether `write` has failed, in any thread.
  bool lacksFile() const { return lacking; }

private:
  std::string describe(const Twine &text) const;
  LogicalResult fail(const Twine &text);

  std::string path, temporary, message;
  ::kvarn::Manifest manifest;
  mutable std::atomic<bool> lacking = false;
};

/// Writes `bytes` to `path` by way of a temporary file beside it: after an
/// error, which names the path, an older file is as it was.
LogicalResult writeFileAtomically(StringRef path, StringRef bytes,
                                  std::string &error);

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_LIBRARY_LIBRARYWRITER_H
