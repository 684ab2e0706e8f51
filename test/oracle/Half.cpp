//===- Half.cpp - 16-bit floats and strided tensors -----------------------===//

#include "test/oracle/Half.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace kvarn::oracle {

double halfToDouble(uint16_t bits) {
  return static_cast<double>(
      static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(bits)));
}

double bfloat16ToDouble(uint16_t bits) {
  return static_cast<double>(
      static_cast<float>(Eigen::numext::bit_cast<Eigen::bfloat16>(bits)));
}

/// Rounds to `digits` significant bits, but never finer than 2^`lowestBit`,
/// which is where the subnormal numbers of the target type end.
static double roundToDigits(double value, int digits, int lowestBit) {
  if (value == 0 || !std::isfinite(value))
    return value;
  int exponent;
  std::frexp(value, &exponent);
  int unit = std::max(exponent - digits, lowestBit);
  return std::ldexp(std::nearbyint(std::ldexp(value, -unit)), unit);
}

double roundToHalf(double value) {
  if (std::isnan(value))
    return value;
  return std::clamp(roundToDigits(value, 11, -24), -kHalfMax, kHalfMax);
}

uint16_t doubleToHalf(double value) {
  // The value is representable by now, so Eigen's conversion is exact.
  Eigen::half half(static_cast<float>(roundToHalf(value)));
  return Eigen::numext::bit_cast<uint16_t>(half);
}

double roundToBfloat16(double value) {
  double rounded = roundToDigits(value, 8, -133);
  // Beyond the largest finite bfloat16, (2 - 2^-7) * 2^127.
  if (std::abs(rounded) >= std::ldexp(1.0, 128))
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

uint16_t doubleToBfloat16(double value) {
  Eigen::bfloat16 result(static_cast<float>(roundToBfloat16(value)));
  return Eigen::numext::bit_cast<uint16_t>(result);
}

int halfUlpDistance(uint16_t a, uint16_t b) {
  if (std::isnan(halfToDouble(a)) || std::isnan(halfToDouble(b)))
    return std::numeric_limits<int>::max();
  auto ordered = [](uint16_t bits) {
    int magnitude = bits & 0x7fff;
    return bits & 0x8000 ? -magnitude : magnitude;
  };
  return std::abs(ordered(a) - ordered(b));
}

int64_t elementBytes(DType type) { return type == DType::F32 ? 4 : 2; }

double loadElement(const void *data, DType type, int64_t index) {
  switch (type) {
  case DType::F16:
    return halfToDouble(static_cast<const uint16_t *>(data)[index]);
  case DType::BF16:
    return bfloat16ToDouble(static_cast<const uint16_t *>(data)[index]);
  case DType::F32:
    return static_cast<double>(static_cast<const float *>(data)[index]);
  }
  require(false, "unknown element type");
  return 0;
}

void storeElement(void *data, DType type, int64_t index, double value) {
  switch (type) {
  case DType::F16:
    static_cast<uint16_t *>(data)[index] = doubleToHalf(value);
    return;
  case DType::BF16:
    static_cast<uint16_t *>(data)[index] = doubleToBfloat16(value);
    return;
  case DType::F32:
    static_cast<float *>(data)[index] = static_cast<float>(value);
    return;
  }
  require(false, "unknown element type");
}

TensorView::TensorView(const void *data, DType type,
                       std::initializer_list<int64_t> denseShape)
    : data(data), type(type) {
  require(denseShape.size() <= 4, "a tensor has at most four dimensions");
  std::copy(denseShape.begin(), denseShape.end(), shape.begin());
  int64_t stride = 1;
  for (int dim = static_cast<int>(denseShape.size()) - 1; dim >= 0; --dim) {
    strides[dim] = stride;
    stride *= shape[dim];
  }
}

void require(bool condition, const char *message) {
  if (condition)
    return;
  std::fprintf(stderr, "kvarn oracle: %s\n", message);
  std::abort();
}

} // namespace kvarn::oracle
