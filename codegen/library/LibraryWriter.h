//===- LibraryWriter.h - Kernel libraries on disk ---------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_LIBRARY_LIBRARYWRITER_H
#define KVARN_CODEGEN_LIBRARY_LIBRARYWRITER_H

#include "format/Manifest.h"

#include "mlir/Support/LLVM.h"

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

  /// Adds a variant whose binary lies at binaryPath(variant.binary.file).
  LogicalResult add(::kvarn::Variant variant);

  /// Writes the manifest and puts the folder in place of an older one.
  LogicalResult finish();

  const std::string &error() const { return message; }

private:
  LogicalResult fail(const Twine &text);

  std::string path, temporary, message;
  ::kvarn::Manifest manifest;
};

/// Writes `bytes` to `path` by way of a temporary file, or to standard output
/// if `path` is "-". The error names the path.
LogicalResult writeFileAtomically(StringRef path, StringRef bytes,
                                  std::string &error);

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_LIBRARY_LIBRARYWRITER_H
