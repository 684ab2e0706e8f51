//===- TunedTest.cpp - Tables of schedules --------------------------------===//

#include "autotune/measure/Tuned.h"

#include "autotune/measure/Error.h"
#include "test/unit/autotune/Fixture.h"

#include <random>

using namespace kvarn::tune;
using namespace kvarn::tune::test;

static Tuned makeTable() {
  Tuned tuned;
  tuned.chip = "sm_90a";
  tuned.device = kH200;
  tuned.compiler = "kvarn 1";
  tuned.assembler = "ptxas";
  tuned.date = "2026-01-02T03:04:05Z";
  tuned.readBandwidth = 4.5e12;
  Bucket small = {1, 4096, 1, 8}, large = {64, 131072, 1, 8};
  tuned.kernels.push_back(
      {attendKey(),
       {{scheduleText(4, 0), {hintFor(small), hintFor(large)}},
        {scheduleText(8, 0), {}}},
       {{small, scheduleText(4, 0), 12.346e-6, 13e-6, 0.5},
        {large, scheduleText(4, 0), 1.5e-3, 0, 0.9}}});
  tuned.kernels.push_back({attendKey(4), {{scheduleText(2, 1), {}}}, {}});
  return tuned;
}

TEST(Tuned, RoundTrip) {
  TempFolder folder;
  std::string text = writeTuned(makeTable());
  folder.write("t.json", text);
  Tuned read = readTuned(folder.path("t.json"));
  EXPECT_EQ(writeTuned(read), text);
  EXPECT_EQ(read.device, kH200);
  ASSERT_EQ(read.kernels.size(), 2u);
  const TunedKernel &kernel = read.kernels[0];
  EXPECT_EQ(kernel.key, attendKey());
  ASSERT_EQ(kernel.schedules.size(), 2u);
  EXPECT_EQ(kernel.schedules[0].hints.size(), 2u);
  EXPECT_EQ(kernel.schedules[0].hints[1], hintFor({64, 131072, 1, 8}));
  EXPECT_NEAR(kernel.times[0].seconds, 12.35e-6, 1e-12);
  EXPECT_EQ(kernel.times[1].share, 0.9);
}

/// Tables that are shipped stay readable, hints and all.
TEST(Tuned, Shipped) {
  int tables = 0;
  for (auto &entry : std::filesystem::directory_iterator(KVARN_TUNED_DIR)) {
    if (entry.path().extension() != ".json")
      continue;
    ++tables;
    Tuned tuned = readTuned(entry.path());
    ASSERT_FALSE(tuned.kernels.empty()) << entry.path();
    size_t hints = 0;
    for (const TunedKernel &kernel : tuned.kernels)
      for (const TunedSchedule &schedule : kernel.schedules)
        for (const kvarn::Hint &hint : schedule.hints) {
          hints += hint.maxBatch && hint.context && hint.kvHeads;
          EXPECT_FALSE(needsEqualRequests(kernel.key, tuned.chip,
                                          {hint.maxBatch.value_or(1), 0, 0, 8},
                                          *parseSchedule(schedule.schedule)))
              << schedule.schedule;
        }
    EXPECT_GT(hints, 0u) << entry.path();
  }
  EXPECT_GT(tables, 0);
}

/// Kernels without query heads have rows of their own, and no hints.
TEST(Tuned, OtherKernels) {
  Tuned table = makeTable();
  table.kernels.push_back(
      {storeKey("append"),
       {{storeSchedule(8, 32), {}}},
       {{tokensBucket(32), storeSchedule(8, 32), 5e-6, 6e-6, 0.1}}});
  TempFolder folder;
  folder.write("t.json", writeTuned(table));
  Tuned read = readTuned(folder.path("t.json"));
  EXPECT_EQ(writeTuned(read), writeTuned(table));
  EXPECT_EQ(read.kernels.back().key, storeKey("append"));
  EXPECT_EQ(read.kernels.back().times[0].bucket, tokensBucket(32));
}

/// People read it, and see what changed: a line for each schedule and time.
TEST(Tuned, Lines) {
  std::string text = writeTuned(makeTable());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 26);
  EXPECT_NE(text.find("\n    {\"batch\":1,\"context\":4096,\"default_"
                      "microseconds\":13.0,\"kv_heads\":8,\"microseconds\":"
                      "12.35,\"query_tokens\":1,\"schedule\":"),
            std::string::npos)
      << text;
}

