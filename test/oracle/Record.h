//===- Record.h - The bytes of a record, layout `reference` ---------------===//
//
// docs: algorithm.md, sections 1, 2 (Read) and 4. Any other layout holds the
// same codes and vectors in another order; the caller relayouts first.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_RECORD_H
#define KVARN_TEST_ORACLE_RECORD_H

#include "test/oracle/Matrix.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvarn::oracle {

enum class Side { Key, Value };

struct Format {
  int keyBits = 4;
  int valueBits = 2;
  int group = 128;
  int headDim = 128;

  bool operator==(const Format &) const = default;

  int bits(Side side) const { return side == Side::Key ? keyBits : valueBits; }
  /// The tile of one side: K is channels x tokens, V is tokens x channels.
  int rows(Side side) const { return side == Side::Key ? headDim : group; }
  int cols(Side side) const { return side == Side::Key ? group : headDim; }

  /// Bits 2, 4, 8; group 64, 128; head_dim 64, 128, 256.
  bool isSupported() const;
  /// For example kvarn_k4v2_g128.
  std::string name() const;
  /// Compact size of a record; strides between records may be larger.
  int64_t recordBytes() const;
};

/// Byte offset of each field from the start of the record.
struct FieldOffsets {
  int64_t keyCodes, keyScale, keyZero, keyToken;
  int64_t valueCodes, valueChannel, valueScale, valueZero;
  int64_t end;
};
FieldOffsets fieldOffsets(const Format &format);

/// One side of a record. `rowScale`, `rowZero` and `colScale` are Kscale,
/// Kzero, Ktok of a K tile and Vscale, Vzero, Vch of a V tile.
struct QuantizedTile {
  int rows = 0;
  int cols = 0;
  int bits = 0;
  std::vector<int> codes; // [rows][cols]
  std::vector<double> rowScale;
  std::vector<double> rowZero;
  std::vector<double> colScale;

  QuantizedTile() = default;
  QuantizedTile(const Format &format, Side side);

  int &code(int r, int c) { return codes[static_cast<size_t>(r) * cols + c]; }
  int code(int r, int c) const {
    return codes[static_cast<size_t>(r) * cols + c];
  }
};

struct Record {
  QuantizedTile key;
  QuantizedTile value;
};

QuantizedTile decodeTile(const Format &format, Side side,
                         std::span<const uint8_t> record);
Record decodeRecord(const Format &format, std::span<const uint8_t> record);

/// Writes one side; the vectors are rounded to fp16 and saturate.
void encodeTile(const Format &format, Side side, const QuantizedTile &tile,
                std::span<uint8_t> record);
std::vector<uint8_t> encodeRecord(const Format &format, const Record &record);

/// K'[token][channel] or V'[token][channel], in the rotated frame.
Matrix dequantize(const QuantizedTile &tile, Side side);

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_RECORD_H
