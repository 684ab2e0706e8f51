//===- Commands.h - The subcommands of kvarn-tune ---------------*- C++ -*-===//

#ifndef KVARN_TOOLS_TUNE_COMMANDS_H
#define KVARN_TOOLS_TUNE_COMMANDS_H

#include "autotune/measure/Pack.h"
#include "autotune/measure/Search.h"
#include "tools/kvarn-bench/Shape.h"
#include "tools/kvarn-run/Running.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

namespace kvarn::tune {

/// What the chosen subcommand does, set while the arguments are parsed. Returns
/// an exit code or throws.
using Action = std::function<int()>;

/// What Ctrl-C ends with, as a shell expects it.
inline constexpr int kInterrupted = 130;

/// The steps of tuning, each with its options.
struct BuildStep {
  std::string input; // a format name, a library or ""
  bench::Shape shape;
  /// Of attend. None = not given: those that a library has, else causal.
  std::vector<std::string> features;
  std::string target, shapesFile;
  uint64_t seed = 1;
  int64_t candidates = 40, jobs = 0, timeout = 120;

  void addTo(CLI::App &app);
  /// Makes the pack.
  int run(const std::string &pack) const;
};

struct MeasureStep {
  std::string records = "kvarn-tune.jsonl";
  run::Running running;
  SearchOptions search;
  double timeBudget = 0, timeout = 20; // seconds
  int64_t memoryMiB = 16384;
  bool retryFailed = false;

  void addTo(CLI::App &app);
  int run(const std::string &pack) const;
};

struct SelectStep {
  double tolerance = 0.01;
  std::string device, schedules;

  void addTo(CLI::App &app);
  /// Writes the library `output`, a table of schedules, or both.
  int run(const std::vector<std::string> &packs, const std::string &records,
          const std::string &output) const;
};

/// Each adds subcommands to `app`; the chosen one sets `action`, which must
/// outlive the parsing.
void addTuneCommands(CLI::App &app, Action &action);
void addRecordCommands(CLI::App &app, Action &action);
void addExplainCommand(CLI::App &app, Action &action);
void addReportCommand(CLI::App &app, Action &action);

/// The device whose times in `records`, read from `file`, are for candidates of
/// `pack`: the only one, or the one called `wanted`. Throws run::Error and
/// InputError.
DeviceName findDevice(const Pack &pack, const std::vector<Record> &records,
                      const std::string &file, const std::string &wanted);

/// Prints a warning for each line of a file of records that is none.
void warnOfDamage(const std::vector<std::string> &damaged);

} // namespace kvarn::tune

#endif // KVARN_TOOLS_TUNE_COMMANDS_H
