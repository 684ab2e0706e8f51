//===- CpuMathTest.cpp - Accuracy of exp2, exp, log, tanh -----------------===//

#include "test/codegen/Harness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace kvarn::test;

namespace {

constexpr int64_t kCount = 64 * 512;

/// Every magnitude, and what is special.
std::vector<float> inputs() {
  std::vector<float> values = {0.0f,     -0.0f,  INFINITY, -INFINITY, NAN,
                               1.0f,     -1.0f,  1e-45f,   1e-39f,    3.4e38f,
                               -3.4e38f, 127.9f, -126.5f,  -149.4f,   128.0f,
                               -150.5f,  88.7f,  -87.4f,   -103.9f,   0.625f};
  for (float wide : randomFloats(kCount / 4, 1, 160))
    values.push_back(wide);
  for (float narrow : randomFloats(kCount / 4, 2, 2))
    values.push_back(narrow);
  std::mt19937 engine(3);
  while (values.size() < kCount) {
    uint32_t bits = engine();
    float any;
    memcpy(&any, &bits, 4);
    values.push_back(any);
  }
  return values;
}

void expectClose(float x, float got, double want, const char *name) {
  float rounded = float(want);
  if (std::isnan(rounded)) {
    EXPECT_TRUE(std::isnan(got)) << name << "(" << x << ") is " << got;
  } else if (std::isinf(rounded) || rounded == 0) {
    EXPECT_EQ(got, rounded) << name << "(" << x << ")";
  } else {
    // One part in a million, or a step of a subnormal number.
    double tolerance = std::max(1e-6 * std::abs(want), 1.5e-45);
    EXPECT_NEAR(got, want, tolerance) << name << "(" << x << ")";
  }
}

TEST(CpuMath, Accuracy) {
  auto x = inputs();
  for (const std::string &target : hostTargets()) {
    SCOPED_TRACE(target);
    Program program("math.mlir", target);
    std::vector<float> y(7 * kCount);
    Params params;
    params.array(x.data(), {kCount}).array(y.data(), {7, kCount});
    for (int64_t i = 0; i < kCount / 64; ++i)
      program.run("functions", params, i);
    for (int64_t i = 0; i < kCount && !testing::Test::HasFailure(); ++i) {
      double v = x[i];
      expectClose(x[i], y[i], std::exp2(v), "exp2");
      expectClose(x[i], y[kCount + i], std::exp(v), "exp");
      expectClose(x[i], y[2 * kCount + i], std::log(v), "log");
      expectClose(x[i], y[3 * kCount + i], std::log2(v), "log2");
      expectClose(x[i], y[4 * kCount + i], std::tanh(v), "tanh");
      expectClose(x[i], y[5 * kCount + i], std::sqrt(v), "sqrt");
      expectClose(x[i], y[6 * kCount + i], std::nearbyint(v), "roundeven");
    }
  }
}

} // namespace
