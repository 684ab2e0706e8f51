//===- Distribute.cpp - The pass tile-distribute --------------------------===//
//
// Two walks. Backwards, every tile learns the encoding that its last user would
// like; forwards, every tile gets one, and a conversion where a user needs
// another.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

namespace mlir::kvarn {
#define GEN_PASS_DEF_TILEDISTRIBUTE
#include "passes/Passes.h.inc"
} // namespace mlir::kvarn

static RankedTensorType tileOf(Value value) {
  return dyn_cast<RankedTensorType>(value.getType());
}

static FragmentAttr fragment(MLIRContext *context, const FragmentShape &shape) {
  return FragmentAttr::get(context, {1, 1}, shape.lanes, shape.elements,
                           shape.order);
}

/// With the two dimensions exchanged.
static Attribute transposed(Attribute encoding) {
  auto f = dyn_cast_or_null<FragmentAttr>(encoding);
  if (!f)
    return {};
  auto swap = [](ArrayRef<int64_t> list) {
    return SmallVector<int64_t>{list[1], list[0]};
  };
  return FragmentAttr::get(f.getContext(), swap(f.getWarps()),
                           swap(f.getLanes()), swap(f.getElements()),
                           {1 - f.getOrder()[0], 1 - f.getOrder()[1]});
}

static Attribute slice(Attribute parent, int64_t dim) {
  return SliceAttr::get(parent.getContext(), dim, parent);
}

/// `encoding` without the dimensions that are not in `kept`.
static Attribute keepDims(Attribute encoding, int64_t rank,
                          ArrayRef<int64_t> kept) {
  for (int64_t dim = rank - 1; dim >= 0; --dim)
    if (!llvm::is_contained(kept, dim))
      encoding = slice(encoding, dim);
  return encoding;
}

/// The results of `count` warps on top of each other.
static Attribute stacked(Attribute encoding, int64_t count, int64_t rank,
                         Attribute standard) {
  auto f = dyn_cast<FragmentAttr>(encoding);
  if (!f) // A slice: that of the stacked parent.
    return slice(stacked(standard, count, rank + 1, standard),
                 cast<SliceAttr>(encoding).getDim() + 1);
  auto prepend = [](int64_t first, ArrayRef<int64_t> list) {
    SmallVector<int64_t> all = {first};
    llvm::append_range(all, list);
    return all;
  };
  SmallVector<int64_t> order;
  for (int64_t dim : f.getOrder())
    order.push_back(dim + 1);
  order.push_back(0);
  return FragmentAttr::get(f.getContext(), prepend(count, f.getWarps()),
                           prepend(1, f.getLanes()),
                           prepend(1, f.getElements()), order);
}

namespace {

class Distributor {
public:
  Distributor(KernelOp kernel, const MatrixInstruction &matrix)
      : kernel(kernel), builder(kernel.getContext()) {
    lhs = fragment(kernel.getContext(), matrix.lhs);
    rhs = fragment(kernel.getContext(), matrix.rhs);
    accumulator = fragment(kernel.getContext(), matrix.accumulator);
  }

  void run() {
    collectWishes(kernel.getBody().front());
    assign(kernel.getBody().front());
  }

private:
  void collectWishes(Block &block);
  void wish(Operation *op);
  void wish(Value value, Attribute encoding) {
    if (encoding && tileOf(value))
      wishes.try_emplace(value, encoding);
  }
  Attribute preferred(Value value);

  void assign(Block &block);
  void assign(Operation *op);
  void assignLoop(scf::ForOp loop);
  void assignWarps(WarpsOp warps);
  void setEncoding(Value value, Attribute encoding);
  void require(OpOperand &operand, Attribute encoding);
  void requireAll(Operation *op, ValueRange like, unsigned first = 0);
  void requireRows(Operation *op, RankedTensorType tile);

  KernelOp kernel;
  OpBuilder builder;
  Attribute lhs, rhs, accumulator;
  DenseMap<Value, Attribute> wishes;
};

} // namespace

//===----------------------------------------------------------------------===//
// Wishes
//===----------------------------------------------------------------------===//

void Distributor::collectWishes(Block &block) {
  for (Operation &op : llvm::reverse(block)) {
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        collectWishes(inner);
    wish(&op);
  }
}

void Distributor::wish(Operation *op) {
  if (auto dot = dyn_cast<DotOp>(op)) {
    wish(dot.getLhs(), lhs);
    wish(dot.getRhs(), rhs);
    return;
  }
  if (isa<StoreOp, LoadOp>(op)) {
    Value tile = isa<LoadOp>(op) ? op->getResult(0) : op->getOperand(0);
    if (tileOf(tile).getRank() == 2)
      for (Value operand : op->getOperands())
        if (operand != tile)
          wish(operand, slice(preferred(tile), 1));
    return;
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    Value result = broadcast.getResult();
    wish(broadcast.getInput(),
         keepDims(preferred(result), tileOf(result).getRank(),
                  broadcast.getDims()));
    return;
  }
  if (op->getNumResults() != 1)
    return;
  Attribute result = wishes.lookup(op->getResult(0));
  if (!result)
    return;
  if (auto transpose = dyn_cast<TransposeOp>(op))
    wish(transpose.getInput(), transposed(result));
  else if (isa<ExpandOp>(op) || OpTrait::hasElementwiseMappableTraits(op))
    for (Value operand : op->getOperands())
      wish(operand, result);
}

