//===- Library.h - Open kernel libraries ------------------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_LIBRARY_H
#define KVARN_RUNTIME_LIBRARY_H

#include "format/Format.h"
#include "format/Manifest.h"
#include "runtime/Backend.h"

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace kvarn::runtime {

/// A variant and the strings that the C API hands out for it.
struct VariantEntry {
  explicit VariantEntry(const Variant &variant);
  VariantEntry(const VariantEntry &) = delete; // `info` points into it
  VariantEntry &operator=(const VariantEntry &) = delete;

  const Variant &variant;
  std::string features; // "causal,lse"
  std::string options;  // "iterations=8,range=mse"
  kvarn_variant_info info;
};

/// Logarithms of the hints of a variant or a request, or kNoHint.
inline constexpr double kNoHint = -1;
struct HintLogs {
  double batch, kvHeads, queryTokens, context;
};

/// What decides between variants that match and run.
struct Candidate {
  size_t index; // in the manifest
  std::array<int64_t, 2> preference;
  int64_t queryRows, ratio;
  HintLogs hints;
  bool followsRequests;
};

} // namespace kvarn::runtime

/// A loaded variant.
struct kvarn_kernel {
  const kvarn::runtime::VariantEntry &entry;
  const kvarn::runtime::Backend &backend;
  std::unique_ptr<kvarn::runtime::LoadedVariant> loaded;
  std::optional<kvarn::Format> format; // with head_dim and layout

  const kvarn::Variant &variant() const { return entry.variant; }
  bool hasFeature(std::string_view name) const;
};

struct kvarn_library {
  std::string folder; // absolute: a program may change its directory
  kvarn::Manifest manifest;
  std::deque<kvarn::runtime::VariantEntry> entries;   // as in the manifest
  std::mutex mutex;                                   // for `kernels`
  std::vector<std::unique_ptr<kvarn_kernel>> kernels; // same order, lazily

  // See selectKernel().
  std::shared_mutex selectionMutex;
  std::unordered_map<std::string, std::vector<kvarn::runtime::Candidate>>
      remembered;

  /// Checks and loads variant number `index`, once for each device that is
  /// current when it is asked for.
  kvarn_status load(size_t index, kvarn_kernel *&kernel);
};

namespace kvarn::runtime {

kvarn_status openLibrary(const char *path,
                         std::unique_ptr<kvarn_library> &library);

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_LIBRARY_H