/// The file may come from anywhere.
TEST(Tuned, Errors) {
  TempFolder folder;
  EXPECT_EQ(inputError([] { readTuned("/nowhere"); }), "/nowhere: cannot read");
  std::string path = folder.path("t.json");
  auto errorOf = [&](const std::function<void(json &)> &change) {
    json object = json::parse(writeTuned(makeTable()));
    change(object);
    folder.write("t.json", object.dump());
    return inputError([&] { readTuned(path); }).substr(path.size() + 2);
  };
  folder.write("t.json", "{\"schema\":");
  EXPECT_EQ(inputError([&] { readTuned(path); }),
            path + ": expected a JSON object");
  EXPECT_EQ(errorOf([](json &o) { o = json::array(); }),
            "expected a JSON object");
  EXPECT_EQ(errorOf([](json &o) { o["schema"] = 2; }), "schema 2, expected 1");
  EXPECT_NE(errorOf([](json &o) { o.erase("chip"); }).find("'chip' not found"),
            std::string::npos);
  EXPECT_NE(errorOf([](json &o) { o["chip"] = 7; }).find("must be string"),
            std::string::npos);
  EXPECT_NE(errorOf([](json &o) { o["kernels"] = 7; }), "");
  EXPECT_NE(errorOf([](json &o) { o["kernels"][0] = "x"; }), "");
  EXPECT_EQ(errorOf([](json &o) { o["kernels"][1] = o["kernels"][0]; }),
            "two entries for attend kvarn_k4v2_g128 mma16816 f16 head_dim 128 "
            "ratio 8 rows 8 (causal)");
  auto kernelError = [&](const std::function<void(json &)> &change) {
    return errorOf([&](json &o) { change(o["kernels"][0]); });
  };
  EXPECT_EQ(kernelError([](json &k) { k["key"]["kernel"] = "combine"; }),
            "kernel 'combine' is never tuned");
  EXPECT_EQ(kernelError([](json &k) { k["schedules"] = json::array(); }),
            "expected schedules of attend kvarn_k4v2_g128 mma16816 f16 "
            "head_dim 128 ratio 8 rows 8 (causal)");
  EXPECT_EQ(
      kernelError([](json &k) { k["schedules"][0]["schedule"] = "fast"; }),
      "'fast' is no schedule");
  EXPECT_EQ(kernelError([](json &k) { k["key"]["query_rows"] = 16; }),
            "a schedule with rows = 8, the kernel has 16");
  auto hintError = [&](const json &value) {
    return kernelError(
        [&](json &k) { k["schedules"][0]["hints"][0]["max_batch"] = value; });
  };
  EXPECT_EQ(hintError(0), "max_batch: 0, expected 1 to 1099511627776");
  EXPECT_EQ(hintError(int64_t(1) << 41),
            "max_batch: 2199023255552, expected 1 to 1099511627776");
  EXPECT_NE(hintError("x").find("must be number"), std::string::npos);
  EXPECT_EQ(
      kernelError([](json &k) { k["schedules"][0]["hints"][0]["batch"] = 1; }),
      "unknown hint 'batch'");
  EXPECT_EQ(kernelError([](json &k) { k["times"][0]["batch"] = 0; }),
            "batch: 0, expected 1 or more");
}

/// Whatever the bytes are: a table or an error that names the file.
TEST(Tuned, DamagedText) {
  TempFolder folder;
  std::string whole = writeTuned(makeTable()), path = folder.path("t.json");
  std::mt19937 random(1);
  int tables = 0, errors = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string text = whole;
    for (unsigned n = 1 + random() % 4; n > 0; --n)
      text[random() % text.size()] = "0-e\"{}[],:x\xff"[random() % 12];
    if (random() % 4 == 0)
      text.resize(random() % text.size());
    folder.write("t.json", text);
    try {
      readTuned(path);
      ++tables;
    } catch (const InputError &error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(path + ": "));
      ++errors;
    }
  }
  EXPECT_GT(tables, 0);
  EXPECT_GT(errors, 1000);
}

/// A table of `select`: schedules in the order of the library, with the hints
/// that are needed, and why.
TEST(Tuned, OfChoices) {
  Pack pack;
  pack.chip = "sm_90a";
  pack.assembler = "ptxas";
  pack.facts = hopper();
  pack.manifest.compiler = "kvarn 1";
  pack.tasks = {{attendKey(), {}, {}, {}, {}}, {attendKey(4), {}, {}, {}, {}}};
  for (int i : {0, 1}) {
    kvarn::Variant &variant = pack.manifest.variants.emplace_back();
    variant.id = "c" + std::to_string(i);
    variant.schedule = scheduleText(4 << i, 0);
    pack.tasks[0].candidates.push_back({variant.id, variant.schedule});
  }
  Bucket small = {1, 4096, 1, 8}, large = {64, 131072, 1, 8};
  TaskChoice choice;
  choice.choices = {{small, 1, 10e-6, 10e-6, 20e-6},
                    {large, 0, 2e-3, 2e-3, 2e-3}};
  choice.order = {1, 0};
  Record record = makeRecord("s", small, 1e-6);
  record.readBandwidth = 4e12;
  Tuned tuned = makeTuned(pack, {choice, {}}, {record}, kH200);
  EXPECT_EQ(tuned.date, record.date);
  EXPECT_EQ(tuned.readBandwidth, 4e12);
  ASSERT_EQ(tuned.kernels.size(), 1u); // the other one was not measured
  const TunedKernel &kernel = tuned.kernels[0];
  ASSERT_EQ(kernel.schedules.size(), 2u);
  EXPECT_EQ(kernel.schedules[0].schedule, scheduleText(8, 0));
  EXPECT_EQ(kernel.schedules[0].hints, std::vector{hintFor(small)});
  EXPECT_EQ(kernel.times[0].schedule, scheduleText(8, 0));
  EXPECT_EQ(kernel.times[0].defaultSeconds, 20e-6);
  EXPECT_NEAR(kernel.times[0].share, 8 * 32 * 13824 / 10e-6 / 4e12, 1e-9);
}
