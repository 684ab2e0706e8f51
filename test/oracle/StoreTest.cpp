//===- StoreTest.cpp - Normalization and the judge of records -------------===//

#include "test/oracle/Half.h"
#include "test/oracle/Random.h"
#include "test/oracle/Rotation.h"
#include "test/oracle/StoreCheck.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace kvarn::oracle;

namespace {
/// The steps of algorithm.md in float with plain sums, as a product might do
/// them: what the tolerances of checkStore have to admit.
class FloatStore {
public:
  FloatStore(const Matrix &tile, int bits)
      : rows(tile.rows), cols(tile.cols), bits(bits),
        t(tile.data.begin(), tile.data.end()), x(t) {}

  QuantizedTile run(int iterations, int exponent) {
    for (float &value : t)
      value = std::ldexp(value, exponent);
    x = t;
    std::vector<float> lc(cols), lr(rows), sc(cols, 1), sr(rows, 1);
    float best = imbalance();
    for (int i = 0; i < iterations; ++i) {
      update(lc, stds(cols, 1, rows, cols));
      apply(lc, lr);
      update(lr, stds(rows, cols, cols, 1));
      apply(lc, lr);
      if (float m = imbalance(); m <= best) {
        best = m;
        std::transform(lc.begin(), lc.end(), sc.begin(), expf);
        std::transform(lr.begin(), lr.end(), sr.begin(), expf);
      }
    }
    return quantize(sr, sc, exponent);
  }

private:
  std::vector<float> stds(int count, int stride, int n, int step) const {
    std::vector<float> result;
    for (int i = 0; i < count; ++i) {
      const float *first = &x[static_cast<size_t>(i) * stride];
      float mean = 0, squares = 0;
      for (int k = 0; k < n; ++k)
        mean += first[k * step];
      mean /= static_cast<float>(n);
      for (int k = 0; k < n; ++k)
        squares += (first[k * step] - mean) * (first[k * step] - mean);
      result.push_back(std::sqrt(squares / static_cast<float>(n - 1)));
    }
    return result;
  }
  float imbalance() const {
    float sum = 0;
    for (const std::vector<float> &s :
         {stds(cols, 1, rows, cols), stds(rows, cols, cols, 1)})
      sum += *std::max_element(s.begin(), s.end()) /
             std::max(*std::min_element(s.begin(), s.end()), 1e-8f);
    return sum;
  }
  static void update(std::vector<float> &logs, const std::vector<float> &std) {
    for (size_t i = 0; i < logs.size(); ++i)
      logs[i] = std::clamp(logs[i] + std::log(std::clamp(std[i], 1e-3f, 1e3f)),
                           -0.3f, 10.0f);
  }
  void apply(const std::vector<float> &lc, const std::vector<float> &lr) {
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < cols; ++c)
        x[r * cols + c] = t[r * cols + c] / std::exp(lc[c]) / std::exp(lr[r]);
  }
  QuantizedTile quantize(const std::vector<float> &sr,
                         const std::vector<float> &sc, int exponent) const {
    QuantizedTile tile;
    tile.rows = rows;
    tile.cols = cols;
    tile.bits = bits;
    float levels = static_cast<float>((1 << bits) - 1);
    int rowExponent = exponent >> 1;
    for (int r = 0; r < rows; ++r) {
      std::vector<float> row;
      for (int c = 0; c < cols; ++c)
        row.push_back(t[r * cols + c] / sc[c] / sr[r]);
      float low = *std::min_element(row.begin(), row.end());
      float high = *std::max_element(row.begin(), row.end());
      float scale = std::max((high - low) / levels, 1e-10f);
      for (float value : row)
        tile.codes.push_back(static_cast<int>(
            std::clamp(std::nearbyint((value - low) / scale), 0.0f, levels)));
      tile.rowScale.push_back(std::ldexp(sr[r] * scale, -rowExponent));
      tile.rowZero.push_back(std::ldexp(sr[r] * low, -rowExponent));
    }
    for (float scale : sc)
      tile.colScale.push_back(std::ldexp(scale, rowExponent - exponent));
    return tile;
  }

  int rows, cols, bits;
  std::vector<float> t, x;
};

class StoreOfKind : public testing::TestWithParam<TileKind> {};
} // namespace

static std::vector<uint8_t> encodeSide(const Format &format, Side side,
                                       const QuantizedTile &tile) {
  std::vector<uint8_t> record(format.recordBytes());
  encodeTile(format, side, tile, record);
  return record;
}

