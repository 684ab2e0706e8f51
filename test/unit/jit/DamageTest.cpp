//===- DamageTest.cpp - Libraries and caches that were damaged ------------===//
//
// Whatever happens to the files, the answer is a clear error or right numbers.
//
//===----------------------------------------------------------------------===//

#include "test/oracle/Random.h"
#include "test/unit/jit/JitFixture.h"
#include "test/unit/runtime/Fixture.h"

#include <fstream>
#include <functional>
#include <sstream>

using namespace kvarn;
using namespace kvarn::test;
namespace fs = std::filesystem;

static constexpr uint64_t kSeeds = 250; // of a library, and of a cache

static std::string readBytes(const fs::path &path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

static void writeBytes(const fs::path &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

static std::vector<fs::path> filesBelow(const fs::path &folder) {
  std::vector<fs::path> files;
  for (auto &entry : fs::recursive_directory_iterator(folder))
    if (entry.symlink_status().type() == fs::file_type::regular)
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// Does something bad to the files below `folder`; says what.
static std::string damage(const fs::path &folder, oracle::Rng &rng) {
  std::vector<fs::path> files = filesBelow(folder);
  fs::path file = files[rng.below(static_cast<int64_t>(files.size()))];
  fs::path other = files[rng.below(static_cast<int64_t>(files.size()))];
  std::string bytes = readBytes(file);
  auto place = [&] {
    return static_cast<size_t>(
        rng.below(static_cast<int64_t>(bytes.size()) + 1));
  };
  switch (rng.below(8)) {
  case 0:
    for (int64_t n = rng.between(1, 8); n > 0 && !bytes.empty(); --n)
      bytes[place() % bytes.size()] ^= static_cast<char>(1 << rng.below(8));
    writeBytes(file, bytes);
    return "flipped bits of " + file.string();
  case 1:
    writeBytes(file, bytes.substr(0, place()));
    return "truncated " + file.string();
  case 2:
    bytes.insert(place(), rng.between(1, 100), 'x');
    writeBytes(file, bytes);
    return "bytes added to " + file.string();
  case 3:
    fs::remove(file);
    return "deleted " + file.string();
  case 4:
    fs::remove(file);
    fs::create_directory(file);
    return "a folder in place of " + file.string();
  case 5: {
    std::string there = readBytes(other);
    writeBytes(other, bytes);
    writeBytes(file, there);
    return "swapped " + file.string() + " and " + other.string();
  }
  case 6:
    fs::remove(file);
    fs::create_symlink(rng.below(2) ? other : fs::path("/dev/zero"), file);
    return "a link in place of " + file.string();
  default: {
    fs::path a = file.parent_path(), b = other.parent_path();
    if (a == b || a == folder || b == folder) {
      writeBytes(file, "");
      return "emptied " + file.string();
    }
    fs::rename(a, folder / "moved");
    fs::rename(b, a);
    fs::rename(folder / "moved", b);
    return "swapped " + a.string() + " and " + b.string();
  }
  }
}

static const std::vector<SmallKernel> &kernels() {
  static const std::vector<SmallKernel> all = [] {
    std::vector<SmallKernel> list = smallKernels();
    // They compile fast: they are made again often.
    return std::vector<SmallKernel>{list[0], list[2], list[18]};
  }();
  return all;
}

/// Copies `from` and makes a damaged folder of it.
static std::string makeDamaged(const std::string &from, const std::string &to,
                               oracle::Rng &rng) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
  std::string done = damage(to, rng);
  for (int64_t more = rng.below(3); more > 0; --more)
    if (!filesBelow(to).empty())
      done += ", " + damage(to, rng);
  return done;
}

namespace {
/// A kernel of a library, and how its results are judged.
struct Judged {
  Request request;
  std::function<std::string(const Kernel &, uint64_t seed)> check;
};
} // namespace

/// Each seed damages the library that the compiler makes by `options`.
static void damageOften(const std::string &options,
                        const std::vector<Judged> &used, uint64_t seeds) {
  TempCache folder;
  std::string whole = folder.path("whole.kvlib"),
              damaged = folder.path("damaged.kvlib");
  std::string command = KVARN_COMPILE " " + options + " -o " + whole;
  ASSERT_EQ(std::system(command.c_str()), 0);
  int errors = 0, good = 0;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    oracle::Rng rng(seed);
    std::string what = makeDamaged(whole, damaged, rng);
    for (const Judged &kernel : used) {
      try {
        Library library(damaged);
        EXPECT_EQ(kernel.check(library.select(kernel.request), seed), "")
            << what;
        ++good;
      } catch (const Error &error) {
        EXPECT_NE(error.status(), KVARN_STATUS_INTERNAL)
            << what << ": " << error.what();
        EXPECT_NE(std::string(error.what()), "") << what;
        ++errors;
      }
    }
  }
  std::printf("%d errors, %d right results\n", errors, good);
  EXPECT_GT(errors, 0);
  EXPECT_GT(good, 0);
}

TEST(JitDamage, ALibraryGivesAnErrorOrRightNumbers) {
  std::vector<Judged> used;
  for (size_t i : {0, 36}) {
    SmallKernel small = smallKernels()[i];
    used.push_back({small.request(), [small](const Kernel &kernel, uint64_t n) {
                      return small.check(kernel, n);
                    }});
  }
  damageOften("--format=kvarn_k2v2_g64 --head-dim=64 --query-heads=1 "
              "--kv-heads=1 --kernels=append,materialize",
              used, kSeeds);
}

TEST(JitDamage, SoDoesAttention) {
  damageOften("--format=kvarn_k4v2_g64 --head-dim=64 --query-heads=4 "
              "--kv-heads=2 --kernels=attend",
              {{attendRequest(),
                [](const Kernel &kernel, uint64_t seed) {
                  return checkAttend(kernel, seed);
                }}},
              kSeeds);
}

TEST(JitDamage, ACacheGivesRightNumbers) {
  TempCache cache, whole;
  {
    Jit jit({}, jitOptions(whole.path()));
    for (const SmallKernel &small : kernels())
      jit.get(small.request());
  }
  int64_t compiled = 0, found = 0;
  int errors = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    oracle::Rng rng(seed + 1000);
    std::string what = makeDamaged(whole.path(), cache.path(), rng);
    Jit jit({}, jitOptions(cache.path()));
    for (const SmallKernel &small : kernels()) {
      try {
        EXPECT_EQ(small.check(jit.get(small.request()), seed), "") << what;
      } catch (const Error &error) {
        // A folder in place of a lock cannot be repaired.
        EXPECT_EQ(error.status(), KVARN_STATUS_IO) << what;
        EXPECT_NE(std::string(error.what()).find(".lock: cannot lock: "),
                  std::string::npos)
            << what << ": " << error.what();
        ++errors;
      }
    }
    compiled += jit.stats().compiled;
    found += jit.stats().from_cache;
  }
  std::printf("%d errors, %lld compiled again, %lld found\n", errors,
              static_cast<long long>(compiled), static_cast<long long>(found));
  EXPECT_GT(compiled, int64_t(kSeeds) / 4);
  EXPECT_GT(found, int64_t(kSeeds));
}
