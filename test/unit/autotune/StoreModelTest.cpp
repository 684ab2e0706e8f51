//===- StoreModelTest.cpp - What the model says of writing a cache --------===//

#include "autotune/measure/CostModel.h"

#include "test/unit/autotune/Fixture.h"

using namespace kvarn::tune;
using namespace kvarn::tune::test;

static Prediction ask(const std::string &kernel, const std::string &schedule,
                      Bucket bucket) {
  return predict(hopper(), storeKey(kernel), *parseSchedule(schedule), bucket);
}

static const Bucket kContexts = {16, 32768, 0, 8};

/// What kvarn-bench says of its launches.
TEST(StoreModel, Bytes) {
  double record = 13824, slot = 4 * 128 * 128;
  for (const char *kernel : {"flush", "pack", "unflush"})
    EXPECT_EQ(movedBytes(storeKey(kernel), pairsBucket(256)),
              256 * 8 * (record + slot));
  EXPECT_EQ(movedBytes(storeKey("relayout"), pairsBucket(256)),
            2 * 256 * 8 * record);
  EXPECT_EQ(movedBytes(storeKey("append"), tokensBucket(100)),
            2.0 * 100 * 8 * 4 * 128);
  EXPECT_EQ(movedBytes(storeKey("materialize"), kContexts),
            16.0 * 8 * (256 * record + 32768 * 4 * 128));
  EXPECT_EQ(ask("flush", storeSchedule(8), pairsBucket(256)).bytes,
            256 * 8 * (record + slot));
}

/// Within a third of what docs/performance.md and
/// bench/results/gpu-store-schedules-h200.json have for an H200, which
/// materializes from slots.
TEST(StoreModel, NearWhatWasMeasured) {
  auto near = [](const char *kernel, const std::string &schedule, Bucket bucket,
                 double microseconds) {
    double predicted = ask(kernel, schedule, bucket).seconds * 1e6;
    EXPECT_GT(predicted, microseconds / 1.34) << kernel << bucket.describe();
    EXPECT_LT(predicted, microseconds * 1.34) << kernel << bucket.describe();
  };
  near("flush", storeSchedule(8), pairsBucket(256), 570);
  near("flush", storeSchedule(8), pairsBucket(8), 22.5);
  near("flush", storeSchedule(16), pairsBucket(256), 970);
  near("pack", storeSchedule(8), pairsBucket(256), 616);
  near("append", storeSchedule(8), tokensBucket(32768), 81);
  near("append", storeSchedule(8), tokensBucket(32), 5.4);
  std::string narrow = storeSchedule(1);
  narrow.replace(narrow.find("f32"), 3, "f16");
  near("materialize", narrow, kContexts, 689);
}

/// Never below what memory allows, for whatever has a bucket.
TEST(StoreModel, BoundedByMemory) {
  for (const char *kernel :
       {"append", "flush", "pack", "unflush", "materialize", "relayout"})
    for (int64_t warps : {2, 8, 16})
      for (int64_t programs : {0, 4}) {
        Bucket bucket = kContexts;
        if (kernel != std::string("materialize"))
          bucket = kernel == std::string("append") ? tokensBucket(9999)
                                                   : pairsBucket(99);
        Prediction p =
            ask(kernel, storeSchedule(warps, 16, 64, programs), bucket);
        EXPECT_GE(p.seconds, p.bytes / hopper().readBandwidth) << kernel;
        EXPECT_GE(p.waves, 1);
        EXPECT_GE(p.occupancy, 1);
        EXPECT_GT(p.instructions, 0);
        EXPECT_GT(p.units, 0);
      }
}

TEST(StoreModel, RoundsOfNormalizingCost) {
  kvarn::VariantKey key = storeKey("flush");
  Schedule schedule = *parseSchedule(storeSchedule(8));
  double eight = predict(hopper(), key, schedule, pairsBucket(256)).seconds;
  key.options["iterations"] = "2";
  EXPECT_LT(predict(hopper(), key, schedule, pairsBucket(256)).seconds,
            eight / 2);
}

/// Fewer tokens at a time leave more registers, more warps hide more.
TEST(StoreModel, TilesThatDoNotFitRegistersCost) {
  EXPECT_GT(ask("materialize", storeSchedule(2, 16, 128), kContexts).seconds,
            1.5 * ask("materialize", storeSchedule(4), kContexts).seconds);
  // Where the compiler must leave room for eight programs.
  EXPECT_GT(
      ask("materialize", storeSchedule(4, 16, 64, 8), kContexts).instructions,
      ask("materialize", storeSchedule(4, 16, 64, 1), kContexts).instructions);
}

