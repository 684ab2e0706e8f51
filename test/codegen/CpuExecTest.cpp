//===- CpuExecTest.cpp - Tile programs run and give the right numbers -----===//

#include "test/codegen/Harness.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace kvarn::test;

namespace {

class CpuExec : public testing::TestWithParam<std::string> {};

std::string nameOf(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  for (char &c : name)
    if (!isalnum(c))
      c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Targets, CpuExec, testing::ValuesIn(hostTargets()),
                         nameOf);

void expectNear(const std::vector<float> &got, const std::vector<float> &want,
                float tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], tolerance) << "element " << i;
}

TEST_P(CpuExec, Elementwise) {
  Program program("elementwise.mlir", GetParam());
  constexpr int rows = 7, columns = 45, gap = 50;
  auto x = randomFloats(rows * gap, 1), z = randomFloats(rows * gap, 3);
  auto y = toHalf(randomFloats(rows * columns, 2));
  auto want = z;
  for (int r = 2; r < 5; ++r)
    for (int c = 0; c < columns; ++c) {
      float a = x[r * gap + c];
      want[r * gap + c] =
          1.5f * std::max(a * float(y[r * columns + c]), 0.5f) - a + c;
    }
  program.run("elementwise",
              Params()
                  .array(x.data(), {rows, columns}, {gap, 1})
                  .array(y.data(), {rows, columns})
                  .array(z.data(), {rows, columns}, {gap, 1})
                  .f32(1.5f),
              0, 2, 0);
  expectNear(z, want, 1e-5f);
}

TEST_P(CpuExec, Conversions) {
  Program program("elementwise.mlir", GetParam());
  std::vector<float> x = {1.0f,    -1.00390625f, 1.01171875f, 3e38f,
                          3.4e38f, INFINITY,     NAN,         1e-40f,
                          0.1f,    -0.0f,        65535.99f};
  std::vector<uint16_t> y(11);
  std::vector<int32_t> z(11);
  program.run("conversions", Params()
                                 .array(x.data(), {11})
                                 .array(y.data(), {11})
                                 .array(z.data(), {11})
                                 .integer(-7)
                                 .integer(-3));
  std::vector<uint16_t> want = {0x3f80, 0xbf80, 0x3f82, 0x7f62, 0x7f80, 0x7f80,
                                0x7fc0, 0x0001, 0x3dcd, 0x8000, 0x4780};
  EXPECT_EQ(y, want);
  EXPECT_EQ(z, (std::vector<int32_t>{-30, -10, -40, -10, -50, -90, -20, -60,
                                     -50, -30, -50}));
}

TEST_P(CpuExec, Reduce) {
  for (auto [m, n] : {std::pair(1, 1), {5, 45}, {8, 128}, {3, 7}, {16, 31}}) {
    Program program("reduce.mlir", GetParam(),
                    {{"M", std::to_string(m)}, {"N", std::to_string(n)}});
    auto x = randomFloats(m * n, m + n);
    std::vector<float> rows(m), columns(n), all(2);
    program.run("reduce", Params()
                              .array(x.data(), {m, n})
                              .array(rows.data(), {m})
                              .array(columns.data(), {n})
                              .array(all.data(), {2}));
    std::vector<float> maxima(m, -INFINITY), sums(n);
    float total = 0;
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        maxima[i] = std::max(maxima[i], x[i * n + j]);
        sums[j] += x[i * n + j];
        total += x[i * n + j];
      }
    expectNear(rows, maxima, 0);
    expectNear(columns, sums, 1e-5f);
    expectNear(all, {*std::min_element(maxima.begin(), maxima.end()), total},
               1e-4f);
  }
}

TEST_P(CpuExec, Transpose) {
  for (auto [m, n] : {std::pair(5, 45), {128, 64}, {1, 3}}) {
    Program program("transpose.mlir", GetParam(),
                    {{"M", std::to_string(m)}, {"N", std::to_string(n)}});
    auto x = toHalf(randomFloats(m * n, 5));
    std::vector<Half> y(m * n);
    program.run("transpose",
                Params().array(x.data(), {m, n}).array(y.data(), {n, m}));
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j)
        ASSERT_EQ(float(y[j * m + i]), float(x[i * n + j]));
  }
}

struct DotCase {
  int m, n, k, registerRows, registerColumns;
  bool halfA, halfB;
};

