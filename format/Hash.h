//===- Hash.h - SHA-256 of bytes and files ----------------------*- C++ -*-===//

#ifndef KVARN_FORMAT_HASH_H
#define KVARN_FORMAT_HASH_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvarn {

/// SHA-256 of `bytes` as 64 lower-case hex digits.
std::string sha256Hex(std::string_view bytes);

struct FileHash {
  std::string sha256;
  int64_t bytes = 0;
};

/// Hash and size of a regular file, or nothing and why.
std::optional<FileHash> hashFile(const std::string &path, std::string &error);

} // namespace kvarn

#endif // KVARN_FORMAT_HASH_H
