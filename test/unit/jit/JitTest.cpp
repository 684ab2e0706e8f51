//===- JitTest.cpp - Where a kernel comes from ----------------------------===//

#include "test/unit/jit/JitFixture.h"
#include "test/unit/runtime/Fixture.h"

#include <chrono>
#include <cstring>
#include <ctime>
#include <sys/resource.h>
#include <thread>

using namespace kvarn;
using namespace kvarn::test;

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

static std::string count(const Jit &jit) {
  kvarn_jit_stats stats = jit.stats();
  return std::to_string(stats.from_libraries) + " libraries, " +
         std::to_string(stats.from_cache) + " cache, " +
         std::to_string(stats.compiled) + " compiled, " +
         std::to_string(stats.failed) + " failed";
}

TEST(Jit, CompilesOnceThenTakesItFromTheCache) {
  TempCache cache;
  SmallKernel small = smallKernels()[0];
  const kvarn_kernel *first;
  {
    Jit jit({}, jitOptions(cache.path()));
    Kernel kernel = jit.get(small.request());
    EXPECT_EQ(small.check(kernel, 1), "");
    EXPECT_EQ(count(jit), "0 libraries, 0 cache, 1 compiled, 0 failed");
    first = kernel.get();
    EXPECT_EQ(jit.get(small.request()).get(), first);
    EXPECT_EQ(count(jit), "0 libraries, 0 cache, 1 compiled, 0 failed");
    // "reference" and f16 are what a request means that does not say so.
    EXPECT_EQ(jit.get(small.request().layout("reference")).get(), first);
  }
  Jit again({}, jitOptions(cache.path()));
  EXPECT_EQ(small.check(again.get(small.request()), 2), "");
  EXPECT_EQ(count(again), "0 libraries, 1 cache, 0 compiled, 0 failed");
  // An entry is a library.
  std::vector<std::string> entries = cache.list(".kvlib");
  ASSERT_EQ(entries.size(), 1u);
  Library library(cache.path("cache/" + entries[0]));
  EXPECT_EQ(library.variantCount(), 1u);
  EXPECT_EQ(small.check(library.select(small.request()), 3), "");
  // Nothing else is left, and the folder is closed to others.
  EXPECT_TRUE(cache.list(".lock").size() == 1);
  EXPECT_EQ(cache.list("").size(), 2u);
  EXPECT_EQ(std::filesystem::status(cache.path()).permissions(),
            std::filesystem::perms::owner_all);
}

/// Of this process and its children. Unlike time on the wall it hardly grows
/// with what else the machine does.
static double processorSeconds() {
  double seconds = 0;
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage = {};
    getrusage(who, &usage);
    for (const timeval &time : {usage.ru_utime, usage.ru_stime})
      seconds += double(time.tv_sec) + 1e-6 * double(time.tv_usec);
  }
  return seconds;
}

// Limits of the project on an idle machine: 1.5 s and 5 ms.
TEST(Jit, AttentionIsCompiledSoonAndFoundSooner) {
  TempCache cache;
  auto measure = [&](const char *what, const char *counts) {
    Jit jit({}, jitOptions(cache.path()));
    auto start = Clock::now();
    double before = processorSeconds();
    Kernel kernel = jit.get(attendRequest());
    double work = processorSeconds() - before;
    std::printf("%s: %.2f ms, of which %.2f ms are work\n", what,
                1e3 * secondsSince(start), 1e3 * work);
    EXPECT_EQ(checkAttend(kernel, 1), "");
    EXPECT_EQ(count(jit), counts);
    return work;
  };
  double cold = measure("cold", "0 libraries, 0 cache, 1 compiled, 0 failed");
  double warm = measure("warm", "0 libraries, 1 cache, 0 compiled, 0 failed");
#ifdef NDEBUG
  EXPECT_LT(cold, 1.5);
  EXPECT_LT(warm, 0.005);
#else
  (void)cold, (void)warm;
#endif
}

TEST(Jit, GivenLibrariesComeFirst) {
  TempCache made, cache;
  std::vector<SmallKernel> kernels = smallKernels();
  Jit maker({}, jitOptions(made.path()));
  maker.get(kernels[0].request());
  Library library(made.path("cache/" + made.list(".kvlib")[0]));
  TempLibrary other({scaleVariant()});
  Jit jit({other.open(), library}, jitOptions(cache.path()));
  EXPECT_EQ(kernels[0].check(jit.get(kernels[0].request()), 1), "");
  EXPECT_EQ(count(jit), "1 libraries, 0 cache, 0 compiled, 0 failed");
  // The cache is not even made.
  EXPECT_FALSE(std::filesystem::exists(cache.path()));
  EXPECT_EQ(kernels[2].check(jit.get(kernels[2].request()), 1), "");
  EXPECT_EQ(count(jit), "1 libraries, 0 cache, 1 compiled, 0 failed");
  // What no compiler knows can still be in a library.
  EXPECT_STREQ(jit.get(Request("scale")).variant().id, "scale.1");
}

