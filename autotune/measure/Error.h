//===- Error.h - What ends a step of the tuner ------------------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_ERROR_H
#define KVARN_AUTOTUNE_MEASURE_ERROR_H

#include <filesystem>
#include <stdexcept>
#include <string>

namespace kvarn::tune {

/// A file or request that cannot be used; the message names it and says what
/// was expected.
class InputError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Throws InputError if `path` is something else than a file. A device may have
/// no end, a FIFO may wait forever, and a folder is an exception when read.
inline void requireFile(const std::string &path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_regular_file(path, error))
    throw InputError(path + ": not a regular file");
}

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_ERROR_H
