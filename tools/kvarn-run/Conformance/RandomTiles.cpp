//===- RandomTiles.cpp - Tiles of every kind ------------------------------===//

#include "tools/kvarn-run/Conformance/Checks.h"

#include "test/oracle/Random.h"
#include "test/oracle/RandomCase.h"
#include "test/oracle/Rotation.h"

#include <algorithm>

namespace kvarn::run {

using oracle::Matrix;
using oracle::Rng;

std::vector<oracle::TileKind> allTileKinds() {
  using oracle::TileKind;
  return {TileKind::Ordinary, TileKind::Constant, TileKind::Constant,
          TileKind::Zero,     TileKind::Tiny,     TileKind::Huge};
}

TileSet randomTiles(const Format &format, DType dtype,
                    std::vector<oracle::TileKind> kinds, uint64_t seed) {
  Rng rng(seed);
  rng.shuffle(kinds);
  int dim = static_cast<int>(format.headDim);
  int group = static_cast<int>(format.group);
  TileSet tiles;
  tiles.format = format;
  tiles.recordStride = format.recordBytes() + rng.pick<int64_t>({0, 64, 512});
  for (oracle::Side side : {oracle::Side::Key, oracle::Side::Value}) {
    bool isKey = side == oracle::Side::Key;
    oracle::ChannelProfile profile = oracle::randomProfile(rng, side, dim);
    std::vector<double> raw, rotated;
    for (oracle::TileKind kind : kinds) {
      Matrix tile = oracle::randomTile(rng, kind, profile, group);
      // Exactly what the kernel reads.
      tile.data = roundTo(dtype, std::move(tile.data));
      Matrix turned = oracle::rotateReference(tile);
      raw.insert(raw.end(), tile.data.begin(), tile.data.end());
      rotated.insert(rotated.end(), turned.data.begin(), turned.data.end());
    }
    std::vector<int64_t> shape = {static_cast<int64_t>(kinds.size()), group,
                                  dim};
    (isKey ? tiles.k : tiles.v) = halfTensor(dtype, shape, raw);
    (isKey ? tiles.kRotated : tiles.vRotated) =
        halfTensor(DType::F16, shape, rotated);
  }
  return tiles;
}

HostTensor storeTiles(const TileSet &tiles) {
  HostTensor records(DType::U8, {tiles.k.extent(0), tiles.recordStride});
  for (int64_t tile = 0; tile < records.extent(0); ++tile) {
    std::vector<uint8_t> record =
        oracle::storeRecord(tileMatrix(tiles.kRotated, tile, tiles.format),
                            tileMatrix(tiles.vRotated, tile, tiles.format),
                            oracleFormat(tiles.format));
    std::copy(record.begin(), record.end(),
              records.bytes().begin() + tile * tiles.recordStride);
  }
  return records;
}

} // namespace kvarn::run
