//===- ChooseTest.cpp - From times to variants with hints -----------------===//

#include "autotune/measure/Choose.h"

#include "autotune/measure/LibraryFolder.h"
#include "autotune/measure/Report.h"
#include "test/unit/autotune/Fixture.h"

using namespace kvarn::tune;
using namespace kvarn::tune::test;

namespace {

/// Three candidates, a row of buckets, and the times of all on an H200.
struct Tuned {
  explicit Tuned(std::vector<std::vector<double>> microseconds) {
    pack.folder = "pack";
    pack.chip = "sm_90a";
    pack.assembler = "ptxas";
    pack.facts = hopper();
    pack.manifest.compiler = "kvarn 1";
    Task &task = pack.tasks.emplace_back();
    task.key = attendKey();
    for (size_t c = 0; c < 3; ++c) {
      std::string id = "attend-0-00" + std::to_string(c);
      task.candidates.push_back({id, scheduleText(4, int64_t(c))});
      kvarn::Variant &variant = pack.manifest.variants.emplace_back();
      variant.id = id;
      variant.key = task.key;
      variant.binary.sha256 = std::string(64, char('a' + c));
    }
    for (size_t b = 0; b < microseconds.size(); ++b) {
      Bucket bucket = {1, int64_t(4096) << b, 1, 8};
      task.buckets.push_back(bucket);
      for (size_t c = 0; c < microseconds[b].size(); ++c)
        if (microseconds[b][c] > 0) {
          Record record = makeRecord(task.candidates[c].schedule, bucket,
                                     microseconds[b][c] * 1e-6);
          record.binary = std::string(64, char('a' + c));
          records.push_back(record);
        }
    }
  }

  TaskChoice choose(double tolerance) const {
    return kvarn::tune::choose(pack, pack.tasks[0], records, kH200, tolerance);
  }

  Pack pack;
  std::vector<Record> records;
};

} // namespace

TEST(Choose, TheBestOfEachBucket) {
  Tuned setup({{10, 20, 30}, {20, 10, 30}, {30, 20, 10}});
  TaskChoice choice = setup.choose(0);
  ASSERT_EQ(choice.choices.size(), 3u);
  for (size_t b = 0; b < 3; ++b)
    EXPECT_EQ(choice.choices[b].candidate, b);
  EXPECT_EQ(choice.order.size(), 3u);
}

TEST(Choose, ToleranceSavesKernels) {
  Tuned setup({{10.05, 20, 10}, {10, 20, 30}, {10, 10.05, 30}});
  EXPECT_EQ(setup.choose(0).order.size(), 2u);
  TaskChoice choice = setup.choose(0.01);
  EXPECT_EQ(choice.order, std::vector<size_t>{0});
  EXPECT_NEAR(choice.choices[0].seconds, 10.05e-6, 1e-12);
  EXPECT_NEAR(choice.choices[0].best, 10e-6, 1e-12);
}

/// Without hints the runtime takes the first: the one that is best on average.
TEST(Choose, MostGeneralFirst) {
  Tuned setup({{10, 11, 30}, {12, 11, 10}, {12, 10, 30}});
  EXPECT_EQ(setup.choose(0).order.front(), 1u);
}

/// A variant for each boundary, none between two that say the same.
TEST(Choose, HintsOnlyWhereNeeded) {
  Tuned setup({{10, 20, 30}, {10, 20, 30}, {20, 10, 30}, {20, 10, 30}});
  auto variants = variantsOf(setup.pack, setup.pack.tasks[0], setup.choose(0));
  ASSERT_EQ(variants.size(), 2u);
  std::map<std::string, std::vector<int64_t>> contexts;
  for (auto &[variant, stem] : variants) {
    EXPECT_EQ(variant.hint.maxBatch, 1);
    EXPECT_EQ(variant.hint.kvHeads, 8);
    EXPECT_EQ(variant.hint.maxQueryTokens, 1);
    contexts[stem].push_back(*variant.hint.context);
  }
  // Each bucket is nearest to a hint with its candidate.
  for (size_t b = 0; b < 4; ++b) {
    double least = 100;
    std::string nearest;
    for (auto &[stem, list] : contexts)
      for (int64_t context : list) {
        double far = std::abs(std::log2(double(context)) - double(12 + b));
        if (far < least) {
          least = far;
          nearest = stem;
        }
      }
    EXPECT_EQ(nearest, b < 2 ? "attend-0-000" : "attend-0-001");
  }
}

