//===- Engine.cpp - A cache and its kernels, as a serving engine has them -===//

#include "tools/kvarn-run/Roundtrip/Engine.h"

namespace kvarn::run {

//===----------------------------------------------------------------------===//
// ResidentTensor
//===----------------------------------------------------------------------===//

ResidentTensor::ResidentTensor(const Gpu *gpu, HostTensor initial)
    : gpu(gpu), host(std::move(initial)) {
  if (!gpu)
    return;
  memory = GpuMemory(*gpu, host.bytes().size());
  gpu->copyIn(memory, host.bytes());
  view = *host.descriptor();
  view.data = memory.data();
  view.device = gpu->device();
}

const HostTensor &ResidentTensor::read() {
  if (gpu)
    gpu->copyOut(host.bytes(), memory);
  return host;
}

//===----------------------------------------------------------------------===//
// Engine
//===----------------------------------------------------------------------===//

Engine::Kernels Engine::select(const LibrarySource &source,
                               const Library &library, const Need &need) {
  auto kernel = [&](const char *name) {
    return source.select(library, need, name);
  };
  Kernels all = {kernel("attend"), kernel("append"), kernel("flush"),
                 kernel("pack"), kernel("unflush")};
  for (const Kernel *each :
       {&all.attend, &all.append, &all.pack, &all.unflush}) {
    if (isGpuKind(each->info().binary_kind) !=
        isGpuKind(all.flush.info().binary_kind))
      throw Error(kInput, std::string(each->info().id) + " and " +
                              all.flush.info().id +
                              " run on different devices");
    if (std::string(each->info().layout) != all.flush.info().layout)
      throw Error(kInput, std::string(each->info().id) + " and " +
                              all.flush.info().id + " differ in their layout");
  }
  return all;
}

static Running withWorkspace(Running running) {
  running.workspace = std::make_shared<Workspace>();
  return running;
}

static HostTensor filled(DType dtype, std::vector<int64_t> shape) {
  HostTensor tensor(dtype, std::move(shape));
  tensor.fill(0x7f); // NaN, also as vectors of records
  return tensor;
}

HostTensor Engine::pool(const CacheSizes &sizes) const {
  return filled(DType::F16, {sizes.slots, cacheFormat.group, sizes.kvHeads,
                             cacheFormat.headDim});
}

static const Gpu *gpuOf(const Running &running, const Kernel &kernel) {
  return isGpuKind(kernel.info().binary_kind) ? &running.gpu() : nullptr;
}

Engine::Engine(const LibrarySource &source, const Library &library,
               const Need &need, const CacheSizes &sizes)
    : kernels(select(source, library, need)),
      running(withWorkspace(source.running)),
      attendRunning(withWorkspace(source.running)),
      cacheFormat(*formatOf(kernels.flush.info())),
      pagesTensor(
          gpuOf(running, kernels.flush),
          filled(DType::U8, {sizes.blocks, sizes.kvHeads, sizes.recordStride})),
      poolKTensor(gpuOf(running, kernels.flush), pool(sizes)),
      poolVTensor(gpuOf(running, kernels.flush), pool(sizes)) {}

void Engine::append(const HostTensor &k, const HostTensor &v,
                    const HostTensor &slotMapping,
                    const HostTensor &blockToSlot) {
  Launch launch(running, kernels.append);
  kvarn_append_args args = {};
  args.struct_size = sizeof args;
  args.k = launch.read(k);
  args.v = launch.read(v);
  args.slot_mapping = launch.read(slotMapping);
  args.pool_k = poolKTensor.descriptor();
  args.pool_v = poolVTensor.descriptor();
  args.block_to_slot = launch.read(blockToSlot);
  launch.run(args);
}

/// The list of a launch, and its length. Of the pairs behind that, which would
/// do damage, nothing may be done.
static std::pair<HostTensor, HostTensor>
pairTensors(std::span<const BlockPair> pairs) {
  HostTensor list(DType::I32, {static_cast<int64_t>(pairs.size()) + 2, 2});
  for (size_t i = 0; i < pairs.size(); ++i) {
    list.as<int32_t>()[2 * i] = pairs[i].first;
    list.as<int32_t>()[2 * i + 1] = pairs[i].second;
  }
  const int32_t count[] = {static_cast<int32_t>(pairs.size())};
  return {std::move(list), intTensor({1}, count)};
}

void Engine::flush(std::span<const BlockPair> pairs) {
  auto [list, count] = pairTensors(pairs);
  Launch launch(running, kernels.flush);
  kvarn_flush_args args = {};
  args.struct_size = sizeof args;
  args.pairs = launch.read(list);
  args.count = launch.read(count);
  args.pages = pagesTensor.descriptor();
  args.pool_k = poolKTensor.descriptor();
  args.pool_v = poolVTensor.descriptor();
  launch.run(args);
}

void Engine::pack(const HostTensor &k, const HostTensor &v,
                  std::span<const BlockPair> pairs) {
  auto [list, count] = pairTensors(pairs);
  Launch launch(running, kernels.pack);
  kvarn_pack_args args = {};
  args.struct_size = sizeof args;
  args.k = launch.read(k);
  args.v = launch.read(v);
  args.pairs = launch.read(list);
  args.count = launch.read(count);
  args.pages = pagesTensor.descriptor();
  launch.run(args);
}

void Engine::unflush(std::span<const BlockPair> pairs) {
  auto [list, count] = pairTensors(pairs);
  Launch launch(running, kernels.unflush);
  kvarn_unflush_args args = {};
  args.struct_size = sizeof args;
  args.pairs = launch.read(list);
  args.count = launch.read(count);
  args.pages = pagesTensor.descriptor();
  args.pool_k = poolKTensor.descriptor();
  args.pool_v = poolVTensor.descriptor();
  launch.run(args);
}

HostTensor Engine::attend(const HostTensor &q, const HostTensor &queryStart,
                          const Tables &tables, double scale) {
  HostTensor out = filled(q.dtype(), q.shape());
  Launch launch(attendRunning, kernels.attend);
  kvarn_attend_args args = {};
  args.struct_size = sizeof args;
  args.q = launch.read(q);
  args.query_start = launch.read(queryStart);
  args.pages = pagesTensor.descriptor();
  args.pool_k = poolKTensor.descriptor();
  args.pool_v = poolVTensor.descriptor();
  args.block_table = launch.read(tables.blockTable);
  args.block_to_slot = launch.read(tables.blockToSlot);
  args.seq_lens = launch.read(tables.seqLens);
  args.scale = static_cast<float>(scale);
  args.out = launch.write(out);
  launch.run(args);
  return out;
}

} // namespace kvarn::run
