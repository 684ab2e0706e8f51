//===- SchedulesTest.cpp - Kernels on demand with tuned schedules ---------===//

#include "runtime/CpuName.h"
#include "test/unit/jit/JitFixture.h"
#include "test/unit/runtime/Fixture.h"

#include <cstring>
#include <fstream>
#include <sys/resource.h>

using namespace kvarn;
using namespace kvarn::test;

namespace {

/// Tables in a folder that KVARN_SCHEDULES names.
class JitSchedules : public testing::Test {
protected:
  JitSchedules() {
    std::filesystem::create_directory(path(""));
    std::string command =
        Jit({}, jitOptions(cache.path())).command(attendRequest());
    size_t begin = command.find("--target=") + 9;
    chip = command.substr(begin, command.find(' ', begin) - begin);
  }

  std::string path(const std::string &name) const {
    return cache.path("tables/" + name);
  }
  void write(const std::string &name, const std::string &text) const {
    std::ofstream(path(name)) << text;
  }
  /// A table for this CPU, or `device`, of what attendRequest() asks for: a
  /// schedule that nobody takes by default, and with hints another.
  std::string table(std::string device = "", int splits = 2) const {
    if (device.empty())
      device = cpuName(cpuThreads());
    auto schedule = [&](int tokens) {
      return "#kvarn.schedule<rows = 2, tokens = " + std::to_string(tokens) +
             ", pool_tokens = 32, warps = 1, splits = " +
             std::to_string(splits) +
             ", copy = direct, expand = convert, operand = f32, register_rows "
             "= 2, register_columns = 16>";
    };
    return R"({"assembler": "LLVM", "chip": ")" + chip +
           R"(", "compiler": "", "date": "", "device": {"driver": "", "gpu": ")" +
           device + R"(", "sm_count": )" + std::to_string(cpuThreads()) +
           R"(}, "read_bytes_per_second": 1, "schema": 1, "kernels": [{"key": )"
           R"({"kernel": "attend", "format": "kvarn_k4v2_g64", "layout": )"
           R"("reference", "head_dim": 64, "ratio": 2, "dtype": "f16", )"
           R"("query_rows": 2, "features": ["causal"], "options": {}, )"
           R"("target": "x86_64"}, "schedules": [{"schedule": ")" +
           schedule(32) + R"(", "hints": [{"context": 1000}]}, )" +
           R"({"schedule": ")" + schedule(64) +
           R"(", "hints": [{"context": 100000}]}], "times": []}]})";
  }

  TempCache cache;
  std::string chip;
  ScopedEnvironment tables{"KVARN_SCHEDULES", path("").c_str()};
};

