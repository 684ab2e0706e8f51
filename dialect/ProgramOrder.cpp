//===- ProgramOrder.cpp - What comes before what --------------------------===//

#include "dialect/ProgramOrder.h"

using namespace mlir;

bool mlir::kvarn::comesBefore(Operation *first, Operation *second) {
  for (; first; first = first->getParentOp())
    if (Operation *other =
            first->getBlock()
                ? first->getBlock()->findAncestorOpInBlock(*second)
                : nullptr)
      return first != other && first->isBeforeInBlock(other);
  return false;
}
