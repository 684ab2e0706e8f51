//===- Files.cpp - Whole files, read and written --------------------------===//

#include "tools/npy/Files.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvarn {

static std::string withReason(const std::string &path, const char *what) {
  return path + ": " + what + ": " + std::strerror(errno);
}

static bool readAll(int file, std::string &bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t count = read(file, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return false;
    if (count == 0) // it became shorter meanwhile
      break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return true;
}

std::optional<std::string> readFile(const std::string &path,
                                    std::string &error) {
  // Not blocking: a FIFO is refused below instead of waiting for its writer.
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    error = withReason(path, "cannot open");
    return std::nullopt;
  }
  std::optional<std::string> bytes;
  struct stat status = {};
  if (fstat(file, &status) != 0) {
    error = withReason(path, "cannot read");
  } else if (!S_ISREG(status.st_mode)) {
    error = path + ": not a regular file";
  } else {
    bytes.emplace(static_cast<size_t>(status.st_size), '\0');
    if (!readAll(file, *bytes)) {
      error = withReason(path, "cannot read");
      bytes.reset();
    }
  }
  close(file);
  return bytes;
}

static bool writeAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

OutputFiles::~OutputFiles() {
  for (const File &file : files)
    unlink(file.temporary.c_str());
}

bool OutputFiles::add(const std::string &path,
                      const std::vector<std::string_view> &parts,
                      std::string &error) {
  struct stat status = {};
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    error = path + ": cannot write: not a regular file";
    return false;
  }
  std::string temporary = path + ".XXXXXX";
  int file = mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) {
    error = withReason(path, "cannot write");
    return false;
  }
  files.push_back({temporary, path});
  mode_t mask = umask(0);
  umask(mask);
  bool good = fchmod(file, 0666 & ~mask) == 0;
  for (std::string_view part : parts)
    good = good && writeAll(file, part);
  if (!good)
    error = withReason(path, "cannot write");
  if (close(file) != 0 && good) {
    error = withReason(path, "cannot write");
    good = false;
  }
  return good;
}

bool OutputFiles::commit(std::string &error) {
  while (!files.empty()) {
    if (std::rename(files.back().temporary.c_str(),
                    files.back().path.c_str()) != 0) {
      error = withReason(files.back().path, "cannot write");
      return false;
    }
    files.pop_back();
  }
  return true;
}

} // namespace kvarn
