//===- StoreCheck.h - Judging a stored record -----------------------------===//
//
// docs: algorithm.md, section 6. A side of a record passes if it matches one
// iterate of the normalization whose imbalance is within 1e-4 (relative) of
// the best one: every vector entry within rtol 1e-3, at most 8 codes of the
// tile different.
//
// That rule assumes that fp32 arithmetic determines the result. Tiles that
// were constant before the rotation, all zero, or very small or large break
// the assumption, so the rule is completed as follows. On ordinary tiles this
// makes next to no difference.
//
//  * Saturation. The wanted vectors are clamped to +-65504 before comparing.
//  * Subnormals. Below 6e-5 the spacing of fp16 is constant, 2^-24, and a rtol
//    means nothing: half of it, 2^-25, is always allowed on top. (A scale at
//    its lower bound of 1e-10 is stored as 0.)
//  * Constant rows. In fp32 an element x of row r of the balanced tile is
//    uncertain by noise = 2^-18 * max|row r|. The step of the row is thus
//    uncertain by 2 * noise / levels, which is allowed on top (times Sr), and
//    a code is not counted as different if it is a correct rounding for some
//    value within 2 * noise of the element. In a row of equal values the step
//    is pure noise: any code passes, and the noise bound on the step
//    keeps the reconstructed values right. In a row of zeros noise is 0 and
//    the codes must be 0.
//  * Imbalance. The std of equal values is noise as well, and divided by the
//    1e-8 of imbalance() it decides which iterate wins. So iterates are
//    compared as intervals, each std uncertain by 2^-20 * max|x| of its row or
//    column: an iterate is acceptable if its lower bound is within 1e-4 of the
//    least upper bound.
//  * Prescale. If -log2(std) is within 1e-3 of halfway between two exponents,
//    both are accepted.
//
// A row range other than minmax is not covered: judge it by
// reconstructionError (Store.h).
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_STORECHECK_H
#define KVARN_TEST_ORACLE_STORECHECK_H

#include "test/oracle/Store.h"

#include <cstdint>
#include <span>
#include <string>

namespace kvarn::oracle {

struct StoreCheck {
  bool passed = false;
  /// Of the acceptable iterate that comes closest:
  int matchedIterate = -1; // -1 if none passes; then the closest is measured
  int codesDiffering = 0;  // all of them
  int codesExcused = 0;    // of these, within fp32 noise of a boundary
  /// Largest |got - want| / (|want| + absolute / 1e-3) of a vector entry, where
  /// `absolute` are the terms explained above; passes up to 1e-3.
  double worstVectorError = 0;
  int acceptableIterates = 0;
  double reconstructionError = 0;
  std::string message; // empty if passed
};

/// `tokens` is the rotated tile [token][channel], `record` a record of the
/// reference layout, of which only the given side is looked at.
StoreCheck checkStore(const Matrix &tokens, std::span<const uint8_t> record,
                      const Format &format, Side side,
                      const StoreOptions &options = {});

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_STORECHECK_H
