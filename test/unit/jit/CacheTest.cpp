//===- CacheTest.cpp - The folder of compiled kernels ---------------------===//

#include "test/unit/jit/JitFixture.h"
#include "test/unit/runtime/Fixture.h"

#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <unistd.h>

using namespace kvarn;
using namespace kvarn::test;
namespace fs = std::filesystem;

static SmallKernel kernelNumber(size_t i) { return smallKernels()[i]; }

static std::string ioError(const kvarn_jit_options &options) {
  Jit jit({}, options);
  return errorOf(KVARN_STATUS_IO, [&] { jit.get(kernelNumber(0).request()); });
}

static constexpr char kUnsafe[] = "; kernels are code, so their folder must be "
                                  "the user's own and closed to others";

TEST(JitCache, TheFolderMustBeTheUsersOwn) {
  TempCache cache;
  std::string path = cache.path();
  fs::create_directory(path);
  fs::permissions(path, fs::perms(0755));
  EXPECT_EQ(ioError(jitOptions(path)),
            path + ": has mode 0755, expected 0700" + kUnsafe);
  fs::permissions(path, fs::perms(0720));
  EXPECT_EQ(ioError(jitOptions(path)),
            path + ": has mode 0720, expected 0700" + kUnsafe);
  fs::permissions(path, fs::perms(0700));
  if (geteuid() == 0) {
    ASSERT_EQ(chown(path.c_str(), 1, 1), 0);
    EXPECT_EQ(ioError(jitOptions(path)),
              path + ": belongs to user 1, but this program runs as user 0" +
                  kUnsafe);
  }
  EXPECT_EQ(cache.list("").size(), 0u);
  std::string file = cache.path("file");
  std::ofstream stream(file);
  EXPECT_EQ(ioError(jitOptions(file)), file + ": not a folder");
  EXPECT_EQ(ioError(jitOptions(file + "/below")),
            file + "/below: cannot create: Not a directory");
}

TEST(JitCache, TheEnvironmentNamesIt) {
  TempCache home;
  ScopedEnvironment compiler("KVARN_COMPILER", KVARN_COMPILE);
  ScopedEnvironment noFolder("KVARN_CACHE_DIR", nullptr),
      noXdg("XDG_CACHE_HOME", nullptr), noHome("HOME", nullptr);
  auto options = make<kvarn_jit_options>();
  EXPECT_EQ(ioError(options),
            "there is no folder for compiled kernels: none of "
            "KVARN_CACHE_DIR, XDG_CACHE_HOME and HOME is set");
  auto compileInto = [&](const std::string &folder) {
    Jit jit({}, options);
    jit.get(kernelNumber(0).request());
    EXPECT_EQ(jit.stats().compiled, 1);
    EXPECT_EQ(fs::status(folder).permissions(), fs::perms::owner_all);
    EXPECT_FALSE(fs::is_empty(folder)) << folder;
  };
  ScopedEnvironment variable("HOME", home.path("home").c_str());
  compileInto(home.path("home/.cache/kvarn"));
  EXPECT_EQ(fs::status(home.path("home/.cache")).permissions(),
            fs::perms::owner_all);
  {
    // Relative paths are to be ignored, says XDG.
    ScopedEnvironment xdg("XDG_CACHE_HOME", "relative");
    Jit jit({}, options);
    jit.get(kernelNumber(0).request());
    EXPECT_EQ(jit.stats().from_cache, 1);
  }
  ScopedEnvironment xdg("XDG_CACHE_HOME", home.path("xdg").c_str());
  compileInto(home.path("xdg/kvarn"));
  ScopedEnvironment mine("KVARN_CACHE_DIR", home.path("mine").c_str());
  compileInto(home.path("mine"));
}

