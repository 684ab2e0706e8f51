//===- Workload.cpp - What is measured ------------------------------------===//

#include "tools/kvarn-bench/Workload.h"

#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kvarn::bench {

using run::DType;
using run::HostTensor;

Workload::Workload(Device &device, const TileSource &source,
                   const run::Kernel &kernel, const Shape &shape,
                   int64_t memory)
    : device(device), kernel(kernel), shape(shape),
      format(*run::formatOf(kernel.info())), lengths(shape.lengths()) {
  planBlocks();
  int64_t layers = countLayers(memory);
  fill(source, layers);
  makeTables(layers);
  makeQueries();
}

void Workload::use(const run::Kernel &chosen) {
  launches.clear();
  kernel = chosen;
  for (const Placed &table : tables)
    launches.push_back(prepare(*table));
}

/// Which blocks are in the pool, and what a launch reads.
void Workload::planBlocks() {
  int64_t blocks = 0;
  for (int64_t length : lengths) {
    int64_t own = (length + format.group - 1) / format.group;
    columns = std::max(columns, own);
    blocks += own;
  }
  int64_t even = std::llround(shape.poolFraction * static_cast<double>(blocks));
  for (int64_t length : lengths)
    for (int64_t start = 0; start < length; start += format.group) {
      int64_t tokens = std::min(format.group, length - start);
      auto i = static_cast<int64_t>(pooled.size());
      // Spread evenly.
      bool here = (i + 1) * even / blocks > i * even / blocks ||
                  (shape.poolEnds && (start == 0 || tokens < format.group));
      pooled.push_back(here);
      pooledBlocks += here;
      bytesRead += shape.kvHeads *
                   (here ? 4 * tokens * format.headDim : format.recordBytes());
    }
}

/// Four times what the caches hold, within the memory. A pooled block has an
/// unused record too.
int64_t Workload::countLayers(int64_t memory) const {
  auto blocks = static_cast<int64_t>(pooled.size());
  int64_t slot = 4 * format.group * format.headDim;
  int64_t layerBytes =
      shape.kvHeads * (blocks * format.recordBytes() + pooledBlocks * slot);
  int64_t layers = std::min(4 * device.cacheBytes() / bytesRead + 1,
                            memory / std::max<int64_t>(layerBytes, 1));
  if (layers < 1)
    throw run::Error(
        run::kInput,
        run::formatText("a cache of %lld MiB is more than --memory",
                        static_cast<long long>(layerBytes >> 20)));
  return layers;
}

void Workload::fill(const TileSource &source, int64_t layers) {
  Tiles tiles = makeTiles(source, kernel, format, shape.kvHeads);
  packed = tiles.packed;
  pages =
      device.repeat(tiles.pages, layers * static_cast<int64_t>(pooled.size()));
  // At least one: a pool may not be absent.
  int64_t slots = std::max<int64_t>(layers * pooledBlocks, 1);
  poolK = device.repeat(tiles.poolK, slots);
  poolV = device.repeat(tiles.poolV, slots);
}

/// All blocks of all layers and all slots in random order.
void Workload::makeTables(int64_t layers) {
  size_t perLayer = pooled.size();
  std::mt19937 random(2);
  std::vector<int32_t> blocks(static_cast<size_t>(layers) * perLayer);
  std::vector<int32_t> slots(static_cast<size_t>(layers * pooledBlocks));
  std::iota(blocks.begin(), blocks.end(), 0);
  std::iota(slots.begin(), slots.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), random);
  std::shuffle(slots.begin(), slots.end(), random);
  std::vector<int32_t> toSlot(blocks.size(), -1);
  size_t nextBlock = 0, nextSlot = 0;
  for (int64_t layer = 0; layer < layers; ++layer) {
    std::vector<int32_t> table(static_cast<size_t>(shape.batch * columns));
    size_t i = 0; // in `pooled`
    for (size_t b = 0; b < lengths.size(); ++b)
      for (int64_t c = 0; c * format.group < lengths[b]; ++c, ++i) {
        int32_t block = blocks[nextBlock++];
        table[b * static_cast<size_t>(columns) + static_cast<size_t>(c)] =
            block;
        if (pooled[i])
          toSlot[static_cast<size_t>(block)] = slots[nextSlot++];
      }
    tables.push_back(
        device.place(run::intTensor({shape.batch, columns}, table)));
  }
  blockToSlot = device.place(
      run::intTensor({static_cast<int64_t>(toSlot.size())}, toSlot));
}

void Workload::makeQueries() {
  int64_t tokens = shape.batch * shape.queryTokens;
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> values(
      static_cast<size_t>(tokens * shape.queryHeads * format.headDim));
  for (double &value : values)
    value = normal(random);
  DType dtype = npy::parseDType(kernel.info().dtype).value_or(DType::F16);
  std::vector<int64_t> dims = {tokens, shape.queryHeads, format.headDim};
  q = device.place(run::halfTensor(dtype, dims, values));
  out = device.place(HostTensor(dtype, dims));
  std::vector<int32_t> starts, tokensOf(lengths.begin(), lengths.end());
  for (int64_t b = 0; b <= shape.batch; ++b)
    starts.push_back(static_cast<int32_t>(b * shape.queryTokens));
  queryStart = device.place(run::intTensor({shape.batch + 1}, starts));
  seqLens = device.place(run::intTensor({shape.batch}, tokensOf));
}

std::unique_ptr<TimedLaunch>
Workload::prepare(const DeviceTensor &table) const {
  kvarn_attend_args args = {};
  args.struct_size = sizeof args;
  args.q = q->descriptor();
  args.query_start = queryStart->descriptor();
  args.pages = pages->descriptor();
  args.pool_k = poolK->descriptor();
  args.pool_v = poolV->descriptor();
  args.block_table = table.descriptor();
  args.block_to_slot = blockToSlot->descriptor();
  args.seq_lens = seqLens->descriptor();
  args.out = out->descriptor();
  size_t bytes = 0;
  run::check(kvarn_attend_workspace_bytes(kernel.get(), &args, &bytes));
  return device.prepare(bytes, [handle = kernel.get(),
                                args](const kvarn_launch_options &options) {
    run::check(kvarn_attend(handle, &args, &options));
  });
}

void Workload::checkOutput() const {
  double norm = 0;
  for (double value : run::toDoubles(out->read()))
    norm += value * value;
  if (!(norm > 0 && std::isfinite(norm)))
    throw run::Error(run::kCheckFailed,
                     std::string(kernel.info().id) +
                         ": the output is zero or not finite");
}

} // namespace kvarn::bench
