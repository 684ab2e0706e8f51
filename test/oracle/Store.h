//===- Store.h - Normalizing and quantizing a tile ------------------------===//
//
// docs: algorithm.md, section 2. All of it in double; `tokens` is always the
// rotated tile as [token][channel], for K as for V.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_STORE_H
#define KVARN_TEST_ORACLE_STORE_H

#include "test/oracle/Matrix.h"
#include "test/oracle/Record.h"

#include <vector>

namespace kvarn::oracle {

struct StoreOptions {
  int iterations = 8;
  /// Multiply the tile by a power of two first and take it out of the stored
  /// scales again; see prescaleExponent.
  bool prescale = false;
};

/// The tile as section 1 has it: channels x tokens for K, tokens x channels
/// for V. Must be finite: NaN and infinity are the caller's error.
Matrix orientTile(const Matrix &tokens, Side side);

/// The prescale multiplies the whole tile by 2^e, e = round(-log2(std)), where
/// std is the sample standard deviation of all the tile's elements, mean
/// removed; a tile with std = 0 is left alone (e = 0). The stored scales take
/// it out again: Sr is multiplied by 2^-floor(e/2), Sc by 2^-(e - floor(e/2)).
int prescaleExponent(const Matrix &tile);
/// -log2(std) before rounding, 0 if std is 0.
double exactPrescaleExponent(const Matrix &tile);

/// One state of the normalization: X = T / rowScale / colScale.
struct Iterate {
  std::vector<double> rowScale; // Sr, without any prescale
  std::vector<double> colScale; // Sc
  double imbalance = 0;
  /// Bounds of what fp32 arithmetic can make of `imbalance`. They matter only
  /// if the tile has nearly constant rows or columns, whose std is noise.
  double imbalanceLow = 0;
  double imbalanceHigh = 0;
};

/// Iterates 0 (nothing done) to `iterations`, in this order.
std::vector<Iterate> normalize(const Matrix &tile, int iterations);

/// The index of the least imbalance; a tie takes the later one.
int bestIterate(const std::vector<Iterate> &iterates);

/// X, the tile balanced by an iterate.
Matrix balance(const Matrix &tile, const Iterate &iterate);

/// Rounding to nearest per row (min-max) of a balanced tile: the codes, and
/// the row parameters before they are multiplied by Sr.
struct RowQuantization {
  int bits = 0;
  std::vector<int> codes;        // [rows][cols]
  std::vector<double> low;       // min of the row
  std::vector<double> scale;     // step, at least 1e-10
  std::vector<double> magnitude; // max |x| of the row
};
RowQuantization quantizeRows(const Matrix &balanced, int bits);

/// The vectors to be stored are not yet rounded to fp16.
QuantizedTile storeTile(const Matrix &tokens, const Format &format, Side side,
                        const StoreOptions &options = {});

/// A whole record, as bytes of the reference layout.
std::vector<uint8_t> storeRecord(const Matrix &keys, const Matrix &values,
                                 const Format &format,
                                 const StoreOptions &options = {});

/// ||dequantized - tokens|| / ||tokens||, the figure by which ranges (minmax
/// or mse) are compared.
double reconstructionError(const Matrix &tokens, const QuantizedTile &tile,
                           Side side);

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_STORE_H
