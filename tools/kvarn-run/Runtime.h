//===- Runtime.h - The runtime's C API with owners and exceptions ---------===//

#ifndef KVARN_TOOLS_RUN_RUNTIME_H
#define KVARN_TOOLS_RUN_RUNTIME_H

#include "format/Format.h"
#include "runtime/kvarn.h"
#include "tools/kvarn-run/Error.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvarn::run {

/// A call of the runtime failed.
class RuntimeError : public Error {
public:
  RuntimeError(kvarn_status status, const std::string &message);

  kvarn_status status;
};

/// Throws RuntimeError with the runtime's message, unless all is well.
void check(kvarn_status status);

/// kvarn_request with memory of its own. Empty and 0 stand for anything.
struct Request {
  std::string kernel, format, layout, dtype, features, options, target;
  int64_t headDim = 0, ratio = 0, queryRows = 0;
  int64_t maxBatch = 0, maxQueryTokens = 0, context = 0, kvHeads = 0;

  /// Points into this request.
  kvarn_request raw() const;
};

/// A loaded variant.
class Kernel {
public:
  Kernel() = default;
  explicit Kernel(const kvarn_kernel *handle);

  const kvarn_kernel *get() const { return handle; }
  explicit operator bool() const { return handle; }
  const kvarn_variant_info &info() const { return variant; }
  /// The first digits of the binary's sha256.
  std::string hash() const { return std::string(variant.binary_sha256, 12); }
  /// The value of one of its options, if it has that.
  std::optional<std::string> option(const std::string &name) const;
  bool hasFeature(const std::string &name) const;

private:
  const kvarn_kernel *handle = nullptr;
  kvarn_variant_info variant = {};
};

class Library {
public:
  /// Throws Error.
  explicit Library(const std::string &path);

  const std::string &path() const { return folder; }
  const std::string &compiler() const { return compilerVersion; }
  const std::vector<kvarn_variant_info> &variants() const { return list; }
  bool hasKernel(const std::string &name) const;
  /// Whether it has a variant of `kernel` for a CPU.
  bool hasCpuKernel(const std::string &kernel) const;
  /// The target of the variants of `kernel` for GPUs, "" if it has none.
  std::string gpuTarget(const std::string &kernel) const;

  /// The kernel for `request`. What no variant of that kernel has (append has
  /// no ratio, say) is not asked for. Throws Error.
  Kernel select(const Request &request) const;
  Kernel selectId(const std::string &id) const;
  std::string explain(const Request &request) const;

private:
  struct Close {
    void operator()(kvarn_library *library) const {
      kvarn_library_close(library);
    }
  };
  Request fit(Request request) const;

  std::string folder, compilerVersion;
  std::unique_ptr<kvarn_library, Close> handle;
  std::vector<kvarn_variant_info> list;
};

/// "cubin" and "ptx".
bool isGpuKind(const std::string &binaryKind);

/// The libraries that `path` names: itself or, if it is a folder without a
/// manifest, the folders NAME.kvlib in it. Throws Error.
std::vector<std::string> findLibraries(const std::string &path);

/// Launch options with this number of threads, 0 = all.
kvarn_launch_options launchOptions(int threads);

/// What the key of a variant says about the record, if it has a format.
std::optional<Format> formatOf(const kvarn_variant_info &info);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_RUNTIME_H
