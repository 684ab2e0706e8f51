//===- RecordTest.cpp - Halves, records, rotation -------------------------===//

#include "test/oracle/Record.h"
#include "test/oracle/Half.h"
#include "test/oracle/Random.h"
#include "test/oracle/Rotation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

using namespace kvarn::oracle;

TEST(Half, RoundsOnceToEvenAndSaturates) {
  EXPECT_EQ(doubleToHalf(1.0), 0x3c00);
  EXPECT_EQ(doubleToHalf(1 + 0x1p-11), 0x3c00); // a tie goes to even
  EXPECT_EQ(doubleToHalf(1 + 0x3p-11), 0x3c02);
  // Over float this would be a tie, and go down.
  EXPECT_EQ(doubleToHalf(1 + 0x1p-11 + 0x1p-40), 0x3c01);
  EXPECT_EQ(doubleToHalf(0x1p-25), 0x0000);
  EXPECT_EQ(doubleToHalf(0x1.8p-25), 0x0001);
  EXPECT_EQ(doubleToHalf(-0x1p-24), 0x8001);
  EXPECT_EQ(doubleToHalf(1e9), 0x7bff);
  EXPECT_EQ(doubleToHalf(65519.9), 0x7bff);
  EXPECT_EQ(doubleToHalf(65520), 0x7bff); // not infinity
  EXPECT_EQ(doubleToHalf(-HUGE_VAL), 0xfbff);
  EXPECT_TRUE(std::isnan(halfToDouble(doubleToHalf(NAN))));
  EXPECT_EQ(doubleToBfloat16(1 + 0x1p-8), 0x3f80);
  EXPECT_EQ(doubleToBfloat16(1 + 0x3p-8), 0x3f82);
  EXPECT_EQ(bfloat16ToDouble(0x4049), 3.140625);
}

TEST(Half, EveryValueSurvivesTheRoundTrip) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    double value = halfToDouble(static_cast<uint16_t>(bits));
    if (std::isfinite(value)) {
      ASSERT_EQ(doubleToHalf(value), bits);
    }
    value = bfloat16ToDouble(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) {
      ASSERT_EQ(doubleToBfloat16(value), bits);
    }
  }
}

TEST(Half, UlpDistance) {
  EXPECT_EQ(halfUlpDistance(0x0000, 0x8000), 0);
  EXPECT_EQ(halfUlpDistance(0x0001, 0x8001), 2);
  EXPECT_EQ(halfUlpDistance(0x3bff, 0x3c00), 1);
  EXPECT_GT(halfUlpDistance(0x7e00, 0x7e00), 0x10000);
}

TEST(Record, OffsetsOfTheTable) {
  struct Row {
    Format format;
    std::vector<int64_t> offsets;
  };
  // algorithm.md, section 4.
  const Row rows[] = {
      {{4, 2, 128, 128}, {8192, 8448, 8704, 8960, 13056, 13312, 13568, 13824}},
      {{4, 4, 128, 128}, {8192, 8448, 8704, 8960, 17152, 17408, 17664, 17920}},
      {{4, 2, 64, 128}, {4096, 4352, 4608, 4736, 6784, 7040, 7168, 7296}},
      {{4, 4, 64, 128}, {4096, 4352, 4608, 4736, 8832, 9088, 9216, 9344}},
      {{4, 2, 128, 256},
       {16384, 16896, 17408, 17664, 25856, 26368, 26624, 26880}},
      {{4, 2, 128, 64}, {4096, 4224, 4352, 4608, 6656, 6784, 7040, 7296}},
      {{2, 2, 128, 128}, {4096, 4352, 4608, 4864, 8960, 9216, 9472, 9728}},
  };
  for (const Row &row : rows) {
    FieldOffsets at = fieldOffsets(row.format);
    std::vector<int64_t> got = {
        at.keyScale,     at.keyZero,    at.keyToken,  at.valueCodes,
        at.valueChannel, at.valueScale, at.valueZero, row.format.recordBytes()};
    EXPECT_EQ(got, row.offsets) << row.format.name();
  }
}

TEST(Record, LowestBitsAreTheLowestIndex) {
  Format format{4, 2, 64, 128};
  FieldOffsets at = fieldOffsets(format);
  std::vector<uint8_t> bytes(format.recordBytes());
  bytes[1] = 0xa5;                  // channel 0, tokens 2 and 3
  bytes[64 / 2] = 0x07;             // channel 1, token 0
  bytes[at.valueCodes] = 0xe4;      // token 0, channels 0 to 3
  bytes[at.valueCodes + 32] = 0x02; // token 1, channel 0
  bytes[at.keyToken + 3] = 0x3c;    // token 1: 1.0
  Record record = decodeRecord(format, bytes);
  EXPECT_EQ(record.key.code(0, 2), 5);
  EXPECT_EQ(record.key.code(0, 3), 10);
  EXPECT_EQ(record.key.code(1, 0), 7);
  for (int d = 0; d < 4; ++d)
    EXPECT_EQ(record.value.code(0, d), d);
  EXPECT_EQ(record.value.code(1, 0), 2);
  EXPECT_EQ(record.key.colScale[0], 0);
  EXPECT_EQ(record.key.colScale[1], 1);
}

