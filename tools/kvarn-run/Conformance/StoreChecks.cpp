//===- StoreChecks.cpp - Kernels that write a cache against the oracle ----===//

#include "tools/kvarn-run/Conformance/Checks.h"
#include "tools/kvarn-run/Conformance/Placement.h"
#include "tools/kvarn-run/Conformance/Relayout.h"
#include "tools/kvarn-run/Text.h"

#include "test/oracle/Half.h"
#include "test/oracle/Rotation.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace kvarn::run {

using oracle::Matrix;
using oracle::Side;

//===----------------------------------------------------------------------===//
// append
//===----------------------------------------------------------------------===//

/// Rows of the launch: one that is skipped, then all tokens, last one first.
static HostTensor appendRows(const Placement &place, const HostTensor &tiles) {
  int64_t group = place.tiles.format.group, dim = place.tiles.format.headDim;
  int64_t tokens = place.blocks * group;
  HostTensor rows(tiles.dtype(), {tokens + 1, place.kvHeads, dim});
  auto to = rows.as<uint16_t>();
  std::fill_n(to.begin(), place.kvHeads * dim, 0x7fff); // NaN
  for (int64_t tile = 0; tile < place.count; ++tile)
    for (int64_t t = 0; t < group; ++t) {
      int64_t row = tokens - (place.slot(tile) * group + t);
      std::copy_n(tiles.as<uint16_t>().begin() + (tile * group + t) * dim, dim,
                  to.begin() + (row * place.kvHeads + place.head(tile)) * dim);
    }
  return rows;
}

static HostTensor slotMapping(const Placement &place) {
  int64_t group = place.tiles.format.group, tokens = place.blocks * group;
  HostTensor mapping(DType::I64, {tokens + 1});
  auto to = mapping.as<int64_t>();
  to[0] = -1;
  for (int64_t i = 0; i < tokens; ++i)
    to[tokens - i] = (place.blocks - i / group) * group + i % group;
  return mapping;
}

/// Compares rotated values with the wanted ones: at most 1 ulp, at most 0.3 %
/// different. Where a sum cancels to nearly nothing, one ulp of the result is
/// less than the rounding of the fp32 sums themselves: a difference of up to
/// 2^-22 times the sum of the magnitudes never counts (see oracle/Rotation.h).
static Figure compareRotated(const std::vector<double> &raw,
                             std::span<const uint16_t> got,
                             std::span<const uint16_t> want, int64_t dim) {
  double entry = 1 / std::sqrt(static_cast<double>(dim)), noise = 0;
  int worst = 0;
  size_t differing = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (i % static_cast<size_t>(dim) == 0) {
      noise = 0;
      for (int64_t d = 0; d < dim; ++d)
        noise += std::abs(raw[i + static_cast<size_t>(d)]);
      noise *= entry * 0x1p-22;
    }
    int ulp = oracle::halfUlpDistance(got[i], want[i]);
    double difference =
        std::abs(oracle::halfToDouble(got[i]) - oracle::halfToDouble(want[i]));
    if (ulp > 1 && difference <= noise)
      continue;
    worst = std::max(worst, ulp);
    differing += ulp != 0;
  }
  double percent =
      100.0 * static_cast<double>(differing) / static_cast<double>(got.size());
  return {formatText("%d ulp, %.3f %%", worst, percent), "<= 1 ulp, <= 0.3 %",
          worst <= 1 && percent <= 0.3, ""};
}

static std::vector<HostTensor> runAppend(const Context &context,
                                         const Kernel &kernel,
                                         const Placement &place) {
  const TileSet &tiles = place.tiles;
  HostTensor k = appendRows(place, tiles.k), v = appendRows(place, tiles.v);
  HostTensor mapping = slotMapping(place), slots = place.blockToSlot();
  return runRepeatedly(context, "append", kernel, [&](const Running &running) {
    std::vector<HostTensor> pools;
    pools.push_back(place.emptyPool());
    pools.push_back(place.emptyPool());
    Launch to(running, kernel);
    kvarn_append_args args = {};
    args.struct_size = sizeof args;
    args.k = to.read(k);
    args.v = to.read(v);
    args.slot_mapping = to.read(mapping);
    args.pool_k = to.write(pools[0]);
    args.pool_v = to.write(pools[1]);
    args.block_to_slot = to.read(slots);
    to.run(args);
    return pools;
  });
}

