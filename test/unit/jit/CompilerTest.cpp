//===- CompilerTest.cpp - Which compiler, and what becomes of its errors --===//

#include "format/Fingerprint.h"
#include "test/unit/jit/JitFixture.h"
#include "test/unit/runtime/Fixture.h"

#include <csignal>
#include <fstream>
#include <thread>

using namespace kvarn;
using namespace kvarn::test;

namespace {
/// A script in place of kvarn-compile.
class Script {
public:
  explicit Script(const std::string &body) : path(folder.path("compiler")) {
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }

  TempCache folder;
  std::string path;
};
} // namespace

static const SmallKernel &small() {
  static const SmallKernel kernel = smallKernels()[0];
  return kernel;
}

static kvarn_jit_options child(const std::string &cache, const char *program) {
  kvarn_jit_options options = jitOptions(cache, KVARN_COMPILER_CHILD);
  options.compiler_program = program;
  return options;
}

static std::string cpuTarget(const Jit &jit) {
  std::string command = jit.command(small().request());
  size_t begin = command.find("--target=") + 9;
  return command.substr(begin, command.find(' ', begin) - begin);
}

/// The command that the messages name.
static std::string commandOf(const Jit &jit, const std::string &program) {
  return program +
         " --kernels=append --format=kvarn_k2v2_g64 --layout=reference "
         "--head-dim=64 --query-heads=1 --kv-heads=1 --target=" +
         cpuTarget(jit) + " --dtype=f16 -o NAME.kvlib";
}

TEST(JitCompiler, AChildCompiles) {
  TempCache cache, folder;
  Jit jit({}, child(cache.path(), KVARN_COMPILE));
  EXPECT_EQ(small().check(jit.get(small().request()), 1), "");
  EXPECT_EQ(jit.stats().compiled, 1);
  // The same key as in process.
  Jit inProcess({}, jitOptions(cache.path(), KVARN_COMPILER_IN_PROCESS));
  EXPECT_EQ(small().check(inProcess.get(small().request()), 1), "");
  EXPECT_EQ(inProcess.stats().from_cache, 1);
}

TEST(JitCompiler, AChildOfAProgramThatIgnoresChildren) {
  TempCache cache;
  signal(SIGCHLD, SIG_IGN);
  Jit jit({}, child(cache.path(), KVARN_COMPILE));
  EXPECT_EQ(small().check(jit.get(small().request()), 1), "");
  // Its exit code is lost, what it said is not.
  TempCache empty;
  Script script("echo it broke; exit 1");
  Jit broken({}, child(empty.path(), script.path.c_str()));
  std::string error =
      errorOf(KVARN_STATUS_COMPILER, [&] { broken.get(small().request()); });
  EXPECT_TRUE(error.ends_with("\nthe compiler made nothing\nit broke\n"))
      << error;
  EXPECT_EQ(broken.stats().failed, 1);
  signal(SIGCHLD, SIG_DFL);
}

TEST(JitCompiler, TheEnvironmentChooses) {
  TempCache cache;
  {
    Script script("echo \"$1\" > \"$0.called\"; exec " KVARN_COMPILE " \"$@\"");
    ScopedEnvironment compiler("KVARN_COMPILER", script.path.c_str());
    Jit jit({}, jitOptions(cache.path()));
    EXPECT_EQ(small().check(jit.get(small().request()), 1), "");
    EXPECT_TRUE(std::filesystem::exists(script.path + ".called"));
  }
  ScopedEnvironment none("KVARN_COMPILER", "none");
  Jit jit({}, jitOptions(cache.path()));
  EXPECT_EQ(small().check(jit.get(small().request()), 1), "");
  EXPECT_TRUE(errorOf(KVARN_STATUS_COMPILER, [&] {
                jit.get(small().request().dtype("bf16"));
              }).ends_with("\nno compiler: compiling is switched off"));
}

TEST(JitCompiler, WithoutOneTheErrorNamesKernelAndCommand) {
  TempCache cache;
  Jit jit({}, jitOptions(cache.path(), KVARN_COMPILER_NONE));
  EXPECT_EQ(errorOf(KVARN_STATUS_COMPILER, [&] { jit.get(small().request()); }),
            "kernel 'append' is in none of the 0 libraries and not in the "
            "cache " +
                cache.path() +
                "; to build it: " + commandOf(jit, "kvarn-compile") +
                "\nno compiler: compiling is switched off");
  TempLibrary library({scaleVariant()});
  std::string absent = cache.path("absent");
  Jit other({library.open()}, child(cache.path(), absent.c_str()));
  EXPECT_EQ(
      errorOf(KVARN_STATUS_COMPILER, [&] { other.get(small().request()); }),
      "kernel 'append' is in none of the 1 libraries and not in the "
      "cache " +
          cache.path() + "; to build it: " + commandOf(other, absent) +
          "\nno compiler: '" + absent + "' is not a program that can be run");
}

