//===- JitFixture.h - Caches and kernels for tests of the JIT ---*- C++ -*-===//

#ifndef KVARN_TEST_UNIT_JIT_JITFIXTURE_H
#define KVARN_TEST_UNIT_JIT_JITFIXTURE_H

#include "runtime/kvarn.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace kvarn::test {

/// A path in a new folder, both gone at the end. Nothing is there yet.
class TempCache {
public:
  TempCache();
  ~TempCache();

  const std::string &path() const { return cache; }
  std::string path(const std::string &name) const {
    return (folder / name).string();
  }
  /// The names in the cache that end so, sorted.
  std::vector<std::string> list(const std::string &suffix) const;

private:
  std::filesystem::path folder;
  std::string cache;
};

/// Options with this cache; the string must live as long.
kvarn_jit_options jitOptions(const std::string &cache,
                             kvarn_compiler compiler = KVARN_COMPILER_DEFAULT);

/// A kernel that compiles fast: append or materialize of head_dim 64.
struct SmallKernel {
  std::string kernel, format, dtype;

  Request request() const;
  /// Runs it on random numbers; "" or what is wrong with the results.
  std::string check(const Kernel &kernel, uint64_t seed) const;
};

/// 50 different ones.
std::vector<SmallKernel> smallKernels();

/// Attention of 4 query heads to 2 KV heads, head_dim 64.
Request attendRequest();
std::string checkAttend(const Kernel &kernel, uint64_t seed,
                        const kvarn_launch_options *options = nullptr);

} // namespace kvarn::test

#endif // KVARN_TEST_UNIT_JIT_JITFIXTURE_H
