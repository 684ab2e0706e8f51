//===- Record.cpp - The bytes of a record, layout `reference` -------------===//

#include "test/oracle/Record.h"

#include "test/oracle/Half.h"

namespace kvarn::oracle {

bool Format::isSupported() const {
  auto goodBits = [](int bits) { return bits == 2 || bits == 4 || bits == 8; };
  return goodBits(keyBits) && goodBits(valueBits) &&
         (group == 64 || group == 128) &&
         (headDim == 64 || headDim == 128 || headDim == 256);
}

std::string Format::name() const {
  return "kvarn_k" + std::to_string(keyBits) + "v" + std::to_string(valueBits) +
         "_g" + std::to_string(group);
}

FieldOffsets fieldOffsets(const Format &format) {
  int64_t d = format.headDim, g = format.group;
  FieldOffsets at;
  at.keyCodes = 0;
  at.keyScale = at.keyCodes + d * (g * format.keyBits / 8);
  at.keyZero = at.keyScale + 2 * d;
  at.keyToken = at.keyZero + 2 * d;
  at.valueCodes = at.keyToken + 2 * g;
  at.valueChannel = at.valueCodes + g * (d * format.valueBits / 8);
  at.valueScale = at.valueChannel + 2 * d;
  at.valueZero = at.valueScale + 2 * g;
  at.end = at.valueZero + 2 * g;
  return at;
}

int64_t Format::recordBytes() const { return fieldOffsets(*this).end; }

QuantizedTile::QuantizedTile(const Format &format, Side side)
    : rows(format.rows(side)), cols(format.cols(side)), bits(format.bits(side)),
      codes(static_cast<size_t>(rows) * cols), rowScale(rows), rowZero(rows),
      colScale(cols) {}

namespace {
/// Where the four fields of one side lie.
struct TileOffsets {
  int64_t codes, rowScale, rowZero, colScale;
};
} // namespace

static TileOffsets tileOffsets(const Format &format, Side side) {
  FieldOffsets at = fieldOffsets(format);
  if (side == Side::Key)
    return {at.keyCodes, at.keyScale, at.keyZero, at.keyToken};
  return {at.valueCodes, at.valueScale, at.valueZero, at.valueChannel};
}

/// Vectors are little-endian and need not be aligned.
static void readHalves(std::span<const uint8_t> bytes, int64_t offset,
                       std::vector<double> &values) {
  for (size_t i = 0; i < values.size(); ++i) {
    unsigned low = bytes[offset + 2 * i], high = bytes[offset + 2 * i + 1];
    values[i] = halfToDouble(static_cast<uint16_t>(low | high << 8));
  }
}

static void writeHalves(std::span<uint8_t> bytes, int64_t offset,
                        const std::vector<double> &values) {
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half = doubleToHalf(values[i]);
    bytes[offset + 2 * i] = static_cast<uint8_t>(half & 0xff);
    bytes[offset + 2 * i + 1] = static_cast<uint8_t>(half >> 8);
  }
}

QuantizedTile decodeTile(const Format &format, Side side,
                         std::span<const uint8_t> record) {
  require(format.isSupported(), "unsupported format");
  require(static_cast<int64_t>(record.size()) >= format.recordBytes(),
          "record too short");
  QuantizedTile tile(format, side);
  TileOffsets at = tileOffsets(format, side);
  int perByte = 8 / tile.bits, mask = (1 << tile.bits) - 1;
  for (size_t i = 0; i < tile.codes.size(); ++i) {
    int shift = static_cast<int>(i % perByte) * tile.bits;
    tile.codes[i] = record[at.codes + i / perByte] >> shift & mask;
  }
  readHalves(record, at.rowScale, tile.rowScale);
  readHalves(record, at.rowZero, tile.rowZero);
  readHalves(record, at.colScale, tile.colScale);
  return tile;
}

Record decodeRecord(const Format &format, std::span<const uint8_t> record) {
  return {decodeTile(format, Side::Key, record),
          decodeTile(format, Side::Value, record)};
}

void encodeTile(const Format &format, Side side, const QuantizedTile &tile,
                std::span<uint8_t> record) {
  require(format.isSupported(), "unsupported format");
  require(static_cast<int64_t>(record.size()) >= format.recordBytes(),
          "record too short");
  require(tile.rows == format.rows(side) && tile.cols == format.cols(side) &&
              tile.bits == format.bits(side),
          "tile does not fit the format");
  TileOffsets at = tileOffsets(format, side);
  int perByte = 8 / tile.bits;
  for (size_t i = 0; i < tile.codes.size(); i += perByte) {
    int byte = 0;
    for (int k = 0; k < perByte; ++k) {
      int code = tile.codes[i + k];
      require(code >= 0 && code < 1 << tile.bits, "code out of range");
      byte |= code << k * tile.bits;
    }
    record[at.codes + i / perByte] = static_cast<uint8_t>(byte);
  }
  writeHalves(record, at.rowScale, tile.rowScale);
  writeHalves(record, at.rowZero, tile.rowZero);
  writeHalves(record, at.colScale, tile.colScale);
}

std::vector<uint8_t> encodeRecord(const Format &format, const Record &record) {
  std::vector<uint8_t> bytes(format.recordBytes());
  encodeTile(format, Side::Key, record.key, bytes);
  encodeTile(format, Side::Value, record.value, bytes);
  return bytes;
}

Matrix dequantize(const QuantizedTile &tile, Side side) {
  Matrix result(tile.rows, tile.cols);
  for (int r = 0; r < tile.rows; ++r)
    for (int c = 0; c < tile.cols; ++c)
      result(r, c) = (tile.code(r, c) * tile.rowScale[r] + tile.rowZero[r]) *
                     tile.colScale[c];
  return side == Side::Key ? result.transposed() : result;
}

} // namespace kvarn::oracle
