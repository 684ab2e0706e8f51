//===- Options.h - The command line of kvarn-compile ------------*- C++ -*-===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_OPTIONS_H
#define KVARN_TOOLS_KVARNCOMPILE_OPTIONS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// As given; nothing is checked here but the syntax.
struct Options {
  std::string input, output, emit = "library";
  std::string format, layout = "reference", dtype = "f16", sourceLayout;
  int64_t headDim = 128, queryHeads = 0, kvHeads = 0;
  std::vector<std::string> kernels, features = {"causal"};
  std::vector<int64_t> queryTokens = {1};
  int64_t iterations = 8;
  bool prescale = false;
  std::string range = "minmax", frame = "original";
  std::string target = "x86_64", scheduleFrom, schedule, schedules;
  bool printSchedule = false, printResources = false;
  bool orDefault = false, noFuse = false, saveTemps = false;
  bool printStages = false, listTargets = false, listFormats = false;
  std::string inspect;
  bool header = false;
  bool listSpace = false, listSchedules = false;
};

/// What came of parsing.
struct ParsedOptions {
  std::optional<int> exitCode; // if that was all, as after --help or an error
  std::string text;            // to be printed then
};

ParsedOptions parseOptions(int argc, const char *const *argv, Options &options);

#endif // KVARN_TOOLS_KVARNCOMPILE_OPTIONS_H
