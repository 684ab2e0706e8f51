//===- Process.h - Other programs -------------------------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_PROCESS_H
#define KVARN_RUNTIME_PROCESS_H

#include <string>
#include <vector>

namespace kvarn {

struct ProcessResult {
  std::string failure; // why it could not be started, or ""
  int exitCode = 0;    // 128 + signal if one ended it
  std::string output;  // both streams; the end of it, if it is long

  /// "failed with exit code 2", "was ended by signal 11"
  std::string describe() const;
};

bool isProgram(const std::string &path);

/// The program `name` in the folder of this program or in PATH, or "".
std::string findProgram(const std::string &name);

/// Runs words[0] with the others as arguments and waits for it. After `seconds`
/// (0 = never), or when `stop` says so, it is killed with all that it started;
/// for that it gets a process group of its own, and no Ctrl-C.
ProcessResult runProcess(const std::vector<std::string> &words, int seconds = 0,
                         bool (*stop)() = nullptr);

/// The words as a command for people: those that the shell would change are
/// quoted.
std::string commandText(const std::vector<std::string> &words);

} // namespace kvarn

#endif // KVARN_RUNTIME_PROCESS_H
