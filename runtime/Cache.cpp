//===- Cache.cpp - Kernels that were compiled on demand -------------------===//

#include "runtime/Cache.h"

#include "format/Environment.h"
#include "runtime/Status.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace kvarn::runtime {

namespace fs = std::filesystem;

static constexpr int64_t kDefaultBytes = int64_t(1) << 30;
static constexpr std::string_view kEntrySuffix = ".kvlib";
static constexpr std::string_view kStagePrefix = ".new-";
/// Nothing takes longer to make than this.
static constexpr std::chrono::hours kStageAge(1);

static kvarn_status failErrno(const std::string &path, const char *what) {
  return fail(KVARN_STATUS_IO,
              path + ": cannot " + what + ": " + std::strerror(errno));
}

//===----------------------------------------------------------------------===//
// Locks
//===----------------------------------------------------------------------===//

/// 0, or the error. Whoever removes a lock file has its lock, so a file that is
/// no longer at `path` once we have its lock is worth nothing.
int FileLock::lock(const std::string &path, int operation) {
  file = path;
  for (;;) {
    descriptor =
        open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0)
      return errno;
    int result;
    do
      result = flock(descriptor, operation);
    while (result != 0 && errno == EINTR);
    int error = result == 0 ? 0 : errno;
    struct stat ours, there;
    if (error == 0 && fstat(descriptor, &ours) == 0 &&
        stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
        ours.st_dev == there.st_dev)
      return 0;
    release();
    if (error != 0)
      return error;
  }
}

kvarn_status FileLock::take(const std::string &path) {
  errno = lock(path, LOCK_EX);
  return errno ? failErrno(path, "lock") : KVARN_STATUS_OK;
}

bool FileLock::tryTake(const std::string &path) {
  return lock(path, LOCK_EX | LOCK_NB) == 0;
}

void FileLock::release() {
  if (descriptor >= 0)
    close(descriptor);
  descriptor = -1;
}

void FileLock::discard() {
  unlink(file.c_str());
  release();
}

FileLock::~FileLock() { release(); }

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

static kvarn_status defaultFolder(std::string &folder) {
  if (const char *named = environment(Variable::CacheDir))
    folder = named;
  else if (const char *xdg = environment(Variable::XdgCacheHome);
           xdg && *xdg == '/') // others are to be ignored, says XDG
    folder = std::string(xdg) + "/kvarn";
  else if (const char *home = environment(Variable::Home))
    folder = std::string(home) + "/.cache/kvarn";
  else
    return fail(KVARN_STATUS_IO,
                "there is no folder for compiled kernels: none of "
                "KVARN_CACHE_DIR, XDG_CACHE_HOME and HOME is set");
  return KVARN_STATUS_OK;
}

/// "2G" in bytes.
static std::optional<int64_t> parseSize(std::string_view text) {
  static constexpr std::string_view kUnits = "KMGT";
  int shift = 0;
  if (size_t unit = text.empty() ? kUnits.npos : kUnits.find(text.back());
      unit != kUnits.npos) {
    shift = 10 * (static_cast<int>(unit) + 1);
    text.remove_suffix(1);
  }
  int64_t number = 0, bytes = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 ||
      __builtin_mul_overflow(number, int64_t(1) << shift, &bytes))
    return std::nullopt;
  return bytes;
}

static kvarn_status defaultBytes(int64_t &bytes) {
  const char *named = environment(Variable::CacheSize);
  std::optional<int64_t> parsed =
      named ? parseSize(named) : std::optional(kDefaultBytes);
  if (!parsed)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "KVARN_CACHE_SIZE is '" + std::string(named) +
                    "', expected a positive number, or one with K, M, G or T");
  bytes = *parsed;
  return KVARN_STATUS_OK;
}

/// Makes the folder and those above it, as XDG wants them: for the user alone.
static kvarn_status makeFolders(const fs::path &folder) {
  fs::path path;
  for (const fs::path &part : folder) {
    path /= part;
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) {
      // What is above may be there, and closed to us.
      int error = errno;
      struct stat info;
      if (stat(path.c_str(), &info) == 0)
        continue;
      errno = error;
      return failErrno(path.string(), "create");
    }
  }
  return KVARN_STATUS_OK;
}

