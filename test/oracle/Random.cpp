//===- Random.cpp - Random numbers and tiles, the same everywhere ---------===//

#include "test/oracle/Random.h"

#include "test/oracle/Half.h"

#include <algorithm>

namespace kvarn::oracle {

double Rng::normal() {
  int64_t sum = 0;
  for (int draw = 0; draw < 3; ++draw) {
    uint64_t bits = next();
    for (int part = 0; part < 4; ++part)
      sum += static_cast<int64_t>(bits >> 16 * part & 0xffff);
  }
  // Twelve times the mean of one part, 65535 / 2.
  return (static_cast<double>(sum) - 6 * 65535.0) / 65536.0;
}

ChannelProfile randomProfile(Rng &rng, Side side, int headDim) {
  ChannelProfile profile;
  for (int d = 0; d < headDim; ++d) {
    bool outlier = side == Side::Key && rng.chance(0.04);
    double mean = outlier ? rng.uniform(2, 8) : 0.3 * rng.normal();
    profile.mean.push_back(rng.chance(0.5) ? mean : -mean);
    profile.amplitude.push_back(outlier ? rng.uniform(1.5, 4)
                                        : rng.uniform(0.4, 1.2));
  }
  return profile;
}

Matrix randomTile(Rng &rng, TileKind kind, const ChannelProfile &profile,
                  int tokens) {
  Matrix tile(tokens, static_cast<int>(profile.mean.size()));
  if (kind == TileKind::Zero)
    return tile;
  if (kind == TileKind::Constant) {
    static const std::vector<double> values = {0.02, 1.0, -3.7, 1e4};
    std::fill(tile.data.begin(), tile.data.end(),
              roundToHalf(rng.pick(values)));
    return tile;
  }
  double unit = kind == TileKind::Tiny   ? 1e-4
                : kind == TileKind::Huge ? 1e4
                                         : 1.0;
  for (int t = 0; t < tokens; ++t) {
    double size = unit * rng.uniform(0.6, 1.5) * (rng.chance(0.02) ? 3 : 1);
    for (int d = 0; d < tile.cols; ++d)
      tile(t, d) = roundToHalf(
          size * (profile.mean[d] + profile.amplitude[d] * rng.normal()));
  }
  return tile;
}

static void fillCodes(Rng &rng, QuantizedTile &tile) {
  int mask = (1 << tile.bits) - 1;
  for (size_t i = 0; i < tile.codes.size();) {
    uint64_t bits = rng.next();
    for (int part = 0; part < 8 && i < tile.codes.size(); ++part, ++i)
      tile.codes[i] = static_cast<int>(bits >> 8 * part) & mask;
  }
}

QuantizedTile syntheticTile(Rng &rng, const Format &format, Side side) {
  QuantizedTile tile(format, side);
  fillCodes(rng, tile);
  double levels = (1 << tile.bits) - 1;
  for (int r = 0; r < tile.rows; ++r) {
    double range = rng.uniform(1.5, 5) * (rng.chance(0.04) ? 3 : 1);
    tile.rowScale[r] = range / levels;
    tile.rowZero[r] = range * (-0.5 + 0.1 * rng.normal());
  }
  for (double &scale : tile.colScale)
    scale = rng.uniform(0.7, 1.4);
  return tile;
}

QuantizedTile largeScaleValues(Rng &rng, const Format &format, double scale) {
  QuantizedTile tile = syntheticTile(rng, format, Side::Value);
  double range = scale * ((1 << tile.bits) - 1);
  for (int t = 0; t < tile.rows; ++t) {
    double factor = rng.uniform(0.5, 1);
    tile.rowScale[t] = factor * scale;
    // Not the middle of the range if that is beyond fp16.
    tile.rowZero[t] = -std::min(factor * range / 2, 0.9 * kHalfMax);
  }
  // The power of two below 4 / range, so that it is exact even as a subnormal.
  double unit = 1;
  while (unit > 4 / range && unit > 0x1p-24)
    unit /= 2;
  for (double &channel : tile.colScale)
    channel = unit * (rng.chance(0.5) ? 1 : 2);
  return tile;
}

} // namespace kvarn::oracle
