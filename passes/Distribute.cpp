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

#include <deque>

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

static bool isElementwise(Operation *op) {
  return op->getNumResults() == 1 && tileOf(op->getResult(0)) &&
         (isa<ExpandOp, HadamardOp, RecallOp>(op) ||
          OpTrait::hasElementwiseMappableTraits(op));
}

namespace {

/// The layouts of one product.
struct Product {
  Layout lhs, rhs, result;
  bool transposed = false;
};

class Distributor {
public:
  Distributor(KernelOp kernel, const MatrixInstruction &matrix)
      : kernel(kernel), matrix(matrix), context(kernel.getContext()),
        builder(context) {}

  LogicalResult run();

private:
  // Which layouts products want.
  LogicalResult planProducts();
  LogicalResult checkShape(DotOp dot);
  void plan(DotOp dot, bool transposed);
  DotOp productBehind(Value lhs);

  // Spreading.
  void set(Value value, const Layout &layout);
  void spread();
  void spreadToOperands(Operation *op, Value result, const Layout &layout);
  void setSums(ReduceOp reduce, const Layout &layout);
  void spreadToUser(OpOperand &use, const Layout &layout);
  void spreadAlongLoop(scf::ForOp loop, unsigned index, const Layout &layout);
  void setRows(Operation *op, Value tile, const Layout &layout);
  Layout sharedOut(Value vector, const Layout &layout);
  void setPlain(Value value);
  void setRest();
  Layout codesLayoutOf(RecordPart part, FormatAttr format, Value codes,
                       int64_t tokenDim);

  // Assignment.
  void assign();
  void require(OpOperand &operand, const Layout &layout);
  Value remake(Value value, LayoutAttr layout);
  void convertOperands(Operation *op);
  void convertRows(Operation *op, Value tile);

  const Layout &at(Value value) { return layouts.find(value)->second; }

  KernelOp kernel;
  const MatrixInstruction &matrix;
  MLIRContext *context;
  OpBuilder builder;
  llvm::MapVector<Operation *, Product> products;
  int64_t warps = 1; // that share the tiles of a kernel without products
  DenseMap<Value, Layout> layouts;
  std::deque<Value> reached;
};

} // namespace

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// The product of whose result `lhs` is an elementwise function, or null.
DotOp Distributor::productBehind(Value lhs) {
  SmallVector<Value> open = {lhs};
  DenseSet<Value> seen;
  while (!open.empty()) {
    Value value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || !seen.insert(value).second)
      continue;
    if (auto dot = dyn_cast<DotOp>(op))
      return dot;
    if (auto branch = dyn_cast<scf::IfOp>(op)) {
      unsigned index = cast<OpResult>(value).getResultNumber();
      open.push_back(branch.thenYield().getOperand(index));
      open.push_back(branch.elseYield().getOperand(index));
    } else if (isElementwise(op)) {
      for (Value operand : op->getOperands())
        if (tileOf(operand) &&
            tileOf(operand).getShape() == tileOf(value).getShape())
          open.push_back(operand);
    }
  }
  return {};
}

LogicalResult Distributor::checkShape(DotOp dot) {
  ArrayRef<int64_t> a = tileOf(dot.getLhs()).getShape();
  int64_t columns = tileOf(dot.getRhs()).getRank() == 2
                        ? tileOf(dot.getRhs()).getDimSize(1)
                        : matrix.columns;
  int64_t least = int64_t(1) << matrix.outerLanes.size();
  for (auto [what, extent, multiple] : {std::tuple("rows", a[0], least),
                                        std::tuple("depth", a[1], matrix.depth),
                                        std::tuple("columns", columns, least)})
    if (extent < multiple || !llvm::isPowerOf2_64(extent))
      return dot.emitOpError() << what << " are " << extent
                               << ", expected a power of two of at least "
                               << multiple << " for " << matrix.name;
  return success();
}

/// The format and part of the codes that `value` is made from, or null.
static std::pair<FormatAttr, RecordPart> codesBehind(Value value) {
  if (auto expand = value.getDefiningOp<ExpandOp>())
    return {expand.getFormat(), expand.getPart()};
  return {};
}

