//===- Attention.h - Attention over the cache in double -------------------===//
//
// docs: contract.md (Attend); algorithm.md, sections 5 and 6.
//
// Decisions where those leave room:
//  * Softcap: s = cap * tanh(s / cap), s being the scaled score.
//  * A sink logit joins the softmax denominator of its head as it is: neither
//    scaled nor capped, and without a value (as in gpt-oss).
//  * lse includes the sink.
//  * Where nothing is seen the output is 0 and lse is -inf, sink or not.
//  * New K and V are rotated in double and not rounded. Of a request with fewer
//    tokens than query rows they are the last rows.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_ATTENTION_H
#define KVARN_TEST_ORACLE_ATTENTION_H

#include "test/oracle/Half.h"
#include "test/oracle/Matrix.h"
#include "test/oracle/Record.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvarn::oracle {

/// The cache and the lengths of a batch. Nothing is owned.
struct CacheView {
  Format format;
  int kvHeads = 0;
  const uint8_t *records = nullptr;    // reference layout
  int64_t blockStride = 0;             // bytes between blocks
  int64_t headStride = 0;              // bytes between the heads of a block
  TensorView poolK, poolV;             // [slots, G, Hk, D], rotated
  const int32_t *blockTable = nullptr; // [B, max_blocks]
  int64_t blockTableStride = 0;
  std::span<const int32_t> blockToSlot; // [blocks], -1 = packed
  std::span<const int32_t> seqLens;     // [B], includes the query tokens
};

struct AttentionInput {
  CacheView cache;
  TensorView q;                        // [T, Hq, D], not rotated
  std::span<const int32_t> queryStart; // [B + 1]
  double scale = 1;
  bool causal = true;
  int64_t window = 0;           // 0 = none
  double softcap = 0;           // 0 = none
  std::span<const float> sinks; // [Hq], empty = none
  /// [T, Hk, D], not rotated: K and V of the query tokens, which the cache then
  /// lacks. No data: it has them.
  TensorView newK, newV;

  int batch() const { return static_cast<int>(cache.seqLens.size()); }
  int queryHeads() const { return static_cast<int>(q.shape[1]); }
  /// Query heads per KV head.
  int ratio() const { return queryHeads() / cache.kvHeads; }
  /// Tokens of a request that are in the cache.
  int cachedTokens(int request) const;
};

struct AttentionResult {
  std::vector<double> out; // [T, Hq, D], rotated back
  std::vector<double> lse; // [T, Hq]
  /// The largest standard deviation of the scaled scores (before any softcap)
  /// that one query row of one head sees.
  double worstLogitStd = 0;
};

/// Rotated q as double, or rounded once to fp16 as a kernel has to.
enum class QueryRounding { None, Half };

AttentionResult attend(const AttentionInput &input,
                       QueryRounding rounding = QueryRounding::None);

/// Positions [begin, end) that query row `j` of `n` sees.
struct VisibleRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};
VisibleRange visibleRange(int64_t length, int64_t n, int64_t j, bool causal,
                          int64_t window);

/// K' or V' of one request and KV head as [token][channel], rotated frame,
/// each block taken from its record or from the pool.
Matrix gatherContext(const CacheView &cache, int request, int kvHead,
                     Side side);

/// The same of all tokens, whether the cache has them or they are new.
Matrix gatherTokens(const AttentionInput &input, int request, int kvHead,
                    Side side);

/// The limit of relativeError(product.out, attend(input).out). Usually 2e-3;
/// but 3 times the error that rounding the rotated q to fp16 makes by itself
/// (if that is more) where the scores have a standard deviation above 4, and
/// also where that error alone is above 1e-3: with a few K tiles of 1e4 among
/// ordinary ones it can reach 5e-3 while the standard deviation is below 4.
double errorLimit(const AttentionInput &input, const AttentionResult &exact);

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_ATTENTION_H
