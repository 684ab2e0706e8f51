//===- Progress.h - How far the work is -------------------------*- C++ -*-===//

#ifndef KVARN_TOOLS_TUNE_PROGRESS_H
#define KVARN_TOOLS_TUNE_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <string>

namespace kvarn::tune {

/// On a terminal a bar with the time that is left and the best so far, on
/// standard error; elsewhere nothing but the lines of note().
class Progress {
public:
  /// `what`: "compile", "measure".
  Progress(std::string what, int64_t total);
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;
  ~Progress() { clear(); }

  /// One more of the total is done. `worked`: it took time, it was not there
  /// already.
  void step(bool worked = true);
  /// The total was wrong by this much.
  void expect(int64_t more) { total += more; }
  /// What stands behind the bar.
  void best(const std::string &text) { bestSoFar = text; }
  /// A line of its own on standard output.
  void note(const std::string &line);

private:
  void draw();
  void clear();

  std::string what, bestSoFar;
  int64_t total, done = 0, worked = 0;
  bool terminal, drawn = false;
  std::chrono::steady_clock::time_point begin, last;
};

} // namespace kvarn::tune

#endif // KVARN_TOOLS_TUNE_PROGRESS_H
