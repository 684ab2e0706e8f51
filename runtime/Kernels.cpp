//===- Kernels.cpp - attend, append, flush, materialize, relayout ---------===//
//
// The typed forms of kvarn_launch. Each names the dimensions of its tensors; a
// dimension must be the same wherever it appears.
//
//===----------------------------------------------------------------------===//

#include "runtime/Arguments.h"
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

  /// A tensor whose dimensions are called `dims`: "T Hq D", "B+1", "any", "2".
  kvarn_status tensor(const char *name, const kvarn_tensor *tensor,
                      std::string_view dims);
  /// A packed cache. Kernels see records of the compact size, whatever the
  /// distance between them.
  kvarn_status pages(const char *name, const kvarn_tensor *tensor,
                     std::string_view dims = "blocks Hk any");
  /// pages, pool_k and pool_v.
  kvarn_status cache(const kvarn_tensor *pages, const kvarn_tensor *poolK,
                     const kvarn_tensor *poolV);
  /// A tensor that belongs to a feature: given if and only if the kernel has
  /// it.
  kvarn_status featureTensor(const char *feature, const char *name,
                             const kvarn_tensor *tensor, std::string_view dims);
  kvarn_status featureInteger(const char *feature, int64_t value);
  kvarn_status featureReal(const char *feature, double value);
  void real(const char *name, double value);
  kvarn_status queryHeads();

  kvarn_status launch(const kvarn_launch_options *options) const;
  kvarn_status measure(size_t *bytes) const;

private:
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
  if (base == "any")
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
  if (tensor->ndim != static_cast<int32_t>(names.size()) || !tensor->shape)
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

kvarn_status Call::pages(const char *name, const kvarn_tensor *pages,
                         std::string_view dims) {
  KVARN_TRY(tensor(name, pages, dims));
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

kvarn_status Call::cache(const kvarn_tensor *pagesTensor,
                         const kvarn_tensor *poolK, const kvarn_tensor *poolV) {
  KVARN_TRY(pages("pages", pagesTensor));
  KVARN_TRY(tensor("pool_k", poolK, "slots G Hk D"));
  return tensor("pool_v", poolV, "slots G Hk D");
}

kvarn_status Call::featureTensor(const char *feature, const char *name,
                                 const kvarn_tensor *given,
                                 std::string_view dims) {
  if (kernel.hasFeature(feature))
    return tensor(name, given, dims);
  if (given)
    return invalid(name, "given, but the kernel lacks the feature '" +
                             std::string(feature) + "'");
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

/// Reads the struct of the caller, after a look at the kernel.
template <typename Args>
static kvarn_status begin(const kvarn_kernel *kernel, const char *expected,
                          const Args *args, Args &copy) {
  if (!kernel)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "kernel is NULL");
  const Variant &variant = kernel->variant();
  if (variant.key.kernel != expected)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                variant.id + " is kernel '" + variant.key.kernel +
                    "', expected '" + expected + "'");
  return copyIn(args, copy, "args");
}

template <typename Use>
static kvarn_status attend(const kvarn_kernel *kernel,
                           const kvarn_attend_args *args, Use use) {
  kvarn_attend_args a;
  KVARN_TRY(begin(kernel, "attend", args, a));
  Call call(*kernel);
  KVARN_TRY(call.tensor("q", a.q, "T Hq D"));
  KVARN_TRY(call.tensor("query_start", a.query_start, "B+1"));
  KVARN_TRY(call.cache(a.pages, a.pool_k, a.pool_v));
  KVARN_TRY(call.tensor("block_table", a.block_table, "B any"));
  KVARN_TRY(call.tensor("block_to_slot", a.block_to_slot, "blocks"));
  KVARN_TRY(call.tensor("seq_lens", a.seq_lens, "B"));
  KVARN_TRY(call.queryHeads());
  double headDim = static_cast<double>(a.q->shape[2]);
  call.real("scale", a.scale == 0 ? 1 / std::sqrt(headDim) : a.scale);
  KVARN_TRY(call.featureInteger("window", a.window));
  KVARN_TRY(call.featureReal("softcap", a.softcap));
  KVARN_TRY(call.featureTensor("sinks", "sinks", a.sinks, "Hq"));
  KVARN_TRY(call.tensor("out", a.out, "T Hq D"));
  KVARN_TRY(call.featureTensor("lse", "lse", a.lse, "T Hq"));
  return use(call);
}

template <typename Use>
static kvarn_status append(const kvarn_kernel *kernel,
                           const kvarn_append_args *args, Use use) {
  kvarn_append_args a;
  KVARN_TRY(begin(kernel, "append", args, a));
  Call call(*kernel);
  KVARN_TRY(call.tensor("k", a.k, "T Hk D"));
  KVARN_TRY(call.tensor("v", a.v, "T Hk D"));
  KVARN_TRY(call.tensor("slot_mapping", a.slot_mapping, "T"));
  KVARN_TRY(call.tensor("pool_k", a.pool_k, "slots G Hk D"));
  KVARN_TRY(call.tensor("pool_v", a.pool_v, "slots G Hk D"));
  KVARN_TRY(call.tensor("block_to_slot", a.block_to_slot, "blocks"));
  return use(call);
}

