//===- Shape.h - Shapes to be measured ------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_SHAPE_H
#define KVARN_TOOLS_BENCH_SHAPE_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvarn::bench {

// Beyond these, sizes in bytes might not fit in 64 bits.
inline constexpr int64_t kMostBatch = 1 << 16, kMostContext = 1 << 24,
                         kMostHeads = 1 << 10, kMostQueryTokens = 1 << 16,
                         kMostHeadDim = 1 << 12, kMostPairs = 1 << 20;

/// One launch for one layer. Which members a kernel has is said by kMembers in
/// Shape.cpp; the others stand for nothing. In a suite file the members have
/// the names of the fields in snake_case.
struct Shape {
  std::string kernel = "attend";
  int64_t batch = 1;
  /// Tokens of each request; with `newTokens` those before the query tokens.
  int64_t context = 32768;
  /// Of the shortest request: lengths go from here to `context`, each longer by
  /// the same factor. 0 = all requests have the same.
  int64_t contextFrom = 0;
  int64_t queryHeads = 64;
  int64_t kvHeads = 8;
  int64_t pairs = 256;     // blocks that are flushed, packed, ...
  int64_t tokens = 4096;   // that are appended
  int64_t queryTokens = 1; // of each request
  bool newTokens = false;  // their K and V are given raw: "new" in a suite
  double poolFraction = 0; // of the blocks, in the fp16 pool
  bool poolEnds = false;   // in the pool: first blocks and unfinished last ones
  bool comparePool = false; // measure with every block in the pool too
  // The kernel; "" and 0 = any. The layout of relayout is the one written.
  std::string format, layout, dtype;
  int64_t headDim = 0;

  /// Tokens of each request in the cache.
  std::vector<int64_t> lengths() const;
  /// And with those that the cache lacks.
  std::vector<int64_t> allLengths() const;
  /// Multiplications and additions of causal attention, without its softmax.
  double operations(int64_t headDim) const;
  /// "batch 4 context 8192 heads 64/8 pool 0.00"
  std::string describe() const;
  /// Whether `member` of a suite file says something of the kernel.
  bool has(std::string_view member) const;
};

/// Throws run::Error, with `where` in front, if the members do not fit.
void checkShape(const Shape &shape, const std::string &where);

/// The same for a format, layout or dtype that no library can have.
void checkNames(const Shape &shape, const std::string &where);

/// The shapes of the JSON list in `path`; what a shape does not say is as in
/// `base`. Throws run::Error.
std::vector<Shape> readShapes(const std::string &path, const Shape &base);

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_SHAPE_H
