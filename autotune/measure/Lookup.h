//===- Lookup.h - The best schedule that is known ---------------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_LOOKUP_H
#define KVARN_AUTOTUNE_MEASURE_LOOKUP_H

#include "autotune/measure/Records.h"

#include <map>
#include <set>
#include <tuple>

namespace kvarn::tune {

/// What a schedule is wanted for.
struct Question {
  VariantKey key;
  Bucket bucket;
  DeviceName device;    // 0 processors = any; the driver does not matter
  std::string chip;     // sm_90a
  std::string compiler; // records of others are not trusted
};

/// Where an answer comes from, best first.
enum class Source {
  Exact,     // this bucket on this GPU
  SameChip,  // this bucket on another GPU with the same chip
  Nearest,   // the nearest bucket that was measured, on this GPU or chip
  Heuristic, // nothing: the default schedule of the compiler
};
inline constexpr std::array<std::string_view, 4> kSourceNames = {
    "exact", "same chip", "nearest bucket", "heuristic"};

struct Answer {
  Source source = Source::Heuristic;
  std::string schedule; // "" for Heuristic
  Bucket bucket;        // that was measured
  DeviceName device;
  double seconds = 0;   // median
  size_t records = 0;   // trusted, for this key
  size_t untrusted = 0; // for this key, of other compilers
};

/// Times of one kernel for one bucket on one device, all records together.
struct Measured {
  std::string schedule, binary;
  Bucket bucket;
  DeviceName device;
  /// Also of other buckets at no distance from this one, which are the same to
  /// the kernel.
  std::vector<double> seconds;
  double median = 0;
  Record last;
  /// Whether it was timed as often as others for the same work and device, so
  /// that they can be compared.
  bool comparable = false;
};

/// Whether a candidate came as far in a search as the one with the most
/// launches; a rung has three times those of the one before.
inline bool isSameRung(size_t launches, size_t most) {
  return 3 * launches > most;
}

/// The kernels that failed on a GPU. Any variant must be right for any length,
/// so one failure in whatever bucket rules a kernel out there, until the same
/// was tried again with success: for a failure in a bucket in that bucket, for
/// one in the check before all of them in any.
class Failures {
public:
  explicit Failures(const std::vector<Record> &records);

  bool has(const std::string &binary, const std::string &schedule,
           const std::string &gpu) const {
    return failed.contains({binary, schedule, gpu});
  }
  bool has(const Record &record) const {
    return has(record.binary, record.schedule, record.device.name);
  }

private:
  std::set<std::tuple<std::string, std::string, std::string>> failed;
};

/// Records that are ok and of `compiler`, by kernel, schedule, bucket and
/// device; without kernels that failed there.
std::vector<Measured> collect(const std::vector<Record> &records,
                              const std::string &compiler);

/// How far two buckets of a kernel are from each other, in factors of two:
/// requests (or pairs, or tokens) times KV heads, context, query tokens.
double distance(const Bucket &a, const Bucket &b);

Answer lookUp(const std::vector<Record> &records, const Question &question);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_LOOKUP_H
