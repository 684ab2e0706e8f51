//===- Check.h - Is a candidate right? --------------------------*- C++ -*-===//

#ifndef KVARN_TOOLS_TUNE_CHECK_H
#define KVARN_TOOLS_TUNE_CHECK_H

#include "autotune/measure/Task.h"
#include "tools/kvarn-run/Conformance/AttendCase.h"

#include <list>

namespace kvarn::tune {

/// Small cases for the kernels of one task, and what the oracle says they give.
class Checker {
public:
  /// `key` is one of attend; kernels will be given up to `queryTokens` tokens.
  Checker(const VariantKey &key, int64_t queryTokens);

  /// What is wrong with the results of `kernel`, or "". Throws run::Error if it
  /// cannot run.
  std::string check(const run::Kernel &kernel,
                    const run::Running &running) const;

private:
  struct Case {
    run::AttendCase input;
    std::vector<double> want;
    double limit = 0;
    std::string name;
  };
  std::list<Case> cases;
};

} // namespace kvarn::tune

#endif // KVARN_TOOLS_TUNE_CHECK_H
