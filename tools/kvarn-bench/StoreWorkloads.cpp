//===- StoreWorkloads.cpp - append, flush, pack, unflush, relayout --------===//

#include "tools/kvarn-bench/Workload.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace kvarn::bench {

using run::DType;
using run::HostTensor;

namespace {

/// A kernel that writes a cache: `shape.pairs` blocks of each layer, which have
/// a record and a slot, in random order.
class StoreWorkload : public Workload {
public:
  StoreWorkload(const WorkloadOptions &o, int64_t blocksPerLayer)
      : device(o.device), kernel(o.kernel),
        format(*run::formatOf(kernel.info())), blocks(blocksPerLayer),
        random(2) {}

  void use(const run::Kernel &chosen) override {
    kernel = chosen;
    launches.clear();
    for (const Placed *output : outputs())
      (*output)->fill(0);
    prepareLaunches();
  }
  void checkOutput() const override {
    for (const Placed *output : outputs())
      checkPlausible(kernel, **output);
  }

protected:
  /// What the kernel writes.
  virtual std::vector<const Placed *> outputs() const = 0;
  /// A launch for each layer.
  virtual void prepareLaunches() = 0;

  /// Bytes of a block's record and slot, all heads.
  int64_t recordBytes(const Shape &shape) const {
    return shape.kvHeads * format.recordBytes();
  }
  int64_t slotBytes(const Shape &shape) const {
    return shape.kvHeads * 4 * format.group * format.headDim;
  }
  DType dtype() const {
    return npy::parseDType(kernel.info().dtype).value_or(DType::F16);
  }

  /// A block of which nothing has been written yet.
  Tiles emptyTiles(const Shape &shape) const {
    std::vector<int64_t> slot = {1, format.group, shape.kvHeads,
                                 format.headDim};
    Tiles tiles;
    tiles.poolK = HostTensor(DType::F16, slot);
    tiles.poolV = HostTensor(DType::F16, slot);
    tiles.pages =
        HostTensor(DType::U8, {1, shape.kvHeads, format.recordBytes()});
    return tiles;
  }
  void makePool(const WorkloadOptions &o, const Tiles &tiles, int64_t slots) {
    poolK = o.device.repeat(tiles.poolK, slots);
    poolV = o.device.repeat(tiles.poolV, slots);
  }
  void makePages(const WorkloadOptions &o, const Tiles &tiles, int64_t count) {
    pages = o.device.repeat(tiles.pages, count);
  }
  /// Rows of new K and V that all layers share.
  void makeTokens(const WorkloadOptions &o, int64_t tokens) {
    std::vector<int64_t> dims = {std::min<int64_t>(tokens, 1024),
                                 o.shape.kvHeads, format.headDim};
    k = o.device.repeat(randomTensor(dtype(), dims, random), tokens);
    v = o.device.repeat(randomTensor(dtype(), dims, random), tokens);
  }
  /// Numbers 0, 1, .. in random order.
  std::vector<int32_t> shuffled(int64_t size) {
    std::vector<int32_t> numbers(static_cast<size_t>(size));
    std::iota(numbers.begin(), numbers.end(), 0);
    std::shuffle(numbers.begin(), numbers.end(), random);
    return numbers;
  }
  /// For each layer the pairs (block, what `second` says of the place in the
  /// layer), and their count.
  template <typename Second>
  void makePairs(const WorkloadOptions &o, int64_t layers, Second second) {
    std::vector<int32_t> order = shuffled(layers * blocks);
    for (int64_t layer = 0; layer < layers; ++layer) {
      std::vector<int32_t> list;
      for (int64_t i = 0; i < blocks; ++i) {
        list.push_back(order[static_cast<size_t>(layer * blocks + i)]);
        list.push_back(second(layer, i));
      }
      pairs.push_back(o.device.place(run::intTensor({blocks, 2}, list)));
    }
    const int32_t used[] = {static_cast<int32_t>(blocks)};
    count = o.device.place(run::intTensor({1}, used));
  }

