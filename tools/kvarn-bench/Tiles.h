//===- Tiles.h - A few real blocks ----------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_TILES_H
#define KVARN_TOOLS_BENCH_TILES_H

#include "tools/kvarn-run/Running.h"

#include <list>

namespace kvarn::bench {

/// Blocks as they lie in the pool, and packed.
struct Tiles {
  run::HostTensor poolK, poolV; // [blocks, G, Hk, D]
  run::HostTensor pages;        // [blocks, Hk, record]
  bool packed = false;          // by a flush kernel
};

/// What packs them.
struct TileSource {
  const std::list<run::Library> &libraries;
  const run::Running &running;
};

/// About 256 tiles of random tokens, packed by the flush of the first library
/// that has one for the format; without one, the records hold random codes and
/// plausible scales.
Tiles makeTiles(const TileSource &source, const run::Kernel &attend,
                const Format &format, int64_t kvHeads);

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_TILES_H