/// Candidate 0 was measured in several buckets that are the same to a kernel.
TEST(Choose, TimesOfEqualBucketsCountOnce) {
  Tuned setup({{20, 10}});
  setup.records[1].seconds.assign(27, 10e-6);
  setup.records[0].seconds.assign(9, 20e-6);
  for (const Bucket &equal : {Bucket{2, 4096, 1, 4}, Bucket{4, 4096, 1, 2}}) {
    setup.records.push_back(setup.records[0]);
    setup.records.back().bucket = equal;
  }
  TaskChoice choice = setup.choose(0);
  ASSERT_EQ(choice.choices.size(), 1u);
  EXPECT_EQ(choice.choices[0].candidate, 1u);
  EXPECT_NEAR(choice.choices[0].defaultSeconds, 20e-6, 1e-12);
}

/// Candidate 0 shares the work evenly, 1 and 2 have a fixed number of splits.
TEST(Choose, FixedSplitsAreForOneRequest) {
  Tuned setup({{30, 20, 10}, {30, 20, 10}});
  Task &task = setup.pack.tasks[0];
  task.buckets[1].batch = 2;
  for (Record &record : setup.records)
    if (record.bucket->context == task.buckets[1].context)
      record.bucket->batch = 2;
  auto chosen = [&] {
    std::vector<size_t> candidates;
    for (const Choice &each : setup.choose(0.1).choices)
      candidates.push_back(each.candidate);
    return candidates;
  };
  EXPECT_EQ(chosen(), (std::vector<size_t>{2, 0}));
  // On a CPU, threads take one small program after the other.
  setup.pack.chip = "x86-64-v4";
  for (Record &record : setup.records)
    record.chip = "x86-64-v4";
  EXPECT_EQ(chosen(), (std::vector<size_t>{2, 2}));
}

/// A hint for one request leads no bucket of several to it, be it ever so near.
TEST(Choose, FixedSplitsAreNotNearToSeveralRequests) {
  Tuned setup({{30, 20, 10}, {10, 20, 30}, {10, 20, 30}});
  Task &task = setup.pack.tasks[0];
  // Two requests are nearer to one than to 64 longer ones.
  task.buckets = {{1, 4096, 1, 8}, {64, 131072, 1, 8}, {2, 4096, 1, 8}};
  for (Record &record : setup.records)
    for (size_t b = 0; b < 3; ++b)
      if (record.bucket->context == int64_t(4096) << b) {
        record.bucket = task.buckets[b];
        break;
      }
  std::vector<std::string> ids;
  for (auto &[variant, stem] : variantsOf(setup.pack, task, setup.choose(0)))
    ids.push_back(variant.id);
  EXPECT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids.front(), "attend-0-000.b64.h8.c131072.q1");
  EXPECT_EQ(ids.back(), "attend-0-002.b1.h8.c4096.q1");
}

TEST(Choose, OneKernelEverywhereNeedsOneVariant) {
  Tuned setup({{10, 20, 30}, {10, 20, 30}});
  auto variants = variantsOf(setup.pack, setup.pack.tasks[0], setup.choose(0));
  EXPECT_EQ(variants.size(), 1u);
}

/// As measurements of flush: buckets of 8, 16, .. pairs.
static void makeStore(Tuned &setup) {
  Task &task = setup.pack.tasks[0];
  task.key = storeKey("flush");
  for (size_t b = 0; b < task.buckets.size(); ++b)
    task.buckets[b] = pairsBucket(int64_t(8) << b);
  for (Record &record : setup.records) {
    record.key = task.key;
    while (record.bucket->context > 4096) {
      record.bucket->context /= 2;
      record.bucket->batch *= 2;
    }
    record.bucket = pairsBucket(8 * record.bucket->batch);
  }
}

