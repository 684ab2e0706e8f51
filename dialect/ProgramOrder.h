//===- ProgramOrder.h - What comes before what ------------------*- C++ -*-===//

#ifndef KVARN_DIALECT_PROGRAMORDER_H
#define KVARN_DIALECT_PROGRAMORDER_H

#include "mlir/IR/Operation.h"

namespace mlir::kvarn {

/// Whether `first` comes before `second` in a block that both are in.
bool comesBefore(Operation *first, Operation *second);

} // namespace mlir::kvarn

#endif // KVARN_DIALECT_PROGRAMORDER_H
