//===- CostModelTest.cpp - What the model says of schedules ---------------===//

#include "autotune/measure/CostModel.h"

#include "test/unit/autotune/Fixture.h"

using namespace kvarn::tune;
using namespace kvarn::tune::test;

static Prediction ask(const std::string &schedule, Bucket bucket) {
  return predict(hopper(), attendKey(), *parseSchedule(schedule), bucket);
}

static const Bucket kSmall = {1, 4096, 1, 8}, kLarge = {16, 131072, 1, 8};

TEST(CostModel, Bytes) {
  // 32 blocks of 13824 bytes for each of 8 heads.
  EXPECT_EQ(movedBytes(attendKey(), kSmall), 8 * 32 * 13824.0);
  EXPECT_EQ(ask(scheduleText(4, 0), kSmall).bytes, 8 * 32 * 13824.0);
  // 2 query tokens of 8 heads take two tiles of 8 rows, which read it twice.
  Bucket two = kSmall;
  two.queryTokens = 2;
  EXPECT_EQ(ask(scheduleText(4, 0), two).bytes, 2 * 8 * 32 * 13824.0);
}

/// Within a third of what docs/performance.md has for an H200.
TEST(CostModel, NearWhatWasMeasured) {
  auto near = [](Bucket bucket, double microseconds) {
    double predicted = ask(scheduleText(4, 0), bucket).seconds * 1e6;
    EXPECT_GT(predicted, microseconds / 1.34) << bucket.describe();
    EXPECT_LT(predicted, microseconds * 1.34) << bucket.describe();
  };
  near({16, 131072, 1, 8}, 437);
  near({32, 32768, 1, 8}, 228);
  near({16, 32768, 1, 8}, 124);
  near({1, 131072, 1, 8}, 40.5);
  near({1, 4096, 1, 8}, 12);
}

/// Never below what memory allows.
TEST(CostModel, BoundedByMemory) {
  for (int64_t warps : {2, 4, 8})
    for (int64_t splits : {0, 1, 8, 64})
      for (Bucket bucket : {kSmall, kLarge}) {
        Prediction p = ask(scheduleText(warps, splits), bucket);
        EXPECT_GE(p.seconds, p.bytes / hopper().readBandwidth);
        EXPECT_GE(p.waves, 1);
        EXPECT_GE(p.occupancy, 1);
        EXPECT_GT(p.instructions, 0);
      }
}

TEST(CostModel, OneSplitLeavesProcessorsIdle) {
  EXPECT_GT(ask(scheduleText(4, 1), {1, 131072, 1, 8}).seconds,
            3 * ask(scheduleText(4, 0), {1, 131072, 1, 8}).seconds);
}

TEST(CostModel, Waves) {
  // 128 tiles of 32 splits on 132 processors.
  Prediction p = ask(scheduleText(4, 32), kLarge);
  EXPECT_EQ(p.waves, std::ceil(128 * 32 / (132.0 * p.occupancy)));
  EXPECT_EQ(ask(scheduleText(4, 0), kLarge).waves, 1);
}

TEST(CostModel, AsyncHasMoreBytesInFlight) {
  EXPECT_GT(ask(scheduleText(4, 0, 2, 128, true), kLarge).bytesInFlight,
            ask(scheduleText(4, 0, 2, 128, false), kLarge).bytesInFlight);
}

TEST(CostModel, RegistersThatDoNotFitCost) {
  // 4 programs of 4 warps leave 128 registers.
  EXPECT_GT(ask(scheduleText(4, 0, 4), kLarge).instructions,
            1.5 * ask(scheduleText(4, 0, 2), kLarge).instructions);
}

/// 16 rows want the registers, 8 do not, and loading the query takes a little.
TEST(CostModel, AQueryInSharedMemoryLeavesRegisters) {
  auto ofRows = [](const char *rows, bool shared) {
    std::string text = scheduleText(4, 0);
    text.replace(text.find("rows = 8"), 8, std::string("rows = ") + rows);
    if (shared)
      text.replace(text.size() - 1, 1, ", query = shared>");
    return ask(text, kLarge).instructions;
  };
  EXPECT_LT(ofRows("16", true), 0.95 * ofRows("16", false));
  EXPECT_GT(ofRows("8", true), ofRows("8", false));
  EXPECT_LT(ofRows("8", true), 1.01 * ofRows("8", false));
}