TEST(JitCache, SizesInTheEnvironment) {
  TempCache cache;
  for (const char *bad : {"many", "1X", "0", "-5M", "9999999999T", "M"}) {
    ScopedEnvironment size("KVARN_CACHE_SIZE", bad);
    Jit jit({}, jitOptions(cache.path()));
    EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                      [&] { jit.get(kernelNumber(0).request()); }),
              "KVARN_CACHE_SIZE is '" + std::string(bad) +
                  "', expected a positive number, or one with K, M, G or T");
  }
  ScopedEnvironment size("KVARN_CACHE_SIZE", "1K");
  Jit jit({}, jitOptions(cache.path()));
  for (size_t i : {0, 1, 2})
    jit.get(kernelNumber(i).request());
  EXPECT_EQ(cache.list(".kvlib").size(), 1u);
  EXPECT_EQ(jit.stats().evicted, 2);
}

/// Bytes of all files below.
static int64_t sizeOf(const std::string &folder) {
  int64_t bytes = 0;
  for (auto &entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      bytes += static_cast<int64_t>(entry.file_size());
  return bytes;
}

TEST(JitCache, WhatWasNotUsedForLongestGoes) {
  TempCache cache;
  int64_t each;
  std::vector<Kernel> loaded;
  {
    Jit jit({}, jitOptions(cache.path()));
    for (size_t i : {0, 1, 2})
      loaded.push_back(jit.get(kernelNumber(i).request()));
    each = sizeOf(cache.path()) / 3;
  }
  // Number 0 is used again.
  usleep(20000);
  EXPECT_EQ(Jit({}, jitOptions(cache.path()))
                .get(kernelNumber(0).request())
                .variant()
                .head_dim,
            64);
  kvarn_jit_options options = jitOptions(cache.path());
  options.cache_bytes = 3 * each + each / 2;
  Jit small({}, options);
  small.get(kernelNumber(3).request());
  EXPECT_EQ(small.stats().evicted, 1);
  EXPECT_EQ(cache.list(".kvlib").size(), 3u);
  EXPECT_EQ(cache.list(".lock").size(), 3u);
  EXPECT_LE(sizeOf(cache.path()), options.cache_bytes);
  // It was number 1, whose kernel still runs here, and is made again.
  for (size_t i : {0, 1, 2})
    EXPECT_EQ(kernelNumber(i).check(loaded[i], i), "");
  Jit later({}, jitOptions(cache.path()));
  for (size_t i : {0, 2, 3})
    later.get(kernelNumber(i).request());
  EXPECT_EQ(later.stats().compiled, 0);
  EXPECT_EQ(kernelNumber(1).check(later.get(kernelNumber(1).request()), 1), "");
  EXPECT_EQ(later.stats().compiled, 1);
}

TEST(JitCache, WhatIsLockedStays) {
  TempCache cache;
  kvarn_jit_options options = jitOptions(cache.path());
  options.cache_bytes = 1;
  Jit jit({}, options);
  jit.get(kernelNumber(0).request());
  std::string lockFile = cache.path("cache/" + cache.list(".lock")[0]);
  int lock = open(lockFile.c_str(), O_RDWR);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  jit.get(kernelNumber(1).request());
  EXPECT_EQ(cache.list(".kvlib").size(), 2u);
  close(lock);
  jit.get(kernelNumber(2).request());
  EXPECT_EQ(cache.list(".kvlib").size(), 1u);
}

// A crash while something was made leaves a folder, which goes in time.
TEST(JitCache, LeftoversGo) {
  TempCache cache;
  Jit jit({}, jitOptions(cache.path()));
  jit.get(kernelNumber(0).request());
  std::string fresh = cache.path("cache/.new-aaaaaa"),
              old = cache.path("cache/.new-bbbbbb");
  for (const std::string &folder : {fresh, old})
    fs::create_directory(folder);
  fs::last_write_time(old,
                      fs::file_time_type::clock::now() - std::chrono::hours(2));
  jit.get(kernelNumber(1).request());
  EXPECT_TRUE(fs::exists(fresh));
  EXPECT_FALSE(fs::exists(old));
}