  Device &device;
  run::Kernel kernel;
  Format format;
  int64_t blocks; // of a layer
  std::mt19937 random;
  Placed pages, poolK, poolV, k, v, count;
  std::vector<Placed> pairs; // one per layer
};

/// Between slots and records, either way.
template <typename Args> class SlotWorkload : public StoreWorkload {
public:
  using Measure = kvarn_status (*)(const kvarn_kernel *, const Args *,
                                   size_t *);
  using Run = kvarn_status (*)(const kvarn_kernel *, const Args *,
                               const kvarn_launch_options *);

  SlotWorkload(const WorkloadOptions &o, bool toPool, Measure measure, Run run)
      : StoreWorkload(o, o.shape.pairs), toPool(toPool), measure(measure),
        run(run) {
    movedBytes = blocks * (recordBytes(o.shape) + slotBytes(o.shape));
    int64_t layers = countLayers(o.device, movedBytes, movedBytes, o.memory);
    Tiles tiles = makeTiles(format, o.shape.kvHeads);
    if (toPool)
      packTiles(tiles, o.source, kernel, format);
    packed = !toPool || tiles.packed;
    Tiles empty = emptyTiles(o.shape);
    makePool(o, toPool ? empty : tiles, layers * blocks);
    makePages(o, toPool ? tiles : empty, layers * blocks);
    std::vector<int32_t> slots = shuffled(layers * blocks);
    makePairs(o, layers, [&](int64_t layer, int64_t i) {
      return slots[static_cast<size_t>(layer * blocks + i)];
    });
  }

private:
  std::vector<const Placed *> outputs() const override {
    if (toPool)
      return {&poolK, &poolV};
    return {&pages};
  }
  void prepareLaunches() override {
    for (const Placed &list : pairs) {
      Args args = {};
      args.pairs = list->descriptor();
      args.count = count->descriptor();
      args.pages = pages->descriptor();
      args.pool_k = poolK->descriptor();
      args.pool_v = poolV->descriptor();
      launches.push_back(prepareLaunch(device, kernel, args, measure, run));
    }
  }

  bool toPool;
  Measure measure;
  Run run;
};

class PackWorkload : public StoreWorkload {
public:
  explicit PackWorkload(const WorkloadOptions &o)
      : StoreWorkload(o, o.shape.pairs) {
    int64_t read = blocks * slotBytes(o.shape),
            written = blocks * recordBytes(o.shape);
    movedBytes = read + written;
    int64_t layers = countLayers(o.device, movedBytes, movedBytes, o.memory);
    makePages(o, emptyTiles(o.shape), layers * blocks);
    makeTokens(o, layers * blocks * format.group);
    makePairs(o, layers, [&](int64_t layer, int64_t i) {
      return static_cast<int32_t>((layer * blocks + i) * format.group);
    });
  }

private:
  std::vector<const Placed *> outputs() const override { return {&pages}; }
  void prepareLaunches() override {
    for (const Placed &list : pairs) {
      kvarn_pack_args args = {};
      args.k = k->descriptor();
      args.v = v->descriptor();
      args.pairs = list->descriptor();
      args.count = count->descriptor();
      args.pages = pages->descriptor();
      launches.push_back(prepareLaunch(device, kernel, args,
                                       kvarn_pack_workspace_bytes, kvarn_pack));
    }
  }
};

/// From pages to pages. Any bytes are a record.
class RelayoutWorkload : public StoreWorkload {
public:
  explicit RelayoutWorkload(const WorkloadOptions &o)
      : StoreWorkload(o, o.shape.pairs) {
    movedBytes = 2 * blocks * recordBytes(o.shape);
    packed = false;
    int64_t layers = countLayers(o.device, movedBytes, movedBytes, o.memory);
    Tiles tiles;
    tiles.pages =
        HostTensor(DType::U8, {std::min<int64_t>(blocks, 32), o.shape.kvHeads,
                               format.recordBytes()});
    for (uint8_t &byte : tiles.pages.bytes())
      byte = static_cast<uint8_t>(random());
    makePages(o, tiles, layers * blocks);
    source = std::move(pages);
    makePages(o, emptyTiles(o.shape), layers * blocks);
    std::vector<int32_t> written = shuffled(layers * blocks);
    makePairs(o, layers, [&](int64_t layer, int64_t i) {
      return written[static_cast<size_t>(layer * blocks + i)];
    });
  }

private:
  std::vector<const Placed *> outputs() const override { return {&pages}; }
  void prepareLaunches() override {
    for (const Placed &list : pairs) {
      kvarn_relayout_args args = {};
      args.pairs = list->descriptor();
      args.count = count->descriptor();
      args.source_pages = source->descriptor();
      args.pages = pages->descriptor();
      launches.push_back(prepareLaunch(device, kernel, args,
                                       kvarn_relayout_workspace_bytes,
                                       kvarn_relayout));
    }
  }

