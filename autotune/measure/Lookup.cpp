//===- Lookup.cpp - The best schedule that is known -----------------------===//

#include "autotune/measure/Lookup.h"

#include "autotune/measure/Schedule.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace kvarn::tune {

Failures::Failures(const std::vector<Record> &records) {
  // Files may be merged in any order. Of one second the order of the file.
  std::vector<std::pair<std::string, const Record *>> order;
  for (const Record &record : records)
    order.emplace_back(record.date, &record);
  std::sort(order.begin(), order.end());
  // No bucket: failed before all of them.
  std::map<std::tuple<std::string, std::string, std::string>,
           std::vector<std::optional<Bucket>>>
      open;
  for (auto &[date, record] : order) {
    auto &buckets =
        open[{record->binary, record->schedule, record->device.name}];
    if (record->status != Status::Ok)
      buckets.push_back(record->bucket);
    else
      std::erase_if(buckets, [&](const std::optional<Bucket> &bucket) {
        return !bucket || distance(*bucket, *record->bucket) == 0;
      });
  }
  for (auto &[kernel, buckets] : open)
    if (!buckets.empty())
      failed.insert(kernel);
}

namespace {

/// What a bucket is to a kernel: heads and requests are the same to it.
using Work = std::tuple<int64_t, int64_t, int64_t>;

/// Times of kernels by their work, in whatever bucket they were measured.
class WorkTimes {
public:
  void add(const Record &record) {
    Place at = place(record);
    std::vector<double> &seconds =
        bySchedule[{at, record.binary, record.schedule}];
    seconds.insert(seconds.end(), record.seconds.begin(), record.seconds.end());
    size_t &launches = most[at];
    launches = std::max(launches, seconds.size());
  }
  const std::vector<double> &of(const Record &record) const {
    return bySchedule.at({place(record), record.binary, record.schedule});
  }
  /// The launches of the schedule that came farthest.
  size_t mostBeside(const Record &record) const {
    return most.at(place(record));
  }

private:
  using Place = std::tuple<std::string, Work, std::string>;
  static Place place(const Record &record) {
    const Bucket &bucket = *record.bucket;
    return {toJson(record.key).dump(),
            {bucket.work(), bucket.context, bucket.queryTokens},
            toJson(record.device).dump()};
  }

  std::map<std::tuple<Place, std::string, std::string>, std::vector<double>>
      bySchedule;
  std::map<Place, size_t> most;
};

} // namespace

std::vector<Measured> collect(const std::vector<Record> &records,
                              const std::string &compiler) {
  Failures failures(records);
  WorkTimes times;
  std::map<std::tuple<std::string, std::string, Bucket, std::string>, Measured>
      all;
  for (const Record &record : records) {
    if (record.status != Status::Ok || record.compiler != compiler ||
        failures.has(record))
      continue;
    times.add(record);
    Measured &each =
        all[{toJson(record.key).dump() + record.binary, record.schedule,
             *record.bucket, toJson(record.device).dump()}];
    each.schedule = record.schedule;
    each.binary = record.binary;
    each.bucket = *record.bucket;
    each.device = record.device;
    each.last = record;
  }
  std::vector<Measured> result;
  for (auto &[name, each] : all) {
    each.seconds = times.of(each.last);
    each.comparable =
        isSameRung(each.seconds.size(), times.mostBeside(each.last));
    Record together = each.last;
    together.seconds = each.seconds;
    each.median = together.median();
    result.push_back(std::move(each));
  }
  return result;
}

double distance(const Bucket &a, const Bucket &b) {
  auto factor = [](int64_t x, int64_t y) {
    // What the kernel does not have is 0 in both.
    return x == y ? 0 : std::abs(std::log2(double(x)) - std::log2(double(y)));
  };
  return factor(a.work(), b.work()) + factor(a.context, b.context) +
         factor(a.queryTokens, b.queryTokens);
}

/// Heads and requests are the same to a kernel.
static bool isSame(const Bucket &a, const Bucket &b) {
  return distance(a, b) == 0;
}

Answer lookUp(const std::vector<Record> &records, const Question &question) {
  Answer answer;
  std::vector<Record> own;
  for (const Record &record : records) {
    if (record.key != question.key || record.chip != question.chip)
      continue;
    bool trusted = record.compiler == question.compiler;
    ++(trusted ? answer.records : answer.untrusted);
    own.push_back(record);
  }
  Failures failures(own);
  std::erase_if(own, [&](const Record &record) {
    std::optional<Schedule> schedule = parseSchedule(record.schedule);
    auto isNone = [&](const Bucket &bucket) {
      return needsEqualRequests(question.key, question.chip, bucket, *schedule);
    };
    return schedule && (isNone(question.bucket) ||
                        (record.bucket && isNone(*record.bucket)));
  });
  const Measured *best = nullptr;
  std::tuple<int, double, double> rank;
  std::vector<Measured> measured = collect(own, question.compiler);
  for (const Measured &each : measured) {
    // Measured elsewhere, it may have failed here.
    if (!each.comparable ||
        failures.has(each.binary, each.schedule, question.device.name))
      continue;
    bool here = each.device.name == question.device.name &&
                (question.device.processors == 0 ||
                 each.device.processors == question.device.processors);
    bool same = isSame(each.bucket, question.bucket);
    Source source =
        same ? (here ? Source::Exact : Source::SameChip) : Source::Nearest;
    // Of buckets at the same distance, one measured here counts more.
    std::tuple<int, double, double> other = {
        static_cast<int>(source),
        distance(each.bucket, question.bucket) + (here ? 0 : 1e-3),
        each.median};
    if (best && rank <= other)
      continue;
    best = &each;
    rank = other;
    answer.source = source;
  }
  if (best) {
    answer.schedule = best->schedule;
    answer.bucket = best->bucket;
    answer.device = best->device;
    answer.seconds = best->median;
  }
  return answer;
}

} // namespace kvarn::tune
