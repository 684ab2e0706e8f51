//===- Schedules.h - The tuned schedules for a device -----------*- C++ -*-===//
//
// A table of schedules (docs/tuning.md) is of one device. The runtime reads as
// much of it as says of which, and leaves the rest to the compiler.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_RUNTIME_SCHEDULES_H
#define KVARN_RUNTIME_SCHEDULES_H

#include "runtime/Backend.h"

#include <string>

namespace kvarn::runtime {

struct ScheduleTable {
  std::string path;   // "" = there is none
  std::string sha256; // of the file

  /// Fails if the file is no longer the one that was found.
  kvarn_status checkUnchanged() const;
};

/// The table for `device`, as kernels for `target` (sm_90a) take it; of those
/// that KVARN_SCHEDULES names or, without it, that are installed. Fails if one
/// of them cannot be read, or if two are for the device.
kvarn_status findSchedules(const DeviceIdentity &device,
                           const std::string &target, ScheduleTable &table);

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_SCHEDULES_H
