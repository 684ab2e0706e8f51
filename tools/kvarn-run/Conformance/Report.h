//===- Report.h - One line per check --------------------------------------===//

#ifndef KVARN_TOOLS_RUN_CONFORMANCE_REPORT_H
#define KVARN_TOOLS_RUN_CONFORMANCE_REPORT_H

#include <string>

namespace kvarn::run {

/// What a check found.
struct Figure {
  std::string measured, limit;
  bool passed = false;
  std::string message; // why it failed
};

/// A figure that must be below a limit.
Figure below(double measured, double limit);

/// Prints a line per check: case | check | measured | limit | PASS or FAIL |
/// hash of the binary. A quiet one only counts.
class Report {
public:
  explicit Report(bool quiet = false) : quiet(quiet) {}

  void add(const std::string &where, const std::string &check,
           const Figure &figure, const std::string &hash);
  /// A case that no library is for.
  void skip(const std::string &where, const std::string &why);
  /// The closing line. Returns the exit code.
  int finish() const;

  int passed = 0, failed = 0, skipped = 0;
  /// What the first check that failed has found, "" if none did.
  std::string firstFailure;

private:
  bool quiet;
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_CONFORMANCE_REPORT_H
