//===- ProcessesTest.cpp - Many processes, one cache ----------------------===//

#include "runtime/Process.h"
#include "test/unit/jit/JitFixture.h"
#include "test/unit/runtime/Fixture.h"

#include <csignal>
#include <fstream>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace kvarn;
using namespace kvarn::test;

TEST(JitProcesses, EachKernelIsCompiledOnceAmongAll) {
  constexpr size_t kProcesses = 16, kKernels = 50;
  TempCache cache;
  std::vector<ProcessResult> results(kProcesses);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kProcesses; ++i)
    threads.emplace_back([&, i] {
      // Half of them begin at the same kernel, the others elsewhere.
      size_t first = i % 2 ? 3 * i : 0;
      results[i] =
          runProcess({KVARN_JIT_CLIENT, cache.path(), std::to_string(kKernels),
                      std::to_string(first)});
    });
  for (std::thread &thread : threads)
    thread.join();
  long compiled = 0, found = 0;
  for (const ProcessResult &result : results) {
    ASSERT_EQ(result.failure, "");
    ASSERT_EQ(result.exitCode, 0) << result.output;
    long ours = 0, others = 0;
    ASSERT_EQ(std::sscanf(result.output.c_str(), "%ld %ld", &ours, &others), 2)
        << result.output;
    compiled += ours;
    found += others;
  }
  EXPECT_EQ(compiled, long(kKernels));
  EXPECT_EQ(found, long(kKernels * (kProcesses - 1)));
  EXPECT_EQ(cache.list(".kvlib").size(), kKernels);
  EXPECT_EQ(cache.list(".lock").size(), kKernels);
  EXPECT_EQ(cache.list("").size(), 2 * kKernels);
}

// Whoever is killed while it compiles does not hold up the others.
TEST(JitProcesses, ADeathReleasesTheLock) {
  TempCache cache;
  std::string script = cache.path("sleeper"), begun = cache.path("begun");
  std::ofstream(script) << "#!/bin/sh\necho $$ > " << begun << ".new; mv "
                        << begun << ".new " << begun << "; exec sleep 60\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  pid_t client = 0;
  {
    ScopedEnvironment compiler("KVARN_COMPILER", script.c_str());
    std::string path = cache.path();
    const char *words[] = {KVARN_JIT_CLIENT, path.c_str(), "1", "0", nullptr};
    ASSERT_EQ(posix_spawn(&client, words[0], nullptr, nullptr,
                          const_cast<char *const *>(words), environ),
              0);
  }
  while (!std::filesystem::exists(begun))
    usleep(1000);
  kill(client, SIGKILL);
  waitpid(client, nullptr, 0);
  Jit jit({}, jitOptions(cache.path()));
  SmallKernel small = smallKernels()[0];
  EXPECT_EQ(small.check(jit.get(small.request()), 1), "");
  EXPECT_EQ(jit.stats().compiled, 1);
  pid_t sleeper = 0;
  std::ifstream(begun) >> sleeper;
  ASSERT_GT(sleeper, 1);
  kill(sleeper, SIGKILL);
}
