//===- GoldenTest.cpp - The oracle against the reference's own results ----===//

#include "test/oracle/Golden.h"
#include "test/oracle/Rotation.h"
#include "test/oracle/StoreCheck.h"

#include <gtest/gtest.h>

using namespace kvarn::oracle;

static const Golden &golden() {
  static const Golden instance(KVARN_GOLDEN_STEM);
  return instance;
}

TEST(Golden, HasThreePresets) { EXPECT_EQ(golden().cases.size(), 6u); }

TEST(Golden, RecordsPassTheStoreCheck) {
  for (const GoldenCase &c : golden().cases) {
    if (!c.isStore())
      continue;
    Format format = c.format();
    EXPECT_EQ(format.recordBytes(), c.json.at("record_bytes").get<int64_t>());
    auto records = c.span<uint8_t>("record");
    for (int tile = 0; tile < c.shape("record")[0]; ++tile) {
      auto record =
          records.subspan(tile * format.recordBytes(), format.recordBytes());
      for (Side side : {Side::Key, Side::Value}) {
        bool isKey = side == Side::Key;
        SCOPED_TRACE(c.preset() + (isKey ? " K " : " V ") +
                     std::to_string(tile));
        Matrix tokens = c.tile(isKey ? "k_rotated" : "v_rotated", tile);
        StoreCheck check =
            checkStore(tokens, record, format, side,
                       {.iterations = c.json.at("iterations").get<int>()});
        EXPECT_TRUE(check.passed) << check.message;
        EXPECT_LE(check.codesDiffering, 8);
        // The ranges of algorithm.md, section 6, rounded to two digits as
        // they are there.
        bool twoBits = format.bits(side) == 2;
        EXPECT_GE(check.reconstructionError,
                  (twoBits ? 0.46 : (isKey ? 0.05 : 0.09)) - 0.005);
        EXPECT_LE(check.reconstructionError, (twoBits ? 0.50 : 0.10) + 0.005);
      }
    }
  }
}

TEST(Golden, Rotation) {
  for (const GoldenCase &c : golden().cases) {
    if (!c.isStore())
      continue;
    for (std::string name : {"k", "v"}) {
      SCOPED_TRACE(c.preset() + " " + name);
      auto rotated = c.span<uint16_t>(name + "_rotated");
      for (int i = 0; i < c.shape(name)[0]; ++i) {
        Matrix raw = c.tile(name, i);
        size_t size = raw.data.size();
        RotationCheck check =
            checkRotation(raw, rotated.subspan(i * size, size));
        EXPECT_TRUE(check.passed) << check.message;
        // The reference itself is up to 5 ulp off in a few elements that
        // nearly cancel.
        EXPECT_LE(check.cancellations, 2);
        EXPECT_LE(check.worstUlp, 5);
      }
    }
  }
}

TEST(Golden, Attention) {
  for (const GoldenCase &c : golden().cases) {
    if (c.isStore())
      continue;
    SCOPED_TRACE(c.preset());
    std::vector<int32_t> queryStart;
    AttentionInput input = goldenAttention(c, queryStart);
    AttentionResult exact = attend(input);
    std::vector<double> reference;
    for (uint16_t half : c.span<uint16_t>("out"))
      reference.push_back(halfToDouble(half));
    double error = relativeError(reference, exact.out);
    // algorithm.md, section 6, has 0.9e-3 to 1.0e-3; kvarn_k4v2_g64 is at
    // 0.85e-3. The range shows that neither side copies the other's rounding.
    EXPECT_GE(error, 0.8e-3);
    EXPECT_LE(error, 1.0e-3);
    EXPECT_EQ(errorLimit(input, exact), 2e-3);
  }
}
