//===- AttentionTest.cpp - Attention on cases small enough for the eye ----===//

#include "test/oracle/Attention.h"
#include "test/oracle/Rotation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace kvarn::oracle;

namespace {
constexpr double kInf = std::numeric_limits<double>::infinity();

/// One request in one pool slot, one head, D = 64. Key t scores `scores[t]`
/// against the query, and value t is `t + 1` in output channel 0.
struct Tiny {
  static constexpr int kDim = 64;

  explicit Tiny(std::vector<double> scores, int queries = 1) {
    poolK.resize(64 * kDim);
    poolV.resize(64 * kDim);
    for (size_t t = 0; t < scores.size(); ++t) {
      poolK[t * kDim] = doubleToHalf(scores[t]); // rotated channel 0
      for (int d = 0; d < kDim; ++d) // rotates back to (t + 1, 0, 0, ...)
        poolV[t * kDim + d] = doubleToHalf((t + 1.0) / 8);
    }
    q.resize(queries * kDim);
    for (float &value : q) // rotates to (1, 0, 0, ...)
      value = 0.125;
    lengths = {static_cast<int32_t>(scores.size())};
    start = {0, queries};
    input.cache.format = {4, 2, 64, kDim};
    input.cache.kvHeads = 1;
    input.cache.poolK = {poolK.data(), DType::F16, {1, 64, 1, kDim}};
    input.cache.poolV = {poolV.data(), DType::F16, {1, 64, 1, kDim}};
    input.cache.blockTable = table.data();
    input.cache.blockTableStride = 1;
    input.cache.blockToSlot = toSlot;
    input.cache.seqLens = lengths;
    input.q = {q.data(), DType::F32, {queries, 1, kDim}};
    input.queryStart = start;
  }
  Tiny(const Tiny &) = delete;

  double out(int row = 0) const { return attend(input).out[row * kDim]; }
  double lse(int row = 0) const { return attend(input).lse[row]; }

  std::vector<uint16_t> poolK, poolV;
  std::vector<float> q;
  std::vector<int32_t> lengths, start, table = {0}, toSlot = {0};
  AttentionInput input;
};
} // namespace

TEST(Attention, SoftmaxByHand) {
  Tiny one({3});
  EXPECT_NEAR(one.out(), 1, 1e-12);
  EXPECT_NEAR(one.lse(), 3, 1e-12);
  Tiny two({0, 1});
  double e = std::exp(1);
  EXPECT_NEAR(two.out(), (1 + 2 * e) / (1 + e), 1e-12);
  EXPECT_NEAR(two.lse(), std::log(1 + e), 1e-12);
  EXPECT_NEAR(attend(two.input).out[1], 0, 1e-12); // the other channels
  EXPECT_NEAR(attend(two.input).worstLogitStd, 0.5, 1e-12);
  two.input.scale = 2;
  EXPECT_NEAR(two.lse(), std::log(1 + e * e), 1e-12);
}

TEST(Attention, LargeScoresDoNotOverflow) {
  Tiny tiny({60000, 60000});
  EXPECT_NEAR(tiny.out(), 1.5, 1e-9);
  EXPECT_NEAR(tiny.lse(), 60000 + std::log(2), 1e-9);
}

TEST(Attention, CausalLimitOfEachRow) {
  Tiny tiny({0, 0, 0, 0}, 2); // rows see 3 and 4 tokens
  EXPECT_NEAR(tiny.out(0), 2, 1e-12);
  EXPECT_NEAR(tiny.out(1), 2.5, 1e-12);
  EXPECT_NEAR(tiny.lse(0), std::log(3), 1e-12);
  tiny.input.causal = false;
  EXPECT_NEAR(tiny.out(0), 2.5, 1e-12);
}

TEST(Attention, WindowCountsTheTokenItself) {
  Tiny tiny({0, 0, 0, 0}, 2);
  tiny.input.window = 2; // rows see {1, 2} and {2, 3}
  EXPECT_NEAR(tiny.out(0), 2.5, 1e-12);
  EXPECT_NEAR(tiny.out(1), 3.5, 1e-12);
  tiny.input.window = 1;
  EXPECT_NEAR(tiny.out(1), 4, 1e-12);
  tiny.input.window = 100;
  EXPECT_NEAR(tiny.out(0), 2, 1e-12);
  tiny.input.window = 2;
  tiny.input.causal = false;
  EXPECT_NEAR(tiny.out(0), 3.5, 1e-12);
}

TEST(Attention, VisibleRanges) {
  auto range = [](int64_t length, int64_t n, int64_t j, bool causal,
                  int64_t window) {
    VisibleRange seen = visibleRange(length, n, j, causal, window);
    return std::pair(seen.begin, seen.end);
  };
  EXPECT_EQ(range(10, 3, 0, true, 0), std::pair(int64_t(0), int64_t(8)));
  EXPECT_EQ(range(10, 3, 2, true, 4), std::pair(int64_t(6), int64_t(10)));
  EXPECT_EQ(range(0, 1, 0, true, 4), std::pair(int64_t(0), int64_t(0)));
  EXPECT_EQ(range(1, 3, 0, true, 0), std::pair(int64_t(0), int64_t(0)));
}

