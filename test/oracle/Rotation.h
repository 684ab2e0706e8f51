//===- Rotation.h - The Hadamard rotation ---------------------------------===//
//
// docs: algorithm.md, section 2 (Rotation, Range) and 6.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_ROTATION_H
#define KVARN_TEST_ORACLE_ROTATION_H

#include "test/oracle/Matrix.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvarn::oracle {

/// x := x * S, where S is the Sylvester matrix of +-1 in natural order. The
/// sums of fp16 inputs are exact in double for every supported head_dim.
void hadamardSums(std::span<double> x);

/// x := x * H in double, H = S / sqrt(D). H is its own inverse.
void rotate(std::span<double> x);

/// What the reference computes: the entries of H are +-fp16(1/sqrt(D)), the
/// sum is rounded once to fp16 and saturates. Rows are vectors of head_dim.
/// Returns fp16 values (as double).
Matrix rotateReference(const Matrix &raw);

struct RotationCheck {
  bool passed = false;
  int64_t elements = 0;
  int64_t differing = 0;     // bits differ, +0 and -0 being equal
  int worstUlp = 0;          // over all elements
  int64_t beyondOneUlp = 0;  // elements that break the limit of one ulp
  int64_t cancellations = 0; // further away than one ulp, but excused
  std::string message;       // empty if passed

  double fractionDiffering() const {
    return elements ? static_cast<double>(differing) / elements : 0;
  }
};

/// Compares rotated values (fp16 bits, as many as `raw` has entries) with
/// rotateReference(raw): at most one fp16 ulp off, at most 0.3 % different.
///
/// Where a sum cancels to nearly nothing, one ulp of the result is less than
/// the rounding of the fp32 sum itself. A difference of at most 2^-22 times
/// the sum of the magnitudes added up is therefore never too large. (For a
/// constant vector all but one of the exact results are 0.)
RotationCheck checkRotation(const Matrix &raw,
                            std::span<const uint16_t> rotated);

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_ROTATION_H
