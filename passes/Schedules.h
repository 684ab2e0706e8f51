//===- Schedules.h - Default schedules --------------------------*- C++ -*-===//

#ifndef KVARN_PASSES_SCHEDULES_H
#define KVARN_PASSES_SCHEDULES_H

#include "dialect/KVarNDialect.h"
#include "dialect/Targets.h"
#include "dialect/TileDialect.h"
#include "format/Manifest.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::kvarn {

/// The schedule of a level-1 program for a target when nobody gives one: a row
/// of the table in Schedules.cpp, by backend and family, fitted to the format.
ScheduleAttr defaultSchedule(MLIRContext *context, const Target &target,
                             func::FuncOp program);

/// One of several, and the work for which it is better than the others; none:
/// all else.
struct HintedSchedule {
  ScheduleAttr schedule;
  std::vector<::kvarn::Hint> hints;
};

/// The default schedule, and for kernels whose best schedule depends on how
/// much there is to do those for special cases.
std::vector<HintedSchedule> defaultSchedules(MLIRContext *context,
                                             const Target &target,
                                             func::FuncOp program);

/// The schedule written as `<rows = 8, ..>` or `#kvarn.schedule<..>`; null
/// after an error was reported.
ScheduleAttr parseSchedule(MLIRContext *context, StringRef text);

/// As `parseSchedule` takes it; "" for null.
std::string scheduleText(ScheduleAttr schedule);

/// Whether the warps of the kernel multiply together.
inline bool worksTogether(tile::KernelOp kernel) {
  ScheduleAttr schedule = kernel.getScheduleAttr();
  return schedule && schedule.getTeam() == Team::Warpgroup;
}

} // namespace mlir::kvarn

#endif // KVARN_PASSES_SCHEDULES_H
