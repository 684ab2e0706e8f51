//===- AssignLayouts.cpp - Tiles get their layouts -----------------------===//

#include "passes/Distributor.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

static RankedTensorType withLayout(RankedTensorType type, LayoutAttr layout) {
  return RankedTensorType::get(type.getShape(), type.getElementType(), layout);
}

static void setType(Value value, LayoutAttr layout) {
  RankedTensorType type = withLayout(tileOf(value), layout);
  value.setType(type);
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    constant.setValueAttr(
        cast<DenseElementsAttr>(constant.getValue()).reshape(type));
}

/// Whether the reduction goes through shared memory, where any lane can find
/// any element.
static bool crossesWarps(Operation *op) {
  auto reduce = dyn_cast_or_null<ReduceOp>(op);
  return reduce && reduce.getDim() == 0 && reduce.getInput().getDefiningOp() &&
         tileOf(reduce.getResult()) && overWarps(reduce);
}

/// Whether `value` can be made again in another layout without an exchange
/// between lanes. `seen`: what was looked at before, and would have ended this.
static bool canRemake(Value value, DenseSet<Value> &seen) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (!seen.insert(value).second)
    return true;
  if (isa<SplatOp, IotaOp, LoadVectorOp, ExpandScaleOp, HadamardMatrixOp,
          arith::ConstantOp>(op) ||
      crossesWarps(op))
    return true;
  return isElementwise(op) &&
         !isa<HadamardOp, ScanOp, ExpandOp, KeepOp, SubtractTopOp>(op) &&
         llvm::all_of(op->getOperands(), [&](Value operand) {
           return !tileOf(operand) || canRemake(operand, seen);
         });
}

static bool canRemake(Value value) {
  DenseSet<Value> seen;
  return canRemake(value, seen);
}

Value Distributor::remake(Value value, LayoutAttr layout) {
  if (layoutOf(value) == layout)
    return value;
  Value &copy = copies[{value, layout}];
  if (copy)
    return copy;
  Operation *op = value.getDefiningOp();
  IRMapping mapping;
  if (isElementwise(op))
    for (Value operand : op->getOperands())
      if (tileOf(operand))
        mapping.map(operand, remake(operand, layout));
  // Right here: later its memory may hold something else.
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(op);
  Operation *clone = builder.clone(*op, mapping);
  setType(clone->getResult(0), layout);
  return copies[{value, layout}] = clone->getResult(0);
}

void Distributor::require(OpOperand &operand, const Layout &layout) {
  Value value = operand.get();
  if (!tileOf(value))
    return;
  LayoutAttr wanted = layout.get(context);
  if (layoutOf(value) == wanted)
    return;
  if (canRemake(value))
    return operand.set(remake(value, wanted));
  builder.setInsertionPoint(operand.getOwner());
  operand.set(builder.create<ConvertLayoutOp>(
      operand.getOwner()->getLoc(), withLayout(tileOf(value), wanted), value));
}

/// Places and masks of rows lie as the rows of the tile they belong to.
void Distributor::convertRows(Operation *op, Value tile) {
  Layout rows(layoutOf(tile));
  if (rows.rank == 2)
    rows = rows.without(1);
  for (OpOperand &operand : op->getOpOperands())
    if (operand.get() != tile && tileOf(operand.get()))
      require(operand, rows);
}

/// A truncation keeps the layout of its operand; what it gives is converted.
void Distributor::narrowFirst(Operation *op) {
  Value result = op->getResult(0);
  LayoutAttr wanted = layoutOf(result), given = layoutOf(op->getOperand(0));
  if (wanted == given)
    return;
  if (canRemake(op->getOperand(0)))
    return op->setOperand(0, remake(op->getOperand(0), wanted));
  setType(result, given);
  builder.setInsertionPointAfter(op);
  auto moved = builder.create<ConvertLayoutOp>(
      op->getLoc(), withLayout(tileOf(result), wanted), result);
  result.replaceAllUsesExcept(moved, moved);
}

void Distributor::convertOperands(Operation *op) {
  auto requireAll = [&](ValueRange like, unsigned first) {
    for (auto [i, value] : llvm::enumerate(like))
      if (tileOf(value))
        require(op->getOpOperand(first + i), Layout(layoutOf(value)));
  };
  if (auto dot = dyn_cast<DotOp>(op)) {
    const Product &product = products.find(op)->second;
    require(dot.getLhsMutable(), product.lhs);
    require(dot.getRhsMutable(), product.rhs);
    require(dot.getAccumulatorMutable(), product.result);
  } else if (isa<arith::TruncFOp>(op) && tileOf(op->getResult(0))) {
    narrowFirst(op);
  } else if (isElementwise(op)) {
    for (OpOperand &operand : op->getOpOperands())
      require(operand, Layout(layoutOf(op->getResult(0))));
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    require(transpose.getInputMutable(),
            Layout(layoutOf(transpose.getResult())).transposed());
  } else if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    require(
        broadcast.getInputMutable(),
        Layout(layoutOf(broadcast.getResult())).keeping(broadcast.getDims()));
  } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
    // All lanes share the work of a vector that is cheap to make.
    RankedTensorType type = tileOf(reduce.getInput());
    LayoutAttr spread =
        type.getRank() == 1
            ? spreadLayout(matrix, type.getDimSize(0)).get(context)
            : LayoutAttr();
    if (spread && canRemake(reduce.getInput()))
      reduce.getInputMutable().set(remake(reduce.getInput(), spread));
  } else if (isa<LoadOp, GatherOp>(op)) {
    convertRows(op, op->getResult(0));
  } else if (isa<StoreOp, ScatterOp>(op)) {
    convertRows(op, op->getOperand(0));
  } else if (auto store = dyn_cast<StoreCodesOp>(op)) {
    require(store.getCodesMutable(),
            codesLayoutOf(op, store.getCodes(), /*tokenDim=*/0));
  } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
    requireAll(loop.getRegionIterArgs(), loop.getNumControlOperands());
  } else if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    requireAll(loop.getBeforeArguments(), 0);
  } else if (isa<scf::ConditionOp>(op)) {
    requireAll(op->getParentOp()->getResults(), 1);
  } else if (isa<scf::YieldOp>(op)) {
    requireAll(op->getParentOp()->getResults(), 0);
  }
}

void Distributor::assign() {
  for (auto &[value, layout] : layouts)
    setType(value, layout.get(context));
  SmallVector<Operation *> ops;
  kernel.walk([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : ops)
    convertOperands(op);
}
