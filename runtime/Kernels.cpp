//===- Kernels.cpp - The typed forms of kvarn_launch ----------------------===//
//
// KernelTensors.h names the dimensions of the tensors; a dimension must be the
// same wherever it appears.
//
//===----------------------------------------------------------------------===//

#include "runtime/Arguments.h"
#include "runtime/KernelTensors.h"
#include "runtime/Launch.h"
#include "runtime/Status.h"

#include <cmath>
#include <list>

namespace kvarn::runtime {

namespace {
/// Collects the arguments of one launch and compares their shapes.
class Call {
public:
  Call(const kvarn_kernel &kernel);

  /// The tensors of `args` that are only written, or all others.
  template <typename Args>
  kvarn_status tensors(const Args &args, bool onlyWritten);
  kvarn_status featureInteger(const char *feature, int64_t value);
  kvarn_status featureReal(const char *feature, double value);
  void real(const char *name, double value);
  kvarn_status queryHeads();

  kvarn_status launch(const kvarn_launch_options *options) const;
  kvarn_status measure(size_t *bytes) const;

private:
  kvarn_status tensor(const char *name, const kvarn_tensor *tensor,
                      std::string_view dims);
  /// Kernels see records of the compact size, whatever the distance between
  /// them.
  kvarn_status compactRecords(const char *name, const kvarn_tensor *pages);
  struct Dimension {
    std::string name;
    int64_t extent;
    std::string from; // the first tensor that has it
  };
  kvarn_status dimension(const char *tensor, size_t index,
                         std::string_view name, int64_t extent);
  const Dimension *find(std::string_view name) const;

