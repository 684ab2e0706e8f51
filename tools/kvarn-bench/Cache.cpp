//===- Cache.cpp - A paged cache of several layers ------------------------===//

#include "tools/kvarn-bench/Cache.h"

#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kvarn::bench {

int64_t countLayers(const Device &device, int64_t movedBytes,
                    int64_t layerBytes, int64_t memory, int64_t sharedBytes) {
  int64_t layers =
      std::min(4 * device.cacheBytes() / movedBytes + 1,
               (memory - sharedBytes) / std::max<int64_t>(layerBytes, 1));
  if (layers < 1)
    throw run::Error(
        run::kInput,
        run::formatText(
            "a cache of %lld MiB is more than --memory",
            static_cast<long long>((layerBytes + sharedBytes) >> 20)));
  return layers;
}

BlockPlan::BlockPlan(const Shape &shape, const Format &format)
    : lengths(shape.lengths()), group(format.group) {
  int64_t count = 0;
  for (int64_t length : lengths) {
    columns = std::max(columns, blocksOf(length));
    count += blocksOf(length);
  }
  int64_t even = std::llround(shape.poolFraction * static_cast<double>(count));
  for (int64_t length : lengths)
    for (int64_t start = 0; start < length; start += format.group) {
      int64_t tokens = std::min(format.group, length - start), i = blocks();
      // Spread evenly.
      bool here = (i + 1) * even / count > i * even / count ||
                  (shape.poolEnds && (start == 0 || tokens < format.group));
      pooled.push_back(here);
      pooledBlocks += here;
      bytes += shape.kvHeads *
               (here ? 4 * tokens * format.headDim : format.recordBytes());
    }
  if (shape.newTokens)
    bytes +=
        shape.batch * shape.queryTokens * shape.kvHeads * 4 * format.headDim;
}

Cache::Cache(Device &device, const Tiles &tiles, const Shape &shape,
             const BlockPlan &plan, int64_t layers) {
  packed = tiles.packed;
  // At least one: neither may be absent.
  pages =
      device.repeat(tiles.pages, std::max<int64_t>(layers * plan.blocks(), 1));
  int64_t slots = std::max<int64_t>(layers * plan.pooledBlocks, 1);
  poolK = device.repeat(tiles.poolK, slots);
  poolV = device.repeat(tiles.poolV, slots);
  makeTables(device, plan, layers);
  std::vector<int64_t> all = shape.allLengths();
  std::vector<int32_t> lengths(all.begin(), all.end());
  seqLens = device.place(run::intTensor({shape.batch}, lengths));
}

/// All blocks of all layers and all slots in random order.
void Cache::makeTables(Device &device, const BlockPlan &plan, int64_t layers) {
  auto batch = static_cast<int64_t>(plan.lengths.size());
  std::mt19937 random(2);
  std::vector<int32_t> blocks(
      static_cast<size_t>(std::max<int64_t>(layers * plan.blocks(), 1)));
  std::vector<int32_t> slots(static_cast<size_t>(layers * plan.pooledBlocks));
  std::iota(blocks.begin(), blocks.end(), 0);
  std::iota(slots.begin(), slots.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), random);
  std::shuffle(slots.begin(), slots.end(), random);
  std::vector<int32_t> toSlot(blocks.size(), -1);
  size_t nextBlock = 0, nextSlot = 0;
  for (int64_t layer = 0; layer < layers; ++layer) {
    std::vector<int32_t> table(static_cast<size_t>(batch * plan.columns));
    size_t i = 0; // in `pooled`
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t c = 0;
           c < plan.blocksOf(plan.lengths[static_cast<size_t>(b)]); ++c, ++i) {
        int32_t block = blocks[nextBlock++];
        table[static_cast<size_t>(b * plan.columns + c)] = block;
        if (plan.pooled[i])
          toSlot[static_cast<size_t>(block)] = slots[nextSlot++];
      }
    tables.push_back(
        device.place(run::intTensor({batch, plan.columns}, table)));
  }
  blockToSlot = device.place(
      run::intTensor({static_cast<int64_t>(toSlot.size())}, toSlot));
}

} // namespace kvarn::bench
