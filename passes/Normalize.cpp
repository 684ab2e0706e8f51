//===- Normalize.cpp - Variance normalization and rounding ----------------===//
//
// arXiv 2606.03458, section on variance normalization, in the order of the
// reference implementation: columns first, always from the original tile, best
// iterate kept, a tie takes the later one.
//
//===----------------------------------------------------------------------===//

#include "passes/Normalize.h"

#include <cmath>

using namespace mlir;
using namespace mlir::kvarn;

static constexpr double kMinStd = 1e-3, kMaxStd = 1e3;
static constexpr double kMinLog = -0.3, kMaxLog = 10.0;
static constexpr double kMinScale = 1e-10;

/// The candidates of `range = mse`: shares of the row's whole range.
static constexpr int64_t kRangeCandidates = 16;
static constexpr double kSmallestRange = 0.4;

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

/// `x` divided by a vector along `dim`. A division for
/// each element would cost ten times as much, and differ in its last bit.
static Value divideAlong(TileBuilder &b, Value x, Value divisor, int64_t dim) {
  Value inverse = b.div(b.f32(1), divisor);
  return b.mul(x, b.along(inverse, dim, shapeOf(x)));
}

/// Sample variance of the elements along `dim`.
static Value variance(TileBuilder &b, Value x, int64_t dim) {
  Value squares = b.reduce(tile::ReduceKind::Squares, x, dim);
  return b.mul(squares, b.f32(1.0 / double(shapeOf(x)[dim] - 1)));
}

/// max / min of both kinds of deviation, added.
static Value imbalance(TileBuilder &b, Value columnVariance,
                       Value rowVariance) {
  auto ratio = [&](Value variance) {
    Value high = b.reduce(tile::ReduceKind::Max, variance, 0);
    Value low = b.reduce(tile::ReduceKind::Min, variance, 0);
    return b.div(b.op<math::SqrtOp>(high),
                 b.max(b.op<math::SqrtOp>(low), b.f32(1e-8)));
  };
  return b.add(ratio(columnVariance), ratio(rowVariance));
}

/// The power of two that brings the tile's standard deviation nearest to 1, as
/// an exponent; 0 for a tile of equal elements.
static Value prescaleExponent(TileBuilder &b, Value x) {
  SmallVector<int64_t> shape(shapeOf(x));
  double count = double(shape[0] * shape[1]);
  Value mean = b.mul(b.sum(b.sum(x, 1), 0), b.f32(1.0 / count));
  Value centred = b.sub(x, mean);
  Value squares = b.sum(b.sum(b.mul(centred, centred), 1), 0);
  Value variance = b.mul(squares, b.f32(1.0 / (count - 1)));
  Value flat = b.lessEqual(variance, b.f32(0));
  Value log = b.log2(b.select(flat, b.f32(1), variance));
  return b.op<math::RoundEvenOp>(b.mul(log, b.f32(-0.5)));
}

/// exp(factor * log)
static Value scaleOf(TileBuilder &b, Value log, double factor) {
  return b.op<math::ExpOp>(b.mul(log, b.f32(factor)));
}

/// `x` divided by the scales along `dim`.
static Value balance(TileBuilder &b, Value x, Value log, int64_t dim) {
  return b.mul(x, b.along(scaleOf(b, log, -1), dim, shapeOf(x)));
}

namespace {
/// Logarithms of scales.
struct Logs {
  Value row, column;
};
} // namespace

/// Of the best iterate. Dividing by the scale of a row divides its deviation by
/// it: the variances of a balanced tile follow from those of a tile that only
/// the scales of the other dimension have divided. So a round looks at the tile
/// twice.
static Logs findScales(TileBuilder &b, Value x, int64_t rowDim,
                       int64_t iterations) {
  int64_t columnDim = 1 - rowDim;
  SmallVector<int64_t> rows = {shapeOf(x)[rowDim]},
                       columns = {shapeOf(x)[columnDim]};
  Value noRows = b.tileOf(0, rows), noColumns = b.tileOf(0, columns);
  if (iterations == 0)
    return {noRows, noColumns};
  auto step = [&](Value log, Value variance) {
    Value change = b.op<math::LogOp>(
        b.clamp(variance, kMinStd * kMinStd, kMaxStd * kMaxStd));
    return b.clamp(b.add(log, b.mul(change, b.f32(0.5))), kMinLog, kMaxLog);
  };
  auto divided = [&](Value variance, Value log) {
    return b.mul(variance, scaleOf(b, log, -2));
  };
  // A column's variance is taken down the rows. Those that judge one iterate
  // start the next. The first of all leaves the tile as it is: variances of 1
  // change no scale.
  SmallVector<Value> initial = {
      noColumns,       noRows,    b.tileOf(1, columns),
      b.f32(INFINITY), noColumns, noRows};
  SmallVector<Value> best = b.loop(
      b.index(0), b.index(iterations + 1), b.index(1), initial,
      [&](Value i, ValueRange carried) -> SmallVector<Value> {
        Value columnLog = step(carried[0], carried[2]);
        Value rowVariance =
            variance(b, balance(b, x, columnLog, columnDim), columnDim);
        Value rowLog = step(carried[1], divided(rowVariance, carried[1]));
        Value original = b.splat(b.equal(i, b.index(0)), rows);
        rowLog = b.select(original, carried[1], rowLog);
        Value columnVariance =
            variance(b, balance(b, x, rowLog, rowDim), rowDim);
        columnVariance = divided(columnVariance, columnLog);
        Value found =
            imbalance(b, columnVariance, divided(rowVariance, rowLog));
        Value lowest = carried[3], better = b.lessEqual(found, lowest);
        return {columnLog,
                rowLog,
                columnVariance,
                b.select(better, found, lowest),
                b.select(b.splat(better, columns), columnLog, carried[4]),
                b.select(b.splat(better, rows), rowLog, carried[5])};
      });
  return {best[5], best[4]};
}