static Matrix randomRotated(Rng &rng, TileKind kind, const Format &format,
                            Side side) {
  return rotateReference(randomTile(
      rng, kind, randomProfile(rng, side, format.headDim), format.group));
}

TEST_P(StoreOfKind, DoubleAndFloatArithmeticPass) {
  Rng rng(11);
  for (Format format : {Format{4, 2, 128, 128}, Format{4, 4, 64, 128},
                        Format{8, 8, 128, 64}, Format{2, 4, 64, 256}})
    for (Side side : {Side::Key, Side::Value})
      for (bool prescale : {false, true})
        for (int repeat = 0; repeat < 3; ++repeat) {
          SCOPED_TRACE(format.name() + " D=" + std::to_string(format.headDim) +
                       (side == Side::Key ? " K" : " V") +
                       (prescale ? " prescale" : ""));
          StoreOptions options{.prescale = prescale};
          Matrix tokens = randomRotated(rng, GetParam(), format, side);
          QuantizedTile exact = storeTile(tokens, format, side, options);
          StoreCheck check = checkStore(tokens, encodeSide(format, side, exact),
                                        format, side, options);
          EXPECT_TRUE(check.passed) << check.message;
          EXPECT_EQ(check.codesDiffering, 0);

          Matrix tile = orientTile(tokens, side);
          QuantizedTile single =
              FloatStore(tile, format.bits(side))
                  .run(options.iterations,
                       prescale ? prescaleExponent(tile) : 0);
          check = checkStore(tokens, encodeSide(format, side, single), format,
                             side, options);
          EXPECT_TRUE(check.passed) << check.message;
          if (GetParam() == TileKind::Ordinary) {
            EXPECT_LE(check.codesDiffering, 8);
          }
          // What the rules excuse must not cost the reader anything. (Without
          // prescale a tiny tile has subnormal scales, and iterates that tie
          // round them differently.)
          QuantizedTile stored =
              decodeTile(format, side, encodeSide(format, side, exact));
          if (prescale || GetParam() != TileKind::Tiny) {
            EXPECT_NEAR(check.reconstructionError,
                        reconstructionError(tokens, stored, side), 2e-3);
          }
        }
}

INSTANTIATE_TEST_SUITE_P(Kinds, StoreOfKind,
                         testing::Values(TileKind::Ordinary, TileKind::Constant,
                                         TileKind::Zero, TileKind::Tiny,
                                         TileKind::Huge));

TEST(Store, NormalizationByHand) {
  // Columns {-1, 1, ...} have the same std s = sqrt(n / (n - 1)); one pass
  // divides by it, so that afterwards the std is 1 and nothing moves any more.
  Matrix tile(4, 4);
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 4; ++c)
      tile(r, c) = (r + c) % 2 ? 1 : -1;
  std::vector<Iterate> iterates = normalize(tile, 3);
  ASSERT_EQ(iterates.size(), 4u);
  EXPECT_EQ(iterates[0].colScale[0], 1);
  EXPECT_NEAR(iterates[0].imbalance, 2, 1e-15);
  EXPECT_NEAR(iterates[1].colScale[2], std::sqrt(4.0 / 3), 1e-15);
  EXPECT_NEAR(iterates[1].rowScale[2], 1, 1e-15);
  EXPECT_NEAR(iterates[3].colScale[2], std::sqrt(4.0 / 3), 1e-15);
}

TEST(Store, ClampsTheLogarithms) {
  Matrix tile(4, 4);
  for (int c = 0; c < 4; ++c)
    tile(0, c) = c * 1e-6;
  Iterate last = normalize(tile, 8).back();
  EXPECT_DOUBLE_EQ(last.colScale[0], std::exp(-0.3));
  EXPECT_DOUBLE_EQ(last.rowScale[3], std::exp(-0.3));
}

TEST(Store, TiesTakeTheLaterIterate) {
  Matrix zero(64, 64);
  EXPECT_EQ(bestIterate(normalize(zero, 8)), 8);
}

TEST(Store, RoundsTiesToEvenAndClampsTheStep) {
  Matrix rows(2, 4);
  rows.data = {0, 1.5, 2.5, 3, 7, 7, 7, 7};
  RowQuantization got = quantizeRows(rows, 2);
  EXPECT_EQ(got.codes, (std::vector<int>{0, 2, 2, 3, 0, 0, 0, 0}));
  EXPECT_EQ(got.scale[0], 1);
  EXPECT_EQ(got.scale[1], 1e-10);
  EXPECT_EQ(got.low[1], 7);
}