Attribute Distributor::preferred(Value value) {
  if (Attribute wanted = wishes.lookup(value))
    return wanted;
  RankedTensorType type = tileOf(value);
  if (type.getRank() == 1)
    return slice(accumulator, 1);
  if (type.getRank() == 3)
    return stacked(accumulator, type.getDimSize(0), 2, accumulator);
  return accumulator;
}

//===----------------------------------------------------------------------===//
// Assignment
//===----------------------------------------------------------------------===//

void Distributor::setEncoding(Value value, Attribute encoding) {
  RankedTensorType type = tileOf(value);
  auto encoded =
      RankedTensorType::get(type.getShape(), type.getElementType(), encoding);
  value.setType(encoded);
  if (auto constant = value.getDefiningOp<arith::ConstantOp>()) {
    auto dense = cast<DenseElementsAttr>(constant.getValue());
    constant.setValueAttr(dense.reshape(encoded));
  }
}

void Distributor::require(OpOperand &operand, Attribute encoding) {
  Value value = operand.get();
  RankedTensorType type = tileOf(value);
  if (!type || type.getEncoding() == encoding)
    return;
  builder.setInsertionPoint(operand.getOwner());
  auto target =
      RankedTensorType::get(type.getShape(), type.getElementType(), encoding);
  operand.set(builder.create<ConvertLayoutOp>(operand.getOwner()->getLoc(),
                                              target, value));
}

/// Operands of `op` from `first` on, in the encodings of `like`.
void Distributor::requireAll(Operation *op, ValueRange like, unsigned first) {
  for (auto [i, value] : llvm::enumerate(like))
    if (RankedTensorType type = tileOf(value))
      require(op->getOpOperand(first + i), type.getEncoding());
}

void Distributor::assign(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block))
    assign(&op);
}

void Distributor::assignLoop(scf::ForOp loop) {
  for (auto [argument, result] :
       llvm::zip(loop.getRegionIterArgs(), loop.getResults()))
    if (tileOf(argument)) {
      Attribute encoding = preferred(argument);
      setEncoding(argument, encoding);
      setEncoding(result, encoding);
    }
  requireAll(loop, loop.getRegionIterArgs(), loop.getNumControlOperands());
  assign(*loop.getBody());
  requireAll(loop.getBody()->getTerminator(), loop.getResults());
}

void Distributor::assignWarps(WarpsOp warps) {
  assign(warps.getBody().front());
  auto yield = cast<YieldOp>(warps.getBody().front().getTerminator());
  for (auto [value, result] : llvm::zip(yield.getValues(), warps.getResults()))
    setEncoding(result, stacked(tileOf(value).getEncoding(), warps.getCount(),
                                tileOf(value).getRank(), accumulator));
}

void Distributor::assign(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return assignLoop(loop);
  if (auto warps = dyn_cast<WarpsOp>(op))
    return assignWarps(warps);
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    for (Value result : branch.getResults())
      if (tileOf(result))
        setEncoding(result, preferred(result));
    for (Region *region : {&branch.getThenRegion(), &branch.getElseRegion()})
      for (Block &block : *region) {
        assign(block);
        requireAll(block.getTerminator(), branch.getResults());
      }
    return;
  }
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    if (tileOf(reduce.getResult()))
      setEncoding(
          reduce.getResult(),
          slice(tileOf(reduce.getInput()).getEncoding(), reduce.getDim()));
    return;
  }
  for (Value result : op->getResults())
    if (tileOf(result))
      setEncoding(result, isa<DotOp>(op) ? accumulator : preferred(result));
  if (auto dot = dyn_cast<DotOp>(op)) {
    require(dot.getLhsMutable(), lhs);
    require(dot.getRhsMutable(), rhs);
    require(dot.getAccumulatorMutable(), accumulator);
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    require(transpose.getInputMutable(),
            transposed(tileOf(transpose.getResult()).getEncoding()));
  } else if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    RankedTensorType type = broadcast.getResult().getType();
    require(broadcast.getInputMutable(),
            keepDims(type.getEncoding(), type.getRank(), broadcast.getDims()));
  } else if (isa<LoadOp, GatherOp>(op)) {
    requireRows(op, tileOf(op->getResult(0)));
  } else if (isa<StoreOp, ScatterOp>(op)) {
    requireRows(op, tileOf(op->getOperand(0)));
  } else if (op->getNumResults() == 1 && tileOf(op->getResult(0)) &&
             (isa<ExpandOp, HadamardOp>(op) ||
              OpTrait::hasElementwiseMappableTraits(op))) {
    for (OpOperand &operand : op->getOpOperands())
      require(operand, tileOf(op->getResult(0)).getEncoding());
  }
}

/// Places and masks of rows lie as the rows of the tile they belong to.
void Distributor::requireRows(Operation *op, RankedTensorType tile) {
  Attribute rows = tile.getEncoding();
  if (tile.getRank() == 2)
    rows = slice(rows, 1);
  for (OpOperand &operand : op->getOpOperands())
    if (RankedTensorType type = tileOf(operand.get()))
      if (type != tile)
        require(operand, rows);
}

namespace {

struct TileDistribute
    : public mlir::kvarn::impl::TileDistributeBase<TileDistribute> {
  using TileDistributeBase::TileDistributeBase;

  void runOnOperation() override {
    const Target *row = bestOf(target);
    if (!row) {
      getOperation().emitError() << "unknown target '" << target
                                 << "', expected one of " << knownTargetNames();
      return signalPassFailure();
    }
    if (!row->matrix)
      return;
    for (auto kernel : getOperation().getOps<KernelOp>())
      Distributor(kernel, *row->matrix).run();
  }
};

} // namespace