TEST(Attention, NothingSeen) {
  Tiny tiny({}, 2);
  EXPECT_EQ(tiny.out(0), 0);
  EXPECT_EQ(tiny.lse(1), -kInf);
  std::vector<float> sinks = {1.0f};
  tiny.input.sinks = sinks;
  EXPECT_EQ(tiny.out(0), 0);
  EXPECT_EQ(tiny.lse(0), -kInf);
}

TEST(Attention, RequestsWithoutQueriesAreSkipped) {
  Tiny tiny({0, 0}, 1);
  tiny.lengths = {2, 2};
  tiny.start = {0, 0, 1};
  tiny.table = {-7, 0}; // the first must not be looked at
  tiny.input.cache.blockTable = tiny.table.data();
  tiny.input.cache.seqLens = tiny.lengths;
  tiny.input.queryStart = tiny.start;
  EXPECT_NEAR(tiny.out(), 1.5, 1e-12);
}

TEST(Attention, NewTokensFollowTheCache) {
  Tiny tiny({0, 0, 7, 7}, 2); // of which the cache has but the first two
  std::vector<float> keys(2 * Tiny::kDim), values(2 * Tiny::kDim);
  for (int d = 0; d < Tiny::kDim; ++d) {
    keys[d] = 1 * 0.125f; // rotates to a score of 1
    keys[Tiny::kDim + d] = 2 * 0.125f;
  }
  values[0] = 30;
  values[Tiny::kDim] = 40;
  tiny.input.newK = {keys.data(), DType::F32, {2, 1, Tiny::kDim}};
  tiny.input.newV = {values.data(), DType::F32, {2, 1, Tiny::kDim}};
  double e = std::exp(1);
  EXPECT_NEAR(tiny.lse(0), std::log(2 + e), 1e-9);
  EXPECT_NEAR(tiny.out(0), (1 + 2 + 30 * e) / (2 + e), 1e-9);
  EXPECT_NEAR(tiny.lse(1), std::log(2 + e + e * e), 1e-9);
  EXPECT_NEAR(tiny.out(1), (1 + 2 + 30 * e + 40 * e * e) / (2 + e + e * e),
              1e-9);
  EXPECT_EQ(tiny.input.cachedTokens(0), 2);
  // More rows than tokens: the last row is the one token.
  tiny.lengths[0] = 1;
  EXPECT_EQ(tiny.lse(0), -kInf);
  EXPECT_NEAR(tiny.lse(1), 2, 1e-9);
  EXPECT_NEAR(tiny.out(1), 40, 1e-9);
}

TEST(Attention, SinkJoinsTheDenominator) {
  Tiny tiny({0, 0});
  std::vector<float> sinks = {std::log(2.0f)};
  tiny.input.sinks = sinks;
  tiny.input.scale = 5; // does not touch the sink
  EXPECT_NEAR(tiny.out(), 0.75, 1e-6);
  EXPECT_NEAR(tiny.lse(), std::log(4), 1e-6);
  sinks = {500};
  EXPECT_NEAR(tiny.lse(), 500, 1e-6);
  EXPECT_NEAR(tiny.out(), 0, 1e-6);
}

TEST(Attention, Softcap) {
  Tiny tiny({0, 4});
  tiny.input.scale = 0.5;
  tiny.input.softcap = 3;
  double s = 3 * std::tanh(4 * 0.5 / 3);
  EXPECT_NEAR(tiny.lse(), std::log(1 + std::exp(s)), 1e-12);
}

TEST(Attention, QueryRounding) {
  Tiny tiny({0, 4});
  tiny.q[0] += 1e-5f;
  EXPECT_NE(attend(tiny.input).lse[0],
            attend(tiny.input, QueryRounding::Half).lse[0]);
}

TEST(Attention, LimitGrowsWithTheScores) {
  Tiny tiny({0, 8, 1, -3});
  EXPECT_EQ(errorLimit(tiny.input, attend(tiny.input)), 2e-3);
  for (int t = 0; t < 4; ++t) // all channels, so that rounding q matters
    for (int d = 0; d < Tiny::kDim; ++d)
      tiny.poolK[t * Tiny::kDim + d] =
          doubleToHalf(100 * std::sin(1 + t + 3 * d));
  for (int d = 0; d < Tiny::kDim; ++d)
    tiny.q[d] = static_cast<float>(5 * std::cos(2 * d));
  AttentionResult exact = attend(tiny.input);
  EXPECT_GT(exact.worstLogitStd, 4);
  AttentionResult rounded = attend(tiny.input, QueryRounding::Half);
  EXPECT_EQ(errorLimit(tiny.input, exact),
            std::max(2e-3, 3 * relativeError(rounded.out, exact.out)));
}

TEST(RelativeError, SpecialValues) {
  using Values = std::vector<double>;
  EXPECT_EQ(relativeError(Values{0, 0}, Values{0, 0}), 0);
  EXPECT_EQ(relativeError(Values{1, 0}, Values{0, 0}), kInf);
  EXPECT_EQ(relativeError(Values{NAN, 0}, Values{1, 0}), kInf);
  EXPECT_EQ(relativeError(Values{kInf, 0}, Values{1, 0}), kInf);
  EXPECT_NEAR(relativeError(Values{3, 4.5}, Values{3, 4}), 0.1, 1e-15);
}
