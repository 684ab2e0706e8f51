//===- Distribute.cpp - The pass tile-distribute --------------------------===//
//
// Layouts spread from products: to what their operands are made from and to
// what becomes of their results. The first layout that reaches a tile is its
// own; where a user needs another one, the tile is made again if that is cheap,
// and else converted.
//
//===----------------------------------------------------------------------===//

#include "passes/MatrixLayouts.h"
#include "passes/Passes.h"
#include "passes/Products.h"

#include <deque>

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

namespace mlir::kvarn {
#define GEN_PASS_DEF_TILEDISTRIBUTE
#include "passes/Passes.h.inc"
} // namespace mlir::kvarn

/// Of a layout.
static constexpr size_t kMaxRegisterBits = 10;

/// Layouts are of one to three dimensions, each of which is a power of two.
static LogicalResult checkTiles(KernelOp kernel) {
  WalkResult walked = kernel.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (RankedTensorType type = tileOf(result);
          type && (type.getRank() < 1 || type.getRank() > 3 ||
                   !llvm::all_of(type.getShape(), [](int64_t extent) {
                     return llvm::isPowerOf2_64(extent);
                   })))
        return WalkResult(op->emitOpError()
                          << "has the tile " << type
                          << ", expected one to three powers of two");
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

/// Whether the reduction is over the results of warps.
static bool overWarps(ReduceOp reduce) {
  SmallVector<Value> open = {reduce.getInput()};
  RankedTensorType type = reduce.getInput().getType();
  if (reduce.getDim() != 0 || type.getRank() < 2)
    return false;
  while (!open.empty()) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (isa_and_nonnull<WarpsOp>(op))
      return true;
    if (op && isElementwise(op))
      for (Value operand : op->getOperands())
        if (tileOf(operand) && tileOf(operand).getShape() == type.getShape())
          open.push_back(operand);
  }
  return false;
}

namespace {

class Distributor {
public:
  Distributor(KernelOp kernel, const MatrixInstruction &matrix)
      : kernel(kernel), matrix(matrix), context(kernel.getContext()),
        builder(context) {}

  LogicalResult run();

private:
  // Spreading.
  void set(Value value, const Layout &layout);
  void setAlways(Value value, const Layout &layout);
  void spread();
  void spreadToOperands(Operation *op, Value result, const Layout &layout);
  void setSums(ReduceOp reduce, const Layout &layout);
  void spreadToUser(OpOperand &use, const Layout &layout);
  void spreadAlongLoop(scf::ForOp loop, unsigned index, const Layout &layout);
  void setRows(Operation *op, Value tile, const Layout &layout);
  Layout sharedOut(Value vector, const Layout &layout);
  int64_t warpsAt(Operation *op);
  Layout codesLayoutOf(Operation *op, Value codes, int64_t tokenDim);
  void setPlain(Operation *op, Value value);
  void setCodes();
  void setStaged();
  void setMemory();
  void setRest(Operation *root);
  void setStacks(WarpsOp warps);

  // Assignment.
  LogicalResult checkSizes();
  void assign();
  void require(OpOperand &operand, const Layout &layout);
  Value remake(Value value, LayoutAttr layout);
  void narrowFirst(Operation *op);
  void convertOperands(Operation *op);
  void convertRows(Operation *op, Value tile);

  const Layout &at(Value value) { return layouts.find(value)->second; }

  KernelOp kernel;
  const MatrixInstruction &matrix;
  MLIRContext *context;
  OpBuilder builder;
  Products products;
  bool rotates = false;  // and does nothing else
  bool onlySums = false; // spreads from products to what they add to
  SmallVector<Value> sums;
  int64_t ownWarps = 0; // of regions of warps, 0 = there are none
  DenseMap<Value, Layout> layouts;
  DenseMap<std::pair<Value, Attribute>, Value> copies;
  std::deque<Value> reached;
};

} // namespace

//===----------------------------------------------------------------------===//
// Spreading
//===----------------------------------------------------------------------===//

void Distributor::set(Value value, const Layout &layout) {
  // Results of warps lie as what the warps yield.
  if (tileOf(value) && !value.getDefiningOp<WarpsOp>())
    setAlways(value, layout);
}