/// Nobody says how many pairs there are: one schedule for all of them, the one
/// that is best on the whole, and no hint.
TEST(Choose, OneOfAKernelWithoutHints) {
  Tuned setup({{14, 14, 30}, {30, 14, 10}, {11, 11, 10}});
  ASSERT_EQ(setup.choose(0).order.size(), 2u);
  makeStore(setup);
  Task &task = setup.pack.tasks[0];
  TaskChoice choice = setup.choose(0);
  EXPECT_EQ(choice.order, std::vector<size_t>{1});
  ASSERT_EQ(choice.choices.size(), 3u);
  EXPECT_NEAR(choice.choices[1].seconds, 14e-6, 1e-12);
  EXPECT_NEAR(choice.choices[1].best, 10e-6, 1e-12);
  auto variants = variantsOf(setup.pack, task, choice);
  ASSERT_EQ(variants.size(), 1u);
  EXPECT_EQ(variants[0].first.hint, kvarn::Hint());
  // What was measured everywhere goes before what may be good.
  std::erase_if(setup.records, [&](const Record &record) {
    return record.bucket == pairsBucket(8) &&
           record.schedule == task.candidates[1].schedule;
  });
  EXPECT_NE(setup.choose(0).order.front(), 1u);
  // Nothing at all: the default.
  setup.records.clear();
  EXPECT_TRUE(setup.choose(0).order.empty());
  EXPECT_EQ(variantsOf(setup.pack, task, setup.choose(0)).size(), 1u);
}

/// A kernel that is not chosen by its size is nowhere slower than the default.
TEST(Choose, NowhereWorseThanTheDefault) {
  Tuned better({{20, 20.5}, {20, 10}, {20, 10}});
  makeStore(better);
  EXPECT_EQ(better.choose(0).order, std::vector<size_t>{1});
  Tuned worse({{20, 21}, {20, 10}, {20, 10}});
  makeStore(worse);
  EXPECT_EQ(worse.choose(0).order, std::vector<size_t>{0});
}

TEST(Choose, WithoutTimesTheDefault) {
  Tuned setup({{0, 0, 0}});
  TaskChoice choice = setup.choose(0);
  EXPECT_TRUE(choice.choices.empty());
  auto variants = variantsOf(setup.pack, setup.pack.tasks[0], choice);
  ASSERT_EQ(variants.size(), 1u);
  EXPECT_EQ(variants[0].first.id, "attend-0-000");
  EXPECT_FALSE(variants[0].first.hint.context);
}

/// Any variant must be right for any length.
TEST(Choose, NothingThatFailed) {
  Tuned setup({{10, 5, 30}, {10, 20, 30}});
  EXPECT_EQ(setup.choose(0).order.size(), 2u);
  Record failed = setup.records[1];
  ASSERT_EQ(failed.schedule, setup.pack.tasks[0].candidates[1].schedule);
  failed.bucket = setup.pack.tasks[0].buckets[1];
  failed.status = Status::Wrong;
  failed.seconds.clear();
  failed.date = "2027-01-01T00:00:00Z";
  setup.records.push_back(failed);
  EXPECT_EQ(setup.choose(0).order, std::vector<size_t>{0});
  EXPECT_FALSE(setup.choose(0).defaultFailed());
  // Tried again with success.
  Record again = setup.records[4];
  again.date = "2027-01-02T00:00:00Z";
  setup.records.push_back(again);
  EXPECT_EQ(setup.choose(0).order.size(), 2u);
}

TEST(Choose, NoDefaultThatFailed) {
  Tuned setup({{10, 0, 0}});
  setup.records[0].status = Status::Hang;
  setup.records[0].seconds.clear();
  TaskChoice choice = setup.choose(0);
  EXPECT_TRUE(choice.defaultFailed());
  EXPECT_TRUE(variantsOf(setup.pack, setup.pack.tasks[0], choice).empty());
}

TEST(Choose, OnlyTimesOfTheseBinaries) {
  Tuned setup({{10, 5, 30}});
  for (Record &record : setup.records)
    if (record.schedule == setup.pack.tasks[0].candidates[1].schedule)
      record.binary = std::string(64, 'f'); // an older build
  EXPECT_EQ(setup.choose(0).choices[0].candidate, 0u);
  for (Record &record : setup.records)
    record.compiler = "kvarn 0";
  EXPECT_TRUE(setup.choose(0).choices.empty());
  EXPECT_TRUE(measuredDevices(setup.pack, setup.records).empty());
}

TEST(Choose, LuckyTimesOfAnEarlyRungDoNotCount) {
  Tuned setup({{10, 0, 30}});
  Record lucky = makeRecord(setup.pack.tasks[0].candidates[1].schedule,
                            setup.pack.tasks[0].buckets[0], 1e-6);
  lucky.binary = std::string(64, 'b');
  lucky.seconds = {1e-6};
  setup.records.push_back(lucky);
  EXPECT_EQ(setup.choose(0).choices[0].candidate, 0u);
}