std::string scheduleOf(const Kernel &kernel) {
  return kernel.variant().schedule;
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_F(JitSchedules, KernelsInTheTableAreMadeByIt) {
  write("cpu.json", table());
  for (kvarn_compiler mode :
       {KVARN_COMPILER_IN_PROCESS, KVARN_COMPILER_CHILD}) {
    TempCache own;
    kvarn_jit_options options = jitOptions(own.path(), mode);
    options.compiler_program = KVARN_COMPILE;
    Jit jit({}, options);
    // The hints of a request choose between the variants of the table.
    Kernel small = jit.get(attendRequest().context(2000));
    EXPECT_TRUE(contains(scheduleOf(small), "tokens = 32, pool_tokens = 32"))
        << scheduleOf(small);
    EXPECT_EQ(checkAttend(small, 1), "");
    Kernel large = jit.get(attendRequest().context(50000));
    EXPECT_TRUE(contains(scheduleOf(large), "tokens = 64, pool_tokens = 32"))
        << scheduleOf(large);
    EXPECT_EQ(checkAttend(large, 2), "");
    EXPECT_EQ(jit.stats().compiled, 1);
    // What is not in the table is as always.
    Kernel rows = jit.get(attendRequest().queryRows(4));
    EXPECT_TRUE(contains(scheduleOf(rows), "splits = 1,")) << scheduleOf(rows);
    SmallKernel append = smallKernels()[0];
    EXPECT_EQ(append.check(jit.get(append.request()), 3), "");
  }
}

TEST_F(JitSchedules, AnEntryThatWasDeletedIsMadeAgain) {
  write("cpu.json", table());
  Jit jit({}, jitOptions(cache.path()));
  Kernel small = jit.get(attendRequest().context(2000));
  std::filesystem::remove_all(
      cache.path("cache/" + cache.list(".kvlib").at(0)));
  // Another variant of the same entry, which was not loaded yet.
  Kernel large = jit.get(attendRequest().context(50000));
  EXPECT_TRUE(contains(scheduleOf(large), "tokens = 64, pool_tokens = 32"))
      << scheduleOf(large);
  EXPECT_EQ(jit.stats().compiled, 2);
  EXPECT_EQ(checkAttend(small, 1), "");
  EXPECT_EQ(checkAttend(large, 2), "");
}

TEST_F(JitSchedules, AnEntryOfTheCacheIsOfItsTable) {
  auto get = [&](const char *from) {
    Jit jit({}, jitOptions(cache.path()));
    std::string schedule = scheduleOf(jit.get(attendRequest().context(1000)));
    kvarn_jit_stats stats = jit.stats();
    EXPECT_STREQ(stats.compiled ? "compiled" : "cache", from);
    return schedule;
  };
  std::string plain = get("compiled");
  write("cpu.json", table());
  EXPECT_TRUE(contains(get("compiled"), "splits = 2"));
  write("other.json", table("Another CPU"));
  get("cache");
  write("other.json", table("Another CPU", 4));
  get("cache");
  write("cpu.json", table("", 4));
  EXPECT_TRUE(contains(get("compiled"), "splits = 4"));
  write("cpu.json", table());
  get("cache");
  // The same text in another place is the same table.
  {
    std::filesystem::copy(path("cpu.json"), cache.path("moved.json"));
    ScopedEnvironment file("KVARN_SCHEDULES", cache.path("moved.json").c_str());
    EXPECT_TRUE(contains(get("cache"), "splits = 2"));
  }
  ScopedEnvironment none("KVARN_SCHEDULES", "none");
  EXPECT_EQ(get("cache"), plain);
}

TEST_F(JitSchedules, TheCommandNamesTheTable) {
  write("cpu.json", table());
  Jit jit({}, jitOptions(cache.path(), KVARN_COMPILER_NONE));
  std::string option =
      " --schedules=" + path("cpu.json") + " --or-default -o NAME.kvlib";
  EXPECT_TRUE(jit.command(attendRequest()).ends_with(option))
      << jit.command(attendRequest());
  std::string error =
      errorOf(KVARN_STATUS_COMPILER, [&] { jit.get(attendRequest()); });
  EXPECT_TRUE(contains(error, option + "\nno compiler: ")) << error;
  // Of another chip, device, or number of processors.
  EXPECT_FALSE(contains(jit.command(attendRequest().target("x86-64-v2")),
                        "--schedules"));
  write("cpu.json", table("Another CPU"));
  EXPECT_FALSE(contains(jit.command(attendRequest()), "--schedules"));
  std::string more = table(), count = std::to_string(cpuThreads());
  size_t place = more.find("\"sm_count\": ") + 12;
  write("cpu.json", more.replace(place, count.size(), count + "0"));
  EXPECT_FALSE(contains(jit.command(attendRequest()), "--schedules"));
}

TEST_F(JitSchedules, ADamagedTableIsNamed) {
  Jit jit({}, jitOptions(cache.path()));
  auto error = [&](kvarn_status status) {
    return errorOf(status, [&] { jit.get(attendRequest()); });
  };
  std::string whole = table();
  for (const std::string &text :
       {std::string(), std::string("[]"), std::string("3"), std::string("]"),
        whole.substr(0, whole.find("sm_count")), "[" + whole + "]",
        std::string(R"({"chip": 3, "device": {"gpu": "x", "sm_count": 1}})"),
        std::string(
            R"({"chip": "x", "device": {"gpu": ["x"], "sm_count": 1}})"),
        std::string(R"({"chip": "x", "device": {"gpu": "x", "sm_count": -1}})"),
        std::string(R"({"chip": "x", "gpu": "x", "sm_count": 1})")}) {
    write("cpu.json", text);
    EXPECT_EQ(error(KVARN_STATUS_CORRUPT),
              path("cpu.json") +
                  ": is no table of schedules, or damaged: it does not say its "
                  "chip, device.gpu and device.sm_count; KVARN_SCHEDULES=none "
                  "does without tables")
        << text;
  }
  // What is wrong further behind is the compiler's to say.
  for (auto &[from, to] : {std::pair("\"schedules\"", "\"none\""),
                           {"rows = 2, tokens = 32", "rows = 2, tokens = 33"},
                           {"times", "\"times\""}}) {
    std::string text = whole;
    write("cpu.json", text.replace(text.find(from), strlen(from), to));
    std::string message = error(KVARN_STATUS_INVALID_ARGUMENT);
    EXPECT_TRUE(contains(message, "--schedules=" + path("cpu.json")))
        << message;
  }
  write("cpu.json", whole);
  write("cpu2.json", whole);
  EXPECT_EQ(error(KVARN_STATUS_INVALID_ARGUMENT),
            path("cpu.json") + " and " + path("cpu2.json") +
                ": are both tables of schedules for " + cpuName(cpuThreads()) +
                "; KVARN_SCHEDULES=FILE chooses one");
  std::filesystem::remove(path("cpu2.json"));
  EXPECT_EQ(checkAttend(jit.get(attendRequest()), 1), "");
}

TEST_F(JitSchedules, APlaceWithoutTables) {
  Jit jit({}, jitOptions(cache.path(), KVARN_COMPILER_NONE));
  auto command = [&] { return jit.command(attendRequest()); };
  EXPECT_FALSE(contains(command(), "--schedules")); // an empty folder
  write("notes.txt", "no table");
  EXPECT_FALSE(contains(command(), "--schedules"));
  std::filesystem::create_directory(path("folder.json"));
  EXPECT_EQ(errorOf(KVARN_STATUS_IO, command),
            path("folder.json") +
                ": cannot read the table of schedules; KVARN_SCHEDULES=none "
                "does without tables");
  ScopedEnvironment absent("KVARN_SCHEDULES", path("absent").c_str());
  EXPECT_EQ(errorOf(KVARN_STATUS_IO, command),
            path("absent") +
                ": cannot read the table of schedules; KVARN_SCHEDULES=none "
                "does without tables");
}

TEST_F(JitSchedules, ATableThatChangesMeanwhileIsAnError) {
  write("cpu.json", table());
  std::string script = cache.path("compiler");
  std::ofstream(script) << "#!/bin/sh\n" KVARN_COMPILE " \"$@\"\necho >> "
                        << path("cpu.json") << "\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  kvarn_jit_options options = jitOptions(cache.path(), KVARN_COMPILER_CHILD);
  options.compiler_program = script.c_str();
  Jit jit({}, options);
  EXPECT_EQ(errorOf(KVARN_STATUS_COMPILER, [&] { jit.get(attendRequest()); }),
            path("cpu.json") + ": the table of schedules changed while a "
                               "kernel was compiled with it");
  EXPECT_EQ(cache.list(".kvlib").size(), 0u);
}

// Of the 5 ms in which a kernel is found: the shipped tables, and a large one
// of this CPU.
TEST_F(JitSchedules, LookingForATableIsCheap) {
  std::filesystem::copy(KVARN_TUNED, path("shipped"));
  for (auto &entry : std::filesystem::directory_iterator(path("shipped")))
    std::filesystem::rename(entry.path(), path(entry.path().filename()));
  write("cpu.json", table() + std::string(100000, ' '));
  Jit jit({}, jitOptions(cache.path()));
  auto seconds = [] {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  constexpr int rounds = 50;
  double before = seconds();
  for (int round = 0; round < rounds; ++round)
    ASSERT_TRUE(contains(jit.command(attendRequest()), "cpu.json"));
  double each = (seconds() - before) / rounds;
  std::printf("a request with its table: %.3f ms\n", 1e3 * each);
#ifdef NDEBUG
  EXPECT_LT(each, 0.001);
#endif
}
