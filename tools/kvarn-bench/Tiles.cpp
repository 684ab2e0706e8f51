//===- Tiles.cpp - A few real blocks --------------------------------------===//

#include "tools/kvarn-bench/Tiles.h"

#include "test/oracle/Random.h"

#include <algorithm>
#include <optional>
#include <random>

namespace kvarn::bench {

using run::DType;
using run::HostTensor;

HostTensor randomTensor(DType dtype, const std::vector<int64_t> &shape,
                        std::mt19937 &random) {
  // That of the standard library takes a logarithm for each number.
  oracle::Rng normal(random());
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  std::vector<double> values(static_cast<size_t>(count));
  for (double &value : values)
    value = normal.normal();
  return run::halfTensor(dtype, shape, values);
}

/// Random codes; every vector entry of a record is about the same.
static void fillSynthetic(HostTensor &pages, const Format &format,
                          std::mt19937 &random) {
  for (uint8_t &byte : pages.bytes())
    byte = static_cast<uint8_t>(random());
  auto put = [&](uint8_t *record, Vector vector, double value) {
    const std::vector<double> values(
        static_cast<size_t>(format.vectorLength(vector)), value);
    HostTensor half =
        run::halfTensor(DType::F16, {format.vectorLength(vector)}, values);
    std::copy(half.bytes().begin(), half.bytes().end(),
              record + format.vectorOffset(vector));
  };
  double keyStep = 4.0 / ((1 << format.keyBits) - 1);
  double valueStep = 4.0 / ((1 << format.valueBits) - 1);
  for (size_t at = 0; at < pages.bytes().size();
       at += static_cast<size_t>(format.recordBytes())) {
    uint8_t *record = pages.bytes().data() + at;
    put(record, Vector::KeyScale, keyStep);
    put(record, Vector::KeyZero, -2);
    put(record, Vector::KeyToken, 1);
    put(record, Vector::ValueChannel, 1);
    put(record, Vector::ValueScale, valueStep);
    put(record, Vector::ValueZero, -2);
  }
}

/// The flush kernel for the records that `reader` reads, if there is one. On
/// any device: records are the same everywhere.
static std::optional<run::Kernel> findFlush(const TileSource &source,
                                            const run::Kernel &reader) {
  run::Request request;
  request.kernel = "flush";
  request.format = reader.info().format;
  request.layout = reader.info().layout;
  request.headDim = reader.info().head_dim;
  for (const run::Library &library : source.libraries) {
    if (!library.hasKernel(request.kernel))
      continue;
    for (const kvarn_variant_info &info : library.variants())
      if (request.kernel == info.kernel)
        request.target = info.target;
    try {
      return source.running.select(library, request);
    } catch (const run::RuntimeError &error) {
      if (error.status != KVARN_STATUS_NOT_FOUND &&
          error.status != KVARN_STATUS_UNSUPPORTED)
        throw;
    }
  }
  return std::nullopt;
}

static void runFlush(const run::Running &running, const run::Kernel &flush,
                     Tiles &tiles) {
  int64_t blocks = tiles.pages.extent(0);
  HostTensor pairs(DType::I32, {blocks, 2}), count(DType::I32, {1});
  count.as<int32_t>()[0] = static_cast<int32_t>(blocks);
  for (int64_t i = 0; i < 2 * blocks; ++i)
    pairs.as<int32_t>()[i] = static_cast<int32_t>(i / 2);
  run::Launch launch(running, flush);
  kvarn_flush_args args = {};
  args.struct_size = sizeof args;
  args.pairs = launch.read(pairs);
  args.count = launch.read(count);
  args.pages = launch.write(tiles.pages);
  args.pool_k = launch.read(tiles.poolK);
  args.pool_v = launch.read(tiles.poolV);
  launch.run(args);
  tiles.packed = true;
}

Tiles makeTiles(const Format &format, int64_t kvHeads) {
  std::mt19937 random(1);
  int64_t blocks = std::max<int64_t>(256 / kvHeads, 1);
  std::vector<int64_t> shape = {blocks, format.group, kvHeads, format.headDim};
  Tiles tiles;
  // Rotated keys and values are nearly Gaussian, whatever they were before.
  tiles.poolK = randomTensor(DType::F16, shape, random);
  tiles.poolV = randomTensor(DType::F16, shape, random);
  tiles.pages = HostTensor(DType::U8, {blocks, kvHeads, format.recordBytes()});
  return tiles;
}

void packTiles(Tiles &tiles, const TileSource &source,
               const run::Kernel &reader, const Format &format) {
  std::mt19937 random(5);
  if (std::optional<run::Kernel> flush = findFlush(source, reader))
    runFlush(source.running, *flush, tiles);
  else
    fillSynthetic(tiles.pages, format, random);
}

Tiles makePackedTiles(const TileSource &source, const run::Kernel &reader,
                      int64_t kvHeads) {
  Format format = *run::formatOf(reader.info());
  Tiles tiles = makeTiles(format, kvHeads);
  packTiles(tiles, source, reader, format);
  return tiles;
}

} // namespace kvarn::bench
