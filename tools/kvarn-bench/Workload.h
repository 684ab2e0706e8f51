//===- Workload.h - What is measured --------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_WORKLOAD_H
#define KVARN_TOOLS_BENCH_WORKLOAD_H

#include "tools/kvarn-bench/Device.h"
#include "tools/kvarn-bench/Shape.h"
#include "tools/kvarn-bench/Tiles.h"

#include <memory>
#include <vector>

namespace kvarn::bench {

/// The tensors of several layers, which are attended one after the other like
/// those of a model: what one reads has left the caches when its turn comes
/// again.
class Workload {
public:
  /// The cache, as kernels like `kernel` read it.
  Workload(Device &device, const TileSource &source, const run::Kernel &kernel,
           const Shape &shape, int64_t memory);

  /// Chooses the kernel that attend() runs.
  void use(const run::Kernel &kernel);

  int64_t layers() const { return static_cast<int64_t>(tables.size()); }
  /// Bytes of the cache that one launch reads: the format's own.
  int64_t bytes() const { return bytesRead; }
  /// Whether the records were packed by a flush kernel.
  bool reallyPacked() const { return packed; }
  /// Attends over one layer; seconds.
  double attend(int64_t layer) {
    return launches[static_cast<size_t>(layer)]->run();
  }
  /// Throws Error if the last output is not plausible.
  void checkOutput() const;

private:
  using Placed = std::unique_ptr<DeviceTensor>;

  void planBlocks();
  int64_t countLayers(int64_t memory) const;
  void fill(const TileSource &source, int64_t layers);
  void makeTables(int64_t layers);
  void makeQueries();
  std::unique_ptr<TimedLaunch> prepare(const DeviceTensor &table) const;

  Device &device;
  run::Kernel kernel;
  Shape shape;
  Format format;
  std::vector<int64_t> lengths;
  std::vector<bool> pooled; // blocks of one layer, request after request
  int64_t columns = 0;      // of the block table
  int64_t pooledBlocks = 0, bytesRead = 0;
  bool packed = false;
  Placed q, queryStart, pages, poolK, poolV, blockToSlot, seqLens, out;
  std::vector<Placed> tables; // one per layer
  std::vector<std::unique_ptr<TimedLaunch>> launches;
};

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_WORKLOAD_H
