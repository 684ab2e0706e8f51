//===- Check.h - Is a candidate right? --------------------------*- C++ -*-===//

#ifndef KVARN_TOOLS_TUNE_CHECK_H
#define KVARN_TOOLS_TUNE_CHECK_H

#include "autotune/measure/Task.h"
#include "tools/kvarn-run/Running.h"

#include <memory>

namespace kvarn::tune {

/// Small cases for the kernels of one task, judged by the oracle within the
/// tolerances of conformance.
class Checker {
public:
  virtual ~Checker() = default;

  /// What is wrong with the results of `kernel`, or "". Throws run::Error if it
  /// cannot run.
  virtual std::string check(const run::Kernel &kernel,
                            const run::Running &running) const = 0;
};

/// For kernels like `key`; those of attend will be given up to `queryTokens`
/// tokens. Throws InputError.
std::unique_ptr<Checker> makeChecker(const VariantKey &key,
                                     int64_t queryTokens);

} // namespace kvarn::tune

#endif // KVARN_TOOLS_TUNE_CHECK_H