TEST(Report, Data) {
  Tuned setup({{10, 5, 0}, {20, 30, 40}});
  Record failed = setup.records[4];
  ASSERT_EQ(failed.schedule, setup.pack.tasks[0].candidates[2].schedule);
  failed.status = Status::Hang;
  failed.seconds.clear();
  setup.records.push_back(failed);
  // Of another pack, another compiler, another kernel.
  failed.binary = std::string(64, 'f');
  setup.records.push_back(failed);
  failed = setup.records[5];
  failed.compiler = "kvarn 0";
  setup.records.push_back(failed);
  failed = setup.records[5];
  failed.key.ratio = 4;
  setup.records.push_back(failed);
  setup.pack.tasks[0].dropped = {{"s", "spills", "8 bytes"}};
  setup.pack.tasks[0].pruned = {{"cost model", 7}};
  json data = reportData(setup.pack, setup.records, kH200);
  EXPECT_EQ(data["failures"]["measured: hang"], 1);
  EXPECT_EQ(data["failures"]["dropped: spills"], 1);
  EXPECT_EQ(data["failures"]["pruned: cost model"], 7);
  const json &task = data["tasks"][0];
  EXPECT_EQ(task["points"].size(), 4u); // without what failed
  ASSERT_EQ(task["best"].size(), 2u);
  EXPECT_NEAR(task["best"][0]["seconds"].get<double>(), 5e-6, 1e-12);
  EXPECT_NEAR(task["best"][0]["defaultSeconds"].get<double>(), 10e-6, 1e-12);
  EXPECT_NEAR(task["best"][0]["share"].get<double>(),
              8 * 32 * 13824 / 5e-6 / 4.5e12, 1e-6);
}

/// Text of a record cannot end the script that holds it.
TEST(Report, PageIsSafe) {
  std::string page =
      makePage("<script>@SCRIPT@</script><script>@DATA@</script>", "code();",
               {{"text", "</script><script>alert(1)</script>@SCRIPT@"}});
  EXPECT_EQ(page.find("alert"), page.rfind("alert"));
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("code();"), 8u);
  EXPECT_EQ(inputError([] { makePage("nothing", "", {}); }),
            "the page has no @SCRIPT@");
}

TEST(Pack, Errors) {
  TempFolder folder;
  EXPECT_EQ(inputError([&] { readPack(folder.path("none")); }),
            folder.path("none") + ": cannot read pack.json, expected a pack "
                                  "that 'kvarn-tune build' made");
  auto errorOf = [&](const std::string &text) {
    folder.write("pack.json", text);
    std::string error = inputError([&] { readPack(folder.path("")); });
    return error.substr(error.find("pack.json: ") + 11);
  };
  EXPECT_EQ(errorOf("{"), "expected JSON");
  EXPECT_EQ(errorOf("{\"schema\": 9}"), "schema 9, expected 1");
  EXPECT_NE(errorOf("[]").find("cannot use at()"), std::string::npos);
  json pack = json::parse(writePack(Tuned({{1, 2, 3}}).pack));
  EXPECT_NE(errorOf(pack.dump()).find("cannot read manifest.json"),
            std::string::npos);
  pack["tasks"][0]["candidates"][0]["schedule"] = "fast";
  EXPECT_EQ(errorOf(pack.dump()), "'fast' is no schedule");
}

/// Variants of several libraries may have the same names.
TEST(LibraryFolder, NamesAreUnique) {
  TempFolder folder;
  std::filesystem::create_directory(folder.path("a"));
  std::filesystem::create_directory(folder.path("b"));
  folder.write("a/x.cubin", "one");
  folder.write("b/x.cubin", "two");
  LibraryFolder library(folder.path("new"), "c");
  kvarn::Variant variant;
  variant.id = "attend";
  variant.binary.file = "x.cubin";
  variant.binary.sha256 = std::string(64, 'a');
  EXPECT_EQ(library.add(variant, folder.path("a"), "code"), "attend");
  EXPECT_EQ(library.add(variant, folder.path("a"), "code"), "attend-2");
  variant.binary.sha256 = std::string(64, 'b');
  EXPECT_EQ(library.add(variant, folder.path("b"), "code"), "attend-3");
  EXPECT_EQ(library.variant("attend-2").binary.file, "code.cubin");
  EXPECT_EQ(library.variant("attend-3").binary.file, "code-2.cubin");
}

