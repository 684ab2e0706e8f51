//===- Worker.h - The measuring end -----------------------------*- C++ -*-===//
//
// Questions, one JSON object per line on standard input; each is answered with
// one line on standard output:
//
//   {"do": "start"}                          {"device": {..}}
//   {"do": "bandwidth"}                      {"bytes_per_second": ..}
//   {"do": "prepare", "task": 0}             {}
//   {"do": "check", "task": 0, "id": ".."}   {"status": "ok" or "wrong", ..}
//   {"do": "bucket", "task": 0, "bucket": 0} {"bytes": ..}
//   {"do": "time", "id": "..", "launches": 9}
//                              {"status": "ok" or "wrong", "seconds": [..], ..}
//
// `prepare` has the oracle work for `check`, `bucket` makes the cache that
// `time` reads: what may take long for no fault of the kernel.
// What fails is {"error": "..", "code": exit code}; with codes 2 and 3 it is no
// fault of a candidate, and would happen to the next one too.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_TUNE_WORKER_H
#define KVARN_TOOLS_TUNE_WORKER_H

#include "tools/kvarn-run/Running.h"

#include <string>

namespace kvarn::tune {

struct WorkerOptions {
  std::string pack;
  run::Running running;
  int64_t memoryMiB = 0;
};

/// Answers until standard input ends. Returns an exit code.
int runWorker(const WorkerOptions &options);

} // namespace kvarn::tune

#endif // KVARN_TOOLS_TUNE_WORKER_H
