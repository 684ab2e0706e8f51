//===- Commands.h - The subcommands of kvarn-run --------------------------===//

#ifndef KVARN_TOOLS_RUN_COMMANDS_H
#define KVARN_TOOLS_RUN_COMMANDS_H

#include "tools/kvarn-run/Running.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <optional>
#include <string>

namespace kvarn::run {

/// What the chosen subcommand does, set while the arguments are parsed. Returns
/// an exit code or throws.
using Action = std::function<int()>;

/// Each adds subcommands to `app`; the chosen one sets `action`, which must
/// outlive the parsing.
void addKernelCommands(CLI::App &app, Action &action);
void addLaunchCommand(CLI::App &app, Action &action);
void addListCommands(CLI::App &app, Action &action);
void addConformanceCommand(CLI::App &app, Action &action);
void addRandomCommand(CLI::App &app, Action &action);
void addRoundtripCommand(CLI::App &app, Action &action);
void addDemoCommand(CLI::App &app, Action &action);
void addJitCommand(CLI::App &app, Action &action);

/// Options that choose a kernel and say how to run it.
struct Selection {
  std::string library, id;
  Request request;
  std::optional<std::string> features;
  Running running;
  bool explain = false;

  void addTo(CLI::App &app);
  /// The kernel for `wanted`, completed by the options. Prints why, if asked
  /// to.
  Kernel select(const Library &library, Request wanted) const;
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_COMMANDS_H
