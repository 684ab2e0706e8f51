//===- Cache.h - A paged cache of several layers --------------------------===//

#ifndef KVARN_TOOLS_BENCH_CACHE_H
#define KVARN_TOOLS_BENCH_CACHE_H

#include "tools/kvarn-bench/Device.h"
#include "tools/kvarn-bench/Shape.h"
#include "tools/kvarn-bench/Tiles.h"

#include <memory>
#include <vector>

namespace kvarn::bench {

/// A tensor on a device.
using Placed = std::unique_ptr<DeviceTensor>;

/// How many layers of `layerBytes` to make, of which a launch moves
/// `movedBytes`: four times what the caches hold, within `memory` beside
/// `sharedBytes` of all layers. Throws run::Error if not even one fits.
int64_t countLayers(const Device &device, int64_t movedBytes,
                    int64_t layerBytes, int64_t memory,
                    int64_t sharedBytes = 0);

/// The requests of a shape: which block holds what, and where.
class BlockPlan {
public:
  BlockPlan(const Shape &shape, const Format &format);

  /// Of one layer.
  int64_t blocks() const { return static_cast<int64_t>(pooled.size()); }
  int64_t blocksOf(int64_t length) const {
    return (length + group - 1) / group;
  }

  std::vector<int64_t> lengths; // of the requests, in the cache
  std::vector<bool> pooled;     // blocks of one layer, request after request
  int64_t columns = 1;          // of the block table
  int64_t pooledBlocks = 0;
  int64_t bytes = 0; // of all tokens in one layer, the format's own, and of
                     // new K and V

private:
  int64_t group;
};

/// The tensors of several layers, which are read one after the other like those
/// of a model: what one reads has left the caches when its turn comes again.
class Cache {
public:
  Cache(Device &device, const Tiles &tiles, const Shape &shape,
        const BlockPlan &plan, int64_t layers);

  bool packed = false; // by a flush kernel
  Placed pages, poolK, poolV, blockToSlot, seqLens;
  std::vector<Placed> tables; // one per layer

private:
  void makeTables(Device &device, const BlockPlan &plan, int64_t layers);
};

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_CACHE_H
