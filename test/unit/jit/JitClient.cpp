//===- JitClient.cpp - One of many processes that share a cache -----------===//
//
//   kvarn-jit-client CACHE COUNT FIRST
//
// Asks for the first COUNT small kernels, beginning with number FIRST, runs and
// checks them. Prints how many it compiled and how many others had compiled.
//
//===----------------------------------------------------------------------===//

#include "test/unit/jit/JitFixture.h"

#include <cstdio>
#include <cstdlib>

using namespace kvarn;
using namespace kvarn::test;

static int run(const std::string &cache, size_t count, size_t first) {
  Jit jit({}, jitOptions(cache));
  std::vector<SmallKernel> kernels = smallKernels();
  for (size_t i = 0; i < count; ++i) {
    const SmallKernel &small = kernels[(first + i) % count];
    std::string wrong = small.check(jit.get(small.request()), first + i);
    if (!wrong.empty()) {
      std::fprintf(stderr, "%s: %s\n", small.format.c_str(), wrong.c_str());
      return 1;
    }
  }
  kvarn_jit_stats stats = jit.stats();
  std::printf("%lld %lld\n", static_cast<long long>(stats.compiled),
              static_cast<long long>(stats.from_cache));
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 4)
    return 2;
  try {
    return run(argv[1], static_cast<size_t>(std::atoi(argv[2])),
               static_cast<size_t>(std::atoi(argv[3])));
  } catch (const Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
