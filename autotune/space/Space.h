//===- Space.h - The schedules worth trying ---------------------*- C++ -*-===//
//
// The search space of the autotuner is a table: which fields of
// #kvarn.schedule vary in kernels of a family, over what. All other fields are
// those of the default schedule.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_AUTOTUNE_SPACE_SPACE_H
#define KVARN_AUTOTUNE_SPACE_SPACE_H

#include "dialect/KVarNDialect.h"
#include "dialect/Targets.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::kvarn {

/// A field that the search varies.
struct SpaceField {
  Backend backend;
  /// As --kernels names it.
  StringRef family;
  /// As the attribute writes it, and its values.
  StringRef name;
  ArrayRef<StringRef> values;
  /// Which of the values are left out, in words; "" = none.
  StringRef constraint;
};

/// The rows of the table for one kind of target, family by family.
SmallVector<const SpaceField *> searchSpace(Backend backend);

/// A point of the space.
struct SchedulePoint {
  ScheduleAttr schedule;
  /// Bytes of memory that a program needs at least.
  int64_t sharedBytes = 0;
  /// Which hard limit of the chip it breaks, or "".
  std::string broken;
};

/// Every schedule of the space of `program`, a level-1 program of `family`, for
/// `target`; the default schedules come first. `format` bounds tiles.
SmallVector<SchedulePoint> enumerateSchedules(const Target &target,
                                              StringRef family,
                                              func::FuncOp program,
                                              FormatAttr format);

} // namespace mlir::kvarn

#endif // KVARN_AUTOTUNE_SPACE_SPACE_H