template <typename A, typename B>
void checkDot(const std::string &target, const DotCase &c) {
  Program program("dot.mlir", target,
                  {{"M", std::to_string(c.m)},
                   {"N", std::to_string(c.n)},
                   {"K", std::to_string(c.k)},
                   {"RR", std::to_string(c.registerRows)},
                   {"RC", std::to_string(c.registerColumns)},
                   {"A", c.halfA ? "f16" : "f32"},
                   {"B", c.halfB ? "f16" : "f32"}});
  auto fa = randomFloats(c.m * c.k, 1), fb = randomFloats(c.k * c.n, 2);
  std::vector<A> a(fa.begin(), fa.end());
  std::vector<B> b(fb.begin(), fb.end()), bt(b.size());
  auto z = randomFloats(c.m * c.n, 3), rows = z, want = z;
  for (int i = 0; i < c.m; ++i)
    for (int j = 0; j < c.n; ++j) {
      double sum = 0;
      for (int k = 0; k < c.k; ++k)
        sum += double(a[i * c.k + k]) * double(b[k * c.n + j]);
      want[i * c.n + j] += sum;
    }
  for (int k = 0; k < c.k; ++k)
    for (int j = 0; j < c.n; ++j)
      bt[j * c.k + k] = b[k * c.n + j];
  SCOPED_TRACE(testing::Message() << c.m << "x" << c.n << "x" << c.k);
  program.run("dot", Params()
                         .array(a.data(), {c.m, c.k})
                         .array(b.data(), {c.k, c.n})
                         .array(z.data(), {c.m, c.n}));
  expectNear(z, want, 1e-5f * c.k);
  program.run("dot_rows", Params()
                              .array(a.data(), {c.m, c.k})
                              .array(bt.data(), {c.n, c.k})
                              .array(rows.data(), {c.m, c.n}));
  expectNear(rows, want, 1e-5f * c.k);
  auto sums = randomFloats(c.m, 4), wantSums = sums;
  for (int i = 0; i < c.m; ++i) {
    double sum = 0;
    for (int k = 0; k < c.k; ++k)
      sum += double(a[i * c.k + k]) * double(b[k]);
    wantSums[i] += sum;
  }
  program.run("dot_vector", Params()
                                .array(a.data(), {c.m, c.k})
                                .array(b.data(), {c.k})
                                .array(sums.data(), {c.m}));
  expectNear(sums, wantSums, 1e-5f * c.k);
}

TEST_P(CpuExec, Dot) {
  for (DotCase c : {DotCase{1, 128, 128, 1, 128, false, true},
                    DotCase{5, 40, 24, 4, 32, true, false},
                    DotCase{8, 128, 64, 8, 32, true, true},
                    DotCase{7, 96, 32, 3, 64, false, false},
                    DotCase{3, 5, 7, 2, 16, false, true},
                    DotCase{16, 64, 128, 4, 64, true, true},
                    DotCase{6, 33, 16, 32, 256, false, false}}) {
    if (c.halfA && c.halfB)
      checkDot<Half, Half>(GetParam(), c);
    else if (c.halfA)
      checkDot<Half, float>(GetParam(), c);
    else if (c.halfB)
      checkDot<float, Half>(GetParam(), c);
    else
      checkDot<float, float>(GetParam(), c);
  }
}

TEST_P(CpuExec, Hadamard) {
  for (int n : {1, 4, 16, 64, 128, 256, 512}) {
    Program program("hadamard.mlir", GetParam(), {{"N", std::to_string(n)}});
    auto x = randomFloats(3 * n, n);
    std::vector<float> y(3 * n), want(3 * n);
    for (int r = 0; r < 3; ++r)
      for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j)
          want[r * n + i] +=
              (__builtin_popcount(i & j) % 2 ? -1 : 1) * x[r * n + j];
    program.run("hadamard",
                Params().array(x.data(), {3, n}).array(y.data(), {3, n}));
    expectNear(y, want, 1e-6f * n + 1e-5f);
  }
}

/// All of a transform by products with some columns of its matrix each.
TEST_P(CpuExec, HadamardProduct) {
  for (auto [n, columns] : {std::pair(16, 16), {64, 32}, {128, 64}, {256, 4}}) {
    Program program("hadamard-product.mlir", GetParam(),
                    {{"N", std::to_string(n)},
                     {"C", std::to_string(columns)},
                     {"P", std::to_string(n / columns)}});
    std::vector<float> x(3 * n), y(3 * n), want(3 * n);
    for (int i = 0; i < 3 * n; ++i)
      x[i] = float(i * 37 % 101) / 64; // exact in fp16
    for (int r = 0; r < 3; ++r)
      for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j)
          want[r * n + i] +=
              (__builtin_popcount(i & j) % 2 ? -1 : 1) * x[r * n + j];
    program.run("hadamard_product",
                Params().array(x.data(), {3, n}).array(y.data(), {3, n}));
    expectNear(y, want, 1e-6f * n);
  }
}

