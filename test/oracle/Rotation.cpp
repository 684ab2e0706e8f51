//===- Rotation.cpp - The Hadamard rotation -------------------------------===//

#include "test/oracle/Rotation.h"

#include "test/oracle/Half.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kvarn::oracle {

static constexpr double kMostDiffering = 0.003;
static constexpr double kSumNoise = 0x1p-22;

void hadamardSums(std::span<double> x) {
  require(std::has_single_bit(x.size()), "head_dim is not a power of two");
  for (size_t half = 1; half < x.size(); half *= 2)
    for (size_t block = 0; block < x.size(); block += 2 * half)
      for (size_t i = block; i < block + half; ++i) {
        double a = x[i], b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
}

void rotate(std::span<double> x) {
  hadamardSums(x);
  double factor = 1 / std::sqrt(static_cast<double>(x.size()));
  for (double &value : x)
    value *= factor;
}

Matrix rotateReference(const Matrix &raw) {
  double entry = roundToHalf(1 / std::sqrt(static_cast<double>(raw.cols)));
  Matrix result = raw;
  for (int r = 0; r < raw.rows; ++r) {
    hadamardSums(result.row(r));
    for (double &value : result.row(r))
      value = roundToHalf(value * entry);
  }
  return result;
}

RotationCheck checkRotation(const Matrix &raw,
                            std::span<const uint16_t> rotated) {
  require(rotated.size() == raw.data.size(), "checkRotation: sizes differ");
  Matrix want = rotateReference(raw);
  double entry = 1 / std::sqrt(static_cast<double>(raw.cols));
  RotationCheck check;
  check.elements = static_cast<int64_t>(rotated.size());
  for (int r = 0; r < raw.rows; ++r) {
    double magnitudes = 0;
    for (double value : raw.row(r))
      magnitudes += std::abs(value) * entry;
    for (int c = 0; c < raw.cols; ++c) {
      uint16_t bits = rotated[static_cast<size_t>(r) * raw.cols + c];
      int ulp = halfUlpDistance(bits, doubleToHalf(want(r, c)));
      check.differing += ulp != 0;
      check.worstUlp = std::max(check.worstUlp, ulp);
      if (ulp <= 1)
        continue;
      double difference = std::abs(halfToDouble(bits) - want(r, c));
      if (difference <= kSumNoise * magnitudes)
        ++check.cancellations;
      else
        ++check.beyondOneUlp;
    }
  }
  if (check.beyondOneUlp)
    check.message += std::to_string(check.beyondOneUlp) +
                     " elements are more than 1 fp16 ulp off (worst " +
                     std::to_string(check.worstUlp) + "); ";
  // Excused elements do not count here either: a constant vector is mostly
  // cancellations.
  if (static_cast<double>(check.differing - check.cancellations) >
      kMostDiffering * static_cast<double>(check.elements))
    check.message += std::to_string(check.differing) + " of " +
                     std::to_string(check.elements) +
                     " elements differ, more than 0.3 %; ";
  check.passed = check.message.empty();
  return check;
}

} // namespace kvarn::oracle
