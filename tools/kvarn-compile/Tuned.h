//===- Tuned.h - Schedules from a table -------------------------*- C++ -*-===//
//
// The table is that of autotune/measure/Tuned.h. Its headers are built with
// exceptions, code that uses LLVM is not: here they stay apart.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_TUNED_H
#define KVARN_TOOLS_KVARNCOMPILE_TUNED_H

#include "format/Manifest.h"

/// A schedule and what it was tuned for.
struct TunedVariant {
  std::string schedule;
  std::vector<kvarn::Hint> hints;
};

/// The schedules of one kernel.
struct TunedEntry {
  kvarn::VariantKey key;
  std::vector<TunedVariant> variants;
};

struct TunedTable {
  std::string chip;
  std::vector<TunedEntry> entries;

  /// The schedules for `key`, which need not say its target and rows, at tiles
  /// of `rows`; null if there are none.
  const TunedEntry *find(kvarn::VariantKey key, int64_t rows) const;
  /// "attend kvarn_k4v2_g128 ..., attend ...": all that it has.
  std::string describe() const;
};

/// The table in `path`, or nothing and an error that names it.
std::optional<TunedTable> openTuned(const std::string &path,
                                    std::string &error);

#endif // KVARN_TOOLS_KVARNCOMPILE_TUNED_H
