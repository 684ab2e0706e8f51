//===- PackChecks.cpp - Past the pool, and back to it ---------------------===//

#include "tools/kvarn-run/Conformance/Placement.h"
#include "tools/kvarn-run/Text.h"

#include "test/oracle/Half.h"

#include <cmath>

namespace kvarn::run {

//===----------------------------------------------------------------------===//
// pack
//===----------------------------------------------------------------------===//

/// The tokens of pair i stand behind those of the pairs before it and one row
/// of NaN for each.
static int64_t firstToken(const Placement &place, int64_t i) {
  return i * (place.tiles.format.group + 1) + 1;
}

/// Rows [T, Hk, D] of the launch.
static HostTensor packRows(const Placement &place, const HostTensor &tiles) {
  int64_t group = place.tiles.format.group, dim = place.tiles.format.headDim;
  HostTensor rows(tiles.dtype(),
                  {firstToken(place, place.blocks), place.kvHeads, dim});
  rows.fill(0x7f);
  for (int64_t tile = 0; tile < place.count; ++tile)
    for (int64_t t = 0; t < group; ++t) {
      int64_t row = firstToken(place, place.slot(tile)) + t;
      std::copy_n(tiles.as<uint16_t>().begin() + (tile * group + t) * dim, dim,
                  rows.as<uint16_t>().begin() +
                      (row * place.kvHeads + place.head(tile)) * dim);
    }
  return rows;
}

static std::vector<HostTensor>
runPack(const Context &context, const Kernel &kernel, const Placement &place) {
  const TileSet &tiles = place.tiles;
  HostTensor k = packRows(place, tiles.k), v = packRows(place, tiles.v);
  // The pair that is not in use is of tokens that do not exist.
  HostTensor pairs =
      place.pairs([&](int64_t i) { return firstToken(place, i); });
  HostTensor count = place.size();
  return runRepeatedly(context, "pack", kernel, [&](const Running &running) {
    std::vector<HostTensor> written;
    written.push_back(place.emptyPages());
    Launch to(running, kernel);
    kvarn_pack_args args = {};
    args.struct_size = sizeof args;
    args.k = to.read(k);
    args.v = to.read(v);
    args.pairs = to.read(pairs);
    args.count = to.read(count);
    args.pages = to.write(written[0]);
    to.run(args);
    return written;
  });
}

void checkPack(const Context &context, const Kernel &kernel,
               const TileSet &tiles) {
  Placement place(tiles);
  auto pages = runPack(context, kernel, place);
  checkRecords(context, "pack", kernel, place, tiles, pages[0]);
}

/// The records must be those that flush makes of the pools, to the byte.
void checkPack(const Context &context, const StoreKernels &kernels,
               const Placement &place, const std::vector<HostTensor> &pools) {
  const TileSet &tiles = place.tiles;
  auto pages = runPack(context, kernels.pack, place);
  TileSet own = {
      tiles.format, tiles.recordStride,     tiles.iterations,      {},
      {},           tiles.kRotated.clone(), tiles.vRotated.clone()};
  place.copyTiles(pools[0].as<uint16_t>(), own.kRotated.as<uint16_t>(), false);
  place.copyTiles(pools[1].as<uint16_t>(), own.vRotated.as<uint16_t>(), false);
  checkRecords(context, "pack", kernels.pack, place, own, pages[0]);
  HostTensor want =
      launchFlush(context.running, kernels.flush, place, pools[0], pools[1]);
  context.add("pack as flush", sameBytes(pages[0], want), kernels.pack);
}

//===----------------------------------------------------------------------===//
// unflush
//===----------------------------------------------------------------------===//

void comparePool(const std::function<uint16_t(int, int)> &got,
                 const oracle::QuantizedTile &record, oracle::Side side,
                 PoolDifference &result) {
  oracle::Matrix want = oracle::dequantize(record, side);
  bool key = side == oracle::Side::Key;
  double levels = (1 << record.bits) - 1;
  for (int t = 0; t < want.rows; ++t)
    for (int d = 0; d < want.cols; ++d) {
      auto row = static_cast<size_t>(key ? d : t),
           column = static_cast<size_t>(key ? t : d);
      double noise = 0x1p-22 * std::abs(record.colScale[column]) *
                     (levels * std::abs(record.rowScale[row]) +
                      std::abs(record.rowZero[row]));
      uint16_t bits = got(t, d);
      int ulp = oracle::halfUlpDistance(bits, oracle::doubleToHalf(want(t, d)));
      ++result.elements;
      if (ulp > 1 && std::abs(oracle::halfToDouble(bits) -
                              oracle::roundToHalf(want(t, d))) <= noise)
        continue;
      result.worst = std::max(result.worst, ulp);
      result.differing += ulp != 0;
    }
}

static std::vector<HostTensor> runUnflush(const Context &context,
                                          const Kernel &kernel,
                                          const Placement &place,
                                          const HostTensor &pages) {
  HostTensor pairs = place.pairs([](int64_t i) { return i; }),
             count = place.size();
  return runRepeatedly(context, "unflush", kernel, [&](const Running &running) {
    std::vector<HostTensor> pools;
    pools.push_back(place.emptyPool());
    pools.push_back(place.emptyPool());
    Launch to(running, kernel);
    kvarn_unflush_args args = {};
    args.struct_size = sizeof args;
    args.pairs = to.read(pairs);
    args.count = to.read(count);
    args.pages = to.read(pages);
    args.pool_k = to.write(pools[0]);
    args.pool_v = to.write(pools[1]);
    to.run(args);
    return pools;
  });
}

void checkUnflush(const Context &context, const Kernel &kernel,
                  const TileSet &tiles, const HostTensor &records) {
  Placement place(tiles);
  auto pools = runUnflush(context, kernel, place, place.fillPages(records));
  size_t used = 2 * place.poolElements();
  for (oracle::Side side : {oracle::Side::Key, oracle::Side::Value}) {
    bool key = side == oracle::Side::Key;
    PoolDifference found;
    for (int64_t tile = 0; tile < place.count; ++tile) {
      auto bytes = records.bytes().subspan(
          static_cast<size_t>(tile * tiles.recordStride),
          static_cast<size_t>(tiles.format.recordBytes()));
      auto pool = pools[key ? 0 : 1].as<uint16_t>();
      comparePool(
          [&](int t, int d) {
            return pool[place.poolRow(tile, t) + static_cast<size_t>(d)];
          },
          oracle::decodeTile(oracleFormat(tiles.format), side, bytes), side,
          found);
    }
    double percent = 100.0 * static_cast<double>(found.differing) /
                     static_cast<double>(found.elements);
    std::string name = key ? "unflush k" : "unflush v";
    context.add(name,
                {formatText("%d ulp, %.3f %%", found.worst, percent),
                 "<= 1 ulp, <= 0.3 %", found.worst <= 1 && percent <= 0.3, ""},
                kernel);
    context.add(name + " stray",
                untouched(pools[key ? 0 : 1], kPoolByte,
                          [=](size_t i) { return i < used; }),
                kernel);
  }
}

} // namespace kvarn::run
