//===- Matrix.h - A dense matrix of doubles -------------------------------===//

#ifndef KVARN_TEST_ORACLE_MATRIX_H
#define KVARN_TEST_ORACLE_MATRIX_H

#include <cstddef>
#include <span>
#include <vector>

namespace kvarn::oracle {

struct Matrix {
  int rows = 0;
  int cols = 0;
  std::vector<double> data; // row by row

  Matrix() = default;
  Matrix(int rows, int cols)
      : rows(rows), cols(cols), data(static_cast<size_t>(rows) * cols) {}

  double &operator()(int r, int c) {
    return data[static_cast<size_t>(r) * cols + c];
  }
  double operator()(int r, int c) const {
    return data[static_cast<size_t>(r) * cols + c];
  }
  std::span<double> row(int r) {
    return {data.data() + static_cast<size_t>(r) * cols,
            static_cast<size_t>(cols)};
  }
  std::span<const double> row(int r) const {
    return {data.data() + static_cast<size_t>(r) * cols,
            static_cast<size_t>(cols)};
  }

  Matrix transposed() const {
    Matrix result(cols, rows);
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < cols; ++c)
        result(c, r) = (*this)(r, c);
    return result;
  }
};

/// ||got - want|| / ||want|| (Euclidean over all entries). Infinite if `got`
/// holds anything that is not finite; 0 if both are all zero.
double relativeError(std::span<const double> got, std::span<const double> want);

/// The size must be a multiple of 8, as every head_dim is.
double dot(std::span<const double> a, std::span<const double> b);

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_MATRIX_H
