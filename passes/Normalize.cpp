//===- Normalize.cpp - Variance normalization and rounding ----------------===//
//
// arXiv 2606.03458, section on variance normalization, in the order of the
// reference implementation: columns first, always from the original tile, best
// iterate kept, a tie takes the later one.
//
//===----------------------------------------------------------------------===//

#include "passes/Normalize.h"

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

/// Sample standard deviation of the elements along `dim`.
static Value deviation(TileBuilder &b, Value x, int64_t dim) {
  SmallVector<int64_t> shape(shapeOf(x));
  double count = double(shape[dim]);
  Value mean = b.mul(b.sum(x, dim), b.f32(1.0 / count));
  Value centred = b.sub(x, b.along(mean, 1 - dim, shape));
  Value squares = b.sum(b.mul(centred, centred), dim);
  return b.op<math::SqrtOp>(b.mul(squares, b.f32(1.0 / (count - 1))));
}

/// max / min of both kinds of deviation, added.
static Value imbalance(TileBuilder &b, Value columnStd, Value rowStd) {
  auto ratio = [&](Value std) {
    Value high = b.reduce(tile::ReduceKind::Max, std, 0);
    Value low = b.reduce(tile::ReduceKind::Min, std, 0);
    return b.div(high, b.max(low, b.f32(1e-8)));
  };
  return b.add(ratio(columnStd), ratio(rowStd));
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

Normalized mlir::kvarn::normalizeTile(TileBuilder &b, Value x, int64_t rowDim,
                                      int64_t iterations, bool prescale) {
  SmallVector<int64_t> shape(shapeOf(x));
  int64_t columnDim = 1 - rowDim;
  SmallVector<int64_t> rows = {shape[rowDim]}, columns = {shape[columnDim]};
  Value exponent;
  if (prescale)
    exponent = prescaleExponent(b, b.toF32(x));
  auto scaled = [&](Value tile) {
    tile = b.toF32(tile);
    return prescale ? b.mul(tile, b.exp2(exponent)) : tile;
  };
  // Balanced tiles take all registers that there are.
  auto balance = [&](Value rowScale, Value columnScale) {
    Value y =
        divideAlong(b, scaled(b.op<tile::RecallOp>(x)), columnScale, columnDim);
    return divideAlong(b, y, rowScale, rowDim);
  };
  // A column's deviation is taken down the rows.
  auto columnStd = [&](Value y) { return deviation(b, y, rowDim); };
  auto rowStd = [&](Value y) { return deviation(b, y, columnDim); };
  auto step = [&](Value log, Value std) {
    Value change = b.op<math::LogOp>(b.clamp(std, kMinStd, kMaxStd));
    return b.clamp(b.add(log, change), kMinLog, kMaxLog);
  };
  auto exp = [&](Value log) -> Value { return b.op<math::ExpOp>(log); };

  // The column deviations that judge one iterate start the next.
  Value first = scaled(x), start = columnStd(first);
  SmallVector<Value> initial = {b.tileOf(0, columns),
                                b.tileOf(0, rows),
                                start,
                                imbalance(b, start, rowStd(first)),
                                b.tileOf(1, columns),
                                b.tileOf(1, rows)};
  SmallVector<Value> best = b.loop(
      b.index(0), b.index(iterations), b.index(1), initial,
      [&](Value, ValueRange carried) -> SmallVector<Value> {
        Value columnLog = step(carried[0], carried[2]);
        Value rowLog = carried[1], lowest = carried[3];
        Value columnScale = exp(columnLog);
        rowLog = step(rowLog, rowStd(balance(exp(rowLog), columnScale)));
        Value rowScale = exp(rowLog);
        Value y = balance(rowScale, columnScale);
        Value std = columnStd(y);
        Value found = imbalance(b, std, rowStd(y));
        Value better = b.lessEqual(found, lowest);
        return {columnLog,
                rowLog,
                std,
                b.select(better, found, lowest),
                b.select(b.splat(better, columns), columnScale, carried[4]),
                b.select(b.splat(better, rows), rowScale, carried[5])};
      });
  Normalized result;
  result.columnScale = best[4];
  result.rowScale = best[5];
  result.balanced = balance(result.rowScale, result.columnScale);
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
