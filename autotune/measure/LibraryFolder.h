//===- LibraryFolder.h - Kernel libraries made of others --------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_LIBRARYFOLDER_H
#define KVARN_AUTOTUNE_MEASURE_LIBRARYFOLDER_H

#include "format/Manifest.h"

#include <string>

namespace kvarn::tune {

/// The manifest of the library `folder`. Throws InputError.
Manifest readLibrary(const std::string &folder);

/// A library that is put together from variants of others, and appears under
/// its name whole or not at all. Everything throws InputError.
class LibraryFolder {
public:
  LibraryFolder(const std::string &path, const std::string &compiler);
  ~LibraryFolder();
  LibraryFolder(const LibraryFolder &) = delete;
  LibraryFolder &operator=(const LibraryFolder &) = delete;

  /// Adds `variant`, whose binary lies in the folder `from`, and returns the id
  /// it got: a number is added to one that is taken. So it is with the name of
  /// its file, `stem`, but variants with the same stem and content share it.
  std::string add(Variant variant, const std::string &from,
                  const std::string &stem);
  /// A file besides.
  void addFile(const std::string &name, const std::string &text);
  /// Puts the folder in place of an older library.
  void commit();

  const Manifest &contents() const { return manifest; }
  /// The variant called `id`, which was added.
  const Variant &variant(const std::string &id) const;

private:
  [[noreturn]] void fail(const std::string &what) const;

  std::string path, temporary;
  Manifest manifest;
};

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_LIBRARYFOLDER_H
