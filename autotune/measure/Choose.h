//===- Choose.h - From times to a library -----------------------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_CHOOSE_H
#define KVARN_AUTOTUNE_MEASURE_CHOOSE_H

#include "autotune/measure/Lookup.h"
#include "autotune/measure/Pack.h"

#include <optional>
#include <set>

namespace kvarn::tune {

/// What was chosen for a bucket.
struct Choice {
  Bucket bucket;
  size_t candidate = 0;                // of the task
  double seconds = 0;                  // median; 0 = not to be compared
  double best = 0, defaultSeconds = 0; // 0 = not measured
};

struct TaskChoice {
  std::vector<Choice> choices; // of buckets that were measured
  /// Candidates in the order of the library: the one that does best over all
  /// buckets comes first, it is taken when nobody gives hints.
  std::vector<size_t> order;
  std::set<size_t> failed; // candidates
  /// Then there is nothing to fall back on without choices.
  bool defaultFailed() const { return failed.count(0); }
};

/// The devices on which `records` have measured candidates of `pack`.
std::vector<DeviceName> measuredDevices(const Pack &pack,
                                        const std::vector<Record> &records);

/// Chooses as few candidates as are needed to stay within `1 + tolerance` of
/// the best time in each bucket, of those that never failed on the device. Of a
/// kernel that is not chosen by hints one: that with the least geometric mean
/// of its times relative to the best ones, of those that are nowhere slower
/// than the default schedule.
TaskChoice choose(const Pack &pack, const Task &task,
                  const std::vector<Record> &records, const DeviceName &device,
                  double tolerance);

/// The variants of a task for a library: a chosen candidate comes once for each
/// bucket that it was chosen for, with a hint, except where its neighbours lead
/// there anyhow. Without choices it is the default schedules, or nothing if the
/// first failed. The second is the stem of the binary's file.
std::vector<std::pair<Variant, std::string>>
variantsOf(const Pack &pack, const Task &task, const TaskChoice &choice);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_CHOOSE_H