TEST(Jit, WhatSpecializesMakesAnotherKernel) {
  TempCache cache;
  Jit jit({}, jitOptions(cache.path()));
  auto id = [&](const Request &request) {
    jit.get(request);
    return cache.list(".kvlib").size();
  };
  Request append = smallKernels()[0].request();
  EXPECT_EQ(id(append), 1u);
  EXPECT_EQ(id(Request(append).dtype("bf16")), 2u);
  EXPECT_EQ(id(Request(append).layout("mma16816")), 3u);
  EXPECT_EQ(id(Request(append).headDim(128)), 4u);
  EXPECT_EQ(id(Request(append).format("kvarn_k4v4_g64")), 5u);
  // The level that a CPU has by itself is the same kernel.
  std::string_view own = jit.get(append).variant().id;
  size_t made = own == "append.x86-64-v3" ? 5 : 6;
  EXPECT_EQ(id(Request(append).target("x86-64-v3")), made);
  // Hints do not, but for the query tokens of attention: 2 tokens by ratio 2
  // are the 4 rows that 3 tokens need too, rounded up.
  EXPECT_EQ(id(Request(append).context(4096).maxBatch(3)), made);
  Request relayout("relayout");
  relayout.format("kvarn_k2v2_g64").headDim(64);
  EXPECT_EQ(id(Request(relayout).options("source=mma16816")), made + 1);
  EXPECT_STREQ(
      jit.get(Request(relayout).options("source=mma16816")).variant().options,
      "source=mma16816");
  // Both ways are made; the layout says which one is meant.
  EXPECT_STREQ(jit.get(relayout).variant().options, "source=mma16816");
}

TEST(Jit, QueryTokensChooseTheRowsOfTiles) {
  TempCache cache;
  Jit jit({}, jitOptions(cache.path()));
  auto rows = [&](int64_t tokens) {
    Kernel kernel = jit.get(attendRequest().maxQueryTokens(tokens));
    EXPECT_EQ(checkAttend(kernel, 7), "");
    return kernel.variant().query_rows;
  };
  EXPECT_EQ(rows(1), 2);
  EXPECT_EQ(rows(2), 4);
  EXPECT_EQ(rows(100000), 8); // the most of a CPU
  EXPECT_EQ(cache.list(".kvlib").size(), 3u);
  EXPECT_EQ(rows(16), 8);
  EXPECT_EQ(cache.list(".kvlib").size(), 3u);
  EXPECT_EQ(jit.get(attendRequest().queryRows(4)).variant().query_rows, 4);
  EXPECT_EQ(cache.list(".kvlib").size(), 3u);
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                    [&] { jit.get(attendRequest().queryRows(13)); }),
            "kernel 'attend': the compiler makes none as requested: query_rows "
            "is 8, requested 13");
  EXPECT_EQ(cache.list(".kvlib").size(), 3u);
}

