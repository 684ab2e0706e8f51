//===- AttendCase.h - Cases of the oracle for attend ----------------------===//

#ifndef KVARN_TOOLS_RUN_CONFORMANCE_ATTENDCASE_H
#define KVARN_TOOLS_RUN_CONFORMANCE_ATTENDCASE_H

#include "test/oracle/Attention.h"
#include "test/oracle/RandomCase.h"
#include "tools/kvarn-run/Running.h"

#include <vector>

namespace kvarn::run {

oracle::Format oracleFormat(const Format &format);

/// The tensors of a cache, as kernels take them.
struct CacheTensors {
  HostTensor pages, poolK, poolV, blockTable, blockToSlot, seqLens;

  /// The oracle's view of it; `reference` holds the records of `pages` in
  /// layout reference.
  oracle::CacheView view(const Format &format,
                         const HostTensor &reference) const;
};

struct AttendCase {
  CacheTensors cache;
  HostTensor q, queryStart, sinks, newK, newV; // the last three may be empty
  double scale = 0, softcap = 0;
  int64_t window = 0;
};

/// The tensors of a case of the oracle, records in layout reference.
AttendCase attendCase(const oracle::RandomCase &random);

/// Runs `kernel` on them: `out` and, if it has that feature, `lse`.
std::vector<HostTensor> launchAttend(const Kernel &kernel,
                                     const AttendCase &input,
                                     const Running &running);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_CONFORMANCE_ATTENDCASE_H
