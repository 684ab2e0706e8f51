//===- Placement.h - Tiles to be stored, in a cache -----------------------===//

#ifndef KVARN_TOOLS_RUN_CONFORMANCE_PLACEMENT_H
#define KVARN_TOOLS_RUN_CONFORMANCE_PLACEMENT_H

#include "tools/kvarn-run/Conformance/Checks.h"

#include <algorithm>

namespace kvarn::run {

// What kernels must not write to is filled with these: NaN for a reader.
inline constexpr uint8_t kPoolByte = 0x7f, kPagesByte = 0xa5;

/// Tiles in a cache. Block 0 and the last slot belong to nobody; blocks and
/// slots run in opposite directions, so that mixing them up shows.
class Placement {
public:
  explicit Placement(const TileSet &tiles)
      : tiles(tiles), count(tiles.k.extent(0)), kvHeads(count % 2 == 0 ? 2 : 1),
        blocks(count / kvHeads) {}

  int64_t block(int64_t tile) const { return blocks - tile / kvHeads; }
  int64_t slot(int64_t tile) const { return tile / kvHeads; }
  int64_t head(int64_t tile) const { return tile % kvHeads; }

  HostTensor emptyPool() const {
    HostTensor pool(DType::F16, {blocks + 1, tiles.format.group, kvHeads,
                                 tiles.format.headDim});
    pool.fill(kPoolByte);
    return pool;
  }
  HostTensor emptyPages() const {
    HostTensor pages(DType::U8, {blocks + 1, kvHeads, tiles.recordStride});
    pages.fill(kPagesByte);
    return pages;
  }
  HostTensor blockToSlot() const {
    HostTensor map(DType::I32, {blocks + 1});
    map.as<int32_t>()[0] = -1;
    for (int64_t tile = 0; tile < count; ++tile)
      map.as<int32_t>()[block(tile)] = static_cast<int32_t>(slot(tile));
    return map;
  }
  /// (block, `second` of it); one pair more than `size`, which is not in use.
  template <typename Second> HostTensor pairs(Second second) const {
    HostTensor result(DType::I32, {blocks + 1, 2});
    for (int64_t i = 0; i <= blocks; ++i) {
      result.as<int32_t>()[2 * i] = static_cast<int32_t>(blocks - i);
      result.as<int32_t>()[2 * i + 1] = static_cast<int32_t>(second(i));
    }
    return result;
  }
  HostTensor size() const {
    HostTensor result(DType::I32, {1});
    result.as<int32_t>()[0] = static_cast<int32_t>(blocks);
    return result;
  }
  /// Index of the first element of row `token` of a tile in the pool.
  size_t poolRow(int64_t tile, int64_t token) const {
    return static_cast<size_t>(
        ((slot(tile) * tiles.format.group + token) * kvHeads + head(tile)) *
        tiles.format.headDim);
  }
  /// Copies tiles [tiles, G, D] into a pool, or back.
  template <typename A, typename B>
  void copyTiles(A from, B to, bool toPool) const {
    int64_t dim = tiles.format.headDim;
    for (int64_t tile = 0; tile < count; ++tile)
      for (int64_t t = 0; t < tiles.format.group; ++t) {
        size_t inPool = poolRow(tile, t),
               dense =
                   static_cast<size_t>((tile * tiles.format.group + t) * dim);
        std::copy_n(from.begin() + (toPool ? dense : inPool), dim,
                    to.begin() + (toPool ? inPool : dense));
      }
  }

  /// How many elements of a pool belong to somebody: those in front.
  size_t poolElements() const {
    return static_cast<size_t>(count * tiles.format.group *
                               tiles.format.headDim);
  }
  /// Pages with the records [tiles, stride] of layout reference.
  HostTensor fillPages(const HostTensor &records) const;
  /// The records of pages as [tiles, stride], in layout reference.
  HostTensor collectRecords(const HostTensor &pages) const;
  /// Whether a byte of pages is of a record of somebody.
  bool ownsPagesByte(size_t i) const {
    auto stride = static_cast<size_t>(tiles.recordStride);
    return i >= stride * static_cast<size_t>(kvHeads) && // block 0
           i % stride < static_cast<size_t>(tiles.format.recordBytes());
  }

  const TileSet &tiles;
  int64_t count, kvHeads, blocks;
};

/// Pages that flush, or the kernel called `name`, has made of the rotated
/// values of `tiles`. Returns the records in layout reference.
HostTensor checkRecords(const Context &context, const std::string &name,
                        const Kernel &kernel, const Placement &place,
                        const TileSet &tiles, const HostTensor &pages);

/// The pages that flush makes of these pools.
HostTensor launchFlush(const Running &running, const Kernel &kernel,
                       const Placement &place, const HostTensor &poolK,
                       const HostTensor &poolV);

/// pack against append and flush. `pools`: what append makes of the tokens.
void checkPack(const Context &context, const StoreKernels &kernels,
               const Placement &place, const std::vector<HostTensor> &pools);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_CONFORMANCE_PLACEMENT_H