TEST(Jit, RequestsThatCannotBeCompiled) {
  TempCache cache;
  Jit jit({}, jitOptions(cache.path(), KVARN_COMPILER_NONE));
  auto error = [&](const Request &request) {
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { jit.get(request); });
  };
  auto startsWith = [&](const Request &request, const std::string &start) {
    std::string text = error(request);
    EXPECT_TRUE(text.starts_with(start)) << text;
  };
  EXPECT_EQ(error(Request("")), "request.kernel is not set");
  startsWith(Request("append"),
             "request.format: expected one of kvarn_k2v2_g64, ");
  startsWith(Request("append").format("kvarn_k3v2_g64"),
             "request.format: expected one of kvarn_k2v2_g64, ");
  EXPECT_EQ(error(Request("append").format("kvarn_k4v2_g64")),
            "request: head_dim is 0, expected one of 64, 128, 256");
  EXPECT_EQ(error(attendRequest().ratio(0)),
            "request.ratio: expected query heads per KV head to compile kernel "
            "'attend'");
  Request append = smallKernels()[0].request();
  EXPECT_EQ(error(Request(append).ratio(4)),
            "request.ratio: expected 0, it has none, to compile kernel "
            "'append'");
  EXPECT_EQ(error(Request(append).queryRows(4)),
            "request.query_rows: expected 0, it has none, to compile kernel "
            "'append'");
  EXPECT_EQ(error(Request(append).features("causal")),
            "request.features: expected NULL, it has none, to compile kernel "
            "'append'");
  EXPECT_EQ(error(Request("relayout")
                      .format("kvarn_k4v2_g64")
                      .headDim(64)
                      .dtype("f16")),
            "request.dtype: expected NULL, it has none, to compile kernel "
            "'relayout'");
  ScopedEnvironment noLevel("KVARN_CPU", nullptr);
  {
    ScopedEnvironment cpu("KVARN_CPU", "486");
    EXPECT_EQ(error(append), "KVARN_CPU is '486', expected x86-64, x86-64-v2, "
                             "x86-64-v3 or x86-64-v4");
  }
  EXPECT_EQ(error(Request(append).options("iterations=8")),
            "request.options: kernel 'append' has no option 'iterations'");
  EXPECT_EQ(error(Request(append).options("iterations")),
            "request.options: expected different NAME=VALUE separated by "
            "commas, got 'iterations'");
  EXPECT_EQ(error(Request(append).target("z80")),
            "request.target: no kernel can be compiled for 'z80', expected "
            "auto, x86_64, aarch64, nvidia, or a member of these");
  kvarn_kernel *kernel = nullptr;
  EXPECT_KVARN_ERROR(kvarn_jit_get(nullptr, nullptr, &kernel),
                     KVARN_STATUS_INVALID_ARGUMENT, "jit is NULL");
  EXPECT_KVARN_ERROR(kvarn_jit_get(jit.get(), nullptr, &kernel),
                     KVARN_STATUS_INVALID_ARGUMENT, "request is NULL");
  EXPECT_FALSE(std::filesystem::exists(cache.path()));
}

TEST(Jit, OptionsAreChecked) {
  EXPECT_STREQ(kvarn_status_name(KVARN_STATUS_COMPILER), "compiler error");
  kvarn_jit *jit = nullptr;
  auto create = [&](auto change) {
    auto options = make<kvarn_jit_options>();
    change(options);
    return kvarn_jit_create(&options, &jit);
  };
  EXPECT_KVARN_ERROR(create([](auto &o) { o.library_count = 1; }),
                     KVARN_STATUS_INVALID_ARGUMENT,
                     "options.libraries is NULL");
  kvarn_library *none = nullptr;
  EXPECT_KVARN_ERROR(create([&](auto &o) {
                       o.library_count = 1;
                       o.libraries = &none;
                     }),
                     KVARN_STATUS_INVALID_ARGUMENT,
                     "options.libraries[0] is NULL");
  EXPECT_KVARN_ERROR(create([](auto &o) { o.cache_bytes = -1; }),
                     KVARN_STATUS_INVALID_ARGUMENT,
                     "options.cache_bytes: expected at least 0, got -1");
  EXPECT_KVARN_ERROR(create([](auto &o) { o.compiler = 9; }),
                     KVARN_STATUS_INVALID_ARGUMENT,
                     "options.compiler: expected a kvarn_compiler, got 9");
  EXPECT_KVARN_ERROR(kvarn_jit_create(nullptr, nullptr),
                     KVARN_STATUS_INVALID_ARGUMENT, "jit is NULL");
  EXPECT_EQ(jit, nullptr);
  kvarn_jit_destroy(nullptr);
}

TEST(Jit, ThreadsCompileEachKernelOnce) {
  TempCache cache;
  std::vector<SmallKernel> kernels = smallKernels();
  kernels.resize(6);
  // Threads of one object, and objects of one process.
  Jit shared({}, jitOptions(cache.path()));
  Jit other({}, jitOptions(cache.path()));
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      const Jit &jit = t % 4 == 3 ? other : shared;
      for (size_t i = 0; i < kernels.size(); ++i) {
        const SmallKernel &small = kernels[(i + t) % kernels.size()];
        EXPECT_EQ(small.check(jit.get(small.request()), 100 * t + i), "");
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(shared.stats().compiled + other.stats().compiled, 6);
  EXPECT_EQ(cache.list(".kvlib").size(), 6u);
}

/// Processor time of this thread in nanoseconds: tests run beside others.
static double threadTime() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e9 * double(now.tv_sec) + double(now.tv_nsec);
}

