//===- Tensors.cpp - Tensors in host memory -------------------------------===//

#include "tools/kvarn-run/Tensors.h"

#include "tools/kvarn-run/Error.h"

#include <Eigen/Core>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <new>

namespace kvarn::run {

HostTensor::HostTensor(DType dtype, std::vector<int64_t> shape)
    : type(dtype), extents(std::move(shape)) {
  std::optional<int64_t> bytes = npy::tensorBytes(dtype, extents);
  if (!bytes)
    throw Error(kInput, "a tensor of shape " + npy::shapeText(extents) +
                            " is larger than the address space");
  size = static_cast<size_t>(*bytes);
  // Never NULL, and of the exact size: sanitizers see what lies behind it.
  void *allocated = nullptr;
  if (posix_memalign(&allocated, KVARN_WORKSPACE_ALIGNMENT,
                     std::max<size_t>(size, 1)) != 0)
    throw std::bad_alloc();
  memory.reset(static_cast<uint8_t *>(allocated));
  fill(0);
}

void HostTensor::fill(uint8_t byte) { std::memset(memory.get(), byte, size); }

HostTensor HostTensor::clone() const {
  HostTensor copy(type, extents);
  std::memcpy(copy.memory.get(), memory.get(), size);
  return copy;
}

kvarn_dtype runtimeDType(DType dtype) {
  uint8_t code = 0;
  switch (dtype) {
  case DType::F16:
  case DType::F32:
    code = KVARN_CODE_FLOAT;
    break;
  case DType::BF16:
    code = KVARN_CODE_BFLOAT;
    break;
  case DType::U8:
    code = KVARN_CODE_UINT;
    break;
  case DType::I8:
  case DType::I32:
  case DType::I64:
    code = KVARN_CODE_INT;
    break;
  }
  return {code, static_cast<uint8_t>(8 * npy::dtypeBytes(dtype)), 1};
}

const kvarn_tensor *HostTensor::descriptor() const {
  tensor = {};
  tensor.data = memory.get();
  tensor.device = {KVARN_DEVICE_CPU, 0};
  tensor.ndim = static_cast<int32_t>(extents.size());
  tensor.dtype = runtimeDType(type);
  tensor.shape = extents.data();
  return &tensor;
}

HostTensor createTensor(const std::string &owner, DType dtype,
                        std::vector<int64_t> shape) {
  try {
    return HostTensor(dtype, shape);
  } catch (const std::bad_alloc &) {
    throw Error(kInput, owner + ": no memory for a tensor of shape " +
                            npy::shapeText(shape));
  } catch (const Error &error) {
    throw Error(error.code, owner + ": " + error.what());
  }
}

HostTensor loadTensor(const std::string &path) {
  std::string error;
  std::optional<npy::Array> array = npy::readNpy(path, error);
  if (!array)
    throw Error(kInput, error);
  HostTensor tensor(array->dtype, array->shape);
  std::copy(array->data.begin(), array->data.end(), tensor.bytes().begin());
  return tensor;
}

void saveTensor(OutputFiles &files, const std::string &path,
                const HostTensor &tensor) {
  std::string header = npy::npyHeader(tensor.dtype(), tensor.shape()), error;
  std::span<const uint8_t> bytes = tensor.bytes();
  if (!files.add(path,
                 {header,
                  {reinterpret_cast<const char *>(bytes.data()), bytes.size()}},
                 error))
    throw Error(kInput, error);
}

/// Where a file appears. It replaces a link that is there.
static std::filesystem::path placeOf(const std::filesystem::path &file) {
  std::error_code error;
  std::filesystem::path folder =
      std::filesystem::canonical("." / file.parent_path(), error);
  return (error ? file.parent_path() : folder) / file.filename();
}

void requireDistinct(
    const std::vector<std::pair<std::string, std::string>> &files) {
  std::map<std::filesystem::path, std::string> options;
  for (const auto &[option, path] : files) {
    if (path.empty())
      continue;
    auto [found, isNew] = options.emplace(placeOf(path), option);
    if (!isNew)
      throw Error(kInput, option + ": found '" + path +
                              "', expected another file than that of " +
                              found->second);
  }
}

void commit(OutputFiles &files) {
  std::string error;
  if (!files.commit(error))
    throw Error(kInput, error);
}

HostTensor halfTensor(DType dtype, std::vector<int64_t> shape,
                      std::span<const double> values) {
  HostTensor tensor(dtype, std::move(shape));
  if (dtype == DType::BF16)
    std::transform(values.begin(), values.end(),
                   tensor.as<Eigen::bfloat16>().begin(),
                   [](double value) { return Eigen::bfloat16(value); });
  else
    std::transform(values.begin(), values.end(),
                   tensor.as<Eigen::half>().begin(),
                   [](double value) { return Eigen::half(value); });
  return tensor;
}

template <typename T>
static std::vector<double> convert(const HostTensor &tensor) {
  std::vector<double> values;
  for (const T &value : tensor.as<T>())
    values.push_back(static_cast<double>(value));
  return values;
}

std::vector<double> toDoubles(const HostTensor &tensor) {
  if (tensor.dtype() == DType::BF16)
    return convert<Eigen::bfloat16>(tensor);
  return tensor.dtype() == DType::F16 ? convert<Eigen::half>(tensor)
                                      : convert<float>(tensor);
}

HostTensor intTensor(std::vector<int64_t> shape,
                     std::span<const int32_t> values) {
  HostTensor tensor(DType::I32, std::move(shape));
  std::copy(values.begin(), values.end(), tensor.as<int32_t>().begin());
  return tensor;
}

} // namespace kvarn::run