TEST(LibraryFolder, AppearsWholeOrNotAtAll) {
  TempFolder folder;
  std::filesystem::create_directory(folder.path("other"));
  EXPECT_EQ(inputError([&] { LibraryFolder("" + folder.path("other"), "c"); }),
            "cannot write library '" + folder.path("other") +
                "': it exists and is no kernel library");
  EXPECT_EQ(inputError([&] { LibraryFolder("/nowhere/x", "c"); }),
            "cannot write library '/nowhere/x': cannot create a folder beside "
            "it");
  {
    LibraryFolder library(folder.path("new"), "c");
    library.addFile("note", "text");
  } // not committed
  EXPECT_FALSE(std::filesystem::exists(folder.path("new")));
  {
    LibraryFolder library(folder.path("new"), "c");
    library.addFile("note", "text");
    library.commit();
  }
  EXPECT_EQ(folder.read("new/note"), "text");
  EXPECT_EQ(readLibrary(folder.path("new")).compiler, "c");
  EXPECT_EQ(inputError([&] { readLibrary(folder.path("other")); }),
            folder.path("other") +
                ": cannot read manifest.json, expected a kernel library");
}

/// The default of a bucket is what the runtime takes of a library that nobody
/// tuned.
TEST(Choose, ADefaultMayBeForSpecialWork) {
  Tuned setup({{10, 20, 30}, {20, 10, 30}, {30, 20, 10}});
  Task &task = setup.pack.tasks[0];
  task.candidates[2].defaultFor.push_back(hintFor({1, 4096, 1, 8}));
  task.candidates[2].defaultFor.back().maxQueryTokens.reset();
  auto defaultFor = [&](const Bucket &bucket) {
    return setup.pack.defaultFor(task, bucket);
  };
  EXPECT_EQ(defaultFor({1, 4096, 1, 8}), 2u);
  EXPECT_EQ(defaultFor({1, 4096, 2, 8}), 2u);
  EXPECT_EQ(defaultFor({1, 4096, 1, 12}), 2u);
  EXPECT_EQ(defaultFor({2, 4096, 1, 8}), 0u);
  EXPECT_EQ(defaultFor({1, 6800, 1, 8}), 2u);
  EXPECT_EQ(defaultFor({1, 7000, 1, 8}), 0u);
  // It has fixed splits: not for two requests, though they are as much work.
  EXPECT_EQ(defaultFor({2, 4096, 1, 4}), 0u);
  setup.pack.chip = "x86-64-v4";
  EXPECT_EQ(defaultFor({2, 4096, 1, 4}), 2u);
  setup.pack.chip = "sm_90a";
  TaskChoice choice = setup.choose(0);
  EXPECT_NEAR(choice.choices[0].defaultSeconds, 30e-6, 1e-12);
  EXPECT_NEAR(choice.choices[1].defaultSeconds, 20e-6, 1e-12);
  EXPECT_NEAR(choice.choices[2].defaultSeconds, 30e-6, 1e-12);
}

TEST(Choose, WithoutTimesAllDefaults) {
  Tuned setup({});
  Task &task = setup.pack.tasks[0];
  for (int64_t context : {4096, 8192})
    task.candidates[1].defaultFor.push_back(hintFor({1, context, 1, 8}));
  std::vector<std::string> ids;
  for (auto &[variant, stem] : variantsOf(setup.pack, task, setup.choose(0)))
    ids.push_back(variant.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"attend-0-000",
                                           "attend-0-001.b1.h8.c4096.q1",
                                           "attend-0-001.b1.h8.c8192.q1"}));
}

TEST(Choose, WhatFailedIsNoDefault) {
  Tuned setup({});
  Task &task = setup.pack.tasks[0];
  for (size_t c : {1, 2})
    task.candidates[c].defaultFor.push_back(
        hintFor({1, 4096 * int64_t(c), 1, 8}));
  Record record = makeRecord(task.candidates[1].schedule, {1, 4096, 1, 8}, 0);
  record.binary = std::string(64, 'b');
  record.status = Status::Wrong;
  setup.records.push_back(record);
  std::vector<std::string> ids;
  for (auto &[variant, stem] : variantsOf(setup.pack, task, setup.choose(0)))
    ids.push_back(variant.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"attend-0-000",
                                           "attend-0-002.b1.h8.c8192.q1"}));
}
