//===- Arguments.h - Checked arguments of a launch --------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_ARGUMENTS_H
#define KVARN_RUNTIME_ARGUMENTS_H

#include "runtime/Library.h"

#include <span>

namespace kvarn::runtime {

/// The value of one parameter or buffer, as kernels take it.
struct Argument {
  int64_t word = 0;             // address, or bits of a scalar
  std::vector<int64_t> shape;   // of a tensor
  std::vector<int64_t> strides; // in elements
};

/// The arguments of a launch, checked.
struct BoundArguments {
  std::vector<Argument> list; // one per parameter
  kvarn_device device;        // where the launch runs
};

/// Checks `given` against the parameters of `variant`. Without `needData`,
/// tensors may have no data.
kvarn_status bindArguments(const Variant &variant, const Backend &backend,
                           std::span<const kvarn_argument> given, bool needData,
                           BoundArguments &bound);

/// Row-major strides, or false if they do not fit.
bool contiguousStrides(std::span<const int64_t> shape,
                       std::vector<int64_t> &strides);

/// "[2, any, 128]"
std::string printShape(std::span<const int64_t> shape);

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_ARGUMENTS_H
