//===- Tiles.h - A few real blocks ----------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_TILES_H
#define KVARN_TOOLS_BENCH_TILES_H

#include "tools/kvarn-run/Running.h"

#include <list>
#include <random>

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

/// Random numbers of mean 0 and variance 1.
run::HostTensor randomTensor(run::DType dtype,
                             const std::vector<int64_t> &shape,
                             std::mt19937 &random);

/// About 256 tiles of random tokens, not packed: the pages are 0.
Tiles makeTiles(const Format &format, int64_t kvHeads);

/// Packs them by the flush of the first library that has one for the records
/// that `reader` reads; without one, the records get random codes and plausible
/// scales.
void packTiles(Tiles &tiles, const TileSource &source,
               const run::Kernel &reader, const Format &format);
/// Both, for the records that `reader` reads.
Tiles makePackedTiles(const TileSource &source, const run::Kernel &reader,
                      int64_t kvHeads);

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_TILES_H
