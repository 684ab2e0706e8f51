//===- ReadWorkloads.cpp - attend, materialize ----------------------------===//

#include "tools/kvarn-bench/Workload.h"

#include <cmath>
#include <random>

namespace kvarn::bench {

using run::DType;
using run::HostTensor;

namespace {

/// A kernel that reads a cache.
class ReadWorkload : public Workload {
public:
  explicit ReadWorkload(const WorkloadOptions &o)
      : kernel(o.kernel), format(*run::formatOf(kernel.info())),
        dtype(npy::parseDType(kernel.info().dtype).value_or(DType::F16)),
        plan(o.shape, format), cache(makeCache(o)), device(o.device) {
    packed = cache.packed;
    movedBytes = plan.bytes;
  }

protected:
  /// The tensors of the cache for one layer.
  template <typename Args> Args cacheArgs(const DeviceTensor &table) const {
    Args args = {};
    args.pages = cache.pages->descriptor();
    args.pool_k = cache.poolK->descriptor();
    args.pool_v = cache.poolV->descriptor();
    args.block_table = table.descriptor();
    args.block_to_slot = cache.blockToSlot->descriptor();
    args.seq_lens = cache.seqLens->descriptor();
    return args;
  }

private:
  Cache makeCache(const WorkloadOptions &o) const {
    // A pooled block has an unused record too.
    int64_t slot = 4 * format.group * format.headDim;
    int64_t bytes = o.shape.kvHeads * (plan.blocks() * format.recordBytes() +
                                       plan.pooledBlocks * slot);
    int64_t layers = countLayers(o.device, plan.bytes, bytes, o.memory);
    if (o.tiles)
      return Cache(o.device, *o.tiles, o.shape, plan, layers);
    return Cache(o.device, makePackedTiles(o.source, kernel, o.shape.kvHeads),
                 o.shape, plan, layers);
  }

protected:
  run::Kernel kernel;
  Format format;
  DType dtype;
  BlockPlan plan;
  Cache cache;
  Device &device;
};

class AttendWorkload : public ReadWorkload {
public:
  explicit AttendWorkload(const WorkloadOptions &o) : ReadWorkload(o) {
    makeQueries(o.shape);
  }
  void use(const run::Kernel &chosen) override {
    kernel = chosen;
    launches.clear();
    // What another kernel wrote must not pass for this one's: NaN.
    out->fill(0xff);
    for (const Placed &table : cache.tables) {
      auto args = cacheArgs<kvarn_attend_args>(*table);
      args.q = q->descriptor();
      args.query_start = queryStart->descriptor();
      args.out = out->descriptor();
      if (newK) {
        args.new_k = newK->descriptor();
        args.new_v = newV->descriptor();
      }
      launches.push_back(prepareLaunch(
          device, kernel, args, kvarn_attend_workspace_bytes, kvarn_attend));
    }
  }
  void checkOutput() const override { checkPlausible(kernel, *out); }

private:
  void makeQueries(const Shape &shape) {
    int64_t tokens = shape.batch * shape.queryTokens;
    std::mt19937 random(3);
    std::vector<int64_t> dims = {tokens, shape.queryHeads, format.headDim};
    q = device.place(randomTensor(dtype, dims, random));
    out = device.place(HostTensor(dtype, dims));
    std::vector<int32_t> starts;
    for (int64_t b = 0; b <= shape.batch; ++b)
      starts.push_back(static_cast<int32_t>(b * shape.queryTokens));
    queryStart = device.place(run::intTensor({shape.batch + 1}, starts));
    if (!shape.newTokens)
      return;
    dims[1] = shape.kvHeads;
    newK = device.place(randomTensor(dtype, dims, random));
    newV = device.place(randomTensor(dtype, dims, random));
  }

  Placed q, queryStart, out, newK, newV;
};

class MaterializeWorkload : public ReadWorkload {
public:
  explicit MaterializeWorkload(const WorkloadOptions &o) : ReadWorkload(o) {
    std::vector<int64_t> dims = {o.shape.batch, o.shape.context,
                                 o.shape.kvHeads, format.headDim};
    k = o.device.place(HostTensor(dtype, dims));
    v = o.device.place(HostTensor(dtype, dims));
    // Positions behind the end of a request are written too.
    movedBytes +=
        4 * o.shape.batch * o.shape.context * o.shape.kvHeads * format.headDim;
  }
  void use(const run::Kernel &chosen) override {
    kernel = chosen;
    launches.clear();
    k->fill(0xff);
    v->fill(0xff);
    for (const Placed &table : cache.tables) {
      auto args = cacheArgs<kvarn_materialize_args>(*table);
      args.k_out = k->descriptor();
      args.v_out = v->descriptor();
      launches.push_back(prepareLaunch(device, kernel, args,
                                       kvarn_materialize_workspace_bytes,
                                       kvarn_materialize));
    }
  }
  void checkOutput() const override {
    checkPlausible(kernel, *k);
    checkPlausible(kernel, *v);
  }

private:
  Placed k, v;
};

} // namespace

std::unique_ptr<Workload> makeAttend(const WorkloadOptions &options) {
  return std::make_unique<AttendWorkload>(options);
}

std::unique_ptr<Workload> makeMaterialize(const WorkloadOptions &options) {
  return std::make_unique<MaterializeWorkload>(options);
}

} // namespace kvarn::bench