TEST_P(CpuExec, GatherScatterMasks) {
  Program program("memory.mlir", GetParam());
  auto x = randomFloats(6 * 24, 1);
  // Far out of bounds where masked.
  std::vector<int32_t> index = {3, 0, -2000000000, 5, -1, 1};
  std::vector<float> y(6 * 20, 9), z(6, 9), wantY(6 * 20, 1), wantZ(6, 9);
  for (int i = 0; i < 6; ++i)
    if (index[i] >= 0) {
      for (int j = 0; j < 20; ++j)
        wantY[i * 20 + j] = x[index[i] * 24 + 2 + j] + 1;
      wantZ[index[i]] = 2 * x[index[i] * 24];
    }
  program.run("permute", Params()
                             .array(x.data(), {6, 24})
                             .array(index.data(), {6})
                             .array(y.data(), {6, 20})
                             .array(z.data(), {6}));
  expectNear(y, wantY, 0);
  expectNear(z, wantZ, 0);

  std::fill(y.begin(), y.end(), 9);
  program.run(
      "masked_store",
      Params().array(x.data(), {6, 20}).array(y.data(), {6, 20}).integer(4));
  for (int i = 0; i < 6 * 20; ++i)
    ASSERT_EQ(y[i], i < 4 * 20 ? x[i] : 9);

  auto a = randomFloats(20, 7), b = randomFloats(20, 8), c = a, d = b;
  program.run("swap", Params().array(c.data(), {20}).array(d.data(), {20}));
  expectNear(c, b, 0);
  expectNear(d, a, 0);

  auto e = randomFloats(61, 9), f = e;
  std::copy(e.begin(), e.end() - 1, f.begin() + 1);
  program.run("shift", Params().array(e.data(), {61}));
  expectNear(e, f, 0);
}

TEST_P(CpuExec, SoftmaxOfAProduct) {
  Program program("softmax.mlir", GetParam());
  constexpr int m = 5, k = 24, parts = 7, n = 16 * parts;
  auto x = randomFloats(m * k, 1, 3), y = randomFloats(k * n, 2);
  std::vector<float> z(m * n), want(m * n);
  program.run("softmax", Params()
                             .array(x.data(), {m, k})
                             .array(y.data(), {k, n})
                             .array(z.data(), {m, n})
                             .integer(parts));
  for (int i = 0; i < m; ++i) {
    std::vector<double> e(n);
    double sum = 0;
    for (int j = 0; j < n; ++j) {
      for (int c = 0; c < k; ++c)
        e[j] += double(x[i * k + c]) * y[c * n + j];
      sum += e[j] = std::exp(e[j]);
    }
    for (int j = 0; j < n; ++j)
      want[i * n + j] = e[j] / sum;
  }
  expectNear(z, want, 1e-6f);
}

TEST_P(CpuExec, CarriedTiles) {
  Program program("control.mlir", GetParam());
  for (int n : {0, 1, 2, 10}) {
    std::vector<float> x(20), want(20);
    for (int i = 0; i < 20; ++i) {
      x[i] = i;
      float a = 0, b = i;
      for (int j = 0; j < n; ++j)
        std::tie(a, b) = std::pair(b, a + b);
      want[i] = a + n * (n - 1) / 2;
    }
    program.run("fibonacci", Params().array(x.data(), {20}).integer(n));
    expectNear(x, want, 0);
  }
}

TEST_P(CpuExec, Branches) {
  Program program("control.mlir", GetParam());
  auto x = randomFloats(4 * 24, 4);
  std::vector<int32_t> choice = {1, -1, 0, 3, 2, -5, 0};
  std::vector<float> y(4 * 24), want = x;
  int last = 0;
  for (int c : choice) {
    if (c > 0)
      last = c;
    for (int i = 0; i < 4; ++i) {
      float m = *std::max_element(&want[i * 24], &want[i * 24] + 24);
      for (int j = 0; j < 24; ++j) {
        float &v = want[i * 24 + j];
        v = c > 0 ? m - v : c < 0 ? v / 2 : v;
      }
    }
  }
  for (float &v : want)
    v += last;
  program.run("branches", Params()
                              .array(x.data(), {4, 24})
                              .array(choice.data(), {7})
                              .array(y.data(), {4, 24})
                              .integer(7));
  expectNear(y, want, 0);
}

TEST_P(CpuExec, Warps) {
  Program program("control.mlir", GetParam());
  constexpr int rows = 11;
  auto x = randomFloats(rows * 20, 4);
  std::vector<float> y(20), want(20);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < 20; ++j)
      want[j] += x[i * 20 + j];
  program.run("warps",
              Params().array(x.data(), {rows, 20}).array(y.data(), {20}));
  expectNear(y, want, 1e-5f);
}

} // namespace
