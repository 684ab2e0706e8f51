//===- Files.h - Whole files, read and written ------------------*- C++ -*-===//

#ifndef KVARN_TOOLS_NPY_FILES_H
#define KVARN_TOOLS_NPY_FILES_H

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvarn {

/// The bytes of `path`, which must be a regular file; `error` starts with its
/// name.
std::optional<std::string> readFile(const std::string &path,
                                    std::string &error);

/// Files that appear together and whole, or not at all: they are written under
/// other names beside their places and renamed by commit(). Whatever is not
/// committed is removed.
class OutputFiles {
public:
  OutputFiles() = default;
  OutputFiles(const OutputFiles &) = delete;
  OutputFiles &operator=(const OutputFiles &) = delete;
  ~OutputFiles();

  /// Writes the parts, one after the other, to what becomes `path`.
  bool add(const std::string &path, const std::vector<std::string_view> &parts,
           std::string &error);
  bool commit(std::string &error);

private:
  struct File {
    std::string temporary;
    std::string path;
  };
  std::vector<File> files;
};

} // namespace kvarn

#endif // KVARN_TOOLS_NPY_FILES_H