void Distributor::setAlways(Value value, const Layout &layout) {
  if (!layouts.try_emplace(value, layout).second)
    return;
  // Users of a constant have nothing to do with one another.
  if (!value.getDefiningOp<arith::ConstantOp>() &&
      !value.getDefiningOp<SplatOp>())
    reached.push_back(value);
}

void Distributor::setRows(Operation *op, Value tile, const Layout &layout) {
  for (Value operand : op->getOperands())
    if (operand != tile)
      set(operand, layout.rank == 2 ? layout.without(1) : layout);
}

void Distributor::spreadAlongLoop(scf::ForOp loop, unsigned index,
                                  const Layout &layout) {
  set(loop.getResult(index), layout);
  set(loop.getRegionIterArg(index), layout);
  set(loop.getInits()[index], layout);
  set(loop.getYieldedValues()[index], layout);
}

/// Where nothing is multiplied, vectors of numbers come from sums and go
/// through expensive functions: each lane takes some of them.
Layout Distributor::sharedOut(Value vector, const Layout &layout) {
  bool numbers = tileOf(vector).getElementType().isF32() && layout.rank == 1;
  return products.empty() && numbers ? withoutCopies(layout) : layout;
}

/// Ops that hand a tile on as it is.
static bool handsOn(Operation *op) {
  return isa<DotOp, scf::ForOp, scf::IfOp, scf::YieldOp>(op);
}

void Distributor::spreadToOperands(Operation *op, Value result,
                                   const Layout &layout) {
  if (onlySums && !handsOn(op))
    return;
  if (isElementwise(op)) {
    // What all warps need is made by all of them together, and narrowed before
    // it is handed around.
    bool shared =
        isa<arith::TruncFOp>(op) && !products.empty() && warpsAt(op) > 1;
    for (Value operand : op->getOperands())
      if (!shared)
        set(operand, layout);
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    set(transpose.getInput(), layout.transposed());
  } else if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    set(broadcast.getInput(),
        sharedOut(broadcast.getInput(), layout.keeping(broadcast.getDims())));
  } else if (auto dot = dyn_cast<DotOp>(op)) {
    set(dot.getAccumulator(), layout);
  } else if (isa<LoadOp, GatherOp>(op)) {
    setRows(op, result, layout);
  } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
    spreadAlongLoop(loop, cast<OpResult>(result).getResultNumber(), layout);
  } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
    unsigned index = cast<OpResult>(result).getResultNumber();
    set(branch.thenYield().getOperand(index), layout);
    set(branch.elseYield().getOperand(index), layout);
  }
}

/// Sums lie as what they are made from, but their users need not.
void Distributor::setSums(ReduceOp reduce, const Layout &layout) {
  Value sums = reduce.getResult();
  Layout further = sharedOut(sums, layout);
  if (further.get(context) == layout.get(context))
    return set(sums, layout);
  if (layouts.try_emplace(sums, layout).second)
    for (OpOperand &use : sums.getUses())
      spreadToUser(use, further);
}

void Distributor::spreadToUser(OpOperand &use, const Layout &layout) {
  Operation *op = use.getOwner();
  unsigned index = use.getOperandNumber();
  if (onlySums && !handsOn(op))
    return;
  if (isElementwise(op)) {
    // A narrowed tile moves to other lanes for half the price.
    if (!isa<arith::TruncFOp>(op) || products.empty())
      set(op->getResult(0), layout);
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    set(transpose.getResult(), layout.transposed());
  } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
    if (layout.rank > 1 && !overWarps(reduce))
      setSums(reduce, layout.without(reduce.getDim()));
  } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
    spreadAlongLoop(loop, index - loop.getNumControlOperands(), layout);
  } else if (isa<scf::YieldOp>(op)) {
    if (auto loop = dyn_cast<scf::ForOp>(op->getParentOp()))
      spreadAlongLoop(loop, index, layout);
    else
      set(op->getParentOp()->getResult(index), layout);
  } else if (auto yield = dyn_cast<YieldOp>(op)) {
    auto warps = cast<WarpsOp>(op->getParentOp());
    setAlways(warps.getResult(index), layout.stacked(warps.getCount()));
  } else if (isa<StoreOp, ScatterOp>(op) && index == 0) {
    setRows(op, use.get(), layout);
  }
}