  const kvarn_kernel &kernel;
  std::vector<Dimension> known;
  std::vector<kvarn_argument> arguments;
  struct Compact {
    kvarn_tensor tensor;
    std::array<int64_t, 3> shape, strides;
  };
  std::list<Compact> compact; // what `arguments` point to
};
} // namespace

static kvarn_status invalid(const std::string &name, const std::string &what) {
  return fail(KVARN_STATUS_INVALID_ARGUMENT, name + ": " + what);
}

Call::Call(const kvarn_kernel &kernel) : kernel(kernel) {
  if (kernel.variant().key.headDim)
    known.push_back({"D", kernel.variant().key.headDim, "the kernel"});
  if (kernel.format)
    known.push_back({"G", kernel.format->group, "the kernel"});
}

const Call::Dimension *Call::find(std::string_view name) const {
  for (const Dimension &dimension : known)
    if (dimension.name == name)
      return &dimension;
  return nullptr;
}

kvarn_status Call::dimension(const char *tensor, size_t index,
                             std::string_view name, int64_t extent) {
  int64_t more = name.ends_with("+1") ? 1 : 0;
  std::string base(name.substr(0, name.size() - (more ? 2 : 0)));
  if (base == "record")
    return KVARN_STATUS_OK;
  std::string at = "extent " + std::to_string(index) + " (" +
                   std::string(name) + ") is " + std::to_string(extent);
  if (base[0] >= '0' && base[0] <= '9')
    return std::to_string(extent) == base
               ? KVARN_STATUS_OK
               : invalid(tensor, "extent " + std::to_string(index) + " is " +
                                     std::to_string(extent) + ", expected " +
                                     base);
  if (extent < more)
    return invalid(tensor, at + ", expected at least " + std::to_string(more));
  const Dimension *found = find(base);
  if (!found)
    known.push_back({base, extent - more, tensor});
  else if (found->extent + more != extent)
    return invalid(tensor, at + ", expected " +
                               std::to_string(found->extent + more) +
                               " as in " + found->from);
  return KVARN_STATUS_OK;
}

kvarn_status Call::tensor(const char *name, const kvarn_tensor *tensor,
                          std::string_view dims) {
  if (!tensor)
    return invalid(name, "the tensor is NULL");
  std::vector<std::string_view> names;
  for (size_t begin = 0; begin < dims.size();) {
    size_t end = std::min(dims.find(' ', begin), dims.size());
    names.push_back(dims.substr(begin, end - begin));
    begin = end + 1;
  }
  if (!tensor->shape)
    return invalid(name, "shape is NULL");
  if (tensor->ndim != static_cast<int32_t>(names.size()))
    return invalid(name, "expected rank " + std::to_string(names.size()) +
                             " (" + std::string(dims) + "), got " +
                             std::to_string(tensor->ndim));
  for (size_t i = 0; i < names.size(); ++i)
    KVARN_TRY(dimension(name, i, names[i], tensor->shape[i]));
  kvarn_argument argument = {name, KVARN_ARGUMENT_TENSOR, {}};
  argument.value.tensor = tensor;
  arguments.push_back(argument);
  return KVARN_STATUS_OK;
}

kvarn_status Call::compactRecords(const char *name, const kvarn_tensor *pages) {
  if (!kernel.format)
    return KVARN_STATUS_OK;
  int64_t record = kernel.format->recordBytes();
  Compact &own = compact.emplace_back();
  std::copy_n(pages->shape, 3, own.shape.begin());
  if (own.shape[2] < record)
    return invalid(name, "extent 2 is " + std::to_string(own.shape[2]) +
                             ", but a record has " + std::to_string(record) +
                             " bytes");
  std::vector<int64_t> strides(3);
  if (pages->strides)
    strides.assign(pages->strides, pages->strides + 3);
  else if (!contiguousStrides(own.shape, strides))
    return invalid(name, "is larger than the address space");
  for (size_t i = 0; i < 2; ++i)
    if (own.shape[i] > 1 && strides[i] < record)
      return invalid(name, "stride " + std::to_string(i) + " is " +
                               std::to_string(strides[i]) +
                               ", but a record has " + std::to_string(record) +
                               " bytes");
  std::copy_n(strides.begin(), 3, own.strides.begin());
  own.shape[2] = record;
  own.tensor = *pages;
  own.tensor.shape = own.shape.data();
  own.tensor.strides = own.strides.data();
  arguments.back().value.tensor = &own.tensor;
  return KVARN_STATUS_OK;
}

template <typename Args>
kvarn_status Call::tensors(const Args &args, bool onlyWritten) {
  for (const auto &each : KernelOf<Args>::tensors) {
    if ((each.access == Access::Write) != onlyWritten)
      continue;
    const kvarn_tensor *given = args.*each.member;
    if (*each.feature && !kernel.hasFeature(each.feature)) {
      if (given)
        return invalid(each.name, "given, but the kernel lacks the feature '" +
                                      std::string(each.feature) + "'");
      continue;
    }
    std::string_view dims = each.dims;
    KVARN_TRY(tensor(each.name, given, dims));
    if (dims.ends_with("record"))
      KVARN_TRY(compactRecords(each.name, given));
  }
  return KVARN_STATUS_OK;
}

static kvarn_status checkFeatureValue(const kvarn_kernel &kernel,
                                      const char *feature, bool positive,
                                      bool zero) {
  if (kernel.hasFeature(feature))
    return positive ? KVARN_STATUS_OK
                    : invalid(feature, "expected more than 0");
  return zero ? KVARN_STATUS_OK
              : invalid(feature, "given, but the kernel lacks the feature '" +
                                     std::string(feature) + "'");
}

kvarn_status Call::featureInteger(const char *feature, int64_t value) {
  KVARN_TRY(checkFeatureValue(kernel, feature, value > 0, value == 0));
  if (!kernel.hasFeature(feature))
    return KVARN_STATUS_OK;
  kvarn_argument argument = {feature, KVARN_ARGUMENT_INTEGER, {}};
  argument.value.integer = value;
  arguments.push_back(argument);
  return KVARN_STATUS_OK;
}

kvarn_status Call::featureReal(const char *feature, double value) {
  KVARN_TRY(checkFeatureValue(kernel, feature, value > 0, value == 0));
  if (kernel.hasFeature(feature))
    real(feature, value);
  return KVARN_STATUS_OK;
}

void Call::real(const char *name, double value) {
  kvarn_argument argument = {name, KVARN_ARGUMENT_REAL, {}};
  argument.value.real = value;
  arguments.push_back(argument);
}

kvarn_status Call::queryHeads() {
  int64_t ratio = kernel.variant().key.ratio;
  int64_t query = find("Hq")->extent, keys = find("Hk")->extent, expected;
  if (ratio == 0 ||
      (!__builtin_mul_overflow(ratio, keys, &expected) && query == expected))
    return KVARN_STATUS_OK;
  return invalid("q", std::to_string(query) + " heads, expected ratio " +
                          std::to_string(ratio) + " times the " +
                          std::to_string(keys) + " KV heads of pages");
}

kvarn_status Call::launch(const kvarn_launch_options *given) const {
  kvarn_launch_options options = {};
  if (given)
    KVARN_TRY(copyIn(given, options, "options"));
  return runtime::launch(kernel, arguments, options);
}

kvarn_status Call::measure(size_t *bytes) const {
  if (!bytes)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "bytes is NULL");
  size_t result = 0;
  KVARN_TRY(workspaceBytes(kernel, arguments, result));
  *bytes = result;
  return KVARN_STATUS_OK;
}

