//===- Choose.cpp - From times to a library -------------------------------===//

#include "autotune/measure/Choose.h"

#include "autotune/measure/Search.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace kvarn::tune {

static bool belongsTo(const Pack &pack, const Record &record) {
  return record.status == Status::Ok && record.compiler == pack.compiler() &&
         record.assembler == pack.assembler && record.chip == pack.chip;
}

std::vector<DeviceName> measuredDevices(const Pack &pack,
                                        const std::vector<Record> &records) {
  std::vector<DeviceName> devices;
  for (const Record &record : records)
    if (belongsTo(pack, record) && std::find(devices.begin(), devices.end(),
                                             record.device) == devices.end())
      devices.push_back(record.device);
  return devices;
}

namespace {

/// Seconds by bucket and candidate; 0 = not measured, not often enough to be
/// compared, or with a schedule that needs equal requests.
using Times = std::vector<std::vector<double>>;

} // namespace

static Times timesOf(const Pack &pack, const Task &task,
                     const std::vector<Record> &records,
                     const DeviceName &device) {
  std::vector<Measured> all;
  for (Measured &each : collect(records, pack.compiler()))
    if (belongsTo(pack, each.last) && each.device == device &&
        each.last.key == task.key)
      all.push_back(std::move(each));
  Times times;
  for (const Bucket &bucket : task.buckets) {
    std::vector<std::vector<double>> seconds;
    size_t most = 0;
    for (const Candidate &candidate : task.candidates) {
      std::vector<double> &each = seconds.emplace_back();
      if (pack.isRuledOut(task, candidate, bucket))
        continue;
      // The first has the times of all buckets that are the same.
      auto found =
          std::find_if(all.begin(), all.end(), [&](const Measured &measured) {
            return measured.schedule == candidate.schedule &&
                   measured.binary ==
                       pack.variant(candidate.id).binary.sha256 &&
                   distance(measured.bucket, bucket) == 0;
          });
      if (found != all.end())
        each = found->seconds;
      most = std::max(most, each.size());
    }
    std::vector<double> &row = times.emplace_back();
    for (const std::vector<double> &each : seconds) {
      Record record;
      record.seconds = each;
      row.push_back(isSameRung(each.size(), most) ? record.median() : 0);
    }
  }
  return times;
}

/// The least time of a bucket; 0 if there is none.
static double bestOf(const std::vector<double> &row) {
  double best = 0;
  for (double time : row)
    if (time > 0 && (best == 0 || time < best))
      best = time;
  return best;
}

/// How many times the best time a candidate takes, over all buckets; one that
/// was not measured to the end counts as twice.
static double slowdown(const Times &times, size_t candidate) {
  double sum = 0;
  for (const std::vector<double> &row : times)
    if (double best = bestOf(row); best > 0)
      sum += std::log(row[candidate] > 0 ? row[candidate] / best : 2);
  return sum;
}

/// A small set of candidates that is good enough everywhere, the most general
/// one first.
static std::vector<size_t> coverBuckets(const Times &times, double tolerance) {
  std::vector<size_t> chosen;
  std::set<size_t> open;
  for (size_t b = 0; b < times.size(); ++b)
    if (bestOf(times[b]) > 0)
      open.insert(b);
  auto serves = [&](size_t candidate, size_t b) {
    double time = times[b][candidate];
    return time > 0 && time <= bestOf(times[b]) * (1 + tolerance);
  };
  while (!open.empty()) {
    size_t best = 0;
    std::pair<int64_t, double> rank = {0, 0};
    for (size_t c = 0; c < times[0].size(); ++c) {
      int64_t count = std::count_if(open.begin(), open.end(),
                                    [&](size_t b) { return serves(c, b); });
      std::pair<int64_t, double> other = {-count, slowdown(times, c)};
      if (other < rank) {
        rank = other;
        best = c;
      }
    }
    chosen.push_back(best);
    std::erase_if(open, [&](size_t b) { return serves(best, b); });
  }
  std::sort(chosen.begin(), chosen.end(), [&](size_t a, size_t b) {
    return std::pair(slowdown(times, a), a) < std::pair(slowdown(times, b), b);
  });
  return chosen;
}

/// Whether a candidate takes clearly longer than the default schedule, which is
/// the first one, in some bucket.
static bool isWorseThanDefault(const Times &times, size_t candidate) {
  constexpr double kNoise = 1.03;
  return std::any_of(times.begin(), times.end(), [&](const auto &row) {
    return row[0] > 0 && row[candidate] > row[0] * kNoise;
  });
}

