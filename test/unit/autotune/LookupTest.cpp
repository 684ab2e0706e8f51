//===- LookupTest.cpp - Exact, same chip, nearest, heuristic --------------===//

#include "autotune/measure/Lookup.h"

#include "test/unit/autotune/Fixture.h"

using namespace kvarn::tune;
using namespace kvarn::tune::test;

static const Bucket kBucket = {8, 4096, 1, 8}, kLonger = {8, 32768, 1, 8},
                    kLongest = {8, 131072, 1, 8};

static Question ask(Bucket bucket = kBucket) {
  return {attendKey(), bucket, kH200, "sm_90a", "kvarn 1"};
}

/// Records for each rung of the order; each step takes the best one away.
TEST(Lookup, Order) {
  std::vector<Record> records = {
      makeRecord("near", kLonger, 1e-6),
      makeRecord("other gpu", kBucket, 2e-6, kH100),
      makeRecord("slow", kBucket, 5e-6),
      makeRecord("best", kBucket, 4e-6),
  };
  Answer answer = lookUp(records, ask());
  EXPECT_EQ(answer.source, Source::Exact);
  EXPECT_EQ(answer.schedule, "best");
  EXPECT_NEAR(answer.seconds, 4e-6, 1e-12);
  records.resize(2);
  answer = lookUp(records, ask());
  EXPECT_EQ(answer.source, Source::SameChip);
  EXPECT_EQ(answer.schedule, "other gpu");
  EXPECT_EQ(answer.device, kH100);
  records.resize(1);
  answer = lookUp(records, ask());
  EXPECT_EQ(answer.source, Source::Nearest);
  EXPECT_EQ(answer.schedule, "near");
  EXPECT_EQ(answer.bucket, kLonger);
  EXPECT_EQ(lookUp({}, ask()).source, Source::Heuristic);
  EXPECT_EQ(lookUp({}, ask()).schedule, "");
}

TEST(Lookup, NearestBucket) {
  std::vector<Record> records = {makeRecord("far", kLongest, 1e-6),
                                 makeRecord("near", kLonger, 2e-6)};
  EXPECT_EQ(lookUp(records, ask()).schedule, "near");
  // At the same distance, what was measured on this GPU.
  records.push_back(makeRecord("elsewhere", kLonger, 1e-6, kH100));
  EXPECT_EQ(lookUp(records, ask()).schedule, "near");
}

/// Heads of the same ratio share times: 4 requests of 16 KV heads are the work
/// of 8 requests of 8.
TEST(Lookup, HeadsAndRequestsAreTheSame) {
  EXPECT_EQ(distance({8, 4096, 1, 8}, {4, 4096, 1, 16}), 0);
  EXPECT_EQ(distance({8, 4096, 1, 8}, {8, 16384, 1, 4}), 3);
  EXPECT_EQ(lookUp({makeRecord("a", {4, 4096, 1, 16}, 1e-6)}, ask()).source,
            Source::Exact);
}

/// Nor does a lucky time win that was measured in another bucket with the same
/// work: all such times are one list.
TEST(Lookup, EqualBucketsAreComparedAsOne) {
  const Bucket equal = {4, 4096, 1, 16};
  Record lucky = makeRecord("lucky", kBucket, 1e-6);
  Record often = makeRecord("often", equal, 4e-6);
  often.seconds.assign(27, 4e-6);
  for (const Bucket &bucket : {kBucket, equal})
    EXPECT_EQ(lookUp({lucky, often}, ask(bucket)).schedule, "often");
  Record more = makeRecord("lucky", equal, 5e-6);
  more.seconds.assign(24, 5e-6);
  Answer answer = lookUp({lucky, often, more}, ask());
  EXPECT_EQ(answer.schedule, "often");
  EXPECT_NEAR(answer.seconds, 4e-6, 1e-12);
  for (const Measured &each : collect({lucky, often, more}, "kvarn 1")) {
    EXPECT_EQ(each.seconds.size(), 27u);
    EXPECT_TRUE(each.comparable);
  }
  // What was measured on another GPU is another list.
  lucky.device = kH100;
  for (const Measured &each : collect({lucky, often}, "kvarn 1")) {
    EXPECT_EQ(each.seconds.size(), each.device == kH100 ? 3u : 27u);
    EXPECT_TRUE(each.comparable);
  }
}

/// What was fast for requests of one length is nothing for several of any.
TEST(Lookup, FixedSplitsAreForOneRequest) {
  const Bucket one = {1, 4096, 1, 8};
  std::vector<Record> records = {makeRecord(scheduleText(4, 1), kBucket, 1e-6),
                                 makeRecord(scheduleText(4, 8), one, 1e-6),
                                 makeRecord(scheduleText(4, 0), kBucket, 2e-6),
                                 makeRecord(scheduleText(4, 0), one, 2e-6)};
  EXPECT_EQ(lookUp(records, ask()).schedule, scheduleText(4, 0));
  EXPECT_EQ(lookUp(records, ask(one)).schedule, scheduleText(4, 8));
  // Not by way of the nearest bucket either.
  records.resize(2);
  EXPECT_EQ(lookUp(records, ask()).source, Source::Heuristic);
  // One that was timed to the end does not make others too few launches.
  records = {makeRecord(scheduleText(4, 1), kBucket, 1e-6),
             makeRecord(scheduleText(4, 0), kBucket, 2e-6)};
  records[0].seconds.assign(27, 1e-6);
  records[1].seconds.assign(9, 2e-6);
  EXPECT_EQ(lookUp(records, ask()).schedule, scheduleText(4, 0));
}

