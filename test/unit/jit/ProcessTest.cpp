//===- ProcessTest.cpp - Starting other programs --------------------------===//

#include "runtime/Process.h"

#include "test/unit/runtime/Fixture.h"

#include <csignal>
#include <fstream>
#include <unistd.h>

using namespace kvarn;
using namespace kvarn::test;

static ProcessResult shell(const std::string &script) {
  return runProcess({"/bin/sh", "-c", script});
}

TEST(Process, OutputAndExitCode) {
  ProcessResult result = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(result.exitCode, 3);
  EXPECT_EQ(result.output, "out\nerr\n");
  EXPECT_EQ(result.describe(), "failed with exit code 3");
  EXPECT_EQ(shell("kill -ABRT $$").describe(), "was ended by signal 6");
  EXPECT_EQ(shell("cat").output, ""); // nothing to read
  EXPECT_EQ(runProcess({"/nowhere"}).failure,
            "/nowhere: cannot run: No such file or directory");
}

TEST(Process, OfALongOutputTheEndIsKept) {
  std::string output =
      shell("head -c 1000000 /dev/zero | tr '\\0' x; echo end").output;
  EXPECT_LT(output.size(), 200000u);
  EXPECT_TRUE(output.ends_with("xend\n"));
}

TEST(Process, IsKilledAfterItsTime) {
  ProcessResult result =
      runProcess({"/bin/sh", "-c", "echo out; exec sleep 1000"}, 1);
  EXPECT_EQ(result.describe(), "was ended by signal 9");
  EXPECT_EQ(result.output, "out\n");
}

/// It is what the compiler started, the assembler, that takes long.
TEST(Process, WhatItStartedIsKilledToo) {
  ProcessResult result =
      runProcess({"/bin/sh", "-c", "sleep 1000 & echo $!; wait"}, 1);
  EXPECT_EQ(result.describe(), "was ended by signal 9");
  pid_t grandchild = std::stoi(result.output);
  // It is gone once init, or whoever adopts it, has seen that.
  std::string state = "Z";
  for (int i = 0; i < 100 && state != "X" && !state.empty(); ++i) {
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string id, name;
    state.clear();
    stat >> id >> name >> state;
    if (state == "Z")
      break;
    usleep(10000);
  }
  EXPECT_TRUE(state.empty() || state == "Z" || state == "X") << state;
}

TEST(Process, IsKilledWhenAsked) {
  static int asked;
  asked = 0;
  ProcessResult result = runProcess({"/bin/sh", "-c", "exec sleep 1000"}, 0,
                                    [] { return ++asked > 2; });
  EXPECT_EQ(result.describe(), "was ended by signal 9");
  EXPECT_EQ(asked, 3);
}

TEST(Process, ProgramsThatDoNotWaitForChildren) {
  signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(shell("echo out").output, "out\n");
  signal(SIGCHLD, SIG_DFL);
}

TEST(Process, FindsPrograms) {
  EXPECT_EQ(findProgram("kvarn-jit-test").empty(), false); // beside this one
  EXPECT_EQ(findProgram("no-such-program"), "");
  ScopedEnvironment path("PATH", "/nowhere:/bin");
  EXPECT_EQ(findProgram("sh"), "/bin/sh");
}

TEST(Process, CommandsAreQuoted) {
  EXPECT_EQ(commandText({"a", "--b=c", "", "d e", "f'g", "<h>"}),
            "a --b=c '' 'd e' 'f'\\''g' '<h>'");
}
