//===- FormatTest.cpp - The record, byte by byte --------------------------===//

#include "format/Format.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

using namespace kvarn;

namespace {
struct Row {
  int64_t headDim, group;
  const char *name;
  int64_t keyScale, keyZero, keyToken, valueCodes, valueChannel, valueScale,
      valueZero, record;
  double bytesPerToken;
};
TEST(Format, TopOfByte) {
  for (Layout layout : {Layout::Reference, Layout::Mma16816})
    for (int64_t bits : kBits) {
      Format format{bits, bits, 128, 128, layout};
      for (Part part : {Part::Key, Part::Value}) {
        int64_t top = format.topOfByte(part);
        EXPECT_EQ(format.bitInByte(part, top), 8 - bits);
        EXPECT_EQ(int64_t(1) << __builtin_popcountll(top), 8 / bits);
        std::vector<int64_t> codes = format.codesOfByte(part), places, all;
        for (int64_t code : codes)
          places.push_back(format.bitInByte(part, code));
        for (int64_t bit = 0; bit < 8; bit += bits)
          all.push_back(bit);
        std::sort(places.begin(), places.end());
        EXPECT_EQ(places, all);
        EXPECT_EQ(codes.front(), top);
        // The rest of an index is another byte.
        for (int64_t i = 0; i < 128; ++i)
          EXPECT_EQ(format.bitInByte(part, i), format.bitInByte(part, i & top));
      }
    }
}

} // namespace

static std::vector<Format> everyFormat() {
  std::vector<Format> formats;
  for (int64_t keyBits : kBits)
    for (int64_t valueBits : kBits)
      for (int64_t group : kGroups)
        for (int64_t headDim : kHeadDims)
          for (Layout layout : {Layout::Reference, Layout::Mma16816})
            formats.push_back({keyBits, valueBits, group, headDim, layout});
  return formats;
}

static std::string print(const Format &format) {
  return format.name() + " D=" + std::to_string(format.headDim) + " " +
         std::string(layoutName(format.layout));
}

// The offsets that the reference implementation writes.
TEST(Format, OffsetsOfTheReference) {
  const Row rows[] = {{128, 128, "kvarn_k4v2_g128", 8192, 8448, 8704, 8960,
                       13056, 13312, 13568, 13824, 108},
                      {128, 128, "kvarn_k4v4_g128", 8192, 8448, 8704, 8960,
                       17152, 17408, 17664, 17920, 140},
                      {128, 64, "kvarn_k4v2_g64", 4096, 4352, 4608, 4736, 6784,
                       7040, 7168, 7296, 114},
                      {128, 64, "kvarn_k4v4_g64", 4096, 4352, 4608, 4736, 8832,
                       9088, 9216, 9344, 146},
                      {256, 128, "kvarn_k4v2_g128", 16384, 16896, 17408, 17664,
                       25856, 26368, 26624, 26880, 210},
                      {64, 128, "kvarn_k4v2_g128", 4096, 4224, 4352, 4608, 6656,
                       6784, 7040, 7296, 57},
                      {128, 128, "kvarn_k2v2_g128", 4096, 4352, 4608, 4864,
                       8960, 9216, 9472, 9728, 76}};
  for (const Row &row : rows) {
    std::optional<Format> format = parseFormatName(row.name);
    ASSERT_TRUE(format);
    format->headDim = row.headDim;
    SCOPED_TRACE(print(*format));
    EXPECT_EQ(format->group, row.group);
    EXPECT_EQ(format->codeOffset(Part::Key), 0);
    EXPECT_EQ(format->vectorOffset(Vector::KeyScale), row.keyScale);
    EXPECT_EQ(format->vectorOffset(Vector::KeyZero), row.keyZero);
    EXPECT_EQ(format->vectorOffset(Vector::KeyToken), row.keyToken);
    EXPECT_EQ(format->codeOffset(Part::Value), row.valueCodes);
    EXPECT_EQ(format->vectorOffset(Vector::ValueChannel), row.valueChannel);
    EXPECT_EQ(format->vectorOffset(Vector::ValueScale), row.valueScale);
    EXPECT_EQ(format->vectorOffset(Vector::ValueZero), row.valueZero);
    EXPECT_EQ(format->recordBytes(), row.record);
    EXPECT_EQ(format->bytesPerToken(), row.bytesPerToken);
  }
}