template <typename Use>
static kvarn_status flush(const kvarn_kernel *kernel,
                          const kvarn_flush_args *args, Use use) {
  kvarn_flush_args a;
  KVARN_TRY(begin(kernel, "flush", args, a));
  Call call(*kernel);
  KVARN_TRY(call.tensor("pairs", a.pairs, "capacity 2"));
  KVARN_TRY(call.tensor("count", a.count, "1"));
  KVARN_TRY(call.cache(a.pages, a.pool_k, a.pool_v));
  return use(call);
}

template <typename Use>
static kvarn_status materialize(const kvarn_kernel *kernel,
                                const kvarn_materialize_args *args, Use use) {
  kvarn_materialize_args a;
  KVARN_TRY(begin(kernel, "materialize", args, a));
  Call call(*kernel);
  KVARN_TRY(call.cache(a.pages, a.pool_k, a.pool_v));
  KVARN_TRY(call.tensor("block_table", a.block_table, "B any"));
  KVARN_TRY(call.tensor("block_to_slot", a.block_to_slot, "blocks"));
  KVARN_TRY(call.tensor("seq_lens", a.seq_lens, "B"));
  KVARN_TRY(call.tensor("k_out", a.k_out, "B L Hk D"));
  KVARN_TRY(call.tensor("v_out", a.v_out, "B L Hk D"));
  return use(call);
}

template <typename Use>
static kvarn_status relayout(const kvarn_kernel *kernel,
                             const kvarn_relayout_args *args, Use use) {
  kvarn_relayout_args a;
  KVARN_TRY(begin(kernel, "relayout", args, a));
  Call call(*kernel);
  KVARN_TRY(call.tensor("pairs", a.pairs, "capacity 2"));
  KVARN_TRY(call.tensor("count", a.count, "1"));
  KVARN_TRY(call.pages("source_pages", a.source_pages, "any Hk any"));
  KVARN_TRY(call.pages("pages", a.pages));
  return use(call);
}

/// What the C functions do with the arguments that they have collected.
static auto launchWith(const kvarn_launch_options *options) {
  return [=](const Call &call) { return call.launch(options); };
}
static auto measureInto(size_t *bytes) {
  return [=](const Call &call) { return call.measure(bytes); };
}

} // namespace kvarn::runtime

using namespace kvarn;

kvarn_status kvarn_attend(const kvarn_kernel *kernel,
                          const kvarn_attend_args *args,
                          const kvarn_launch_options *options) {
  return runtime::guarded([&] {
    return runtime::attend(kernel, args, runtime::launchWith(options));
  });
}

kvarn_status kvarn_attend_workspace_bytes(const kvarn_kernel *kernel,
                                          const kvarn_attend_args *args,
                                          size_t *bytes) {
  return runtime::guarded([&] {
    return runtime::attend(kernel, args, runtime::measureInto(bytes));
  });
}

kvarn_status kvarn_append(const kvarn_kernel *kernel,
                          const kvarn_append_args *args,
                          const kvarn_launch_options *options) {
  return runtime::guarded([&] {
    return runtime::append(kernel, args, runtime::launchWith(options));
  });
}

kvarn_status kvarn_append_workspace_bytes(const kvarn_kernel *kernel,
                                          const kvarn_append_args *args,
                                          size_t *bytes) {
  return runtime::guarded([&] {
    return runtime::append(kernel, args, runtime::measureInto(bytes));
  });
}

kvarn_status kvarn_flush(const kvarn_kernel *kernel,
                         const kvarn_flush_args *args,
                         const kvarn_launch_options *options) {
  return runtime::guarded([&] {
    return runtime::flush(kernel, args, runtime::launchWith(options));
  });
}

kvarn_status kvarn_flush_workspace_bytes(const kvarn_kernel *kernel,
                                         const kvarn_flush_args *args,
                                         size_t *bytes) {
  return runtime::guarded([&] {
    return runtime::flush(kernel, args, runtime::measureInto(bytes));
  });
}

kvarn_status kvarn_materialize(const kvarn_kernel *kernel,
                               const kvarn_materialize_args *args,
                               const kvarn_launch_options *options) {
  return runtime::guarded([&] {
    return runtime::materialize(kernel, args, runtime::launchWith(options));
  });
}

kvarn_status
kvarn_materialize_workspace_bytes(const kvarn_kernel *kernel,
                                  const kvarn_materialize_args *args,
                                  size_t *bytes) {
  return runtime::guarded([&] {
    return runtime::materialize(kernel, args, runtime::measureInto(bytes));
  });
}

kvarn_status kvarn_relayout(const kvarn_kernel *kernel,
                            const kvarn_relayout_args *args,
                            const kvarn_launch_options *options) {
  return runtime::guarded([&] {
    return runtime::relayout(kernel, args, runtime::launchWith(options));
  });
}

kvarn_status kvarn_relayout_workspace_bytes(const kvarn_kernel *kernel,
                                            const kvarn_relayout_args *args,
                                            size_t *bytes) {
  return runtime::guarded([&] {
    return runtime::relayout(kernel, args, runtime::measureInto(bytes));
  });
}