Normalized mlir::kvarn::normalizeTile(TileBuilder &b, Value x, int64_t rowDim,
                                      int64_t iterations, bool prescale) {
  int64_t columnDim = 1 - rowDim;
  x = b.toF32(x);
  Value exponent;
  if (prescale) {
    exponent = prescaleExponent(b, x);
    x = b.mul(x, b.exp2(exponent));
  }
  Logs logs = findScales(b, x, rowDim, iterations);
  Normalized result;
  result.columnScale = scaleOf(b, logs.column, 1);
  result.rowScale = scaleOf(b, logs.row, 1);
  result.balanced =
      balance(b, balance(b, x, logs.column, columnDim), logs.row, rowDim);
  if (prescale) {
    // Split evenly, or a small tile would store subnormal scales.
    Value half = b.op<math::FloorOp>(b.mul(exponent, b.f32(0.5)));
    Value rest = b.sub(exponent, half);
    result.rowScale = b.mul(result.rowScale, b.exp2(b.sub(b.f32(0), half)));
    result.columnScale =
        b.mul(result.columnScale, b.exp2(b.sub(b.f32(0), rest)));
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

/// Codes as floats, not yet converted.
static Value roundTile(TileBuilder &b, Value x, int64_t rowDim, int64_t bits,
                       Value scale, Value zero) {
  SmallVector<int64_t> shape(shapeOf(x));
  Value steps =
      divideAlong(b, b.sub(x, b.along(zero, rowDim, shape)), scale, rowDim);
  return b.clamp(b.op<math::RoundEvenOp>(steps), 0.0, double((1 << bits) - 1));
}

static Value squaredError(TileBuilder &b, Value x, Value codes, int64_t rowDim,
                          Value scale, Value zero, Value columnWeight) {
  SmallVector<int64_t> shape(shapeOf(x));
  Value read = b.add(b.mul(codes, b.along(scale, rowDim, shape)),
                     b.along(zero, rowDim, shape));
  Value error = b.sub(read, x);
  if (columnWeight)
    error = b.mul(error, b.along(columnWeight, 1 - rowDim, shape));
  return b.sum(b.mul(error, error), 1 - rowDim);
}

/// Shrinks the range around its middle and keeps what rounds best. The whole
/// range is the first candidate, so the result is never worse.
static std::pair<Value, Value> searchRange(TileBuilder &b, Value x,
                                           int64_t rowDim, int64_t bits,
                                           Value scale, Value zero,
                                           Value columnWeight) {
  double levels = double((1 << bits) - 1);
  SmallVector<int64_t> rows(shapeOf(scale));
  Value middle = b.add(zero, b.mul(scale, b.f32(levels / 2)));
  Value whole = scale;
  SmallVector<Value> initial = {
      squaredError(b, x, roundTile(b, x, rowDim, bits, scale, zero), rowDim,
                   scale, zero, columnWeight),
      scale, zero};
  double stride = (1.0 - kSmallestRange) / double(kRangeCandidates);
  SmallVector<Value> best = b.loop(
      b.index(1), b.index(kRangeCandidates + 1), b.index(1), initial,
      [&](Value i, ValueRange carried) -> SmallVector<Value> {
        Value share = b.sub(b.f32(1), b.mul(b.intToF32(i), b.f32(stride)));
        Value s = b.max(b.mul(whole, share), b.f32(kMinScale));
        Value z = b.sub(middle, b.mul(s, b.f32(levels / 2)));
        Value error = squaredError(b, x, roundTile(b, x, rowDim, bits, s, z),
                                   rowDim, s, z, columnWeight);
        Value better = b.less(error, carried[0]);
        return {b.select(better, error, carried[0]),
                b.select(better, s, carried[1]),
                b.select(better, z, carried[2])};
      });
  return {best[1], best[2]};
}

Quantized mlir::kvarn::quantizeTile(TileBuilder &b, Value x, int64_t rowDim,
                                    int64_t bits, QuantRange range,
                                    Value columnWeight) {
  int64_t columnDim = 1 - rowDim;
  double levels = double((1 << bits) - 1);
  Value zero = b.reduce(tile::ReduceKind::Min, x, columnDim);
  Value high = b.reduce(tile::ReduceKind::Max, x, columnDim);
  Value scale =
      b.max(b.div(b.sub(high, zero), b.f32(levels)), b.f32(kMinScale));
  if (range == QuantRange::Mse)
    std::tie(scale, zero) =
        searchRange(b, x, rowDim, bits, scale, zero, columnWeight);
  Value codes = roundTile(b, x, rowDim, bits, scale, zero);
  auto type = RankedTensorType::get(shapeOf(x), b.getI32Type());
  Value wide = b.op<arith::FPToSIOp>(type, codes);
  return {b.op<arith::TruncIOp>(type.clone(b.getI8Type()), wide), scale, zero};
}
