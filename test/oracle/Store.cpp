//===- Store.cpp - Normalizing and quantizing a tile ----------------------===//

#include "test/oracle/Store.h"

#include "test/oracle/Half.h"

#include <algorithm>
#include <cmath>

namespace kvarn::oracle {

/// fp32 leaves a row or column of equal values with a std of about this times
/// their magnitude.
static constexpr double kStdNoise = 0x1p-20;

namespace {
/// Of each row, or of each column.
struct Spread {
  std::vector<double> std;
  std::vector<double> magnitude; // max |x|
};
} // namespace

static Spread columnSpread(const Matrix &x) {
  std::vector<double> mean(x.cols), squares(x.cols), magnitude(x.cols);
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c)
      mean[c] += x(r, c);
  for (double &m : mean)
    m /= x.rows;
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c) {
      double centered = x(r, c) - mean[c];
      squares[c] += centered * centered;
      magnitude[c] = std::max(magnitude[c], std::abs(x(r, c)));
    }
  for (double &s : squares)
    s = std::sqrt(s / (x.rows - 1));
  return {std::move(squares), std::move(magnitude)};
}

static Spread rowSpread(const Matrix &x) {
  Spread result;
  for (int r = 0; r < x.rows; ++r) {
    double mean = 0, squares = 0, magnitude = 0;
    for (double value : x.row(r))
      mean += value;
    mean /= x.cols;
    for (double value : x.row(r)) {
      squares += (value - mean) * (value - mean);
      magnitude = std::max(magnitude, std::abs(value));
    }
    result.std.push_back(std::sqrt(squares / (x.cols - 1)));
    result.magnitude.push_back(magnitude);
  }
  return result;
}

/// max(std) / max(min(std), 1e-8) if every std is moved by `sign` times its
/// noise in the numerator and against it in the denominator.
static double spreadRatio(const Spread &spread, double sign) {
  double largest = 0, smallest = HUGE_VAL;
  for (size_t i = 0; i < spread.std.size(); ++i) {
    double noise = sign * kStdNoise * spread.magnitude[i];
    largest = std::max(largest, spread.std[i] + noise);
    smallest = std::min(smallest, spread.std[i] - noise);
  }
  return largest / std::max(smallest, 1e-8);
}

static void setImbalance(Iterate &iterate, const Spread &columns,
                         const Spread &rows) {
  auto imbalance = [&](double sign) {
    return spreadRatio(columns, sign) + spreadRatio(rows, sign);
  };
  iterate.imbalance = imbalance(0);
  iterate.imbalanceLow = imbalance(-1);
  iterate.imbalanceHigh = imbalance(1);
}

static void updateLogs(std::vector<double> &logs,
                       const std::vector<double> &stds) {
  for (size_t i = 0; i < logs.size(); ++i)
    logs[i] = std::clamp(logs[i] + std::log(std::clamp(stds[i], 1e-3, 1e3)),
                         -0.3, 10.0);
}

static std::vector<double> exponentials(const std::vector<double> &logs) {
  std::vector<double> result;
  for (double value : logs)
    result.push_back(std::exp(value));
  return result;
}

Matrix orientTile(const Matrix &tokens, Side side) {
  for (double value : tokens.data)
    require(std::isfinite(value), "a tile to be stored must be finite");
  return side == Side::Key ? tokens.transposed() : tokens;
}

Matrix balance(const Matrix &tile, const Iterate &iterate) {
  std::vector<double> perColumn;
  for (double scale : iterate.colScale)
    perColumn.push_back(1 / scale);
  Matrix x(tile.rows, tile.cols);
  for (int r = 0; r < tile.rows; ++r) {
    double perRow = 1 / iterate.rowScale[r];
    for (int c = 0; c < tile.cols; ++c)
      x(r, c) = tile(r, c) * perColumn[c] * perRow;
  }
  return x;
}

