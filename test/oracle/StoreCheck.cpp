//===- StoreCheck.cpp - Judging a stored record ---------------------------===//

#include "test/oracle/StoreCheck.h"

#include "test/oracle/Half.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace kvarn::oracle {

static constexpr double kImbalanceTolerance = 1e-4;
static constexpr double kVectorTolerance = 1e-3;
static constexpr int kMostCodes = 8;
static constexpr double kSubnormalRounding = 0x1p-25;
static constexpr double kValueNoise = 0x1p-18;
static constexpr double kExponentTolerance = 1e-3;

namespace {
/// How far a record is from one iterate.
struct Distance {
  int codesDiffering = 0;
  int codesExcused = 0;
  double vectorError = 0;
  std::string where; // of the worst vector entry

  int codesCounted() const { return codesDiffering - codesExcused; }
  bool passes() const {
    return vectorError <= kVectorTolerance && codesCounted() <= kMostCodes;
  }
  bool closerThan(const Distance &other) const {
    if (passes() != other.passes())
      return passes();
    bool vectors = vectorError <= kVectorTolerance;
    bool otherVectors = other.vectorError <= kVectorTolerance;
    if (vectors != otherVectors)
      return vectors;
    return codesCounted() != other.codesCounted()
               ? codesCounted() < other.codesCounted()
               : vectorError < other.vectorError;
  }

  void compare(double got, double want, double absolute, const char *name,
               int index) {
    want = std::clamp(want, -kHalfMax, kHalfMax);
    double error =
        std::abs(got - want) / (std::abs(want) + absolute / kVectorTolerance);
    if (std::isnan(error))
      error = HUGE_VAL;
    if (error <= vectorError)
      return;
    vectorError = error;
    char text[128];
    std::snprintf(text, sizeof text, "%s[%d] is %.6g, not %.6g", name, index,
                  got, want);
    where = text;
  }
};
} // namespace

/// `tile` is already prescaled by 2^exponent.
static Distance measure(const QuantizedTile &got, const Matrix &tile,
                        const Iterate &iterate, int exponent, Side side) {
  bool isKey = side == Side::Key;
  Matrix x = balance(tile, iterate);
  RowQuantization want = quantizeRows(x, got.bits);
  double levels = (1 << got.bits) - 1;
  int rowExponent = exponent >> 1;
  Distance distance;
  for (int r = 0; r < tile.rows; ++r) {
    double noise = 2 * kValueNoise * want.magnitude[r];
    double rowScale = std::ldexp(iterate.rowScale[r], -rowExponent);
    distance.compare(got.rowScale[r], rowScale * want.scale[r],
                     kSubnormalRounding + rowScale * noise / levels,
                     isKey ? "Kscale" : "Vscale", r);
    distance.compare(got.rowZero[r], rowScale * want.low[r], kSubnormalRounding,
                     isKey ? "Kzero" : "Vzero", r);
    for (int c = 0; c < tile.cols; ++c) {
      int code = got.code(r, c);
      if (code == want.codes[static_cast<size_t>(r) * tile.cols + c])
        continue;
      ++distance.codesDiffering;
      double exact = (x(r, c) - want.low[r]) / want.scale[r];
      distance.codesExcused +=
          std::abs(code - exact) <= 0.5 + noise / want.scale[r];
    }
  }
  for (int c = 0; c < tile.cols; ++c)
    distance.compare(got.colScale[c],
                     std::ldexp(iterate.colScale[c], rowExponent - exponent),
                     kSubnormalRounding, isKey ? "Ktok" : "Vch", c);
  return distance;
}

static std::vector<int> acceptableExponents(const Matrix &tile,
                                            const StoreOptions &options) {
  if (!options.prescale)
    return {0};
  double exact = exactPrescaleExponent(tile);
  int low = static_cast<int>(std::nearbyint(exact - kExponentTolerance));
  int high = static_cast<int>(std::nearbyint(exact + kExponentTolerance));
  if (low == high)
    return {low};
  return {low, high};
}

StoreCheck checkStore(const Matrix &tokens, std::span<const uint8_t> record,
                      const Format &format, Side side,
                      const StoreOptions &options) {
  require(tokens.rows == format.group && tokens.cols == format.headDim,
          "tile does not fit the format");
  QuantizedTile got = decodeTile(format, side, record);
  Matrix tile = orientTile(tokens, side);
  StoreCheck check;
  Distance closest;
  int closestIterate = -1;
  for (int exponent : acceptableExponents(tile, options)) {
    Matrix scaled = tile;
    for (double &value : scaled.data)
      value = std::ldexp(value, exponent);
    std::vector<Iterate> iterates = normalize(scaled, options.iterations);
    double best = HUGE_VAL;
    for (const Iterate &iterate : iterates)
      best = std::min(best, iterate.imbalanceHigh);
    for (size_t i = 0; i < iterates.size(); ++i) {
      if (iterates[i].imbalanceLow > best * (1 + kImbalanceTolerance))
        continue;
      ++check.acceptableIterates;
      Distance distance = measure(got, scaled, iterates[i], exponent, side);
      if (closestIterate >= 0 && !distance.closerThan(closest))
        continue;
      closest = std::move(distance);
      closestIterate = static_cast<int>(i);
    }
  }
  check.passed = closest.passes();
  check.matchedIterate = check.passed ? closestIterate : -1;
  check.codesDiffering = closest.codesDiffering;
  check.codesExcused = closest.codesExcused;
  check.worstVectorError = closest.vectorError;
  check.reconstructionError = reconstructionError(tokens, got, side);
  if (!check.passed) {
    char text[320];
    std::snprintf(text, sizeof text,
                  "%s tile matches none of %d acceptable iterates; the closest "
                  "is iterate %d: %d codes differ (%d within fp32 noise, limit "
                  "%d), worst vector error %.3g (limit %.3g; %s)",
                  side == Side::Key ? "K" : "V", check.acceptableIterates,
                  closestIterate, closest.codesDiffering, closest.codesExcused,
                  kMostCodes, closest.vectorError, kVectorTolerance,
                  closest.where.c_str());
    check.message = text;
  }
  return check;
}

} // namespace kvarn::oracle
