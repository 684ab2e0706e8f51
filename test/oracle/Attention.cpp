//===- Attention.cpp - Attention over the cache in double -----------------===//

#include "test/oracle/Attention.h"

#include "test/oracle/Rotation.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvarn::oracle {

VisibleRange visibleRange(int64_t length, int64_t n, int64_t j, bool causal,
                          int64_t window) {
  int64_t end = std::max<int64_t>(causal ? length - n + j + 1 : length, 0);
  int64_t begin = window > 0 ? std::max<int64_t>(end - window, 0) : 0;
  return {begin, end};
}

int AttentionInput::cachedTokens(int request) const {
  int length = cache.seqLens[request];
  if (!newK.data)
    return length;
  int count = queryStart[request + 1] - queryStart[request];
  return std::max(length - count, 0);
}

/// The first `length` tokens of a request, into as many rows of `context`.
static void gather(const CacheView &cache, int request, int kvHead, Side side,
                   int length, Matrix &context) {
  const Format &format = cache.format;
  const TensorView &pool = side == Side::Key ? cache.poolK : cache.poolV;
  for (int first = 0; first < length; first += format.group) {
    int count = std::min(format.group, length - first);
    int64_t block = cache.blockTable[request * cache.blockTableStride +
                                     first / format.group];
    require(block >= 0 &&
                block < static_cast<int64_t>(cache.blockToSlot.size()),
            "block table entry out of range");
    int64_t slot = cache.blockToSlot[block];
    if (slot >= 0) {
      require(slot < pool.shape[0], "slot out of range");
      for (int t = 0; t < count; ++t)
        for (int d = 0; d < format.headDim; ++d)
          context(first + t, d) = pool.at(slot, t, kvHead, d);
      continue;
    }
    const uint8_t *record =
        cache.records + block * cache.blockStride + kvHead * cache.headStride;
    Matrix tile = dequantize(
        decodeTile(format, side,
                   {record, static_cast<size_t>(format.recordBytes())}),
        side);
    std::copy_n(tile.data.begin(), static_cast<size_t>(count) * format.headDim,
                context.row(first).begin());
  }
}

Matrix gatherContext(const CacheView &cache, int request, int kvHead,
                     Side side) {
  Matrix context(cache.seqLens[request], cache.format.headDim);
  gather(cache, request, kvHead, side, context.rows, context);
  return context;
}

Matrix gatherTokens(const AttentionInput &input, int request, int kvHead,
                    Side side) {
  const TensorView &more = side == Side::Key ? input.newK : input.newV;
  int cached = input.cachedTokens(request);
  Matrix tokens(input.cache.seqLens[request], input.cache.format.headDim);
  gather(input.cache, request, kvHead, side, cached, tokens);
  for (int t = cached; t < tokens.rows; ++t) {
    for (int d = 0; d < tokens.cols; ++d)
      tokens(t, d) =
          more.at(input.queryStart[request + 1] - tokens.rows + t, kvHead, d);
    rotate(tokens.row(t));
  }
  return tokens;
}

static double standardDeviation(std::span<const double> values) {
  double mean = 0, squares = 0;
  for (double value : values)
    mean += value;
  mean /= static_cast<double>(values.size());
  for (double value : values)
    squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

/// One query row of one head. `q` is rotated, and so is `out`, which starts
/// at 0. Returns lse.
static double attendRow(const AttentionInput &input, std::span<const double> q,
                        const Matrix &keys, const Matrix &values,
                        VisibleRange seen, int head, std::span<double> out,
                        double &worstLogitStd) {
  if (seen.size() == 0)
    return -std::numeric_limits<double>::infinity();
  std::vector<double> scores;
  for (int64_t t = seen.begin; t < seen.end; ++t)
    scores.push_back(dot(q, keys.row(static_cast<int>(t))) * input.scale);
  worstLogitStd = std::max(worstLogitStd, standardDeviation(scores));
  if (input.softcap > 0)
    for (double &score : scores)
      score = input.softcap * std::tanh(score / input.softcap);

  double highest = *std::max_element(scores.begin(), scores.end());
  if (!input.sinks.empty())
    highest = std::max(highest, static_cast<double>(input.sinks[head]));
  double sum = 0;
  for (int64_t t = seen.begin; t < seen.end; ++t) {
    double p = std::exp(scores[t - seen.begin] - highest);
    sum += p;
    auto value = values.row(static_cast<int>(t));
    for (size_t d = 0; d < out.size(); ++d)
      out[d] += p * value[d];
  }
  if (!input.sinks.empty())
    sum += std::exp(static_cast<double>(input.sinks[head]) - highest);
  for (double &value : out)
    value /= sum;
  return highest + std::log(sum);
}

AttentionResult attend(const AttentionInput &input, QueryRounding rounding) {
  const CacheView &cache = input.cache;
  int headDim = cache.format.headDim, heads = input.queryHeads();
  require(cache.kvHeads > 0 && heads % cache.kvHeads == 0,
          "query heads are not a multiple of KV heads");
  require(input.q.shape[2] == headDim, "q does not fit head_dim");
  require(input.queryStart.size() == cache.seqLens.size() + 1,
          "query_start needs one entry more than seq_lens");
  require(input.sinks.empty() ||
              input.sinks.size() == static_cast<size_t>(heads),
          "one sink logit per query head");
  require(!input.newK.data == !input.newV.data, "new K and V come together");
  int64_t rows = input.q.shape[0] * heads;
  AttentionResult result;
  result.out.assign(rows * headDim, 0.0);
  result.lse.assign(rows, -std::numeric_limits<double>::infinity());
  std::vector<double> q(headDim);
  for (int request = 0; request < input.batch(); ++request) {
    int64_t start = input.queryStart[request];
    int64_t count = input.queryStart[request + 1] - start;
    if (count == 0)
      continue;
    for (int kvHead = 0; kvHead < cache.kvHeads; ++kvHead) {
      Matrix keys = gatherTokens(input, request, kvHead, Side::Key);
      Matrix values = gatherTokens(input, request, kvHead, Side::Value);
      for (int64_t row = 0; row < count * input.ratio(); ++row) {
        int64_t token = start + row / input.ratio();
        int head =
            kvHead * input.ratio() + static_cast<int>(row % input.ratio());
        for (int d = 0; d < headDim; ++d)
          q[d] = input.q.at(token, head, d);
        rotate(q);
        if (rounding == QueryRounding::Half)
          for (double &value : q)
            value = roundToHalf(value);
        std::span<double> out(&result.out[(token * heads + head) * headDim],
                              headDim);
        result.lse[token * heads + head] =
            attendRow(input, q, keys, values,
                      visibleRange(cache.seqLens[request], count, token - start,
                                   input.causal, input.window),
                      head, out, result.worstLogitStd);
        rotate(out);
      }
    }
  }
  return result;
}

double errorLimit(const AttentionInput &input, const AttentionResult &exact) {
  constexpr double kLimit = 2e-3;
  double rounding =
      relativeError(attend(input, QueryRounding::Half).out, exact.out);
  if (exact.worstLogitStd <= 4 && rounding <= kLimit / 2)
    return kLimit;
  return std::max(kLimit, 3 * rounding);
}

} // namespace kvarn::oracle
