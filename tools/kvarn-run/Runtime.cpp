//===- Runtime.cpp - The runtime's C API with owners and exceptions -------===//

#include "tools/kvarn-run/Runtime.h"

#include "format/Manifest.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <filesystem>

namespace kvarn::run {

static ExitCode exitCode(kvarn_status status) {
  switch (status) {
  case KVARN_STATUS_UNSUPPORTED:
  case KVARN_STATUS_COMPILER:
    return kMissing;
  case KVARN_STATUS_INTERNAL:
    return kInternal;
  default: // out of memory too, as GpuMemory says: less may fit
    return kInput;
  }
}

RuntimeError::RuntimeError(kvarn_status status, const std::string &message)
    : Error(exitCode(status), message), status(status) {}

void check(kvarn_status status) {
  if (status != KVARN_STATUS_OK)
    throw RuntimeError(status, kvarn_last_error());
}

static const char *orNull(const std::string &text) {
  return text.empty() ? nullptr : text.c_str();
}

kvarn_request Request::raw() const {
  kvarn_request request = {};
  request.struct_size = sizeof request;
  request.kernel = kernel.c_str();
  request.format = orNull(format);
  request.layout = orNull(layout);
  request.head_dim = headDim;
  request.ratio = ratio;
  request.dtype = orNull(dtype);
  request.features = orNull(features);
  request.options = orNull(options);
  request.target = orNull(target);
  request.query_rows = queryRows;
  request.max_batch = maxBatch;
  request.max_query_tokens = maxQueryTokens;
  request.context = context;
  request.kv_heads = kvHeads;
  return request;
}

Kernel::Kernel(const kvarn_kernel *handle) : handle(handle) {
  variant.struct_size = sizeof variant;
  check(kvarn_kernel_variant(handle, &variant));
}

std::optional<std::string> Kernel::option(const std::string &name) const {
  for (const std::string &item : splitList(variant.options, ','))
    if (item.starts_with(name + "="))
      return item.substr(name.size() + 1);
  return std::nullopt;
}

bool Kernel::hasFeature(const std::string &name) const {
  std::vector<std::string> features = splitList(variant.features, ',');
  return std::find(features.begin(), features.end(), name) != features.end();
}

Library::Library(const std::string &path) : folder(path) {
  kvarn_library *opened = nullptr;
  check(kvarn_library_open(path.c_str(), &opened));
  handle.reset(opened);
  compilerVersion = kvarn_library_compiler(opened);
  list.resize(kvarn_library_variant_count(opened));
  for (size_t i = 0; i < list.size(); ++i) {
    list[i].struct_size = sizeof list[i];
    check(kvarn_library_variant(opened, i, &list[i]));
  }
}

bool Library::hasKernel(const std::string &name) const {
  return std::any_of(
      list.begin(), list.end(),
      [&](const kvarn_variant_info &info) { return name == info.kernel; });
}

bool isGpuKind(const std::string &binaryKind) {
  return binaryKind == "cubin" || binaryKind == "ptx";
}

bool Library::hasCpuKernel(const std::string &kernel) const {
  return std::any_of(
      list.begin(), list.end(), [&](const kvarn_variant_info &info) {
        return kernel == info.kernel && !isGpuKind(info.binary_kind);
      });
}

std::string Library::gpuTarget(const std::string &kernel) const {
  for (const kvarn_variant_info &info : list)
    if (kernel == info.kernel && isGpuKind(info.binary_kind))
      return info.target;
  return "";
}

std::vector<std::string> findLibraries(const std::string &path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(path, error) ||
      fs::exists(fs::path(path) / kManifestFileName, error))
    return {path};
  std::vector<std::string> found;
  for (const fs::directory_entry &entry : fs::directory_iterator(path, error))
    if (entry.path().extension() == ".kvlib")
      found.push_back(entry.path().string());
  if (error)
    throw Error(kInput, path + ": " + error.message());
  if (found.empty())
    return {path}; // the runtime says what is missing
  std::sort(found.begin(), found.end());
  return found;
}

Request Library::fit(Request request) const {
  bool format = false, layout = false, dtype = false, dim = false,
       ratio = false;
  for (const kvarn_variant_info &info : list) {
    if (request.kernel != info.kernel)
      continue;
    format |= *info.format != 0;
    layout |= *info.layout != 0;
    dtype |= *info.dtype != 0;
    dim |= info.head_dim != 0;
    ratio |= info.ratio != 0;
  }
  if (!hasKernel(request.kernel))
    return request; // the runtime says so best
  if (!format)
    request.format.clear();
  if (!layout)
    request.layout.clear();
  if (!dtype)
    request.dtype.clear();
  if (!dim)
    request.headDim = 0;
  if (!ratio)
    request.ratio = 0;
  return request;
}

Kernel Library::select(const Request &request) const {
  Request fitted = fit(request);
  kvarn_request raw = fitted.raw();
  kvarn_kernel *kernel = nullptr;
  check(kvarn_select(handle.get(), &raw, &kernel));
  return Kernel(kernel);
}

Kernel Library::selectId(const std::string &id) const {
  kvarn_kernel *kernel = nullptr;
  check(kvarn_select_id(handle.get(), id.c_str(), &kernel));
  return Kernel(kernel);
}

std::string Library::explain(const Request &request) const {
  Request fitted = fit(request);
  kvarn_request raw = fitted.raw();
  char *text = nullptr;
  check(kvarn_library_explain(handle.get(), &raw, &text));
  std::string copy = text;
  kvarn_string_free(text);
  if (!copy.ends_with("\n"))
    copy += '\n';
  return copy;
}

kvarn_launch_options launchOptions(int threads) {
  kvarn_launch_options options = {};
  options.struct_size = sizeof options;
  options.threads = threads;
  return options;
}

std::optional<Format> formatOf(const kvarn_variant_info &info) {
  std::optional<Format> format = parseFormatName(info.format);
  std::optional<Layout> layout = parseLayout(info.layout);
  if (!format || !layout)
    return std::nullopt;
  format->headDim = info.head_dim;
  format->layout = *layout;
  return format;
}

} // namespace kvarn::run
