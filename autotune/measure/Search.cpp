//===- Search.cpp - Successive halving ------------------------------------===//

#include "autotune/measure/Search.h"

#include <algorithm>
#include <random>
#include <tuple>

namespace kvarn::tune {

double Entry::median(size_t launches) const {
  Record record;
  record.seconds = seconds;
  record.seconds.resize(std::min(launches, seconds.size()));
  return record.median();
}

/// How many of `count` go on from one rung to the next.
static size_t survivors(size_t count, const SearchOptions &options) {
  auto keep = static_cast<size_t>(options.keep);
  return std::min(count, std::max((count + keep - 1) / keep,
                                  static_cast<size_t>(options.least)));
}

int64_t countMeasurements(size_t entries, const SearchOptions &options) {
  int64_t total = 0;
  for (size_t rung = 0; rung < options.rungs.size(); ++rung) {
    total += static_cast<int64_t>(entries);
    entries = survivors(entries, options);
  }
  return total;
}

/// The numbers of all entries: the default first, then by what the model says.
static std::vector<size_t> firstOrder(const std::vector<Entry> &entries) {
  std::vector<size_t> order;
  for (size_t i = 0; i < entries.size(); ++i)
    order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(!entries[a].isDefault, entries[a].predicted, a) <
           std::tuple(!entries[b].isDefault, entries[b].predicted, b);
  });
  return order;
}

/// The best of `order` after a rung, and the default wherever it stands. Times
/// that are known from later rungs change nothing: a search that is taken up
/// goes the same way.
static void keepBest(std::vector<size_t> &order,
                     const std::vector<Entry> &entries,
                     const SearchOptions &options, int64_t launches) {
  size_t count = survivors(order.size(), options);
  auto first = static_cast<size_t>(launches);
  std::erase_if(order, [&](size_t i) { return entries[i].ruledOut; });
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(entries[a].median(first), a) <
           std::pair(entries[b].median(first), b);
  });
  auto rest =
      order.begin() + static_cast<int64_t>(std::min(count, order.size()));
  auto kept = std::find_if(rest, order.end(),
                           [&](size_t i) { return entries[i].isDefault; });
  if (kept != order.end() && rest != order.begin())
    *(rest - 1) = *kept;
  order.erase(rest, order.end());
}

bool search(std::vector<Entry> &entries, const SearchOptions &options,
            const SearchCalls &calls) {
  std::mt19937_64 random(options.seed);
  std::vector<size_t> order = firstOrder(entries);
  std::erase_if(order, [&](size_t i) { return entries[i].ruledOut; });
  for (size_t rung = 0; rung < options.rungs.size(); ++rung) {
    if (rung > 0) {
      keepBest(order, entries, options, options.rungs[rung - 1]);
      // What the machine does meanwhile must not always hit the same.
      std::shuffle(order.begin(), order.end(), random);
    }
    for (size_t i : order) {
      Entry &entry = entries[i];
      int64_t missing =
          options.rungs[rung] - static_cast<int64_t>(entry.seconds.size());
      Outcome outcome;
      if (missing > 0) {
        if (calls.stop())
          return false;
        outcome = calls.measure(entry, missing);
        entry.ruledOut = outcome.status != Status::Ok;
        entry.seconds.insert(entry.seconds.end(), outcome.seconds.begin(),
                             outcome.seconds.end());
      }
      calls.done(entry, outcome);
    }
  }
  return true;
}

const Entry *bestOf(const std::vector<Entry> &entries) {
  size_t most = 0;
  for (const Entry &entry : entries)
    if (!entry.ruledOut)
      most = std::max(most, entry.seconds.size());
  const Entry *best = nullptr;
  for (const Entry &entry : entries)
    if (most > 0 && !entry.ruledOut && isSameRung(entry.seconds.size(), most) &&
        (!best || entry.median() < best->median()))
      best = &entry;
  return best;
}

} // namespace kvarn::tune
