//===- Half.h - 16-bit floats and strided tensors -------------------------===//
//
// The edges of the oracle: everything inside it is double, everything outside
// is bytes. Only this topic knows how a 16-bit float is spelled.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_HALF_H
#define KVARN_TEST_ORACLE_HALF_H

#include <array>
#include <cstdint>
#include <initializer_list>

namespace kvarn::oracle {

/// Largest finite binary16; rotated values and stored vectors saturate to it.
inline constexpr double kHalfMax = 65504.0;

double halfToDouble(uint16_t bits);
double bfloat16ToDouble(uint16_t bits);

/// Nearest value, ties to even, rounded once from double (a detour over float
/// would round twice). Overflow and infinities saturate; NaN stays NaN.
double roundToHalf(double value);
uint16_t doubleToHalf(double value);
/// The same for bfloat16, which overflows to infinity.
double roundToBfloat16(double value);
uint16_t doubleToBfloat16(double value);

/// Number of representable binary16 values between two bit patterns; both
/// zeros count as one value. A NaN is further away than anything else.
int halfUlpDistance(uint16_t a, uint16_t b);

enum class DType { F16, BF16, F32 };

int64_t elementBytes(DType type);
double loadElement(const void *data, DType type, int64_t index);
void storeElement(void *data, DType type, int64_t index, double value);

/// A read-only strided tensor of up to four dimensions. Strides count
/// elements, as in DLPack; missing dimensions have size 1.
struct TensorView {
  const void *data = nullptr;
  DType type = DType::F16;
  std::array<int64_t, 4> shape = {1, 1, 1, 1};
  std::array<int64_t, 4> strides = {0, 0, 0, 0};

  TensorView() = default;
  /// A dense tensor in C order.
  TensorView(const void *data, DType type,
             std::initializer_list<int64_t> denseShape);

  double at(int64_t i, int64_t j = 0, int64_t k = 0, int64_t l = 0) const {
    return loadElement(data, type,
                       i * strides[0] + j * strides[1] + k * strides[2] +
                           l * strides[3]);
  }
};

/// Ends the program with a message if the caller broke the oracle's contract.
/// Not an exception: the project may be built without them.
void require(bool condition, const char *message);

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_HALF_H