TEST(JitCompiler, WithoutOneADamagedEntryIsNamed) {
  TempCache cache;
  {
    Jit jit({}, jitOptions(cache.path()));
    jit.get(small().request());
  }
  std::string entry = cache.path("cache/" + cache.list(".kvlib")[0]);
  std::ofstream(entry + "/manifest.json") << "{";
  Jit jit({}, jitOptions(cache.path(), KVARN_COMPILER_NONE));
  std::string error =
      errorOf(KVARN_STATUS_COMPILER, [&] { jit.get(small().request()); });
  EXPECT_TRUE(error.starts_with(
      "kernel 'append' is in none of the 0 libraries and damaged in the "
      "cache " +
      cache.path() + " (" + entry +
      ": manifest.json: not valid JSON; the file is damaged or truncated); to "
      "build it: "))
      << error;
}

TEST(JitCompiler, ACrashOfAChildIsAnErrorAndNotRemembered) {
  TempCache cache;
  Script script("if [ -e \"$0.works\" ]; then exec " KVARN_COMPILE
                " \"$@\"; fi\necho it broke\nkill -SEGV $$");
  Jit jit({}, child(cache.path(), script.path.c_str()));
  auto get = [&] { jit.get(small().request()); };
  std::string expected = "kernel 'append' cannot be compiled; to build it: " +
                         commandOf(jit, script.path) +
                         "\nthe compiler was ended by signal 11\nit broke\n";
  EXPECT_EQ(errorOf(KVARN_STATUS_COMPILER, get), expected);
  EXPECT_EQ(errorOf(KVARN_STATUS_COMPILER, get), expected);
  EXPECT_EQ(jit.stats().failed, 2);
  EXPECT_EQ(cache.list("").size(), 0u); // not even the lock
  std::ofstream(script.path + ".works");
  EXPECT_EQ(small().check(jit.get(small().request()), 1), "");
}

TEST(JitCompiler, WhatTheCompilerRefusesIsAMistakeInTheRequest) {
  TempCache cache;
  for (kvarn_compiler mode :
       {KVARN_COMPILER_IN_PROCESS, KVARN_COMPILER_CHILD}) {
    kvarn_jit_options options = child(cache.path(), KVARN_COMPILE);
    options.compiler = mode;
    Jit jit({}, options);
    std::string error = errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] {
      jit.get(Request(attendRequest()).ratio(17));
    });
    EXPECT_NE(error.find("\nthe compiler failed with exit code 2\n"
                         "kvarn-compile: error: 17 query heads per KV head, "
                         "expected at most 16\n"),
              std::string::npos)
        << error;
    error = errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                    [&] { jit.get(small().request().layout("odd")); });
    EXPECT_NE(error.find("unknown layout 'odd'"), std::string::npos) << error;
    error = errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                    [&] { jit.get(small().request().dtype("f32")); });
    EXPECT_NE(error.find("unknown dtype 'f32'"), std::string::npos) << error;
  }
}

TEST(JitCompiler, AMissingToolIsNamed) {
  TempCache cache;
  Script script("exec env PATH=/nowhere " KVARN_COMPILE " \"$@\"");
  Jit jit({}, child(cache.path(), script.path.c_str()));
  std::string error =
      errorOf(KVARN_STATUS_COMPILER, [&] { jit.get(small().request()); });
  EXPECT_NE(error.find("cannot find ld.lld-19"), std::string::npos) << error;
}

TEST(JitCompiler, ItMustBeOfTheSameBuild) {
  TempCache cache;
  TempLibrary foreign({scaleVariant()});
  Script script("while [ \"$1\" != -o ]; do shift; done; cp -r " +
                foreign.path() + " \"$2\"");
  Jit jit({}, child(cache.path(), script.path.c_str()));
  EXPECT_EQ(errorOf(KVARN_STATUS_COMPILER, [&] { jit.get(small().request()); }),
            script.path + " is test, but this runtime needs kvarn " +
                KVARN_VERSION " (build " + kFingerprint + ")");
  EXPECT_EQ(cache.list(".kvlib").size(), 0u);
}

TEST(JitCompiler, AChildThatMakesNothing) {
  TempCache cache;
  Script script("echo all is well");
  Jit jit({}, child(cache.path(), script.path.c_str()));
  EXPECT_EQ(errorOf(KVARN_STATUS_COMPILER, [&] { jit.get(small().request()); }),
            "kernel 'append' cannot be compiled; to build it: " +
                commandOf(jit, script.path) +
                "\nthe compiler made nothing\nall is well\n");
  EXPECT_EQ(jit.stats().failed, 1);
  EXPECT_EQ(cache.list("").size(), 0u);
}

/// Each removes the file of the lock that the others wait for.
TEST(JitCompiler, FailuresOfThreadsFollowOneAnother) {
  constexpr int kThreads = 8;
  TempCache cache;
  Script script("mkdir \"$0.busy\" || echo two > \"$0.at-once\"\n"
                "rmdir \"$0.busy\"\nexit 1");
  Jit jit({}, child(cache.path(), script.path.c_str()));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      EXPECT_NE(
          errorOf(KVARN_STATUS_COMPILER, [&] { jit.get(small().request()); }),
          "no error");
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(jit.stats().failed, kThreads);
  EXPECT_FALSE(std::filesystem::exists(script.path + ".at-once"));
  EXPECT_EQ(cache.list("").size(), 0u);
}