TEST(Record, EncodeUndoesDecodeForEveryFormat) {
  Rng rng(1);
  for (int keyBits : {2, 4, 8})
    for (int valueBits : {2, 4, 8})
      for (int group : {64, 128})
        for (int headDim : {64, 128, 256}) {
          Format format{keyBits, valueBits, group, headDim};
          std::vector<uint8_t> bytes(format.recordBytes());
          for (uint8_t &byte : bytes) // 0x7b: no infinities, no NaN
            byte = static_cast<uint8_t>(rng.next() & 0x7b);
          EXPECT_EQ(encodeRecord(format, decodeRecord(format, bytes)), bytes);
        }
}

TEST(Record, Dequantize) {
  Format format{4, 2, 64, 128};
  Record record{{format, Side::Key}, {format, Side::Value}};
  record.key.code(3, 5) = 9; // channel 3, token 5
  record.key.rowScale[3] = 0.5;
  record.key.rowZero[3] = -2;
  record.key.colScale[5] = 4;
  record.value.code(5, 3) = 3; // token 5, channel 3
  record.value.rowScale[5] = 2;
  record.value.rowZero[5] = 1;
  record.value.colScale[3] = 10;
  EXPECT_EQ(dequantize(record.key, Side::Key)(5, 3), (9 * 0.5 - 2) * 4);
  EXPECT_EQ(dequantize(record.value, Side::Value)(5, 3), 70);
}

TEST(Rotation, IsTheSylvesterMatrix) {
  for (int size : {64, 128, 256})
    for (int i = 0; i < size; ++i) {
      std::vector<double> unit(size);
      unit[i] = 1;
      hadamardSums(unit);
      for (int k = 0; k < size; ++k)
        ASSERT_EQ(unit[k],
                  std::popcount(static_cast<unsigned>(i & k)) % 2 ? -1 : 1);
    }
}

TEST(Rotation, IsItsOwnInverse) {
  Rng rng(2);
  std::vector<double> x(128);
  for (double &value : x)
    value = rng.normal();
  std::vector<double> y = x;
  rotate(y);
  EXPECT_GT(relativeError(y, x), 0.5);
  rotate(y);
  EXPECT_LT(relativeError(y, x), 1e-14);
}

TEST(Rotation, ReferenceModeRoundsTheEntryAndSaturates) {
  Matrix raw(2, 128);
  raw(0, 0) = 1;
  for (int d = 0; d < 128; ++d)
    raw(1, d) = 1e4;
  Matrix rotated = rotateReference(raw);
  EXPECT_EQ(rotated(0, 7), 0.08837890625);
  EXPECT_EQ(rotated(1, 0), 65504);
  EXPECT_EQ(rotated(1, 1), 0);
}

static std::vector<uint16_t> toHalves(const Matrix &matrix) {
  std::vector<uint16_t> result;
  for (double value : matrix.data)
    result.push_back(doubleToHalf(value));
  return result;
}

TEST(Rotation, CheckFindsFaults) {
  Rng rng(3);
  Matrix raw = randomTile(rng, TileKind::Ordinary,
                          randomProfile(rng, Side::Key, 128), 64);
  std::vector<uint16_t> good = toHalves(rotateReference(raw));
  EXPECT_TRUE(checkRotation(raw, good).passed);
  EXPECT_EQ(checkRotation(raw, good).differing, 0);

  std::vector<uint16_t> one = good; // a tenth of a percent off by one ulp
  for (int i = 0; i < 8; ++i)
    one[1000 * i] += 1;
  RotationCheck check = checkRotation(raw, one);
  EXPECT_TRUE(check.passed) << check.message;
  EXPECT_EQ(check.differing, 8);
  EXPECT_EQ(check.worstUlp, 1);

  std::vector<uint16_t> far = good; // one element, but a large one, by 3 ulp
  size_t large = 0;
  for (size_t i = 0; i < far.size(); ++i)
    if (std::abs(halfToDouble(far[i])) > std::abs(halfToDouble(far[large])))
      large = i;
  far[large] -= 3;
  EXPECT_FALSE(checkRotation(raw, far).passed);

  // The exact 1/sqrt(128): "one rotated value in six differs".
  Matrix exact = raw;
  for (int t = 0; t < exact.rows; ++t)
    rotate(exact.row(t));
  check = checkRotation(raw, toHalves(exact));
  EXPECT_FALSE(check.passed);
  EXPECT_NEAR(check.fractionDiffering(), 1.0 / 6, 0.04);

  EXPECT_FALSE(checkRotation(raw, toHalves(raw)).passed); // not at all
  std::vector<uint16_t> nan = good;
  nan[5] = 0x7e00;
  EXPECT_FALSE(checkRotation(raw, nan).passed);
}
