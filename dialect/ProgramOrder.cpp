//===- ProgramOrder.cpp - What comes before what --------------------------===//

#include "dialect/ProgramOrder.h"

#include "mlir/Interfaces/LoopLikeInterface.h"

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

bool mlir::kvarn::shareLoopOutside(Region *region, Operation *first,
                                   Operation *second) {
  for (Operation *loop = first->getParentOp(); loop; loop = loop->getParentOp())
    if (isa<LoopLikeOpInterface>(loop) && loop->isAncestor(second) &&
        !loop->isAncestor(region->getParentOp()))
      return true;
  return false;
}