/// Matrix instructions rotate fp16, which only materialize has.
TEST(StoreModel, MatrixInstructionsTakeFewer) {
  auto instructions = [](const char *kernel, const char *operand) {
    std::string text = storeSchedule(8);
    text.replace(text.find("f32"), 3, operand);
    Bucket bucket = kContexts;
    bucket.pairs = 64;
    return ask(kernel, text, bucket).instructions;
  };
  EXPECT_NEAR(instructions("materialize", "f32"),
              25.0 / 9 * instructions("materialize", "f16"), 1);
  EXPECT_EQ(instructions("unflush", "f32"), instructions("unflush", "f16"));
}

/// Codes are packed: they take few registers, and few bytes on their way.
TEST(StoreModel, RelayoutMovesCodes) {
  Prediction p = ask("relayout", storeSchedule(8), pairsBucket(256));
  EXPECT_EQ(p.units, 2 * 256 * 8);
  EXPECT_EQ(p.occupancy, 4);
  EXPECT_EQ(p.bytesInFlight, 4 * 13824.0);
  EXPECT_EQ(p.instructions, 128 * 128 / 32 * 6);
  EXPECT_EQ(ask("relayout", storeSchedule(16), pairsBucket(256)).occupancy, 2);
}

TEST(StoreModel, Cpu) {
  Chip cpu = {false, 16, 2, 1, 0, 1 << 30, 8e9, 15e9};
  for (const char *kernel : {"flush", "unflush"}) {
    Prediction p = predict(cpu, storeKey(kernel),
                           *parseSchedule(storeSchedule(1)), pairsBucket(64));
    EXPECT_GE(p.seconds, p.bytes / cpu.readBandwidth);
    EXPECT_EQ(p.waves, 512);
  }
}

TEST(StoreModel, KnowsItsKernels) {
  EXPECT_EQ(
      inputError([] { ask("combine", storeSchedule(8), pairsBucket(1)); }),
      "no cost model for kernel 'combine'");
}

//===----------------------------------------------------------------------===//
// Buckets
//===----------------------------------------------------------------------===//

TEST(Bucket, HasTheMembersOfItsKernel) {
  EXPECT_EQ(toJson(pairsBucket(4)), json({{"pairs", 4}, {"kv_heads", 8}}));
  EXPECT_EQ(toJson(tokensBucket(4)), json({{"tokens", 4}, {"kv_heads", 8}}));
  EXPECT_EQ(toJson(kContexts),
            json({{"batch", 16}, {"context", 32768}, {"kv_heads", 8}}));
  for (auto &[kernel, bucket] :
       {std::pair("attend", Bucket{1, 2, 3, 4}),
        std::pair("materialize", kContexts),
        std::pair("append", tokensBucket(7)),
        std::pair("flush", pairsBucket(7)), std::pair("pack", pairsBucket(7)),
        std::pair("unflush", pairsBucket(7)),
        std::pair("relayout", pairsBucket(7))}) {
    EXPECT_TRUE(isTunable(kernel));
    EXPECT_EQ(bucketFromJson(toJson(bucket), kernel), bucket);
  }
  EXPECT_FALSE(isTunable("combine"));
  EXPECT_FALSE(isTunable("attend materialize"));
  EXPECT_EQ(inputError([] {
              bucketFromJson({{"pairs", 0}, {"kv_heads", 8}}, "flush");
            }),
            "pairs: 0, expected 1 or more");
  EXPECT_EQ(inputError([] {
              bucketFromJson({{"pairs", 1}, {"kv_heads", 8}}, "combine");
            }),
            "kernel 'combine' is never tuned");
  EXPECT_THROW(bucketFromJson({{"tokens", 4}, {"kv_heads", 8}}, "flush"),
               json::exception);
}

TEST(Bucket, Describe) {
  EXPECT_EQ(pairsBucket(4).describe(), "pairs 4, 8 KV heads");
  EXPECT_EQ(tokensBucket(4).describe(), "tokens 4, 8 KV heads");
  EXPECT_EQ(kContexts.describe(), "batch 16 context 32768, 8 KV heads");
  EXPECT_EQ((Bucket{1, 2, 3, 4}).describe(),
            "batch 1 context 2 query tokens 3, 4 KV heads");
}
