//===- Schedule.h - A schedule without the compiler -------------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_SCHEDULE_H
#define KVARN_AUTOTUNE_MEASURE_SCHEDULE_H

#include "autotune/measure/Task.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvarn::tune {

/// The fields of #kvarn.schedule (docs/dialect.md).
struct Schedule {
  int64_t rows = 1, tokens = 32, poolTokens = 32, warps = 1, splits = 0;
  bool async = false, subnormal = false, narrow = false, sharedQuery = false;
  int64_t registerRows = 1, registerColumns = 1;
  int64_t programs = 1; // of a multiprocessor, with splits = 0

  bool operator==(const Schedule &) const = default;
};

/// The schedule in the text of the attribute, or nothing.
std::optional<Schedule> parseSchedule(std::string_view text);

/// Whether `schedule` is none for `bucket` on `chip`, though it may be fast
/// there. With a fixed number of splits a program of a GPU takes as long as its
/// request is, and programs come in waves. What is measured are requests of one
/// length; in service lengths differ, and batches have sizes that were not
/// measured. The runtime thinks so too, see followsRequests().
bool needsEqualRequests(const VariantKey &key, std::string_view chip,
                        const Bucket &bucket, const Schedule &schedule);

/// For people: what tells it from others of its kind, "warps 4, splits 1, ...";
/// of kernels that write a cache or read it back "warps 4, rows 16, tokens 32".
std::string describe(const Schedule &schedule, std::string_view kernel);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_SCHEDULE_H