// Every code has its own bits, and all bits of the code field are used.
static void checkBijection(const Format &format, Part part) {
  int64_t bits = format.bits(part);
  std::vector<bool> taken(format.codeBytes(part) * 8 / bits);
  for (int64_t token = 0; token < format.group; ++token)
    for (int64_t channel = 0; channel < format.headDim; ++channel) {
      CodePosition p = format.position(part, token, channel);
      int64_t index = (p.word * 32 + p.bit) / bits;
      ASSERT_TRUE(p.bit >= 0 && p.bit + bits <= 32 && p.bit % bits == 0);
      ASSERT_TRUE(p.word >= 0 && index < int64_t(taken.size()));
      ASSERT_FALSE(taken[index]) << "token " << token << " channel " << channel;
      taken[index] = true;
    }
}

TEST(Format, PositionsAreABijection) {
  for (const Format &format : everyFormat()) {
    SCOPED_TRACE(print(format));
    ASSERT_EQ(describeFormatError(format), "");
    checkBijection(format, Part::Key);
    checkBijection(format, Part::Value);
  }
}

// A sub-block of 32 tokens is a contiguous part of a code field.
TEST(Format, SubBlocksOfMma16816AreContiguous) {
  for (const Format &format : everyFormat())
    for (Part part : {Part::Key, Part::Value}) {
      if (format.layout != Layout::Mma16816)
        continue;
      SCOPED_TRACE(print(format));
      int64_t words = format.headDim * kSubBlock * format.bits(part) / 32;
      for (int64_t token = 0; token < format.group; ++token)
        for (int64_t channel = 0; channel < format.headDim; ++channel)
          ASSERT_EQ(format.position(part, token, channel).word / words,
                    token / kSubBlock);
    }
}

TEST(Format, NamesRoundTrip) {
  for (const Format &format : everyFormat()) {
    Format expected = format;
    expected.headDim = 128;
    expected.layout = Layout::Reference;
    EXPECT_EQ(parseFormatName(format.name()), expected);
    EXPECT_EQ(parseLayout(layoutName(format.layout)), format.layout);
  }
}

// Layout reference is the packing of the reference: codes along the last axis,
// lowest bits = lowest index.
TEST(Format, ReferencePacksAlongTheLastAxis) {
  Format format{4, 2, 128, 128, Layout::Reference};
  auto byte = [&](Part part, int64_t token, int64_t channel) {
    CodePosition p = format.position(part, token, channel);
    return std::pair(p.word * 4 + p.bit / 8, p.bit % 8);
  };
  EXPECT_EQ(byte(Part::Key, 3, 2), std::pair(int64_t(2 * 64 + 1), int64_t(4)));
  EXPECT_EQ(byte(Part::Value, 3, 6),
            std::pair(int64_t(3 * 32 + 1), int64_t(4)));
}

TEST(Format, UnknownNames) {
  for (const char *name : {"", "kvarn", "kvarn_k3v2_g128", "kvarn_k4v2_g32",
                           "kvarn_k4v2_g128 ", "KVARN_K4V2_G128"})
    EXPECT_FALSE(parseFormatName(name)) << name;
  EXPECT_FALSE(parseLayout("mma"));
  EXPECT_EQ(describeFormatError({4, 2, 128, 96, Layout::Reference}),
            "head_dim is 96, expected one of 64, 128, 256");
  EXPECT_EQ(describeFormatError({3, 2, 128, 64, Layout::Reference}),
            "key bits is 3, expected one of 2, 4, 8");
}
