//===- DropFragments.cpp - Tiles of one thread ----------------------------===//

#include "codegen/cpu/DropFragments.h"

using namespace mlir;
using namespace mlir::kvarn;

static void drop(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.getEncoding())
    return;
  auto plain = RankedTensorType::get(type.getShape(), type.getElementType());
  value.setType(plain);
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    constant.setValueAttr(
        cast<DenseElementsAttr>(constant.getValue()).reshape(plain));
}

void mlir::kvarn::cpu::dropFragments(tile::KernelOp kernel) {
  kernel.walk([](Operation *op) {
    for (Value result : op->getResults())
      drop(result);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value argument : block.getArguments())
          drop(argument);
  });
  kernel.walk([](tile::ConvertLayoutOp op) {
    op.getResult().replaceAllUsesWith(op.getInput());
    op.erase();
  });
}
