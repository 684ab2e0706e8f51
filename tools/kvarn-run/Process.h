//===- Process.h - Other programs -----------------------------------------===//

#ifndef KVARN_TOOLS_RUN_PROCESS_H
#define KVARN_TOOLS_RUN_PROCESS_H

#include <string>
#include <vector>

namespace kvarn::run {

struct ProcessResult {
  int exitCode = 0;   // 128 + signal if one ended it
  std::string output; // both streams; the end of it, if it is long

  /// "failed with exit code 2", "was ended by signal 11"
  std::string describe() const;
};

bool isProgram(const std::string &path);

/// The program `name` beside this one or in PATH, or "".
std::string findProgram(const std::string &name);

/// Runs words[0] with the others as arguments and waits for it. After `seconds`
/// (0 = never) it is killed. Throws Error if it cannot be started.
ProcessResult runProcess(const std::vector<std::string> &words,
                         int seconds = 0);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_PROCESS_H