/// What is not a tensor.
template <typename Args> static kvarn_status addScalars(Call &, const Args &) {
  return KVARN_STATUS_OK;
}

static kvarn_status addScalars(Call &call, const kvarn_attend_args &args) {
  KVARN_TRY(call.queryHeads());
  double headDim = static_cast<double>(args.q->shape[2]);
  call.real("scale", args.scale == 0 ? 1 / std::sqrt(headDim) : args.scale);
  KVARN_TRY(call.featureInteger("window", args.window));
  return call.featureReal("softcap", args.softcap);
}

/// Checks the kernel, then the struct of the caller; then `use`s them.
template <typename Args, typename Use>
static kvarn_status withCall(const kvarn_kernel *kernel, const Args *args,
                             Use use) {
  if (!kernel)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "kernel is NULL");
  const Variant &variant = kernel->variant();
  if (variant.key.kernel != KernelOf<Args>::name)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                variant.id + " is kernel '" + variant.key.kernel +
                    "', expected '" + KernelOf<Args>::name + "'");
  Args copy;
  KVARN_TRY(copyIn(args, copy, "args"));
  Call call(*kernel);
  KVARN_TRY(call.tensors(copy, /*onlyWritten=*/false));
  KVARN_TRY(addScalars(call, copy));
  KVARN_TRY(call.tensors(copy, /*onlyWritten=*/true));
  return use(call);
}

} // namespace kvarn::runtime

using namespace kvarn;

// The C functions of one kernel.
#define KVARN_TYPED_CALLS(NAME)                                                \
  kvarn_status kvarn_##NAME(const kvarn_kernel *kernel,                        \
                            const kvarn_##NAME##_args *args,                   \
                            const kvarn_launch_options *options) {             \
    return runtime::guarded([&] {                                              \
      return runtime::withCall(kernel, args, [&](const runtime::Call &call) {  \
        return call.launch(options);                                           \
      });                                                                      \
    });                                                                        \
  }                                                                            \
  kvarn_status kvarn_##NAME##_workspace_bytes(const kvarn_kernel *kernel,      \
                                              const kvarn_##NAME##_args *args, \
                                              size_t *bytes) {                 \
    return runtime::guarded([&] {                                              \
      return runtime::withCall(kernel, args, [&](const runtime::Call &call) {  \
        return call.measure(bytes);                                            \
      });                                                                      \
    });                                                                        \
  }
KVARN_TYPED_CALLS(attend)
KVARN_TYPED_CALLS(append)
KVARN_TYPED_CALLS(flush)
KVARN_TYPED_CALLS(pack)
KVARN_TYPED_CALLS(unflush)
KVARN_TYPED_CALLS(materialize)
KVARN_TYPED_CALLS(relayout)
#undef KVARN_TYPED_CALLS
