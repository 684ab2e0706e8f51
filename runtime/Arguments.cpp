//===- Arguments.cpp - Checked arguments of a launch ----------------------===//

#include "runtime/Arguments.h"

#include "runtime/Status.h"

#include <cmath>

namespace kvarn::runtime {

std::string printShape(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") +
            (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
  return text + "]";
}

bool contiguousStrides(std::span<const int64_t> shape,
                       std::vector<int64_t> &strides) {
  strides.resize(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    // An empty tensor has strides like one with extents of 1.
    if (__builtin_mul_overflow(stride, std::max<int64_t>(shape[i], 1), &stride))
      return false;
  }
  return true;
}

static kvarn_status invalid(const Parameter &parameter,
                            const std::string &what) {
  return fail(KVARN_STATUS_INVALID_ARGUMENT, parameter.name + ": " + what);
}

static std::string printDType(kvarn_dtype dtype) {
  const char *code = dtype.code == KVARN_CODE_INT      ? "i"
                     : dtype.code == KVARN_CODE_UINT   ? "u"
                     : dtype.code == KVARN_CODE_FLOAT  ? "f"
                     : dtype.code == KVARN_CODE_BFLOAT ? "bf"
                                                       : "code?";
  return code + std::to_string(dtype.bits) +
         (dtype.lanes == 1 ? "" : "x" + std::to_string(dtype.lanes));
}

static std::string printDevice(kvarn_device device) {
  switch (device.type) {
  case KVARN_DEVICE_CPU:
    return "the CPU";
  case KVARN_DEVICE_CUDA_HOST:
    return "the CPU (pinned)";
  case KVARN_DEVICE_CUDA:
    return "CUDA device " + std::to_string(device.id);
  default:
    return "a device of type " + std::to_string(device.type);
  }
}

/// i8 is bytes: signed or not does not matter.
static bool isDType(kvarn_dtype dtype, DType expected) {
  if (dtype.lanes != 1 || dtype.bits != 8 * dtypeBytes(expected))
    return false;
  switch (expected) {
  case DType::F16:
  case DType::F32:
    return dtype.code == KVARN_CODE_FLOAT;
  case DType::BF16:
    return dtype.code == KVARN_CODE_BFLOAT;
  case DType::I8:
    return dtype.code == KVARN_CODE_INT || dtype.code == KVARN_CODE_UINT;
  case DType::I32:
  case DType::I64:
    return dtype.code == KVARN_CODE_INT;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

static kvarn_status checkShape(const Parameter &parameter,
                               const kvarn_tensor &tensor, Argument &bound) {
  size_t rank = parameter.shape.size();
  std::string expected = "expected shape " + printShape(parameter.shape);
  if (tensor.ndim < 0 || static_cast<size_t>(tensor.ndim) != rank)
    return invalid(parameter,
                   expected + ", got rank " + std::to_string(tensor.ndim));
  if (rank > 0 && !tensor.shape)
    return invalid(parameter, "shape is NULL");
  bound.shape.assign(tensor.shape, tensor.shape + rank);
  for (size_t i = 0; i < rank; ++i) {
    int64_t extent = parameter.shape[i];
    if (bound.shape[i] < 0)
      return invalid(parameter,
                     "extent " + std::to_string(i) +
                         " is negative: " + std::to_string(bound.shape[i]));
    if (extent >= 0 && extent != bound.shape[i])
      return invalid(parameter, expected + ", got " + printShape(bound.shape));
  }
  return KVARN_STATUS_OK;
}

static bool isEmpty(const Argument &bound) {
  return std::find(bound.shape.begin(), bound.shape.end(), 0) !=
         bound.shape.end();
}

/// That no offset of an element, in bytes, is beyond 64 bits.
static bool offsetsFit(const Argument &bound, int64_t elementBytes) {
  int64_t total = 0;
  for (size_t i = 0; i < bound.shape.size(); ++i) {
    int64_t stride = bound.strides[i], span;
    if (stride == INT64_MIN ||
        __builtin_mul_overflow(std::abs(stride),
                               std::max<int64_t>(bound.shape[i] - 1, 0),
                               &span) ||
        __builtin_mul_overflow(span, elementBytes, &span) ||
        __builtin_add_overflow(total, span, &total))
      return false;
  }
  return true;
}

static kvarn_status checkStrides(const Parameter &parameter,
                                 const kvarn_tensor &tensor, Argument &bound) {
  size_t rank = bound.shape.size();
  int64_t element = dtypeBytes(parameter.dtype);
  if (tensor.strides)
    bound.strides.assign(tensor.strides, tensor.strides + rank);
  else if (!contiguousStrides(bound.shape, bound.strides))
    return invalid(parameter, "is larger than the address space");
  if (!offsetsFit(bound, element))
    return invalid(parameter, "is larger than the address space");
  for (size_t i = 0; i < rank; ++i) {
    if (bound.shape[i] <= 1) { // never used; kernels may count on 1
      bound.strides[i] = i + 1 == rank ? 1 : bound.strides[i];
      continue;
    }
    std::string stride = "stride " + std::to_string(i) + " is " +
                         std::to_string(bound.strides[i]);
    if (i + 1 == rank && bound.strides[i] != 1)
      return invalid(parameter, stride + ", expected the innermost one to be "
                                         "1");
    if (parameter.output && bound.strides[i] == 0)
      return invalid(parameter, stride + ", but the tensor is written");
    if (i + 1 < rank && parameter.alignment &&
        bound.strides[i] * element % parameter.alignment != 0)
      return invalid(parameter, stride + ", expected a multiple of " +
                                    std::to_string(parameter.alignment) +
                                    " bytes");
  }
  return KVARN_STATUS_OK;
}

static kvarn_status checkData(const Parameter &parameter,
                              const kvarn_tensor &tensor, Argument &bound) {
  if (!tensor.data) {
    if (!isEmpty(bound))
      return invalid(parameter, "data is NULL, and the shape is " +
                                    printShape(bound.shape));
    return KVARN_STATUS_OK;
  }
  uintptr_t address =
      reinterpret_cast<uintptr_t>(tensor.data) + tensor.byte_offset;
  int64_t alignment =
      parameter.alignment ? parameter.alignment : dtypeBytes(parameter.dtype);
  if (address % static_cast<uintptr_t>(alignment) != 0)
    return invalid(parameter, "data is not aligned to " +
                                  std::to_string(alignment) + " bytes");
  bound.word = static_cast<int64_t>(address);
  return KVARN_STATUS_OK;
}

static kvarn_status bindTensor(const Parameter &parameter,
                               const kvarn_argument &given, bool needData,
                               Argument &bound) {
  if (given.kind != KVARN_ARGUMENT_TENSOR)
    return invalid(parameter, "expected a tensor, got a scalar");
  if (!given.value.tensor)
    return invalid(parameter, "the tensor is NULL");
  const kvarn_tensor &tensor = *given.value.tensor;
  if (!isDType(tensor.dtype, parameter.dtype))
    return invalid(parameter, "expected dtype " +
                                  std::string(dtypeName(parameter.dtype)) +
                                  ", got " + printDType(tensor.dtype));
  KVARN_TRY(checkShape(parameter, tensor, bound));
  KVARN_TRY(checkStrides(parameter, tensor, bound));
  return needData ? checkData(parameter, tensor, bound) : KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

static kvarn_status bindScalar(const Parameter &parameter,
                               const kvarn_argument &given, Argument &bound) {
  bool integer = given.kind == KVARN_ARGUMENT_INTEGER;
  if (!integer && given.kind != KVARN_ARGUMENT_REAL)
    return invalid(parameter, "expected a scalar, got a tensor");
  if (parameter.dtype == DType::F32) {
    double real =
        integer ? static_cast<double>(given.value.integer) : given.value.real;
    float value = static_cast<float>(real);
    if (std::isfinite(real) && !std::isfinite(value))
      return invalid(parameter, "does not fit in f32");
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    bound.word = bits;
    return KVARN_STATUS_OK;
  }
  if (!integer)
    return invalid(parameter, "expected an integer, got a real number");
  bound.word = given.value.integer;
  if (parameter.dtype == DType::I32 &&
      bound.word != static_cast<int32_t>(bound.word))
    return invalid(parameter,
                   std::to_string(bound.word) + " does not fit in i32");
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// All of them
//===----------------------------------------------------------------------===//

static std::string parameterNames(const Variant &variant) {
  std::string names;
  for (const Parameter &parameter : variant.parameters)
    names += (names.empty() ? "" : ", ") + parameter.name;
  return names;
}

/// The argument for each parameter; every one given once, and nothing else.
static kvarn_status matchNames(const Variant &variant,
                               std::span<const kvarn_argument> given,
                               std::vector<const kvarn_argument *> &matched) {
  matched.assign(variant.parameters.size(), nullptr);
  for (const kvarn_argument &argument : given) {
    if (!argument.name)
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "argument " + std::to_string(&argument - given.data()) +
                      " has no name");
    size_t i = 0;
    while (i < matched.size() && variant.parameters[i].name != argument.name)
      ++i;
    if (i == matched.size())
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  std::string(argument.name) +
                      ": no such parameter, expected " +
                      parameterNames(variant));
    if (matched[i])
      return invalid(variant.parameters[i], "given twice");
    matched[i] = &argument;
  }
  for (size_t i = 0; i < matched.size(); ++i)
    if (!matched[i])
      return invalid(variant.parameters[i], "not given");
  return KVARN_STATUS_OK;
}

/// All tensors must be where one device reaches them; without any, the launch
/// runs on the current one.
static kvarn_status
findDevice(const Variant &variant, const Backend &backend,
           const std::vector<const kvarn_argument *> &matched,
           kvarn_device &device) {
  device = backend.currentDevice();
  const Parameter *first = nullptr;
  for (size_t i = 0; i < matched.size(); ++i) {
    const Parameter &parameter = variant.parameters[i];
    if (parameter.kind == Parameter::Kind::Scalar)
      continue;
    kvarn_device memory = matched[i]->value.tensor->device;
    std::optional<kvarn_device> found = backend.deviceFor(memory);
    if (!found)
      return invalid(parameter, "is on " + printDevice(memory) +
                                    ", where the kernel cannot reach it");
    if (first && found->id != device.id)
      return invalid(parameter, "is on " + printDevice(memory) + ", but " +
                                    first->name + " is on " +
                                    printDevice(device));
    if (!first)
      device = *found;
    first = first ? first : &parameter;
  }
  return KVARN_STATUS_OK;
}

kvarn_status bindArguments(const Variant &variant, const Backend &backend,
                           std::span<const kvarn_argument> given, bool needData,
                           BoundArguments &bound) {
  std::vector<const kvarn_argument *> matched;
  KVARN_TRY(matchNames(variant, given, matched));
  bound.list.assign(matched.size(), Argument());
  for (size_t i = 0; i < matched.size(); ++i) {
    const Parameter &parameter = variant.parameters[i];
    if (parameter.kind == Parameter::Kind::Scalar)
      KVARN_TRY(bindScalar(parameter, *matched[i], bound.list[i]));
    else
      KVARN_TRY(bindTensor(parameter, *matched[i], needData, bound.list[i]));
  }
  return findDevice(variant, backend, matched, bound.device);
}

} // namespace kvarn::runtime