/// Nanoseconds of a call, the median of several rounds.
template <typename Call> static double nanoseconds(Call call) {
  std::vector<double> rounds;
  for (int round = 0; round < 15; ++round) {
    constexpr int calls = 20000;
    double start = threadTime();
    for (int i = 0; i < calls; ++i)
      call(i);
    rounds.push_back((threadTime() - start) / calls);
  }
  std::sort(rounds.begin(), rounds.end());
  return rounds[rounds.size() / 2];
}

// What a launch may pay for choosing a variant anew, with other hints each
// time, among as many variants as a tuned library has.
TEST(Jit, SelectingAgainTakesLessThanAMicrosecond) {
  std::vector<Variant> variants;
  for (int i = 0; i < 24; ++i) {
    Variant variant =
        makeVariant("attend." + std::to_string(i), "attend", {}, "visit");
    variant.key.format = "kvarn_k4v2_g128";
    variant.key.layout = "reference";
    variant.key.headDim = 128;
    variant.key.ratio = 8;
    variant.key.dtype = "f16";
    variant.key.features = {"causal"};
    variant.key.queryRows = 8 << (i % 2);
    variant.hint.context = int64_t(1024) << (i / 2 % 6);
    variant.hint.maxBatch = int64_t(1) << (4 * (i / 12));
    variants.push_back(variant);
  }
  TempLibrary folder(variants);
  Library library = folder.open();
  TempCache cache;
  Jit jit({library}, jitOptions(cache.path()));
  kvarn_request request = make<kvarn_request>();
  request.kernel = "attend";
  request.format = "kvarn_k4v2_g128";
  request.layout = "reference";
  request.head_dim = 128;
  request.ratio = 8;
  request.dtype = "f16";
  request.features = "causal";
  request.max_query_tokens = 1;
  kvarn_kernel *kernel = nullptr;
  auto setHints = [&](int i) {
    request.max_batch = 1 + i % 32;
    request.context = 1000 + 7 * i;
  };
  double selecting = nanoseconds([&](int i) {
    setHints(i);
    check(kvarn_select(library.get(), &request, &kernel));
  });
  double asking = nanoseconds([&](int i) {
    setHints(i);
    check(kvarn_jit_get(jit.get(), &request, &kernel));
  });
  std::printf("kvarn_select %.0f ns, kvarn_jit_get %.0f ns\n", selecting,
              asking);
#ifdef NDEBUG
  EXPECT_LT(selecting, 1000);
  EXPECT_LT(asking, 1000);
#endif
  // And it is the right one: the nearest in batch and context.
  setHints(0);
  request.context = 30000;
  request.max_batch = 20;
  request.max_query_tokens = 2;
  check(kvarn_select(library.get(), &request, &kernel));
  kvarn_variant_info info = make<kvarn_variant_info>();
  check(kvarn_kernel_variant(kernel, &info));
  EXPECT_STREQ(info.id, "attend.23");
}

/// Variants may share a workspace by turns: whatever others left behind the
/// counters, which are at its beginning, changes nothing, and nobody leaves
/// anything there.
TEST(Jit, OneWorkspaceServesAllSchedules) {
  TempCache folder;
  const char *schedules[][2] = {{"splits = 3", ""},
                                {"splits = 0", ", programs = 4"},
                                {"splits = 0", ", programs = 2"}};
  std::vector<Library> libraries;
  for (auto [splits, programs] : schedules) {
    std::string path = folder.path(std::to_string(libraries.size()) + ".kvlib");
    std::string command =
        KVARN_COMPILE " --format=kvarn_k4v2_g64 --head-dim=64 --query-heads=4 "
                      "--kv-heads=2 --kernels=attend --schedule='<rows = 2, "
                      "tokens = 64, pool_tokens = 64, warps = 1, ";
    command += std::string(splits) +
               ", copy = direct, expand = convert, operand = f32, "
               "register_rows = 2, register_columns = 32" +
               programs + ">' -o " + path;
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    libraries.emplace_back(path);
  }
  alignas(KVARN_WORKSPACE_ALIGNMENT) static char workspace[1 << 20];
  auto options = make<kvarn_launch_options>();
  options.threads = 2;
  options.workspace = workspace;
  options.workspace_bytes = sizeof workspace;
  size_t counters = 2 * 32 * sizeof(int32_t); // for two threads
  for (uint64_t turn = 0; turn < 6; ++turn) {
    std::memset(workspace + counters, 0xff, sizeof workspace - counters);
    EXPECT_EQ(checkAttend(libraries[turn % 3].select(attendRequest()), turn,
                          &options),
              "")
        << "turn " << turn;
    EXPECT_EQ(std::string(workspace, counters), std::string(counters, '\0'))
        << "turn " << turn;
  }
}