TEST(Store, PrescaleMakesTheErrorIndependentOfMagnitude) {
  Rng rng(12);
  Format format{4, 4, 128, 128};
  Matrix tokens = randomRotated(rng, TileKind::Ordinary, format, Side::Key);
  auto error = [&](double factor, bool prescale) {
    Matrix scaled = tokens;
    for (double &value : scaled.data)
      value *= factor;
    auto record = storeRecord(scaled, scaled, format, {.prescale = prescale});
    return reconstructionError(scaled, decodeTile(format, Side::Key, record),
                               Side::Key);
  };
  EXPECT_NEAR(error(0x1p-6, true), error(1, true), 1e-3);
  EXPECT_GT(error(0x1p-6, false), 1.1 * error(0x1p-6, true));
  Matrix unit(2, 2);
  unit.data = {-0.5, 0.5, -0.5, 0.5}; // std 0.577, -log2 is 0.79
  EXPECT_EQ(prescaleExponent(unit), 1);
  EXPECT_EQ(prescaleExponent(Matrix(2, 2)), 0);
}

TEST(StoreCheck, FindsFaults) {
  Rng rng(13);
  Format format{4, 4, 128, 128};
  for (Side side : {Side::Key, Side::Value}) {
    Matrix tokens = randomRotated(rng, TileKind::Ordinary, format, side);
    const QuantizedTile good = storeTile(tokens, format, side);
    auto check = [&](const QuantizedTile &tile) {
      return checkStore(tokens, encodeSide(format, side, tile), format, side);
    };
    ASSERT_TRUE(check(good).passed);

    auto withCodes = [&](int count) {
      QuantizedTile bad = good;
      for (int i = 0; i < count; ++i)
        bad.codes[97 * i] ^= 1;
      return check(bad);
    };
    EXPECT_TRUE(withCodes(8).passed);
    EXPECT_EQ(withCodes(8).codesDiffering, 8);
    EXPECT_FALSE(withCodes(9).passed);
    EXPECT_EQ(withCodes(20).codesDiffering, 20);
    EXPECT_NE(withCodes(20).message.find("20 codes differ"), std::string::npos);

    for (auto vector : {&QuantizedTile::rowScale, &QuantizedTile::rowZero,
                        &QuantizedTile::colScale}) {
      QuantizedTile bad = good;
      (bad.*vector)[17] *= 1.003;
      EXPECT_FALSE(check(bad).passed);
      bad = good;
      std::rotate((bad.*vector).begin(), (bad.*vector).begin() + 1,
                  (bad.*vector).end());
      EXPECT_FALSE(check(bad).passed);
      bad = good;
      (bad.*vector)[17] = NAN;
      EXPECT_FALSE(check(bad).passed);
    }
    // Another iterate than the best, and too few iterations.
    std::vector<Iterate> iterates = normalize(orientTile(tokens, side), 8);
    ASSERT_NE(bestIterate(iterates), 0);
    EXPECT_FALSE(
        check(storeTile(tokens, format, side, {.iterations = 0})).passed);
    // The other options.
    EXPECT_FALSE(checkStore(tokens, encodeSide(format, side, good), format,
                            side, {.iterations = 0})
                     .passed);
  }
}

TEST(StoreCheck, FindsFaultsInDegenerateTiles) {
  Format format{4, 4, 128, 128};
  Matrix zero(128, 128);
  QuantizedTile tile = storeTile(zero, format, Side::Key);
  for (int i = 0; i < 20; ++i)
    tile.codes[97 * i] = 1;
  EXPECT_FALSE(
      checkStore(zero, encodeSide(format, Side::Key, tile), format, Side::Key)
          .passed);
  // In a constant row any code is as good, but the values have to be right.
  Matrix constant(128, 128);
  for (int t = 0; t < 128; ++t)
    constant(t, 0) = 11.3125;
  tile = storeTile(constant, format, Side::Key);
  for (int t = 0; t < 128; ++t)
    tile.code(0, t) = t % 16;
  auto check = [&] {
    return checkStore(constant, encodeSide(format, Side::Key, tile), format,
                      Side::Key);
  };
  EXPECT_TRUE(check().passed) << check().message;
  tile.rowScale[0] = 0.01;
  EXPECT_FALSE(check().passed);
}
