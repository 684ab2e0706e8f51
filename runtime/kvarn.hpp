//===- kvarn.hpp - The KVarN runtime for C++ --------------------*- C++ -*-===//
//
// kvarn.h with owners and exceptions. Header-only; C++17.
//
//   kvarn::Library library("qwen.kvlib");
//   kvarn::Request request("attend");
//   request.format("kvarn_k4v2_g128").headDim(128).ratio(4).features("causal");
//   kvarn::Kernel attend = library.select(request);
//   kvarn::Tensor q(data, kvarn::F16, {tokens, heads, 128});
//   attend.launch({{"q", q}, {"scale", 0.088}, ...});
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_HPP
#define KVARN_HPP

#include "kvarn.h"

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvarn {

/// A call that failed; what() is kvarn_last_error().
class Error : public std::runtime_error {
public:
  explicit Error(kvarn_status status)
      : std::runtime_error(kvarn_last_error()), code(status) {}
  kvarn_status status() const { return code; }

private:
  kvarn_status code;
};

inline void check(kvarn_status status) {
  if (status != KVARN_STATUS_OK)
    throw Error(status);
}

/// A struct of kvarn.h with its size set and all else 0.
template <typename Struct> Struct make() {
  Struct result = {};
  result.struct_size = sizeof(Struct);
  return result;
}

inline constexpr kvarn_dtype F16 = {KVARN_CODE_FLOAT, 16, 1};
inline constexpr kvarn_dtype BF16 = {KVARN_CODE_BFLOAT, 16, 1};
inline constexpr kvarn_dtype F32 = {KVARN_CODE_FLOAT, 32, 1};
inline constexpr kvarn_dtype I8 = {KVARN_CODE_INT, 8, 1};
inline constexpr kvarn_dtype I32 = {KVARN_CODE_INT, 32, 1};
inline constexpr kvarn_dtype I64 = {KVARN_CODE_INT, 64, 1};

/// A view of the caller's memory. Without strides: row-major, contiguous.
class Tensor {
public:
  Tensor(const void *data, kvarn_dtype dtype, std::vector<int64_t> shape,
         std::vector<int64_t> strides = {},
         kvarn_device device = {KVARN_DEVICE_CPU, 0})
      : extents(std::move(shape)), steps(std::move(strides)), view() {
    view.data = const_cast<void *>(data);
    view.device = device;
    view.dtype = dtype;
    view.ndim = static_cast<int32_t>(extents.size());
    point();
  }
  Tensor(const Tensor &other)
      : extents(other.extents), steps(other.steps), view(other.view) {
    point();
  }
  Tensor(Tensor &&other) noexcept
      : extents(std::move(other.extents)), steps(std::move(other.steps)),
        view(other.view) {
    point();
  }
  Tensor &operator=(Tensor other) noexcept {
    extents = std::move(other.extents);
    steps = std::move(other.steps);
    view = other.view;
    point();
    return *this;
  }

  /// Valid as long as this object.
  const kvarn_tensor *get() const { return &view; }
  operator const kvarn_tensor *() const { return get(); }

private:
  void point() {
    view.shape = extents.data();
    view.strides = steps.empty() ? nullptr : steps.data();
  }

  std::vector<int64_t> extents, steps;
  kvarn_tensor view; // points into the vectors of this very object
};

/// An argument of Kernel::launch. Tensors and names must outlive the call.
struct Argument : kvarn_argument {
  Argument(const char *name, const kvarn_tensor *tensor) : kvarn_argument() {
    this->name = name;
    kind = KVARN_ARGUMENT_TENSOR;
    value.tensor = tensor;
  }
  Argument(const char *name, const Tensor &tensor)
      : Argument(name, tensor.get()) {}
  template <typename Number,
            typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
  Argument(const char *name, Number number) : kvarn_argument() {
    this->name = name;
    if constexpr (std::is_integral_v<Number>) {
      kind = KVARN_ARGUMENT_INTEGER;
      value.integer = static_cast<int64_t>(number);
    } else {
      kind = KVARN_ARGUMENT_REAL;
      value.real = static_cast<double>(number);
    }
  }
};

/// kvarn_request, owning its strings.
class Request {
public:
  explicit Request(std::string kernel) : name(std::move(kernel)) {}

  Request &format(std::string text) { return set(formatName, text); }
  Request &layout(std::string text) { return set(layoutName, text); }
  Request &dtype(std::string text) { return set(dtypeName, text); }
  Request &features(std::string text) { return set(featureList, text); }
  Request &options(std::string text) { return set(optionList, text); }
  Request &target(std::string text) { return set(targetName, text); }
  Request &headDim(int64_t value) { return set(request.head_dim, value); }
  Request &ratio(int64_t value) { return set(request.ratio, value); }
  Request &queryRows(int64_t value) { return set(request.query_rows, value); }
  Request &maxBatch(int64_t value) { return set(request.max_batch, value); }
  Request &maxQueryTokens(int64_t value) {
    return set(request.max_query_tokens, value);
  }
  Request &context(int64_t value) { return set(request.context, value); }
  Request &kvHeads(int64_t value) { return set(request.kv_heads, value); }

  /// Valid as long as this object is not changed.
  kvarn_request get() const {
    auto text = [](const std::string &s) {
      return s.empty() ? nullptr : s.c_str();
    };
    kvarn_request result = request;
    result.kernel = text(name);
    result.format = text(formatName);
    result.layout = text(layoutName);
    result.dtype = text(dtypeName);
    result.features = text(featureList);
    result.options = text(optionList);
    result.target = text(targetName);
    return result;
  }

private:
  template <typename Value> Request &set(Value &member, Value value) {
    member = std::move(value);
    return *this;
  }

  kvarn_request request = make<kvarn_request>();
  std::string name, formatName, layoutName, dtypeName, featureList, optionList,
      targetName;
};

/// A loaded kernel; keeps open what it came from.
class Kernel {
public:
  kvarn_variant_info variant() const {
    auto info = make<kvarn_variant_info>();
    check(kvarn_kernel_variant(kernel, &info));
    return info;
  }
  kvarn_parameter_info parameter(size_t index) const {
    auto info = make<kvarn_parameter_info>();
    check(kvarn_kernel_parameter(kernel, index, &info));
    return info;
  }

  void launch(const std::vector<Argument> &arguments,
              const kvarn_launch_options *options = nullptr) const {
    check(kvarn_launch(kernel, arguments.data(), arguments.size(), options));
  }
  size_t workspaceBytes(const std::vector<Argument> &arguments) const {
    size_t bytes = 0;
    check(kvarn_workspace_bytes(kernel, arguments.data(), arguments.size(),
                                &bytes));
    return bytes;
  }

  void attend(const kvarn_attend_args &args,
              const kvarn_launch_options *options = nullptr) const {
    check(kvarn_attend(kernel, &args, options));
  }
  size_t workspaceBytes(const kvarn_attend_args &args) const {
    size_t bytes = 0;
    check(kvarn_attend_workspace_bytes(kernel, &args, &bytes));
    return bytes;
  }
  void append(const kvarn_append_args &args,
              const kvarn_launch_options *options = nullptr) const {
    check(kvarn_append(kernel, &args, options));
  }
  size_t workspaceBytes(const kvarn_append_args &args) const {
    size_t bytes = 0;
    check(kvarn_append_workspace_bytes(kernel, &args, &bytes));
    return bytes;
  }
  void flush(const kvarn_flush_args &args,
             const kvarn_launch_options *options = nullptr) const {
    check(kvarn_flush(kernel, &args, options));
  }
  size_t workspaceBytes(const kvarn_flush_args &args) const {
    size_t bytes = 0;
    check(kvarn_flush_workspace_bytes(kernel, &args, &bytes));
    return bytes;
  }
  void pack(const kvarn_pack_args &args,
            const kvarn_launch_options *options = nullptr) const {
    check(kvarn_pack(kernel, &args, options));
  }
  size_t workspaceBytes(const kvarn_pack_args &args) const {
    size_t bytes = 0;
    check(kvarn_pack_workspace_bytes(kernel, &args, &bytes));
    return bytes;
  }
  void unflush(const kvarn_unflush_args &args,
               const kvarn_launch_options *options = nullptr) const {
    check(kvarn_unflush(kernel, &args, options));
  }
  size_t workspaceBytes(const kvarn_unflush_args &args) const {
    size_t bytes = 0;
    check(kvarn_unflush_workspace_bytes(kernel, &args, &bytes));
    return bytes;
  }
  void materialize(const kvarn_materialize_args &args,
                   const kvarn_launch_options *options = nullptr) const {
    check(kvarn_materialize(kernel, &args, options));
  }
  size_t workspaceBytes(const kvarn_materialize_args &args) const {
    size_t bytes = 0;
    check(kvarn_materialize_workspace_bytes(kernel, &args, &bytes));
    return bytes;
  }

  void relayout(const kvarn_relayout_args &args,
                const kvarn_launch_options *options = nullptr) const {
    check(kvarn_relayout(kernel, &args, options));
  }
  size_t workspaceBytes(const kvarn_relayout_args &args) const {
    size_t bytes = 0;
    check(kvarn_relayout_workspace_bytes(kernel, &args, &bytes));
    return bytes;
  }

  const kvarn_kernel *get() const { return kernel; }

private:
  friend class Library;
  friend class Jit;
  Kernel(std::shared_ptr<const void> owner, const kvarn_kernel *kernel)
      : owner(std::move(owner)), kernel(kernel) {}

  // Argument must be exactly a kvarn_argument: arrays of it are passed to C.
  static_assert(sizeof(Argument) == sizeof(kvarn_argument));

  std::shared_ptr<const void> owner;
  const kvarn_kernel *kernel;
};

class Library {
public:
  explicit Library(const std::string &path) {
    kvarn_library *opened = nullptr;
    check(kvarn_library_open(path.c_str(), &opened));
    library.reset(opened, kvarn_library_close);
  }

  std::string compiler() const { return kvarn_library_compiler(get()); }
  size_t variantCount() const { return kvarn_library_variant_count(get()); }
  kvarn_variant_info variant(size_t index) const {
    auto info = make<kvarn_variant_info>();
    check(kvarn_library_variant(get(), index, &info));
    return info;
  }

  Kernel select(const Request &request) const {
    kvarn_request c = request.get();
    kvarn_kernel *kernel = nullptr;
    check(kvarn_select(get(), &c, &kernel));
    return Kernel(library, kernel);
  }
  Kernel select(const std::string &id) const {
    kvarn_kernel *kernel = nullptr;
    check(kvarn_select_id(get(), id.c_str(), &kernel));
    return Kernel(library, kernel);
  }
  std::string explain(const Request &request) const {
    kvarn_request c = request.get();
    char *text = nullptr;
    check(kvarn_library_explain(get(), &c, &text));
    std::unique_ptr<char, void (*)(char *)> owner(text, kvarn_string_free);
    return text;
  }

  kvarn_library *get() const { return library.get(); }

private:
  std::shared_ptr<kvarn_library> library;
};

/// Kernels on demand, see kvarn.h.
class Jit {
public:
  /// `options.libraries` is replaced by `libraries`, which are kept open.
  explicit Jit(const std::vector<Library> &libraries = {},
               kvarn_jit_options options = make<kvarn_jit_options>()) {
    std::vector<kvarn_library *> handles;
    for (const Library &library : libraries)
      handles.push_back(library.get());
    options.libraries = handles.data();
    options.library_count = handles.size();
    kvarn_jit *created = nullptr;
    check(kvarn_jit_create(&options, &created));
    jit.reset(created, [libraries](kvarn_jit *jit) { kvarn_jit_destroy(jit); });
  }

  Kernel get(const Request &request) const {
    kvarn_request c = request.get();
    kvarn_kernel *kernel = nullptr;
    check(kvarn_jit_get(get(), &c, &kernel));
    return Kernel(jit, kernel);
  }
  std::string command(const Request &request) const {
    kvarn_request c = request.get();
    char *text = nullptr;
    check(kvarn_jit_command(get(), &c, &text));
    std::unique_ptr<char, void (*)(char *)> owner(text, kvarn_string_free);
    return text;
  }
  kvarn_jit_stats stats() const {
    auto result = make<kvarn_jit_stats>();
    check(kvarn_jit_get_stats(get(), &result));
    return result;
  }

  kvarn_jit *get() const { return jit.get(); }

private:
  std::shared_ptr<kvarn_jit> jit;
};

/// The page manager; see kvarn.h for the rules.
class Pages {
public:
  explicit Pages(const kvarn_pages_options &options) {
    kvarn_pages *created = nullptr;
    check(kvarn_pages_create(&options, &created));
    pages.reset(created);
  }

  int32_t begin() {
    int32_t request = -1;
    check(kvarn_pages_begin(get(), &request));
    return request;
  }
  /// The new request, and how many tokens it shares.
  std::pair<int32_t, int64_t> fork(int32_t parent, int64_t tokens) {
    std::pair<int32_t, int64_t> result;
    check(
        kvarn_pages_fork(get(), parent, tokens, &result.first, &result.second));
    return result;
  }
  void end(int32_t request) { check(kvarn_pages_end(get(), request)); }

  /// The slot mapping of the new tokens.
  std::vector<int64_t> append(int32_t request, int64_t tokens) {
    std::vector<int64_t> mapping(static_cast<size_t>(tokens > 0 ? tokens : 0));
    check(kvarn_pages_append(get(), request, tokens, mapping.data()));
    return mapping;
  }
  void commit(int32_t request, int64_t tokens) {
    check(kvarn_pages_commit(get(), request, tokens));
  }
  kvarn_pages_truncation truncate(int32_t request, int64_t length) {
    auto result = make<kvarn_pages_truncation>();
    check(kvarn_pages_truncate(get(), request, length, &result));
    return result;
  }

  /// Pairs (block, slot), flat.
  std::vector<int32_t> takeFlushes() {
    std::vector<int32_t> pairs(2 *
                               static_cast<size_t>(usage().pending_flushes));
    size_t count = 0;
    check(kvarn_pages_take_flushes(get(), pairs.data(), pairs.size() / 2,
                                   &count));
    pairs.resize(2 * count);
    return pairs;
  }
  void flushed() { check(kvarn_pages_flushed(get())); }

  kvarn_pages_tables tables() const {
    auto result = make<kvarn_pages_tables>();
    check(kvarn_pages_get_tables(get(), &result));
    return result;
  }
  kvarn_pages_request_info request(int32_t request) const {
    auto result = make<kvarn_pages_request_info>();
    check(kvarn_pages_request(get(), request, &result));
    return result;
  }
  kvarn_pages_usage usage() const {
    auto result = make<kvarn_pages_usage>();
    check(kvarn_pages_get_usage(get(), &result));
    return result;
  }

  kvarn_pages *get() const { return pages.get(); }

private:
  struct Destroy {
    void operator()(kvarn_pages *pages) const { kvarn_pages_destroy(pages); }
  };
  std::unique_ptr<kvarn_pages, Destroy> pages;
};

} // namespace kvarn

#endif // KVARN_HPP
