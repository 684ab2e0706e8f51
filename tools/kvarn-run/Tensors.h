//===- Tensors.h - Tensors in host memory ---------------------------------===//

#ifndef KVARN_TOOLS_RUN_TENSORS_H
#define KVARN_TOOLS_RUN_TENSORS_H

#include "runtime/kvarn.h"
#include "tools/npy/Files.h"
#include "tools/npy/Npy.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvarn::run {

using npy::DType;

/// A dense tensor in C order that owns its memory, aligned as any kernel may
/// ask for it.
class HostTensor {
public:
  HostTensor() = default;
  /// All zero.
  HostTensor(DType dtype, std::vector<int64_t> shape);

  DType dtype() const { return type; }
  const std::vector<int64_t> &shape() const { return extents; }
  int64_t extent(size_t i) const { return extents[i]; }
  std::span<uint8_t> bytes() { return {memory.get(), size}; }
  std::span<const uint8_t> bytes() const { return {memory.get(), size}; }

  /// The elements. T must have the size of one.
  template <typename T> std::span<T> as() {
    return {reinterpret_cast<T *>(memory.get()), size / sizeof(T)};
  }
  template <typename T> std::span<const T> as() const {
    return {reinterpret_cast<const T *>(memory.get()), size / sizeof(T)};
  }

  void fill(uint8_t byte);
  HostTensor clone() const;

  /// For the runtime. Valid until the tensor is moved, or its next call.
  const kvarn_tensor *descriptor() const;

private:
  struct Free {
    void operator()(uint8_t *memory) const { std::free(memory); }
  };
  DType type = DType::F32;
  std::vector<int64_t> extents;
  std::unique_ptr<uint8_t, Free> memory;
  size_t size = 0;
  mutable kvarn_tensor tensor = {};
};

/// "f16" of the runtime's own dtype.
kvarn_dtype runtimeDType(DType dtype);

/// A tensor of zeros. Throws Error, which begins with `owner`, if memory does
/// not suffice.
HostTensor createTensor(const std::string &owner, DType dtype,
                        std::vector<int64_t> shape);

/// The tensor in a .npy file. Throws Error.
HostTensor loadTensor(const std::string &path);

/// Adds `tensor` as the .npy file `path`. Throws Error.
void saveTensor(OutputFiles &files, const std::string &path,
                const HostTensor &tensor);

/// Throws Error if two of `files`, each an option and what it names, are one
/// place: what is written shall not replace what is read, or written too. Those
/// that are empty were not given.
void requireDistinct(
    const std::vector<std::pair<std::string, std::string>> &files);

/// Makes all files appear. Throws Error.
void commit(OutputFiles &files);

/// Tensor from elements given as doubles, rounded to `dtype`, a 16-bit type.
HostTensor halfTensor(DType dtype, std::vector<int64_t> shape,
                      std::span<const double> values);

/// The elements of an f16, bf16 or f32 tensor.
std::vector<double> toDoubles(const HostTensor &tensor);

/// Tensor with these elements.
HostTensor intTensor(std::vector<int64_t> shape,
                     std::span<const int32_t> values);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_TENSORS_H
