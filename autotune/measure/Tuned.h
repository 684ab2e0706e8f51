//===- Tuned.h - Tables of schedules that were found ------------*- C++ -*-===//
//
// What tuning on one GPU came to, small enough to be shipped as text: the
// schedules of each kernel with hints, and the times they were chosen by.
// kvarn-compile makes a library of it. docs/tuning.md has the members.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_AUTOTUNE_MEASURE_TUNED_H
#define KVARN_AUTOTUNE_MEASURE_TUNED_H

#include "autotune/measure/Choose.h"

namespace kvarn::tune {

inline constexpr int64_t kTunedSchema = 1;

/// A schedule, and a hint for each variant that is made with it; none = one
/// variant without a hint.
struct TunedSchedule {
  std::string schedule;
  std::vector<Hint> hints;
};

/// Why a schedule was chosen for a bucket. For people.
struct TunedTime {
  Bucket bucket;
  std::string schedule;
  double seconds = 0, defaultSeconds = 0; // medians; 0 = not measured
  double share = 0;                       // of the read bandwidth
};

struct TunedKernel {
  VariantKey key;
  std::vector<TunedSchedule> schedules; // in the order of a library
  std::vector<TunedTime> times;
};

struct Tuned {
  std::string chip; // the target, sm_90a
  DeviceName device;
  std::string compiler, assembler, date;
  double readBandwidth = 0;
  std::vector<TunedKernel> kernels;
};

/// The table of what was chosen for each task of `pack`.
Tuned makeTuned(const Pack &pack, const std::vector<TaskChoice> &choices,
                const std::vector<Record> &records, const DeviceName &device);

/// JSON, a line for each schedule and time.
std::string writeTuned(const Tuned &tuned);
/// The table in the file `path`, which may hold anything. Schedules have the
/// right form and rows, but only the compiler knows whether they are any.
/// Throws InputError.
Tuned readTuned(const std::string &path);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_TUNED_H
