//===- Task.h - What is tuned, and for what ---------------------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_TASK_H
#define KVARN_AUTOTUNE_MEASURE_TASK_H

#include "format/Manifest.h"

#include <nlohmann/json.hpp>

#include <string>

namespace kvarn::tune {

using nlohmann::json;

/// The shape that a time is for. Buckets are compared by their distance, see
/// Lookup.h.
struct Bucket {
  int64_t batch = 1;       // requests
  int64_t context = 1;     // tokens of each of them
  int64_t queryTokens = 1; // of each of them
  int64_t kvHeads = 1;     // any number with the same ratio is served

  bool operator==(const Bucket &) const = default;
  auto operator<=>(const Bucket &) const = default;
  /// "batch 4 context 8192, 8 KV heads"
  std::string describe() const;
};

/// What a variant that was tuned for a bucket says of itself.
Hint hintFor(const Bucket &bucket);

/// Where it was measured.
struct DeviceName {
  std::string name;       // "NVIDIA H200"; of a CPU its model
  int64_t processors = 0; // multiprocessors; of a CPU threads
  std::string driver;     // "" if it needs none

  bool operator==(const DeviceName &) const = default;
};

/// With the names of the manifest.
json toJson(const VariantKey &key);
json toJson(const Bucket &bucket);
json toJson(const DeviceName &device);
/// Throw InputError or nlohmann's exceptions.
VariantKey keyFromJson(const json &object);
Bucket bucketFromJson(const json &object);
DeviceName deviceFromJson(const json &object);

/// "attend kvarn_k4v2_g128 mma16816 f16 head_dim 128 ratio 8 rows 8 (causal)"
std::string describe(const VariantKey &key);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_TASK_H