  Placed source;
};

/// Tokens of a prompt, one block after the other; each layer goes on where the
/// one before it ended, so that few tokens need no block of their own.
class AppendWorkload : public StoreWorkload {
public:
  explicit AppendWorkload(const WorkloadOptions &o) : StoreWorkload(o, 0) {
    int64_t rowBytes = 4 * o.shape.kvHeads * format.headDim;
    movedBytes = 2 * o.shape.tokens * rowBytes;
    // One block more, for the last tokens of all layers.
    int64_t layers = countLayers(o.device, movedBytes, movedBytes, o.memory,
                                 slotBytes(o.shape));
    int64_t count = (layers * o.shape.tokens + format.group - 1) / format.group;
    makePool(o, emptyTiles(o.shape), count);
    std::vector<int32_t> slots = shuffled(count), order = shuffled(count),
                         toSlot(slots.size());
    for (size_t i = 0; i < order.size(); ++i)
      toSlot[static_cast<size_t>(order[i])] = slots[i];
    blockToSlot = o.device.place(
        run::intTensor({static_cast<int64_t>(toSlot.size())}, toSlot));
    for (int64_t layer = 0; layer < layers; ++layer)
      addLayer(o, order, layer);
  }

private:
  std::vector<const Placed *> outputs() const override {
    return {&poolK, &poolV};
  }
  void addLayer(const WorkloadOptions &o, const std::vector<int32_t> &order,
                int64_t layer) {
    HostTensor mapping(DType::I64, {o.shape.tokens});
    for (int64_t t = 0; t < o.shape.tokens; ++t) {
      int64_t place = layer * o.shape.tokens + t;
      mapping.as<int64_t>()[static_cast<size_t>(t)] =
          order[static_cast<size_t>(place / format.group)] * format.group +
          place % format.group;
    }
    mappings.push_back(o.device.place(std::move(mapping)));
    makeTokens(o, o.shape.tokens);
    rows.push_back(std::move(k));
    rows.push_back(std::move(v));
  }
  void prepareLaunches() override {
    for (size_t layer = 0; layer < mappings.size(); ++layer) {
      kvarn_append_args args = {};
      args.k = rows[2 * layer]->descriptor();
      args.v = rows[2 * layer + 1]->descriptor();
      args.slot_mapping = mappings[layer]->descriptor();
      args.pool_k = poolK->descriptor();
      args.pool_v = poolV->descriptor();
      args.block_to_slot = blockToSlot->descriptor();
      launches.push_back(prepareLaunch(
          device, kernel, args, kvarn_append_workspace_bytes, kvarn_append));
    }
  }

  Placed blockToSlot;
  std::vector<Placed> mappings, rows;
};

} // namespace

std::unique_ptr<Workload> makeAppend(const WorkloadOptions &options) {
  return std::make_unique<AppendWorkload>(options);
}

std::unique_ptr<Workload> makeFlush(const WorkloadOptions &options) {
  return std::make_unique<SlotWorkload<kvarn_flush_args>>(
      options, /*toPool=*/false, kvarn_flush_workspace_bytes, kvarn_flush);
}

std::unique_ptr<Workload> makeUnflush(const WorkloadOptions &options) {
  return std::make_unique<SlotWorkload<kvarn_unflush_args>>(
      options, /*toPool=*/true, kvarn_unflush_workspace_bytes, kvarn_unflush);
}

std::unique_ptr<Workload> makeRelayout(const WorkloadOptions &options) {
  return std::make_unique<RelayoutWorkload>(options);
}

std::unique_ptr<Workload> makePack(const WorkloadOptions &options) {
  return std::make_unique<PackWorkload>(options);
}

} // namespace kvarn::bench
