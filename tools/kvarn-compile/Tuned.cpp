//===- Tuned.cpp - Schedules from a table ---------------------------------===//

#include "tools/kvarn-compile/Tuned.h"

#include "autotune/measure/Error.h"
#include "autotune/measure/Tuned.h"

#include <ios>

using namespace kvarn;

const TunedEntry *TunedTable::find(VariantKey key, int64_t rows) const {
  key.queryRows = key.ratio ? rows : 0; // else there are no query heads
  for (const TunedEntry &entry : entries) {
    key.target = entry.key.target;
    if (entry.key == key)
      return &entry;
  }
  return nullptr;
}

std::string TunedTable::describe() const {
  std::string text;
  for (const TunedEntry &entry : entries)
    text += (text.empty() ? "" : ", ") + tune::describe(entry.key);
  return text.empty() ? "nothing" : text;
}

std::optional<TunedTable> openTuned(const std::string &path,
                                    std::string &error) {
  try {
    tune::Tuned tuned = tune::readTuned(path);
    TunedTable table = {tuned.chip, {}};
    for (const tune::TunedKernel &kernel : tuned.kernels) {
      TunedEntry &entry = table.entries.emplace_back();
      entry.key = kernel.key;
      for (const tune::TunedSchedule &each : kernel.schedules)
        entry.variants.push_back({each.schedule, each.hints});
    }
    return table;
  } catch (const tune::InputError &problem) {
    error = problem.what();
  } catch (const std::ios_base::failure &) {
    error = path + ": cannot read";
  }
  return std::nullopt;
}
