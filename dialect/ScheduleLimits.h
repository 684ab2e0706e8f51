//===- ScheduleLimits.h - Limits of #kvarn.schedule -------------*- C++ -*-===//

#ifndef KVARN_DIALECT_SCHEDULELIMITS_H
#define KVARN_DIALECT_SCHEDULELIMITS_H

#include <cstdint>

namespace mlir::kvarn {

/// Programs on a multiprocessor, with equal shares of work.
inline constexpr int64_t kMaxPrograms = 32;

} // namespace mlir::kvarn

#endif // KVARN_DIALECT_SCHEDULELIMITS_H
