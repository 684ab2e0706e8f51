//===- SpreadLayouts.cpp - Layouts spread from products ------------------===//

#include "passes/Distributor.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

bool mlir::kvarn::overWarps(ReduceOp reduce) {
  SmallVector<Value> open = {reduce.getInput()};
  DenseSet<Value> seen;
  RankedTensorType type = reduce.getInput().getType();
  if (reduce.getDim() != 0 || type.getRank() < 2)
    return false;
  while (!open.empty()) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (isa_and_nonnull<WarpsOp>(op))
      return true;
    if (op && isElementwise(op))
      for (Value operand : op->getOperands())
        if (tileOf(operand) && tileOf(operand).getShape() == type.getShape() &&
            seen.insert(operand).second)
          open.push_back(operand);
  }
  return false;
}

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

void Distributor::spreadAlongLoop(Operation *op, unsigned index,
                                  const Layout &layout) {
  set(op->getResult(index), layout);
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    set(loop.getRegionIterArg(index), layout);
    set(loop.getInits()[index], layout);
    set(loop.getYieldedValues()[index], layout);
    return;
  }
  auto loop = cast<scf::WhileOp>(op);
  set(loop.getBeforeArguments()[index], layout);
  set(loop.getInits()[index], layout);
  set(loop.getConditionOp().getArgs()[index], layout);
  set(loop.getAfterArguments()[index], layout);
}

/// Where nothing is multiplied, vectors of numbers come from sums and go
/// through expensive functions: each lane takes some of them.
Layout Distributor::sharedOut(Value vector, const Layout &layout) {
  bool numbers = tileOf(vector).getElementType().isF32() && layout.rank == 1;
  return products.empty() && numbers ? withoutCopies(layout) : layout;
}

/// Ops that hand a tile on as it is.
static bool handsOn(Operation *op) {
  return isa<DotOp, scf::ForOp, scf::WhileOp, scf::IfOp, scf::YieldOp,
             scf::ConditionOp>(op);
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
  } else if (isa<scf::ForOp, scf::WhileOp>(op)) {
    spreadAlongLoop(op, cast<OpResult>(result).getResultNumber(), layout);
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
  } else if (isa<scf::WhileOp>(op)) {
    spreadAlongLoop(op, index, layout);
  } else if (isa<scf::ConditionOp>(op)) {
    spreadAlongLoop(op->getParentOp(), index - 1, layout);
  } else if (isa<scf::YieldOp>(op)) {
    if (isa<scf::ForOp, scf::WhileOp>(op->getParentOp()))
      spreadAlongLoop(op->getParentOp(), index, layout);
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
      if (isa<scf::ForOp>(parent))
        spreadAlongLoop(parent, argument.getArgNumber() - 1, layout);
      else if (isa<scf::WhileOp>(parent))
        spreadAlongLoop(parent, argument.getArgNumber(), layout);
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
