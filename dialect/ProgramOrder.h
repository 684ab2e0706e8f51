//===- ProgramOrder.h - What comes before what ------------------*- C++ -*-===//

#ifndef KVARN_DIALECT_PROGRAMORDER_H
#define KVARN_DIALECT_PROGRAMORDER_H

#include "mlir/IR/Operation.h"

namespace mlir::kvarn {

/// Whether `first` comes before `second` in a block that both are in.
bool comesBefore(Operation *first, Operation *second);

/// Whether `first` and `second` are in a loop that `region` is outside of: then
/// each follows the other, and what `region` made before the loop is the same
/// all the time.
bool shareLoopOutside(Region *region, Operation *first, Operation *second);

} // namespace mlir::kvarn

#endif // KVARN_DIALECT_PROGRAMORDER_H