/// Two warps with slots of 25856 bytes: four programs, with queries of 4096
/// bytes three.
TEST(CostModel, AQueryInSharedMemoryTakesRoom) {
  kvarn::VariantKey key = attendKey(16);
  key.format = "kvarn_k8v4_g128";
  std::string text = scheduleText(2, 16);
  text.replace(text.find("rows = 8"), 8, "rows = 16");
  EXPECT_EQ(predict(hopper(), key, *parseSchedule(text), kLarge).occupancy, 4);
  text.replace(text.size() - 1, 1, ", query = shared>");
  EXPECT_EQ(predict(hopper(), key, *parseSchedule(text), kLarge).occupancy, 3);
}

TEST(CostModel, Cpu) {
  Chip cpu = {false, 16, 2, 1, 0, 1 << 30, 8e9, 15e9};
  std::string text =
      "<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy "
      "= direct, expand = convert, operand = f32, register_rows = 4, "
      "register_columns = 64>";
  Prediction p = predict(cpu, attendKey(), *parseSchedule(text), kSmall);
  EXPECT_GE(p.seconds, p.bytes / cpu.readBandwidth);
  // One tile cannot use two cores.
  Bucket one = {1, 4096, 1, 1};
  std::string halves = text;
  halves.replace(halves.find("splits = 1"), 10, "splits = 2");
  EXPECT_LT(predict(cpu, attendKey(), *parseSchedule(halves), one).seconds,
            predict(cpu, attendKey(), *parseSchedule(text), one).seconds);
}

TEST(CostModel, NeedsAFormat) {
  kvarn::VariantKey key = attendKey();
  key.format.clear();
  EXPECT_EQ(inputError([&] {
              predict(hopper(), key, *parseSchedule(scheduleText(4, 0)),
                      kSmall);
            }),
            "no cost model for a kernel without a format");
}

TEST(CostModel, ChipFromJson) {
  Chip chip = chipFromJson(toJson(hopper()));
  EXPECT_EQ(toJson(chip), toJson(hopper()));
  json bad = toJson(chip);
  bad["processors"] = 0;
  EXPECT_EQ(inputError([&] { chipFromJson(bad); }),
            "chip: expected positive numbers");
}

TEST(Schedule, Parse) {
  std::optional<Schedule> s = parseSchedule(scheduleText(4, 0, 3, 64));
  ASSERT_TRUE(s);
  EXPECT_EQ(s->warps, 4);
  EXPECT_EQ(s->programs, 3);
  EXPECT_EQ(s->tokens, 64);
  EXPECT_TRUE(s->async && s->subnormal && s->narrow);
  EXPECT_EQ(describe(*s, "attend"),
            "warps 4, balanced over 3 programs, tokens 64, "
            "pool_tokens 32, async, subnormal");
  EXPECT_EQ(describe(*parseSchedule(storeSchedule(4)), "flush"),
            "warps 4, rows 16, tokens 32");
  EXPECT_EQ(describe(*parseSchedule(storeSchedule(4, 8, 64, 2)), "append"),
            "warps 4, rows 8, tokens 64, programs 2");
  EXPECT_EQ(parseSchedule(scheduleText(8, 16))->splits, 16);
  std::string query = scheduleText(4, 0);
  query.replace(query.size() - 1, 1, ", query = shared>");
  EXPECT_FALSE(s->sharedQuery);
  EXPECT_TRUE(parseSchedule(query)->sharedQuery);
  EXPECT_EQ(describe(*parseSchedule(query), "attend"),
            "warps 4, balanced over 2 programs, tokens 128, "
            "pool_tokens 32, async, subnormal, shared query");
  query.replace(query.find("= shared"), 8, "= magical");
  EXPECT_FALSE(parseSchedule(query));
  for (const char *bad :
       {"", "<", "><", "<rows = 8>", "#kvarn.schedule<rows = x, tokens = 1>"})
    EXPECT_FALSE(parseSchedule(bad)) << bad;
  std::string wrong = scheduleText(4, 0);
  wrong.replace(wrong.find("async"), 5, "magic");
  EXPECT_FALSE(parseSchedule(wrong));
}