std::vector<Iterate> normalize(const Matrix &tile, int iterations) {
  Iterate current;
  current.rowScale.assign(tile.rows, 1.0);
  current.colScale.assign(tile.cols, 1.0);
  std::vector<double> rowLogs(tile.rows), columnLogs(tile.cols);
  Spread columns = columnSpread(tile);
  setImbalance(current, columns, rowSpread(tile));
  std::vector<Iterate> iterates = {current};
  for (int i = 0; i < iterations; ++i) {
    // `columns` is that of the X that the step before left behind.
    updateLogs(columnLogs, columns.std);
    current.colScale = exponentials(columnLogs);
    updateLogs(rowLogs, rowSpread(balance(tile, current)).std);
    current.rowScale = exponentials(rowLogs);
    Matrix x = balance(tile, current);
    columns = columnSpread(x);
    setImbalance(current, columns, rowSpread(x));
    iterates.push_back(current);
  }
  return iterates;
}

int bestIterate(const std::vector<Iterate> &iterates) {
  int best = 0;
  for (size_t i = 1; i < iterates.size(); ++i)
    if (iterates[i].imbalance <= iterates[best].imbalance)
      best = static_cast<int>(i);
  return best;
}

RowQuantization quantizeRows(const Matrix &balanced, int bits) {
  RowQuantization result;
  result.bits = bits;
  result.codes.reserve(balanced.data.size());
  double levels = (1 << bits) - 1;
  for (int r = 0; r < balanced.rows; ++r) {
    auto row = balanced.row(r);
    auto [low, high] = std::minmax_element(row.begin(), row.end());
    double scale = std::max((*high - *low) / levels, 1e-10);
    result.low.push_back(*low);
    result.scale.push_back(scale);
    result.magnitude.push_back(std::max(std::abs(*low), std::abs(*high)));
    for (double x : row) // nearbyint rounds ties to even
      result.codes.push_back(static_cast<int>(
          std::clamp(std::nearbyint((x - *low) / scale), 0.0, levels)));
  }
  return result;
}

double exactPrescaleExponent(const Matrix &tile) {
  double mean = 0, squares = 0;
  for (double value : tile.data)
    mean += value;
  mean /= static_cast<double>(tile.data.size());
  for (double value : tile.data)
    squares += (value - mean) * (value - mean);
  if (squares == 0)
    return 0;
  return -0.5 * std::log2(squares / static_cast<double>(tile.data.size() - 1));
}

int prescaleExponent(const Matrix &tile) {
  return static_cast<int>(std::nearbyint(exactPrescaleExponent(tile)));
}

QuantizedTile storeTile(const Matrix &tokens, const Format &format, Side side,
                        const StoreOptions &options) {
  Matrix tile = orientTile(tokens, side);
  require(tile.rows == format.rows(side) && tile.cols == format.cols(side),
          "tile does not fit the format");
  int exponent = options.prescale ? prescaleExponent(tile) : 0;
  int rowExponent = exponent >> 1; // floor, also of a negative exponent
  for (double &value : tile.data)
    value = std::ldexp(value, exponent);

  std::vector<Iterate> iterates = normalize(tile, options.iterations);
  const Iterate &best = iterates[bestIterate(iterates)];
  RowQuantization rows = quantizeRows(balance(tile, best), format.bits(side));

  QuantizedTile result(format, side);
  result.codes = std::move(rows.codes);
  for (int r = 0; r < tile.rows; ++r) {
    double scale = std::ldexp(best.rowScale[r], -rowExponent);
    result.rowScale[r] = scale * rows.scale[r];
    result.rowZero[r] = scale * rows.low[r];
  }
  for (int c = 0; c < tile.cols; ++c)
    result.colScale[c] = std::ldexp(best.colScale[c], rowExponent - exponent);
  return result;
}

std::vector<uint8_t> storeRecord(const Matrix &keys, const Matrix &values,
                                 const Format &format,
                                 const StoreOptions &options) {
  return encodeRecord(format,
                      {storeTile(keys, format, Side::Key, options),
                       storeTile(values, format, Side::Value, options)});
}

double reconstructionError(const Matrix &tokens, const QuantizedTile &tile,
                           Side side) {
  return relativeError(dequantize(tile, side).data, tokens.data);
}

} // namespace kvarn::oracle