void Distributor::spread() {
  while (!reached.empty()) {
    Value value = reached.front();
    reached.pop_front();
    if (onlySums)
      sums.push_back(value);
    Layout layout = at(value);
    if (Operation *op = value.getDefiningOp()) {
      spreadToOperands(op, value, layout);
    } else {
      auto argument = cast<BlockArgument>(value);
      Operation *parent = argument.getOwner()->getParentOp();
      if (auto loop = dyn_cast<scf::ForOp>(parent))
        spreadAlongLoop(loop, argument.getArgNumber() - 1, layout);
    }
    for (OpOperand &use : value.getUses())
      spreadToUser(use, layout);
  }
}

/// The warps that share a tile: all of them, but for what each has of its own.
int64_t Distributor::warpsAt(Operation *op) {
  if (!ownWarps && kernel.getScheduleAttr() &&
      (products.empty() || worksTogether(kernel)))
    return kernel.getScheduleAttr().getWarps();
  // Constants stand at the head of the kernel, wherever they are used.
  bool own = op->getParentOfType<WarpsOp>();
  if (isa<arith::ConstantOp>(op))
    own |= llvm::any_of(op->getUsers(), [](Operation *user) {
      return bool(user->getParentOfType<WarpsOp>());
    });
  return own ? 1 : std::max<int64_t>(ownWarps, 1);
}

void Distributor::setPlain(Operation *op, Value value) {
  set(value, plainLayout(matrix, tileOf(value), warpsAt(op), rotates));
  spread();
}

Layout Distributor::codesLayoutOf(Operation *op, Value codes,
                                  int64_t tokenDim) {
  return codesLayout(matrix, op->getAttrOfType<FormatAttr>("format"),
                     op->getAttrOfType<RecordPartAttr>("part").getValue(),
                     tileOf(codes).getShape(), tokenDim, warpsAt(op));
}

/// Codes that no product asks for lie as in their record, whatever becomes of
/// them; so do the operands that they become.
void Distributor::setCodes() {
  if (worksTogether(kernel))
    kernel.walk([&](LoadCodesOp op) {
      set(op.getResult(), stagedCodes(matrix, op.getFormat(), op.getPart(),
                                      op.getType().getShape(), warpsAt(op)));
      spread();
    });
  kernel.walk([&](LoadCodesOp op) {
    bool key = op.getPart() == RecordPart::Key;
    Layout layout = codesLayoutOf(op, op.getResult(), /*tokenDim=*/key);
    layouts.try_emplace(op.getResult(), layout);
    for (Operation *user : op->getUsers())
      if (isa<TransposeOp>(user))
        layouts.try_emplace(user->getResult(0), layout.transposed());
  });
}

/// What is staged from rows of memory, the depth across them.
void Distributor::setStaged() {
  kernel.walk([&](StageOp op) {
    auto memory = layouts.find(op.getResult());
    if (memory == layouts.end())
      return; // no product reads it
    Operation *source = op.getInput().getDefiningOp();
    bool acrossRows = memory->second.registers[0][0] != 0;
    if (!acrossRows || isa_and_nonnull<TransposeOp>(source))
      return;
    set(op.getInput(),
        stagedColumns(matrix, op.getType().getShape(), warpsAt(op)));
    spread();
  });
}

/// What goes to and from memory goes there in runs.
void Distributor::setMemory() {
  kernel.walk([&](Operation *op) {
    if (isa<LoadOp>(op) && tileOf(op->getResult(0)).getRank() == 2)
      setPlain(op, op->getResult(0));
    else if (isa<StoreOp>(op) && tileOf(op->getOperand(0)).getRank() == 2)
      setPlain(op, op->getOperand(0));
  });
}

/// Plain layouts for what no product reaches in `root`, matrices before
/// vectors.
void Distributor::setRest(Operation *root) {
  for (int64_t rank : {3, 2, 1, 0}) {
    root->walk<WalkOrder::PreOrder>([&](Operation *op) {
      for (Value result : op->getResults())
        if (tileOf(result) && tileOf(result).getRank() == rank) {
          // Narrowed in place, unless a user has asked for more.
          if (isa<arith::TruncFOp>(op) && layouts.count(op->getOperand(0)))
            set(result, Layout(at(op->getOperand(0))));
          setPlain(op, result);
        }
    });
  }
}