/// So it is of pairs and tokens; what a kernel does not have is no distance.
TEST(Lookup, DistanceOfOtherKernels) {
  Bucket wide = pairsBucket(4);
  wide.kvHeads = 16;
  EXPECT_EQ(distance(pairsBucket(8), wide), 0);
  EXPECT_EQ(distance(pairsBucket(8), pairsBucket(64)), 3);
  EXPECT_EQ(distance(tokensBucket(32), tokensBucket(16)), 1);
  EXPECT_EQ(distance({2, 4096, 0, 8}, {4, 8192, 0, 8}), 2);
  Record record = makeRecord("a", pairsBucket(8), 1e-6);
  record.key = storeKey("flush");
  Question question = ask(wide);
  EXPECT_EQ(lookUp({record}, question).source, Source::Heuristic);
  question.key = record.key;
  EXPECT_EQ(lookUp({record}, question).source, Source::Exact);
}

TEST(Lookup, OtherCompilersAreKeptButNotTrusted) {
  Record record = makeRecord("old", kBucket, 1e-6);
  record.compiler = "kvarn 0";
  Answer answer = lookUp({record}, ask());
  EXPECT_EQ(answer.source, Source::Heuristic);
  EXPECT_EQ(answer.records, 0u);
  EXPECT_EQ(answer.untrusted, 1u);
}

TEST(Lookup, OtherKernelsAndFailuresDoNotCount) {
  Record other = makeRecord("other", kBucket, 1e-6);
  other.key.ratio = 4;
  Record chip = makeRecord("chip", kBucket, 1e-6);
  chip.chip = "sm_80";
  Record failed = makeRecord("failed", kBucket, 1e-6);
  failed.status = Status::Wrong;
  EXPECT_EQ(lookUp({other, chip, failed}, ask()).source, Source::Heuristic);
}

namespace {

/// A record of the kernel `name`; failures have a bucket or none.
Record makeResult(const std::string &name, Status status,
                  std::optional<Bucket> bucket, const std::string &date,
                  const DeviceName &device = kH200) {
  Record record = makeRecord(name, bucket.value_or(kBucket), 1e-6, device);
  record.bucket = bucket;
  record.status = status;
  record.date = date;
  if (status != Status::Ok)
    record.seconds.clear();
  return record;
}

bool hasFailed(const std::vector<Record> &records) {
  return Failures(records).has(records.front());
}

} // namespace

TEST(Failures, OneIsEnough) {
  Record good = makeResult("a", Status::Ok, kBucket, "1");
  EXPECT_FALSE(hasFailed({good}));
  for (Status status : {Status::Wrong, Status::Fault, Status::Hang}) {
    EXPECT_TRUE(hasFailed({makeResult("a", status, kLonger, "2"), good}));
    EXPECT_TRUE(hasFailed({makeResult("a", status, std::nullopt, "2"), good}));
  }
  // Another kernel, another GPU; another driver is the same GPU.
  EXPECT_FALSE(hasFailed({good, makeResult("b", Status::Hang, kBucket, "2")}));
  EXPECT_FALSE(
      hasFailed({good, makeResult("a", Status::Hang, kBucket, "2", kH100)}));
  DeviceName updated = kH200;
  updated.driver = "newer";
  EXPECT_TRUE(
      hasFailed({good, makeResult("a", Status::Hang, kBucket, "2", updated)}));
}

/// A retry counts where the failure was, whatever the order in the file.
TEST(Failures, SupersededByALaterSuccess) {
  Record failed = makeResult("a", Status::Hang, kLonger, "2");
  EXPECT_FALSE(hasFailed({failed, makeResult("a", Status::Ok, kLonger, "3")}));
  EXPECT_FALSE(hasFailed({makeResult("a", Status::Ok, kLonger, "3"), failed}));
  EXPECT_FALSE(hasFailed({failed, makeResult("a", Status::Ok, kLonger, "2")}));
  EXPECT_TRUE(hasFailed({failed, makeResult("a", Status::Ok, kLonger, "1")}));
  EXPECT_TRUE(hasFailed({failed, makeResult("a", Status::Ok, kBucket, "3")}));
  EXPECT_TRUE(hasFailed({failed, makeResult("a", Status::Ok, kLonger, "3"),
                         makeResult("a", Status::Wrong, kLonger, "4")}));
  Record check = makeResult("a", Status::Wrong, std::nullopt, "2");
  EXPECT_FALSE(hasFailed({check, makeResult("a", Status::Ok, kBucket, "3")}));
}

TEST(Lookup, NothingThatFailedHere) {
  std::vector<Record> records = {
      makeRecord("best", kBucket, 1e-6), makeRecord("good", kBucket, 2e-6),
      makeResult("best", Status::Fault, kLongest, "2027")};
  EXPECT_EQ(lookUp(records, ask()).schedule, "good");
  EXPECT_EQ(collect(records, "kvarn 1").size(), 1u);
  // Measured on one GPU, failed on the one that is asked about.
  records = {makeRecord("best", kBucket, 1e-6, kH100),
             makeResult("best", Status::Fault, kLongest, "2027")};
  EXPECT_EQ(lookUp(records, ask()).source, Source::Heuristic);
}

/// Times of several records are one list; a lucky time of an early rung does
/// not win.
TEST(Lookup, CollectsTimes) {
  Record often = makeRecord("often", kBucket, 4e-6), lucky = often;
  lucky.schedule = "lucky";
  lucky.seconds = {1e-6};
  std::vector<Measured> all = collect({often, often, lucky}, "kvarn 1");
  ASSERT_EQ(all.size(), 2u);
  const Measured &first = all[0].schedule == "often" ? all[0] : all[1];
  EXPECT_EQ(first.seconds.size(), 6u);
  EXPECT_TRUE(first.comparable);
  EXPECT_EQ(lookUp({often, often, lucky}, ask()).schedule, "often");
}
