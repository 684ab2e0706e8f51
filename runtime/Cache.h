//===- Cache.h - Kernels that were compiled on demand -----------*- C++ -*-===//
//
// A folder of kernel libraries KEY.kvlib/, each of which appears under its name
// whole, by a rename. Beside it lies KEY.lock, an empty file that is locked
// while KEY is being made or removed, and goes when that failed; the system
// releases it when its process ends, however that happens. All that is being
// made or removed is a folder .new-XXXXXX, and left behind only by a crash.
//
// Kernels are code: the folder must belong to the user and to nobody else.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_RUNTIME_CACHE_H
#define KVARN_RUNTIME_CACHE_H

#include "runtime/kvarn.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace kvarn::runtime {

/// An exclusive lock of a file, among threads and processes.
class FileLock {
public:
  FileLock() = default;
  FileLock(const FileLock &) = delete;
  FileLock &operator=(const FileLock &) = delete;
  ~FileLock();

  /// Waits for the lock of `path`.
  kvarn_status take(const std::string &path);
  /// Takes it if nobody has it. Returns whether it did.
  bool tryTake(const std::string &path);
  /// Removes its file and gives it back. Those who wait for it make a new file.
  void discard();

private:
  int lock(const std::string &path, int operation);
  void release();

  std::string file;
  int descriptor = -1;
};

class Cache {
public:
  /// Opens the folder, and makes it if it is not there. NULL stands for the
  /// folder that the environment names, 0 for its size.
  static kvarn_status open(const char *folder, int64_t bytes,
                           std::unique_ptr<Cache> &cache);

  const std::string &folder() const { return root; }
  std::string entry(const std::string &key) const {
    return root + "/" + key + ".kvlib";
  }
  std::string lockFile(const std::string &key) const {
    return root + "/" + key + ".lock";
  }

  /// Says that the entry was used, for evict().
  void touch(const std::string &key) const;

  /// A new empty folder in which an entry can be made.
  kvarn_status stage(std::string &path) const;

  /// Makes the folder `made` the entry, instead of one that may be there. Needs
  /// the lock of `key`.
  kvarn_status publish(const std::string &made, const std::string &key) const;

  /// Removes entries that were not used for the longest time until the others
  /// fit; never `keep`, and none that is locked. Returns how many.
  size_t evict(const std::string &keep) const;

private:
  Cache(std::string root, int64_t bytes)
      : root(std::move(root)), limit(bytes) {}

  void remove(const std::string &path) const;

  const std::string root;
  const int64_t limit;
};

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_CACHE_H
