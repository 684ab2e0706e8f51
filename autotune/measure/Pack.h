//===- Pack.h - Candidates on their way to a GPU ----------------*- C++ -*-===//
//
// A pack is a kernel library whose variants are candidates, and a file
// pack.json that says what is tuned. It is all that measuring needs.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_AUTOTUNE_MEASURE_PACK_H
#define KVARN_AUTOTUNE_MEASURE_PACK_H

#include "autotune/measure/CostModel.h"

#include <map>
#include <string>
#include <vector>

namespace kvarn::tune {

inline constexpr const char *kPackFileName = "pack.json";

/// A schedule that was compiled, as a variant of the pack.
struct Candidate {
  std::string id, schedule;
  /// Of a default schedule for special work: what for.
  std::vector<Hint> defaultFor = {};
};

/// One that was left out after a try.
struct Dropped {
  std::string schedule;
  std::string cause; // "spills", "same code", "compiler"
  std::string message;
};

/// A kernel that is tuned.
struct Task {
  VariantKey key;
  std::vector<Bucket> buckets;
  /// The default schedule first, then those for special work.
  std::vector<Candidate> candidates;
  std::vector<Dropped> dropped;
  /// Schedules that were never compiled, by cause: "chip", "requests" (they are
  /// for one request, and all buckets have several), "cost model".
  std::map<std::string, int64_t> pruned;
};

struct Pack {
  std::string folder;
  Manifest manifest;
  std::string chip; // the target, sm_90a
  std::string assembler;
  Chip facts;
  std::vector<Task> tasks;

  const std::string &compiler() const { return manifest.compiler; }
  /// The variant called `id`. Throws InputError.
  const Variant &variant(const std::string &id) const;
  /// The number of the candidate of `task` that is the default for `bucket`, as
  /// the runtime chooses among those of a library that nobody tuned.
  size_t defaultFor(const Task &task, const Bucket &bucket) const;
  /// Whether a candidate is none for `bucket`, see needsEqualRequests().
  bool isRuledOut(const Task &task, const Candidate &candidate,
                  const Bucket &bucket) const;
  /// Whether it is a candidate; the others are what else a library holds.
  bool isCandidate(const std::string &id) const;
};

/// The text of pack.json.
std::string writePack(const Pack &pack);
/// Throws InputError.
Pack readPack(const std::string &folder);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_PACK_H
