//===- Workload.cpp - What is measured ------------------------------------===//

#include "tools/kvarn-bench/Workload.h"

#include "tools/kvarn-bench/Tiles.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kvarn::bench {

using run::DType;
using run::HostTensor;

/// Repeats the entries of `source` along its first extent.
static HostTensor repeated(const HostTensor &source, int64_t count) {
  std::vector<int64_t> shape = source.shape();
  size_t entry = source.bytes().size() /
                 static_cast<size_t>(std::max<int64_t>(shape[0], 1));
  size_t entries = static_cast<size_t>(shape[0]);
  shape[0] = count;
  HostTensor result(source.dtype(), shape);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    std::copy_n(source.bytes().begin() + i % entries * entry, entry,
                result.bytes().begin() + i * entry);
  return result;
}

Workload::Workload(Device &device, const run::Library &library,
                   const run::Kernel &kernel, const Shape &shape,
                   int64_t memory)
    : device(device), kernel(kernel), shape(shape),
      format(*run::formatOf(kernel.info())),
      blocksPerRequest((shape.context + format.group - 1) / format.group) {
  int64_t blocks = shape.batch * blocksPerRequest;
  pooledBlocks = std::llround(shape.poolFraction * static_cast<double>(blocks));
  int64_t record = format.recordBytes(),
          slot = 4 * format.group * format.headDim;
  bytesRead =
      shape.kvHeads * ((blocks - pooledBlocks) * record + pooledBlocks * slot);
  // Four times what the caches hold, within the memory. A pooled block has
  // an unused record too.
  int64_t layerBytes = shape.kvHeads * (blocks * record + pooledBlocks * slot);
  int64_t layers = std::min(4 * device.cacheBytes() / bytesRead + 1,
                            memory / std::max<int64_t>(layerBytes, 1));
  if (layers < 1)
    throw run::Error(
        run::kInput,
        run::formatText("a cache of %lld MiB is more than --memory",
                        static_cast<long long>(layerBytes >> 20)));
  fill(library, layers);
  makeTables(layers);
  makeQueries();
}

void Workload::fill(const run::Library &library, int64_t layers) {
  Tiles tiles = makeTiles(library, kernel, format, shape.kvHeads);
  int64_t blocks = layers * shape.batch * blocksPerRequest;
  pages = device.place(repeated(tiles.pages, blocks));
  // At least one: a pool may not be absent.
  int64_t slots = std::max<int64_t>(layers * pooledBlocks, 1);
  poolK = device.place(repeated(tiles.poolK, slots));
  poolV = device.place(repeated(tiles.poolV, slots));
}

/// All blocks of all layers and all slots in random order.
void Workload::makeTables(int64_t layers) {
  int64_t perLayer = shape.batch * blocksPerRequest;
  std::mt19937 random(2);
  std::vector<int32_t> blocks(static_cast<size_t>(layers * perLayer));
  std::vector<int32_t> slots(static_cast<size_t>(layers * pooledBlocks));
  std::iota(blocks.begin(), blocks.end(), 0);
  std::iota(slots.begin(), slots.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), random);
  std::shuffle(slots.begin(), slots.end(), random);
  std::vector<int32_t> toSlot(blocks.size(), -1);
  size_t nextSlot = 0;
  for (int64_t layer = 0; layer < layers; ++layer) {
    std::span<const int32_t> mine(blocks.data() + layer * perLayer,
                                  static_cast<size_t>(perLayer));
    // The pooled ones are spread evenly.
    for (int64_t i = 0; i < perLayer; ++i)
      if ((i + 1) * pooledBlocks / perLayer > i * pooledBlocks / perLayer)
        toSlot[static_cast<size_t>(mine[static_cast<size_t>(i)])] =
            slots[nextSlot++];
    tables.push_back(
        device.place(run::intTensor({shape.batch, blocksPerRequest}, mine)));
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
  std::vector<int32_t> starts, lengths;
  for (int64_t b = 0; b <= shape.batch; ++b)
    starts.push_back(static_cast<int32_t>(b * shape.queryTokens));
  lengths.assign(static_cast<size_t>(shape.batch),
                 static_cast<int32_t>(shape.context));
  queryStart = device.place(run::intTensor({shape.batch + 1}, starts));
  seqLens = device.place(run::intTensor({shape.batch}, lengths));
}

double Workload::attend(int64_t layer) {
  kvarn_attend_args args = {};
  args.struct_size = sizeof args;
  args.q = q->descriptor();
  args.query_start = queryStart->descriptor();
  args.pages = pages->descriptor();
  args.pool_k = poolK->descriptor();
  args.pool_v = poolV->descriptor();
  args.block_table = tables[static_cast<size_t>(layer)]->descriptor();
  args.block_to_slot = blockToSlot->descriptor();
  args.seq_lens = seqLens->descriptor();
  args.out = out->descriptor();
  return device.time([&](const kvarn_launch_options &options) {
    run::check(kvarn_attend(kernel.get(), &args, &options));
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
