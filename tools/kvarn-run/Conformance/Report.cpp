//===- Report.cpp - One line per check ------------------------------------===//

#include "tools/kvarn-run/Conformance/Report.h"

#include "tools/kvarn-run/Error.h"
#include "tools/kvarn-run/Text.h"

#include <cstdio>

namespace kvarn::run {

Figure below(double measured, double limit) {
  // Written so that NaN fails.
  return {formatText("%.3g", measured), formatText("< %.3g", limit),
          measured < limit, ""};
}

void Report::add(const std::string &where, const std::string &check,
                 const Figure &figure, const std::string &hash) {
  (figure.passed ? passed : failed) += 1;
  if (!figure.passed && firstFailure.empty())
    firstFailure = check + ": " + figure.measured + ", limit " + figure.limit +
                   (figure.message.empty() ? "" : ": " + figure.message) +
                   ": " + where;
  if (quiet)
    return;
  std::printf("%s | %-19s | %-21s | %-22s | %s | %s\n", where.c_str(),
              check.c_str(), figure.measured.c_str(), figure.limit.c_str(),
              figure.passed ? "PASS" : "FAIL", hash.c_str());
  if (!figure.passed && !figure.message.empty())
    std::printf("    %s\n", figure.message.c_str());
  std::fflush(stdout);
}

void Report::skip(const std::string &where, const std::string &why) {
  ++skipped;
  std::printf("%s | SKIP | %s\n", where.c_str(), why.c_str());
}

int Report::finish() const {
  if (passed + failed == 0)
    throw Error(kInput, "no library that was given fits any case");
  if (skipped)
    std::printf("%d cases skipped: not in the libraries given\n", skipped);
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed ? kCheckFailed : kDone;
}

} // namespace kvarn::run
