//===- Tiles.h - A few real blocks ----------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_TILES_H
#define KVARN_TOOLS_BENCH_TILES_H

#include "tools/kvarn-run/Runtime.h"
#include "tools/kvarn-run/Tensors.h"

namespace kvarn::bench {

/// Blocks as they lie in the pool, and packed.
struct Tiles {
  run::HostTensor poolK, poolV; // [blocks, G, Hk, D]
  run::HostTensor pages;        // [blocks, Hk, record]
};

/// About 256 tiles of random tokens, packed by the library's own flush; without
/// one, the records hold random codes and plausible scales.
Tiles makeTiles(const run::Library &library, const run::Kernel &attend,
                const Format &format, int64_t kvHeads);

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_TILES_H