void Distributor::plan(DotOp dot, bool transposed) {
  RankedTensorType rhs = tileOf(dot.getRhs());
  DotOp before = productBehind(dot.getLhs());
  auto [format, part] = codesBehind(dot.getRhs());
  if (!format)
    part = before ? RecordPart::Value : RecordPart::Key;
  // Results of one shape meet in a sum, whether from codes or not.
  FormatAttr columnsOf = format;
  if (!format && part == RecordPart::Value)
    kernel.walk([&](ExpandOp op) { columnsOf = op.getFormat(); });
  OperandLanes lanes = lanesOf(matrix, columnsOf, part, rhs.getShape());
  Product product;
  if (before) {
    product.lhs = products.find(before)->second.result;
    lanes.depth = stridesOf(product.lhs, matrix.depthLanes, 1);
  } else {
    product.lhs =
        lhsLayout(matrix, tileOf(dot.getLhs()).getShape(), lanes.depth);
  }
  product.rhs = rhsLayout(matrix, rhs.getShape(), lanes);
  product.transposed = transposed;
  product.result = resultLayout(matrix, tileOf(dot.getResult()).getShape(),
                                product.lhs, product.rhs, transposed);
  products.insert({dot, product});
}

LogicalResult Distributor::planProducts() {
  SmallVector<DotOp> dots, vectors;
  DenseSet<Operation *> becomeOperands;
  WalkResult walked = kernel.walk([&](DotOp dot) {
    (tileOf(dot.getRhs()).getRank() == 2 ? dots : vectors).push_back(dot);
    if (DotOp before = productBehind(dot.getLhs()))
      becomeOperands.insert(before);
    return WalkResult(checkShape(dot));
  });
  if (walked.wasInterrupted())
    return failure();
  for (DotOp dot : dots)
    plan(dot, !becomeOperands.contains(dot));
  // A vector's product goes the way of its matrix, whose operand it shares.
  for (DotOp dot : vectors) {
    DotOp like;
    for (DotOp other : dots)
      if (other.getLhs() == dot.getLhs())
        like = other;
    if (!like) {
      plan(dot, false);
      continue;
    }
    Product product = products.find(like)->second;
    product.rhs = product.rhs.without(1);
    product.result = resultLayout(matrix, tileOf(dot.getResult()).getShape(),
                                  product.lhs, product.rhs, product.transposed);
    products.insert({dot, product});
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Spreading
//===----------------------------------------------------------------------===//

void Distributor::set(Value value, const Layout &layout) {
  if (!tileOf(value) || !layouts.try_emplace(value, layout).second)
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

void Distributor::spreadToOperands(Operation *op, Value result,
                                   const Layout &layout) {
  if (isElementwise(op)) {
    for (Value operand : op->getOperands())
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
  if (isElementwise(op)) {
    set(op->getResult(0), layout);
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    set(transpose.getResult(), layout.transposed());
  } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
    if (layout.rank > 1)
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
    set(warps.getResult(index), layout.stacked(warps.getCount()));
  } else if (isa<StoreOp, ScatterOp>(op) && index == 0) {
    setRows(op, use.get(), layout);
  }
}

void Distributor::spread() {
  while (!reached.empty()) {
    Value value = reached.front();
    reached.pop_front();
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

void Distributor::setPlain(Value value) {
  set(value, plainLayout(matrix, tileOf(value), warps));
  spread();
}

Layout Distributor::codesLayoutOf(RecordPart part, FormatAttr format,
                                  Value codes, int64_t tokenDim) {
  return codesLayout(matrix, format, part, tileOf(codes).getShape(), tokenDim,
                     warps);
}

/// Plain layouts for what no product reaches, matrices before vectors. Codes
/// lie as in their record, whatever becomes of them.
void Distributor::setRest() {
  kernel.walk([&](LoadCodesOp op) {
    bool key = op.getPart() == RecordPart::Key;
    Layout layout = codesLayoutOf(op.getPart(), op.getFormat(), op.getResult(),
                                  /*tokenDim=*/key);
    layouts.try_emplace(op.getResult(), layout);
    for (Operation *user : op->getUsers())
      if (isa<TransposeOp>(user))
        layouts.try_emplace(user->getResult(0), layout.transposed());
  });
  // What goes to and from memory goes there in runs.
  if (products.empty())
    kernel.walk([&](Operation *op) {
      if (isa<LoadOp>(op) && tileOf(op->getResult(0)).getRank() == 2)
        setPlain(op->getResult(0));
      else if (isa<StoreOp>(op) && tileOf(op->getOperand(0)).getRank() == 2)
        setPlain(op->getOperand(0));
    });
  for (int64_t rank : {3, 2, 1, 0}) {
    kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
      for (Value result : op->getResults())
        if (tileOf(result) && tileOf(result).getRank() == rank)
          setPlain(result);
    });
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

/// The same value in another layout, if that costs no exchange between lanes;
/// else null.
Value Distributor::remake(Value value, LayoutAttr layout) {
  Operation *op = value.getDefiningOp();
  bool source = isa_and_nonnull<SplatOp, IotaOp, LoadVectorOp, ExpandScaleOp,
                                arith::ConstantOp>(op);
  bool chain = op && op->getNumOperands() == 1 && isElementwise(op);
  if (!source && !chain)
    return {};
  IRMapping mapping;
  if (chain) {
    Value operand = remake(op->getOperand(0), layout);
    if (!operand)
      return {};
    mapping.map(op->getOperand(0), operand);
  }
  // Right here: later its memory may hold something else.
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(op);
  Operation *copy = builder.clone(*op, mapping);
  setType(copy->getResult(0), layout);
  return copy->getResult(0);
}

void Distributor::require(OpOperand &operand, const Layout &layout) {
  Value value = operand.get();
  if (!tileOf(value))
    return;
  LayoutAttr wanted = layout.get(context);
  if (layoutOf(value) == wanted)
    return;
  if (Value copy = remake(value, wanted))
    return operand.set(copy);
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
    if (Value copy = spread ? remake(reduce.getInput(), spread) : Value())
      reduce.getInputMutable().set(copy);
  } else if (isa<LoadOp, GatherOp>(op)) {
    convertRows(op, op->getResult(0));
  } else if (isa<StoreOp, ScatterOp>(op)) {
    convertRows(op, op->getOperand(0));
  } else if (auto store = dyn_cast<StoreCodesOp>(op)) {
    require(store.getCodesMutable(),
            codesLayoutOf(store.getPart(), store.getFormat(), store.getCodes(),
                          /*tokenDim=*/0));
  } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
    requireAll(loop.getRegionIterArgs(), loop.getNumControlOperands());
  } else if (isa<scf::YieldOp>(op)) {
    requireAll(op->getParentOp()->getResults(), 0);
  }
}

void Distributor::assign() {
  for (auto &[value, layout] : layouts)
    setType(value, layout.get(context));
  // The result of a product is what the instruction makes of it.
  for (auto &[dot, product] : products)
    setType(dot->getResult(0), product.result.get(context));
  SmallVector<Operation *> ops;
  kernel.walk([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : ops)
    convertOperands(op);
}

LogicalResult Distributor::run() {
  if (failed(planProducts()))
    return failure();
  bool byWarp = false;
  kernel.walk([&](WarpsOp) { byWarp = true; });
  if (products.empty() && !byWarp && kernel.getScheduleAttr())
    warps = kernel.getScheduleAttr().getWarps();
  // In program order: what several products reach belongs to the first.
  for (auto &[op, product] : products) {
    auto dot = cast<DotOp>(op);
    set(dot.getResult(), product.result);
    set(dot.getLhs(), product.lhs);
    set(dot.getRhs(), product.rhs);
    spread();
  }
  setRest();
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
      if (failed(Distributor(kernel, *row->matrix).run()))
        return signalPassFailure();
  }
};

} // namespace
