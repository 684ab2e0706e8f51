//===- Error.h - How the programs end -------------------------------------===//

#ifndef KVARN_TOOLS_RUN_ERROR_H
#define KVARN_TOOLS_RUN_ERROR_H

#include <stdexcept>
#include <string>

namespace kvarn::run {

/// Exit codes of kvarn-run and kvarn-bench.
enum ExitCode {
  kDone = 0,
  kCheckFailed = 1,
  kInput = 2,    // usage or input
  kMissing = 3,  // a needed tool or device is missing
  kInternal = 70 // a bug
};

/// What ends a command: printed as `kvarn-run: error: MESSAGE`.
class Error : public std::runtime_error {
public:
  Error(ExitCode code, const std::string &message)
      : std::runtime_error(message), code(code) {}

  ExitCode code;
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_ERROR_H
