//===- DropLayouts.cpp - Tiles of one thread ----------------------------===//

#include "codegen/cpu/DropLayouts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

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

/// The product with a vector is a sum of products along the rows.
static void replaceByReduction(tile::DotOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  auto matrix = cast<RankedTensorType>(op.getLhs().getType());
  auto asF32 = [&](Value value) -> Value {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getElementType().isF32())
      return value;
    return b.create<arith::ExtFOp>(type.clone(b.getF32Type()), value);
  };
  Value vector = b.create<tile::BroadcastOp>(
      matrix.clone(b.getF32Type()), asF32(op.getRhs()), ArrayRef<int64_t>{1});
  Value products = b.create<arith::MulFOp>(asF32(op.getLhs()), vector);
  Value sums = b.create<tile::ReduceOp>(op.getType(), tile::ReduceKind::Add,
                                        products, uint64_t(1));
  op.replaceAllUsesWith(
      b.create<arith::AddFOp>(op.getAccumulator(), sums).getResult());
  op.erase();
}

/// Squares of differences from the mean by two sums, one after the other.
static void replaceByTwoSums(tile::ReduceOp op) {
  OpBuilder builder(op);
  ImplicitLocOpBuilder b(op.getLoc(), builder);
  RankedTensorType type = op.getInput().getType();
  Type result = op.getType();
  double count = double(type.getDimSize(op.getDim()));
  auto sum = [&](Value x) -> Value {
    return b.create<tile::ReduceOp>(result, tile::ReduceKind::Add, x,
                                    op.getDim());
  };
  auto constant = b.getFloatAttr(type.getElementType(), 1 / count);
  Value share = b.create<arith::ConstantOp>(constant);
  auto vector = dyn_cast<RankedTensorType>(result);
  if (vector)
    share = b.create<tile::SplatOp>(vector, share);
  Value mean = b.create<arith::MulFOp>(sum(op.getInput()), share);
  if (vector) {
    SmallVector<int64_t> dims;
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (i != int64_t(op.getDim()))
        dims.push_back(i);
    mean = b.create<tile::BroadcastOp>(type, mean, dims);
  } else {
    mean = b.create<tile::SplatOp>(type, mean);
  }
  Value centred = b.create<arith::SubFOp>(op.getInput(), mean);
  op.replaceAllUsesWith(sum(b.create<arith::MulFOp>(centred, centred)));
  op.erase();
}

void mlir::kvarn::cpu::dropLayouts(tile::KernelOp kernel) {
  kernel.walk([](Operation *op) {
    for (Value result : op->getResults())
      drop(result);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value argument : block.getArguments())
          drop(argument);
  });
  // Every tile is in memory, or made where it is used.
  kernel.walk([](Operation *op) {
    if (!isa<tile::ConvertLayoutOp, tile::StageOp, tile::KeepOp>(op))
      return;
    op->replaceAllUsesWith(op->getOperands());
    op->erase();
  });
  kernel.walk([](tile::DotOp op) {
    if (cast<RankedTensorType>(op.getRhs().getType()).getRank() == 1)
      replaceByReduction(op);
  });
  kernel.walk([](tile::ReduceOp op) {
    if (op.getKind() == tile::ReduceKind::Squares)
      replaceByTwoSums(op);
  });
}
