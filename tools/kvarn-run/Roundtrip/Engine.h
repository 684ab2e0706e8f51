//===- Engine.h - A cache and its kernels, as a serving engine has them ---===//

#ifndef KVARN_TOOLS_RUN_ROUNDTRIP_ENGINE_H
#define KVARN_TOOLS_RUN_ROUNDTRIP_ENGINE_H

#include "tools/kvarn-run/Compile.h"

#include <span>
#include <utility>
#include <vector>

namespace kvarn::run {

/// Sizes of a cache that no step changes.
struct CacheSizes {
  int64_t blocks = 0, slots = 0, kvHeads = 0, recordStride = 0;
};

/// A tensor that stays where its kernels run.
class ResidentTensor {
public:
  /// `gpu` is NULL on the CPU; else it must outlive the tensor.
  ResidentTensor(const Gpu *gpu, HostTensor initial);

  const kvarn_tensor *descriptor() const {
    return gpu ? &view : host.descriptor();
  }
  /// What it holds now.
  const HostTensor &read();

private:
  const Gpu *gpu;
  HostTensor host;
  GpuMemory memory;
  kvarn_tensor view = {};
};

/// (block, slot) or (block, first token).
using BlockPair = std::pair<int32_t, int32_t>;

/// The host's tables for one launch.
struct Tables {
  HostTensor blockTable, blockToSlot, seqLens;
};

/// Kernels of one library and the cache that they share. Whatever nobody has
/// written holds NaN.
class Engine {
public:
  Engine(const LibrarySource &source, const Library &library, const Need &need,
         const CacheSizes &sizes);

  const Format &format() const { return cacheFormat; }
  const Kernel &flushKernel() const { return kernels.flush; }
  const Kernel &attendKernel() const { return kernels.attend; }

  void append(const HostTensor &k, const HostTensor &v,
              const HostTensor &slotMapping, const HostTensor &blockToSlot);
  void flush(std::span<const BlockPair> pairs);
  void pack(const HostTensor &k, const HostTensor &v,
            std::span<const BlockPair> pairs);
  void unflush(std::span<const BlockPair> pairs);
  HostTensor attend(const HostTensor &q, const HostTensor &queryStart,
                    const Tables &tables, double scale);

  /// The records [blocks, Hk, stride] in the layout of the kernels.
  const HostTensor &pages() { return pagesTensor.read(); }
  const HostTensor &poolK() { return poolKTensor.read(); }
  const HostTensor &poolV() { return poolVTensor.read(); }

private:
  struct Kernels {
    Kernel attend, append, flush, pack, unflush;
  };
  static Kernels select(const LibrarySource &source, const Library &library,
                        const Need &need);
  HostTensor pool(const CacheSizes &sizes) const;

  Kernels kernels;
  Running running, attendRunning; // with a workspace each, for all launches
  Format cacheFormat;
  ResidentTensor pagesTensor, poolKTensor, poolVTensor;
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_ROUNDTRIP_ENGINE_H