/// Returns the pools that append has filled, K and V.
static std::vector<HostTensor> checkAppend(const Context &context,
                                           const Kernel &kernel,
                                           const Placement &place) {
  const TileSet &tiles = place.tiles;
  auto pools = runAppend(context, kernel, place);
  size_t used = 2 * place.poolElements();
  for (bool isKey : {true, false}) {
    const HostTensor &pool = pools[isKey ? 0 : 1];
    const HostTensor &want = isKey ? tiles.kRotated : tiles.vRotated;
    HostTensor got(DType::F16, want.shape());
    place.copyTiles(pool.as<uint16_t>(), got.as<uint16_t>(), false);
    std::string side = isKey ? "k" : "v";
    context.add("append " + side,
                compareRotated(toDoubles(isKey ? tiles.k : tiles.v),
                               got.as<uint16_t>(), want.as<uint16_t>(),
                               tiles.format.headDim),
                kernel);
    context.add("append " + side + " stray",
                untouched(pool, kPoolByte, [=](size_t i) { return i < used; }),
                kernel);
  }
  return pools;
}

//===----------------------------------------------------------------------===//
// flush
//===----------------------------------------------------------------------===//

oracle::StoreOptions storeOptions(const Kernel &kernel, int64_t iterations) {
  oracle::StoreOptions options;
  options.iterations = static_cast<int>(iterations);
  if (std::optional<std::string> text = kernel.option("iterations"))
    std::from_chars(text->data(), text->data() + text->size(),
                    options.iterations);
  std::string prescale = kernel.option("prescale").value_or("off");
  options.prescale = prescale == "on" || prescale == "true" || prescale == "1";
  return options;
}

Matrix tileMatrix(const HostTensor &tiles, int64_t tile, const Format &format) {
  Matrix matrix(static_cast<int>(format.group),
                static_cast<int>(format.headDim));
  auto from = tiles.as<uint16_t>().subspan(static_cast<size_t>(tile) *
                                           matrix.data.size());
  for (size_t i = 0; i < matrix.data.size(); ++i)
    matrix.data[i] = oracle::halfToDouble(from[i]);
  return matrix;
}

/// Every tile of one side; the figures are those of the worst.
static Figure checkSide(const TileSet &tiles, const HostTensor &records,
                        Side side, const oracle::StoreOptions &options) {
  Figure figure = {"", "<= 8 codes, <= 1e-3", true, ""};
  const HostTensor &rotated =
      side == Side::Key ? tiles.kRotated : tiles.vRotated;
  int codes = 0;
  double vectors = 0;
  for (int64_t tile = 0; tile < rotated.extent(0); ++tile) {
    auto record = records.bytes().subspan(
        static_cast<size_t>(tile * tiles.recordStride),
        static_cast<size_t>(tiles.format.recordBytes()));
    oracle::StoreCheck check =
        oracle::checkStore(tileMatrix(rotated, tile, tiles.format), record,
                           oracleFormat(tiles.format), side, options);
    codes = std::max(codes, check.codesDiffering - check.codesExcused);
    vectors = std::max(vectors, check.worstVectorError);
    if (!check.passed && figure.passed)
      figure.message = "tile " + std::to_string(tile) + ": " + check.message;
    figure.passed = figure.passed && check.passed;
  }
  figure.measured = formatText("%d codes, %.2g", codes, vectors);
  return figure;
}

/// With range = mse there is no one right record; it must be no worse than
/// with range = minmax.
static Figure checkError(const TileSet &tiles, const HostTensor &records,
                         Side side, const oracle::StoreOptions &options) {
  const HostTensor &rotated =
      side == Side::Key ? tiles.kRotated : tiles.vRotated;
  oracle::Format format = oracleFormat(tiles.format);
  double worst = 0;
  for (int64_t tile = 0; tile < rotated.extent(0); ++tile) {
    Matrix tokens = tileMatrix(rotated, tile, tiles.format);
    double got = oracle::reconstructionError(
        tokens,
        oracle::decodeTile(
            format, side,
            records.bytes().subspan(
                static_cast<size_t>(tile * tiles.recordStride),
                static_cast<size_t>(tiles.format.recordBytes()))),
        side);
    double want = oracle::reconstructionError(
        tokens, oracle::storeTile(tokens, format, side, options), side);
    // Below this the fp16 rounding of the vectors decides, not the range: small
    // tiles have subnormal scales.
    constexpr double kVectorNoise = 0.03;
    worst = std::max(worst, got / std::max(want, kVectorNoise));
  }
  return {formatText("%.4f of minmax", worst), "<= 1.001", worst <= 1.001, ""};
}

