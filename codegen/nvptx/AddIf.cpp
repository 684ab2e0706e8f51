//===- AddIf.cpp - Products that are added where a number says so ---------===//
//
// `select(condition, before + left * right, before)`, the condition being the
// same for all elements, is one instruction with a predicate. Where `left` is a
// matrix product of many instructions, the last of these are in a branch.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// The registers of the result that these cells are.
static SmallVector<int64_t> registersOf(ArrayRef<DotCell> cells) {
  SmallVector<int64_t> all;
  for (const DotCell &cell : cells)
    llvm::copy_if(cell.registers, std::back_inserter(all),
                  [](int64_t index) { return index >= 0; });
  return all;
}

std::optional<AddIf> AddIf::match(arith::SelectOp select) {
  auto sum = select.getTrueValue().getDefiningOp<arith::AddFOp>();
  auto product =
      sum ? sum.getRhs().getDefiningOp<arith::MulFOp>() : arith::MulFOp();
  if (!product || sum.getLhs() != select.getFalseValue() ||
      isTile(select.getCondition()) ||
      !getElementTypeOrSelf(select.getResult()).isF32())
    return std::nullopt;
  return AddIf{product, sum, select};
}

/// In place: the assembler would move what it selects from.
bool KernelEmitter::emitAddIf(arith::SelectOp op) {
  std::optional<AddIf> add = AddIf::match(op);
  if (!add)
    return false;
  Value condition = scalar(op.getCondition());
  Values sums = registers(op.getFalseValue());
  Values left = registers(add->product.getLhs()),
         right = registers(add->product.getRhs());
  for (auto [sum, a, b] : llvm::zip(sums, left, right))
    sum = ir.addProductIf(condition, a, b, sum);
  define(op.getResult(), sums);
  return true;
}

/// The sum that is all that a matrix product is for, if what else it takes is
/// there before the product, and codes are loaded for nothing else: what is
/// known of them in a branch is not known behind it.
std::optional<AddIf> KernelEmitter::addIfOf(DotOp dot) {
  auto onlyUser = [](Operation *op) {
    return op && op->hasOneUse() ? *op->user_begin() : nullptr;
  };
  auto select =
      dyn_cast_or_null<arith::SelectOp>(onlyUser(onlyUser(onlyUser(dot))));
  std::optional<AddIf> add = select ? AddIf::match(select) : std::nullopt;
  if (!add || add->product.getLhs() != dot.getResult() ||
      select->getBlock() != dot->getBlock() ||
      !scalars.contains(select.getCondition()) ||
      !tiles.contains(select.getFalseValue()) ||
      !tiles.contains(add->product.getRhs()))
    return std::nullopt;
  for (Value operand : {dot.getLhs(), dot.getRhs()})
    if (ExpandOp op = expanded.lookup(operand);
        op && !(op->hasOneUse() && op.getCodes().hasOneUse()))
      return std::nullopt;
  return add;
}

/// As many cells of the product as are summed at once are there whatever the
/// condition says, those behind them only where it holds. The assembler moves
/// nothing across that branch: the first sums are added by then and leave their
/// registers to the others.
void KernelEmitter::emitDotIf(DotOp dot, const DotPlan &plan, AddIf add) {
  Values total = registers(dot.getAccumulator());
  Values sums = registers(add.select.getFalseValue());
  const Values factors = registers(add.product.getRhs());
  Value condition = scalar(add.select.getCondition());
  DenseMap<Value, Value> copies;
  ArrayRef<DotCell> first = ArrayRef(plan.cells).take_front(kCellsAtOnce);
  ArrayRef<DotCell> others = ArrayRef(plan.cells).drop_front(first.size());
  sumCells(plan, first, total, copies);
  for (int64_t i : registersOf(first))
    sums[i] = ir.addProductIf(condition, total[i], factors[i], sums[i]);

  SmallVector<int64_t> later = registersOf(others);
  auto ofOthers = [&] {
    Values values;
    for (int64_t i : later)
      values.push_back(sums[i]);
    return values;
  };
  Values before = ofOthers();
  auto branch =
      ir.create<scf::IfOp>(TypeRange(ValueRange(before)),
                           conditionOf(add.select.getCondition()), true);
  {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(branch.elseBlock());
    ir.create<scf::YieldOp>(before);
    ir.setInsertionPointToStart(branch.thenBlock());
    sumCells(plan, others, total, copies);
    for (int64_t i : later)
      sums[i] = ir.intrinsic("llvm.fma", ir.getF32Type(),
                             {total[i], factors[i], sums[i]});
    ir.create<scf::YieldOp>(ofOthers());
  }
  for (auto [i, sum] : llvm::zip(later, branch.getResults()))
    sums[i] = sum;
  define(add.select.getResult(), sums);
  emitted.insert(add.product);
  emitted.insert(add.sum);
  emitted.insert(add.select);
}
