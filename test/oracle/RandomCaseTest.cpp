//===- RandomCaseTest.cpp - Random cases are what they promise ------------===//

#include "test/oracle/RandomCase.h"
#include "test/oracle/Random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

using namespace kvarn::oracle;

TEST(Rng, IsTheSameEverywhere) {
  Rng rng(5489);
  EXPECT_EQ(rng.next(), 14514284786278117030ull); // known from the standard
  double sum = 0, squares = 0;
  for (int i = 0; i < 100000; ++i) {
    double x = rng.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / 1e5, 0, 0.01);
  EXPECT_NEAR(squares / 1e5, 1, 0.02);
}

/// The oracle never touches what belongs to no token (NaN), q is scaled, and
/// no case is trivial.
TEST(RandomCase, AttentionIsFinite) {
  int rows = 0;
  for (uint64_t seed = 0; seed < 24; ++seed) {
    CaseSpec spec = randomSpec(seed, 400);
    spec.specialTiles = seed % 3 == 0;
    RandomCase c = makeCase(spec, seed);
    SCOPED_TRACE(c.describe());
    AttentionResult result = attend(c.input());
    EXPECT_LE(result.worstLogitStd, 4);
    if (!spec.specialTiles) {
      EXPECT_EQ(errorLimit(c.input(), result), 2e-3);
    }
    int heads = c.queryHeads(), dim = spec.format.headDim;
    for (size_t row = 0; row < result.lse.size(); ++row) {
      auto out = std::span(result.out).subspan(row * dim, dim);
      double norm =
          std::inner_product(out.begin(), out.end(), out.begin(), 0.0);
      ASSERT_TRUE(std::isfinite(norm)) << "row " << row;
      // fp16 outputs must not overflow.
      ASSERT_LT(*std::max_element(out.begin(), out.end()), 60000);
      EXPECT_EQ(norm == 0, std::isinf(result.lse[row]));
      rows += norm > 0;
    }
    EXPECT_EQ(result.lse.size(), static_cast<size_t>(c.queryTokens()) * heads);
  }
  EXPECT_GT(rows, 500);
}

/// A few huge K tiles: the scores are moderate, rounding q is not.
TEST(RandomCase, LimitAdmitsHeavyTails) {
  CaseSpec spec = randomSpec(39);
  spec.specialTiles = true;
  RandomCase c = makeCase(spec, 39);
  AttentionResult exact = attend(c.input());
  double rounding =
      relativeError(attend(c.input(), QueryRounding::Half).out, exact.out);
  EXPECT_LE(exact.worstLogitStd, 4);
  EXPECT_GT(rounding, 2e-3);
  EXPECT_EQ(errorLimit(c.input(), exact), 3 * rounding);
}

TEST(RandomCase, RepeatsItself) {
  CaseSpec spec = randomSpec(7);
  RandomCase a = makeCase(spec, 7), b = makeCase(spec, 7);
  EXPECT_EQ(a.cache, b.cache);
  EXPECT_EQ(a.poolK, b.poolK);
  EXPECT_EQ(a.q, b.q);
  EXPECT_NE(a.q, makeCase(spec, 8).q);
}

TEST(RandomCase, UnusedMemoryDoesNotMatter) {
  CaseSpec spec = randomSpec(3, 300);
  AttentionResult results[2];
  for (UnusedMemory unused : {UnusedMemory::NaN, UnusedMemory::Zero}) {
    spec.unused = unused;
    RandomCase c = makeCase(spec, 3);
    results[unused == UnusedMemory::Zero] = attend(c.input());
  }
  EXPECT_EQ(results[0].out, results[1].out);
}

TEST(RandomCase, BlocksAreWhereTheyMayBe) {
  std::set<bool> firstPooled, otherPooled;
  bool shared = false;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    CaseSpec spec;
    spec.format = {4, 2, 64, 64};
    spec.lengths = {300, 640, 0, 200};
    spec.queryCounts = {1, 8, 1, 0};
    RandomCase c = makeCase(spec, seed);
    std::set<int32_t> slots, used;
    for (int32_t slot : c.blockToSlot)
      if (slot >= 0) {
        EXPECT_LT(slot, c.slots);
        EXPECT_TRUE(slots.insert(slot).second);
      }
    for (int b = 0; b < 4; ++b)
      for (int i = 0; i < c.maxBlocks; ++i) {
        int32_t block = c.blockTable[b * c.maxBlocks + i];
        if (i * 64 >= spec.lengths[b]) {
          EXPECT_EQ(block, -1);
          continue;
        }
        ASSERT_TRUE(block >= 0 && block < c.blocks);
        shared |= !used.insert(block).second;
        bool pooled = c.blockToSlot[block] >= 0;
        if ((i + 1) * 64 > spec.lengths[b])
          EXPECT_TRUE(pooled); // unfinished
        else
          (i == 0 ? firstPooled : otherPooled).insert(pooled);
      }
  }
  EXPECT_EQ(firstPooled.size(), 2u);
  EXPECT_EQ(otherPooled.size(), 2u);
  EXPECT_TRUE(shared);
}

/// The cache ends before the new tokens, and rows that are no token are unused.
TEST(RandomCase, NewTokensAreNotInTheCache) {
  AttentionResult results[2];
  for (UnusedMemory unused : {UnusedMemory::NaN, UnusedMemory::Zero}) {
    CaseSpec spec;
    spec.format = {4, 2, 64, 64};
    spec.kvHeads = 2;
    spec.lengths = {300, 20, 3, 100};
    spec.queryCounts = {44, 20, 5, 0};
    spec.newTokens = true;
    spec.unused = unused;
    RandomCase c = makeCase(spec, 5);
    EXPECT_EQ(c.cachedTokens(), (std::vector<int32_t>{256, 0, 0, 100}));
    for (int b = 0; b < 4; ++b)
      for (int i = 0; i < c.maxBlocks; ++i)
        EXPECT_EQ(c.blockTable[b * c.maxBlocks + i] == -1,
                  i * 64 >= c.cachedTokens()[b]);
    EXPECT_EQ(c.newK.size(), size_t(69 * 2 * 64));
    results[unused == UnusedMemory::Zero] = attend(c.input());
  }
  EXPECT_EQ(results[0].out, results[1].out);
  EXPECT_TRUE(std::isinf(results[0].lse[65 * 2])); // 2 of 5 rows of request 2
  EXPECT_FALSE(std::isinf(results[0].lse[66 * 2]));
}

TEST(RandomCase, StoredAndSyntheticRecordsLookAlike) {
  for (bool stored : {false, true}) {
    CaseSpec spec;
    spec.format = {4, 4, 64, 128};
    spec.lengths = {256};
    spec.queryCounts = {1};
    spec.pooledFirst = spec.pooledOther = 0;
    spec.storedRecords = stored;
    RandomCase c = makeCase(spec, 1);
    Matrix values = gatherContext(c.input().cache, 0, 0, Side::Value);
    double squares = 0;
    for (double value : values.data)
      squares += value * value;
    EXPECT_GT(squares / static_cast<double>(values.data.size()), 0.25);
    EXPECT_LT(squares / static_cast<double>(values.data.size()), 4);
  }
}