HostTensor Placement::fillPages(const HostTensor &records) const {
  HostTensor converted = records.clone(), pages = emptyPages();
  relayout(converted.bytes(), tiles.recordStride, tiles.format,
           Layout::Reference, tiles.format.layout);
  for (int64_t tile = 0; tile < count; ++tile)
    std::copy_n(converted.bytes().begin() + tile * tiles.recordStride,
                tiles.format.recordBytes(),
                pages.bytes().begin() +
                    (block(tile) * kvHeads + head(tile)) * tiles.recordStride);
  return pages;
}

HostTensor Placement::collectRecords(const HostTensor &pages) const {
  int64_t stride = tiles.recordStride;
  HostTensor records(DType::U8, {count, stride});
  for (int64_t tile = 0; tile < count; ++tile)
    std::copy_n(pages.bytes().begin() +
                    (block(tile) * kvHeads + head(tile)) * stride,
                stride, records.bytes().begin() + tile * stride);
  relayout(records.bytes(), stride, tiles.format, tiles.format.layout,
           Layout::Reference);
  return records;
}

HostTensor checkRecords(const Context &context, const std::string &name,
                        const Kernel &kernel, const Placement &place,
                        const TileSet &tiles, const HostTensor &pages) {
  context.add(name + " stray",
              untouched(pages, kPagesByte,
                        [&](size_t i) { return place.ownsPagesByte(i); }),
              kernel);
  HostTensor records = place.collectRecords(pages);
  oracle::StoreOptions options = storeOptions(kernel, tiles.iterations);
  bool search = kernel.option("range").value_or("minmax") != "minmax";
  for (Side side : {Side::Key, Side::Value})
    context.add(name + (side == Side::Key ? " k" : " v"),
                search ? checkError(tiles, records, side, options)
                       : checkSide(tiles, records, side, options),
                kernel);
  return records;
}

HostTensor launchFlush(const Running &running, const Kernel &kernel,
                       const Placement &place, const HostTensor &poolK,
                       const HostTensor &poolV) {
  HostTensor pairs = place.pairs([](int64_t i) { return i; }),
             count = place.size(), pages = place.emptyPages();
  Launch to(running, kernel);
  kvarn_flush_args args = {};
  args.struct_size = sizeof args;
  args.pairs = to.read(pairs);
  args.count = to.read(count);
  args.pages = to.write(pages);
  args.pool_k = to.read(poolK);
  args.pool_v = to.read(poolV);
  to.run(args);
  return pages;
}

static HostTensor checkFlush(const Context &context, const Kernel &kernel,
                             const Placement &place) {
  HostTensor pools[2] = {place.emptyPool(), place.emptyPool()};
  place.copyTiles(place.tiles.kRotated.as<uint16_t>(), pools[0].as<uint16_t>(),
                  true);
  place.copyTiles(place.tiles.vRotated.as<uint16_t>(), pools[1].as<uint16_t>(),
                  true);
  auto pages =
      runRepeatedly(context, "flush", kernel, [&](const Running &running) {
        std::vector<HostTensor> written;
        written.push_back(
            launchFlush(running, kernel, place, pools[0], pools[1]));
        return written;
      });
  return checkRecords(context, "flush", kernel, place, place.tiles, pages[0]);
}

void checkAppend(const Context &context, const Kernel &kernel,
                 const TileSet &tiles) {
  checkAppend(context, kernel, Placement(tiles));
}

void checkFlush(const Context &context, const Kernel &kernel,
                const TileSet &tiles) {
  checkFlush(context, kernel, Placement(tiles));
}

HostTensor checkStore(const Context &context, const StoreKernels &kernels,
                      const TileSet &tiles) {
  Placement place(tiles);
  auto pools = checkAppend(context, kernels.append, place);
  HostTensor records = checkFlush(context, kernels.flush, place);
  if (kernels.pack)
    checkPack(context, kernels, place, pools);
  return records;
}

} // namespace kvarn::run
