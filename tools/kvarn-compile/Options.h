//===- Options.h - The command line of kvarn-compile ------------*- C++ -*-===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_OPTIONS_H
#define KVARN_TOOLS_KVARNCOMPILE_OPTIONS_H

#include <cstdint>
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
  std::string target = "x86_64", scheduleFrom, schedule;
  bool printSchedule = false, printResources = false;
  bool noFuse = false, saveTemps = false;
  bool printStages = false, listTargets = false, listFormats = false;
  bool listSpace = false, listSchedules = false;
};

/// Parses the command line. Returns false if the program is to end at once with
/// `exitCode` (after --help, or after an error was printed).
bool parseOptions(int argc, char **argv, Options &options, int &exitCode);

#endif // KVARN_TOOLS_KVARNCOMPILE_OPTIONS_H
