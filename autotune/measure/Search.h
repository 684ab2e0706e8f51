//===- Search.h - Successive halving ----------------------------*- C++ -*-===//
//
// All candidates are timed a few times, the better third of them more often,
// and so on. What is known already is not measured again.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_AUTOTUNE_MEASURE_SEARCH_H
#define KVARN_AUTOTUNE_MEASURE_SEARCH_H

#include "autotune/measure/Lookup.h"

#include <chrono>
#include <functional>

namespace kvarn::tune {

/// What a measurement came to.
struct Outcome {
  Status status = Status::Ok;
  std::string message;
  std::vector<double> seconds;
};

/// One candidate in one bucket.
struct Entry {
  size_t candidate = 0;        // a number for the caller
  double predicted = 0;        // seconds
  bool isDefault = false;      // measured first, and to the end
  bool ruledOut = false;       // never to be tried
  std::vector<double> seconds; // known before, then measured too

  /// Of all times, or of the first ones: what was known when a rung ended.
  double median() const { return median(seconds.size()); }
  double median(size_t launches) const;
};

struct SearchOptions {
  uint64_t seed = 1;
  /// Launches of each rung, ascending; the better `1 / keep` of one rung, but
  /// at least `least`, reach the next.
  std::vector<int64_t> rungs = {3, 9, 27};
  int64_t keep = 3, least = 3;
};

/// Measurements of a search in which nothing fails.
int64_t countMeasurements(size_t entries, const SearchOptions &options);

/// Where a search measures, and whom it tells.
struct SearchCalls {
  /// Times a candidate `launches` times more.
  std::function<Outcome(const Entry &entry, int64_t launches)> measure;
  /// Whether to stop now: the time is over, or somebody wants it.
  std::function<bool()> stop;
  /// After each step, also one that needed no measurement.
  std::function<void(const Entry &entry, const Outcome &outcome)> done;
};

/// Searches one bucket. Returns false if it was stopped. Afterwards `entries`
/// hold all times.
bool search(std::vector<Entry> &entries, const SearchOptions &options,
            const SearchCalls &calls);

/// The entry with the least median of those that came farthest; null if none
/// was measured.
const Entry *bestOf(const std::vector<Entry> &entries);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_SEARCH_H
