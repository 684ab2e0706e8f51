//===- Matrix.cpp - A dense matrix of doubles -----------------------------===//

#include "test/oracle/Matrix.h"

#include "test/oracle/Half.h"

#include <cmath>
#include <limits>

namespace kvarn::oracle {

double relativeError(std::span<const double> got,
                     std::span<const double> want) {
  require(got.size() == want.size(), "relativeError: sizes differ");
  double difference = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  if (difference == 0)
    return 0;
  // Written so that a NaN ends here as well.
  if (!(difference < std::numeric_limits<double>::infinity()) || norm == 0)
    return std::numeric_limits<double>::infinity();
  return std::sqrt(difference / norm);
}

double dot(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size() && a.size() % 8 == 0, "dot: bad sizes");
  // Eight partial sums, so that the compiler may use vector instructions.
  double partial[8] = {};
  for (size_t i = 0; i < a.size(); i += 8)
    for (size_t k = 0; k < 8; ++k)
      partial[k] += a[i + k] * b[i + k];
  double sum = 0;
  for (double value : partial)
    sum += value;
  return sum;
}

} // namespace kvarn::oracle