static kvarn_status checkFolder(const std::string &folder) {
  struct stat info;
  if (stat(folder.c_str(), &info) != 0)
    return failErrno(folder, "open");
  if (!S_ISDIR(info.st_mode))
    return fail(KVARN_STATUS_IO, folder + ": not a folder");
  std::string unsafe = "; kernels are code, so their folder must be the "
                       "user's own and closed to others";
  if (info.st_uid != geteuid())
    return fail(KVARN_STATUS_IO, folder + ": belongs to user " +
                                     std::to_string(info.st_uid) +
                                     ", but this program runs as user " +
                                     std::to_string(geteuid()) + unsafe);
  if (info.st_mode & 077) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", info.st_mode & 07777);
    return fail(KVARN_STATUS_IO,
                folder + ": has mode " + mode + ", expected 0700" + unsafe);
  }
  return KVARN_STATUS_OK;
}

kvarn_status Cache::open(const char *named, int64_t bytes,
                         std::unique_ptr<Cache> &cache) {
  std::string folder = named ? named : "";
  if (!named)
    KVARN_TRY(defaultFolder(folder));
  if (bytes == 0)
    KVARN_TRY(defaultBytes(bytes));
  std::error_code error;
  fs::path absolute = fs::absolute(folder, error);
  if (folder.empty() || error)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "'" + folder + "': expected the name of a folder");
  while (!absolute.has_filename() && absolute.has_relative_path())
    absolute = absolute.parent_path();
  KVARN_TRY(makeFolders(absolute));
  KVARN_TRY(checkFolder(absolute));
  cache.reset(new Cache(absolute, bytes));
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

void Cache::touch(const std::string &key) const {
  utimensat(AT_FDCWD, entry(key).c_str(), nullptr, 0);
}

kvarn_status Cache::stage(std::string &path) const {
  path = root + "/" + std::string(kStagePrefix) + "XXXXXX";
  if (!mkdtemp(path.data()))
    return failErrno(path, "create");
  return KVARN_STATUS_OK;
}

/// By way of another name: what is half removed is not found.
void Cache::remove(const std::string &path) const {
  std::string away = root + "/" + std::string(kStagePrefix) + "XXXXXX";
  std::error_code ignored;
  if (mkdtemp(away.data()))
    fs::rename(path, away + "/old", ignored);
  fs::remove_all(away, ignored);
}

kvarn_status Cache::publish(const std::string &made,
                            const std::string &key) const {
  std::string path = entry(key);
  struct stat info;
  if (lstat(path.c_str(), &info) == 0)
    remove(path);
  if (rename(made.c_str(), path.c_str()) != 0)
    return failErrno(path, "create");
  touch(key);
  return KVARN_STATUS_OK;
}

namespace {
struct EntryUse {
  std::string key;
  fs::file_time_type used;
  int64_t bytes;
};
} // namespace

static int64_t bytesOf(const fs::path &folder) {
  int64_t bytes = 0;
  std::error_code ignored;
  for (fs::recursive_directory_iterator i(folder, ignored), end; i != end;
       i.increment(ignored))
    if (i->is_regular_file(ignored)) {
      uintmax_t size = i->file_size(ignored);
      bytes += ignored ? 0 : static_cast<int64_t>(size);
    }
  return bytes;
}

size_t Cache::evict(const std::string &keep) const {
  std::vector<EntryUse> entries;
  int64_t total = 0;
  std::error_code ignored;
  for (fs::directory_iterator i(root, ignored), end; i != end;
       i.increment(ignored)) {
    std::string name = i->path().filename();
    fs::file_time_type used = i->last_write_time(ignored);
    if (name.starts_with(kStagePrefix) &&
        used < fs::file_time_type::clock::now() - kStageAge)
      fs::remove_all(i->path(), ignored);
    if (!name.ends_with(kEntrySuffix))
      continue;
    name.resize(name.size() - kEntrySuffix.size());
    entries.push_back({name, used, bytesOf(i->path())});
    total += entries.back().bytes;
  }
  std::sort(entries.begin(), entries.end(),
            [](auto &a, auto &b) { return a.used < b.used; });
  size_t removed = 0;
  for (const EntryUse &use : entries) {
    if (total <= limit)
      break;
    FileLock lock;
    if (use.key == keep || !lock.tryTake(lockFile(use.key)))
      continue;
    remove(entry(use.key));
    lock.discard();
    total -= use.bytes;
    ++removed;
  }
  return removed;
}

} // namespace kvarn::runtime
