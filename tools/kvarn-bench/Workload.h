//===- Workload.h - What is measured --------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_WORKLOAD_H
#define KVARN_TOOLS_BENCH_WORKLOAD_H

#include "tools/kvarn-bench/Device.h"
#include "tools/kvarn-run/Runtime.h"

#include <memory>
#include <vector>

namespace kvarn::bench {

// Beyond these, sizes in bytes might not fit in 64 bits.
inline constexpr int64_t kMostBatch = 1 << 16, kMostContext = 1 << 24,
                         kMostHeads = 1 << 10, kMostQueryTokens = 1 << 16;

/// One decode step of one layer.
struct Shape {
  int64_t batch = 1;
  int64_t context = 32768; // tokens of each request
  int64_t queryHeads = 64;
  int64_t kvHeads = 8;
  int64_t queryTokens = 1;  // of each request
  double poolFraction = 0;  // of the blocks, in the fp16 pool
  bool comparePool = false; // measure with every block in the pool too
};

/// The tensors of several layers, which are attended one after the other like
/// those of a model: what one reads has left the caches when its turn comes
/// again.
class Workload {
public:
  Workload(Device &device, const run::Library &library,
           const run::Kernel &kernel, const Shape &shape, int64_t memory);

  int64_t layers() const { return static_cast<int64_t>(tables.size()); }
  /// Bytes of the cache that one launch reads: the format's own.
  int64_t bytes() const { return bytesRead; }
  /// Attends over one layer; seconds.
  double attend(int64_t layer);
  /// Throws Error if the last output is not plausible.
  void checkOutput() const;

private:
  using Placed = std::unique_ptr<DeviceTensor>;

  void fill(const run::Library &library, int64_t layers);
  void makeTables(int64_t layers);
  void makeQueries();

  Device &device;
  run::Kernel kernel;
  Shape shape;
  Format format;
  int64_t blocksPerRequest, pooledBlocks, bytesRead = 0;
  Placed q, queryStart, pages, poolK, poolV, blockToSlot, seqLens, out;
  std::vector<Placed> tables; // one per layer
};

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_WORKLOAD_H
