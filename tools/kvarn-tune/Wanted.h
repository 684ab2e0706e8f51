//===- Wanted.h - What is to be tuned ---------------------------*- C++ -*-===//

#ifndef KVARN_TOOLS_TUNE_WANTED_H
#define KVARN_TOOLS_TUNE_WANTED_H

#include "tools/kvarn-tune/Commands.h"

#include <string>
#include <vector>

namespace kvarn::tune {

/// The shapes of a file, and the kernels for them: of a format, or those of a
/// library. Everything throws InputError or run::Error.
class Wanted {
public:
  explicit Wanted(const BuildStep &options);

  /// The kernel that `shape` needs, without its query rows.
  VariantKey keyFor(const bench::Shape &shape) const;
  /// The command line for it; attend is made for `queryTokens`.
  std::vector<std::string> command(const VariantKey &key,
                                   int64_t queryTokens) const;
  /// The command line for all that a server needs of the format of `key`.
  std::vector<std::string> commandForAll(const VariantKey &key) const;

  std::vector<bench::Shape> shapes;
  std::string library; // the folder given, or ""

private:
  void readLibraryKeys();
  VariantKey keyInLibrary(const VariantKey &wanted,
                          const bench::Shape &shape) const;

  const BuildStep &options;
  std::string compiler;
  std::vector<VariantKey> libraryKeys;
};

/// Whether `variant` was made for the chip `target`.
bool isFor(const Variant &variant, const std::string &target);

Bucket bucketOf(const bench::Shape &shape);
/// The shape that is measured for a bucket of the kernel `key`.
bench::Shape shapeOf(const VariantKey &key, const Bucket &bucket);

} // namespace kvarn::tune

#endif // KVARN_TOOLS_TUNE_WANTED_H