/// The one candidate that does best over all buckets, but nowhere worse than
/// the default; none if there are no times. Of two, the one that was measured
/// to the end in more buckets.
static std::vector<size_t> bestOverall(const Times &times) {
  std::optional<size_t> best;
  std::pair<int64_t, double> rank = {0, 0};
  for (size_t c = 0; !times.empty() && c < times[0].size(); ++c) {
    if (isWorseThanDefault(times, c))
      continue;
    int64_t measured =
        std::count_if(times.begin(), times.end(),
                      [&](const auto &row) { return row[c] > 0; });
    std::pair<int64_t, double> other = {-measured, slowdown(times, c)};
    if (other < rank) {
      rank = other;
      best = c;
    }
  }
  return best ? std::vector{*best} : std::vector<size_t>();
}

TaskChoice choose(const Pack &pack, const Task &task,
                  const std::vector<Record> &records, const DeviceName &device,
                  double tolerance) {
  Times times = timesOf(pack, task, records, device);
  TaskChoice result;
  Failures failures(records);
  for (size_t c = 0; c < task.candidates.size(); ++c)
    if (const Candidate &each = task.candidates[c]; failures.has(
            pack.variant(each.id).binary.sha256, each.schedule, device.name))
      result.failed.insert(c);
  result.order = isChosenByHints(task.key) ? coverBuckets(times, tolerance)
                                           : bestOverall(times);
  for (size_t b = 0; b < times.size(); ++b) {
    const std::vector<double> &row = times[b];
    Choice choice = {task.buckets[b], 0, 0, bestOf(row),
                     row.empty() ? 0
                                 : row[pack.defaultFor(task, task.buckets[b])]};
    if (choice.best == 0)
      continue;
    choice.candidate = result.order.front();
    for (size_t c : result.order)
      if (row[c] > 0 && (choice.seconds == 0 || row[c] < choice.seconds)) {
        choice.candidate = c;
        choice.seconds = row[c];
      }
    result.choices.push_back(choice);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Hints
//===----------------------------------------------------------------------===//

/// The choice whose bucket the runtime finds nearest; the first of several.
/// `hints` are not none.
static const Choice &nearest(const Pack &pack, const Task &task,
                             const std::vector<const Choice *> &hints,
                             const Bucket &bucket) {
  auto rank = [&](const Choice *each) {
    return std::pair(
        pack.isRuledOut(task, task.candidates[each->candidate], bucket),
        distance(each->bucket, bucket));
  };
  auto isNearer = [&](const Choice *a, const Choice *b) {
    return rank(a) < rank(b);
  };
  return **std::min_element(hints.begin(), hints.end(), isNearer);
}

/// Choices whose hints are needed: without any other, its bucket still leads to
/// its candidate. In the order of the library.
static std::vector<const Choice *>
neededHints(const Pack &pack, const Task &task, const TaskChoice &choice) {
  std::vector<const Choice *> hints;
  for (size_t candidate : choice.order)
    for (const Choice &each : choice.choices)
      if (each.candidate == candidate)
        hints.push_back(&each);
  for (size_t i = hints.size(); i-- > 0;) {
    std::vector<const Choice *> fewer = hints;
    fewer.erase(fewer.begin() + static_cast<int64_t>(i));
    bool same = !fewer.empty();
    for (const Choice &each : choice.choices)
      same = same && nearest(pack, task, fewer, each.bucket).candidate ==
                         each.candidate;
    if (same)
      hints = std::move(fewer);
  }
  return hints;
}

std::vector<std::pair<Variant, std::string>>
variantsOf(const Pack &pack, const Task &task, const TaskChoice &choice) {
  std::vector<std::pair<Variant, std::string>> variants;
  auto add = [&](size_t candidate) -> Variant & {
    const std::string &id = task.candidates[candidate].id;
    return variants.emplace_back(pack.variant(id), id).first;
  };
  auto addFor = [&](size_t candidate, const Hint &hint) {
    Variant &variant = add(candidate);
    variant.hint = hint;
    variant.id += "." + shortName(hint);
  };
  if (isChosenByHints(task.key)) {
    for (const Choice *each : neededHints(pack, task, choice))
      addFor(each->candidate, hintFor(each->bucket));
  } else {
    for (size_t candidate : choice.order)
      add(candidate);
  }
  if (variants.empty() && !task.candidates.empty() && !choice.defaultFailed()) {
    add(0);
    for (size_t c = 1; c < task.candidates.size(); ++c)
      if (!choice.failed.count(c))
        for (const Hint &hint : task.candidates[c].defaultFor)
          addFor(c, hint);
  }
  return variants;
}

} // namespace kvarn::tune
