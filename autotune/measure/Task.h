//===- Task.h - What is tuned, and for what ---------------------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_TASK_H
#define KVARN_AUTOTUNE_MEASURE_TASK_H

#include "format/Manifest.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace kvarn::tune {

using nlohmann::json;

/// The shape that a time is for. Which members say something of a kernel is
/// told by kBucketMembers; the others are 0. Buckets are compared by their
/// distance, see Lookup.h.
struct Bucket {
  int64_t batch = 0;       // requests
  int64_t context = 0;     // tokens of each of them
  int64_t queryTokens = 0; // of each of them
  int64_t kvHeads = 1;     // any number with the same ratio is served
  int64_t pairs = 0;       // blocks that are flushed, packed, ...
  int64_t tokens = 0;      // that are appended

  bool operator==(const Bucket &) const = default;
  auto operator<=>(const Bucket &) const = default;
  /// "batch 4 context 8192, 8 KV heads", "pairs 256, 8 KV heads"
  std::string describe() const;
  /// What the programs of a kernel share: a request, a pair or a token of n
  /// heads is to them the same as n of one head.
  int64_t work() const { return (batch + pairs + tokens) * kvHeads; }
};

/// A member of a bucket: its name in JSON, in records as in files of shapes,
/// and the kernels that have it.
struct BucketMember {
  const char *name;
  int64_t Bucket::*value;
  std::string_view kernels;

  bool isOf(std::string_view kernel) const;
};
/// In the order in which people read them.
inline constexpr BucketMember kBucketMembers[] = {
    {"batch", &Bucket::batch, "attend materialize"},
    {"context", &Bucket::context, "attend materialize"},
    {"query_tokens", &Bucket::queryTokens, "attend"},
    {"pairs", &Bucket::pairs, "flush pack unflush relayout"},
    {"tokens", &Bucket::tokens, "append"},
    {"kv_heads", &Bucket::kvHeads,
     "attend materialize flush pack unflush relayout append"}};

/// Whether `kernel` can be tuned: it has buckets.
bool isTunable(std::string_view kernel);

/// Whether those who ask the runtime for `kernel` say for what shape, so that
/// a library may have several variants with hints. Of others it has the one
/// that does best over all shapes.
inline bool isChosenByHints(const VariantKey &key) {
  return key.kernel == "attend";
}

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
json toJson(const Hint &hint); // as in a manifest
/// Throw InputError or nlohmann's exceptions.
VariantKey keyFromJson(const json &object);
/// Of the kernel of this name.
Bucket bucketFromJson(const json &object, const std::string &kernel);
DeviceName deviceFromJson(const json &object);
Hint hintFromJson(const json &object);

/// "attend kvarn_k4v2_g128 mma16816 f16 head_dim 128 ratio 8 rows 8 (causal)"
std::string describe(const VariantKey &key);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_TASK_H