/// Results of warps, also where what they yield does not spread by itself:
/// constants and tiles from outside.
void Distributor::setStacks(WarpsOp warps) {
  auto yield = cast<YieldOp>(warps.getBody().front().getTerminator());
  for (auto [value, result] :
       llvm::zip(yield.getValues(), warps.getResults())) {
    set(value, plainLayout(matrix, tileOf(value), /*warps=*/1));
    spread();
    setAlways(result, at(value).stacked(warps.getCount()));
    spread();
  }
}

//===----------------------------------------------------------------------===//
// Assignment
//===----------------------------------------------------------------------===//

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
/// between lanes.
static bool canRemake(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<SplatOp, IotaOp, LoadVectorOp, ExpandScaleOp, HadamardMatrixOp,
          arith::ConstantOp>(op) ||
      crossesWarps(op))
    return true;
  return isElementwise(op) && !isa<HadamardOp, ScanOp, ExpandOp, KeepOp>(op) &&
         llvm::all_of(op->getOperands(), [](Value operand) {
           return !tileOf(operand) || canRemake(operand);
         });
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
  } else if (isa<scf::YieldOp>(op)) {
    requireAll(op->getParentOp()->getResults(), 0);
  }
}

/// Whether the tile lies in memory, or its registers are alike.
static bool hasFewRegisters(Operation *op) {
  return isa_and_nonnull<StageOp, HadamardMatrixOp>(op);
}

LogicalResult Distributor::checkSizes() {
  auto check = [&](Operation *op, Value value, const Layout &layout) {
    if (layout.registers.size() <= kMaxRegisterBits)
      return success();
    return LogicalResult(op->emitOpError() << "has the tile " << value.getType()
                                           << ", of which a lane would hold "
                                           << layout.registerCount()
                                           << " elements, expected at most "
                                           << (int64_t(1) << kMaxRegisterBits));
  };
  WalkResult walked = kernel.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (auto it = layouts.find(result); it != layouts.end() &&
                                          !hasFewRegisters(op) &&
                                          failed(check(op, result, it->second)))
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  for (auto &[op, product] : products)
    for (auto [value, layout] : {std::pair(op->getOperand(0), product.lhs),
                                 {op->getOperand(1), product.rhs}})
      if (!hasFewRegisters(value.getDefiningOp()) &&
          failed(check(op, value, layout)))
        return failure();
  return success();
}

void Distributor::assign() {
  for (auto &[value, layout] : layouts)
    setType(value, layout.get(context));
  SmallVector<Operation *> ops;
  kernel.walk([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : ops)
    convertOperands(op);
}

LogicalResult Distributor::run() {
  if (failed(planProducts(kernel, matrix, products)))
    return failure();
  // Records are the same bytes whether their tiles are rotated here or not.
  kernel.walk([&](HadamardOp) { rotates = products.empty(); });
  kernel.walk([&](StoreCodesOp) { rotates = false; });
  kernel.walk([&](WarpsOp warps) { ownWarps = warps.getCount(); });
  // The result of a product is what the instruction makes of it, also where
  // products of a loop add to it.
  onlySums = true;
  for (auto &[dot, product] : products)
    set(dot->getResult(0), product.result);
  spread();
  onlySums = false;
  // In program order: what several products reach belongs to the first.
  for (auto &[op, product] : products) {
    auto dot = cast<DotOp>(op);
    reached.push_back(dot.getResult());
    set(dot.getLhs(), product.source.value_or(product.lhs));
    set(dot.getRhs(), product.rhs);
    spread();
  }
  llvm::append_range(reached, sums);
  spread();
  setCodes();
  if (worksTogether(kernel))
    setStaged();
  if (products.empty())
    setMemory();
  // Results of warps depend on what happens inside.
  kernel.walk([&](WarpsOp warps) {
    setRest(warps);
    setStacks(warps);
  });
  setRest(kernel);
  if (failed(checkSizes()))
    return failure();
  assign();
  return success();
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
      if (worksTogether(kernel) && !row->warpgroupProducts) {
        kernel.emitOpError() << "has a schedule with team = warpgroup, which "
                             << row->name << " has no instruction for";
        return signalPassFailure();
      }
    for (auto kernel : getOperation().getOps<KernelOp>())
      if (failed(checkTiles(kernel)) ||
          failed(Distributor(kernel, *row->matrix).run()))
        return signalPassFailure();
  }
};

} // namespace
