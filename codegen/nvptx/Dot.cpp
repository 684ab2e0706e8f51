//===- Dot.cpp - Matrix products with mma.m16n8k16 ------------------------===//
//
// The instruction multiplies [16 rows, 16 depth] by [16 depth, 8 columns]. Its
// rows are the columns of the right operand: a product is computed transposed.
// Eight of them alone leave the other half empty.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "passes/MatrixLayouts.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

SmallVector<int64_t> nvptx::sums(ArrayRef<int64_t> strides) {
  SmallVector<int64_t> all = {0};
  for (int64_t stride : strides)
    for (size_t i = 0, end = all.size(); i < end; ++i)
      all.push_back(all[i] + stride);
  return all;
}

/// Chains of instructions that are enough for these not to wait for one another
/// where there are few sums.
static constexpr size_t kChains = 4;

/// What a product adds to what it begins with.
Value KernelEmitter::plus(Value total, Value value) {
  return matchPattern(total, m_AnyZeroFloat())
             ? value
             : combine(ReduceKind::Add, total, value);
}

/// In pairs.
Value KernelEmitter::sumOf(ArrayRef<Value> parts) {
  if (parts.size() == 1)
    return parts[0];
  size_t half = parts.size() / 2;
  return combine(ReduceKind::Add, sumOf(parts.take_front(half)),
                 sumOf(parts.drop_front(half)));
}

DotPlan KernelEmitter::planDot(DotOp op) {
  Layout lhs = layout(op.getLhs()), rhs = layout(op.getRhs()),
         result = layout(op.getResult());
  DotPlan plan;
  plan.columns = {op.getLhs(), lhs, 0, {}};
  plan.rows = {op.getRhs(), rhs, 1, {}};
  plan.alike = areAlike(op.getRhs());
  // A register bit of the rows gives the second eight.
  SmallVector<int64_t> rowStrides = registerStrides(rhs, 1);
  plan.second = rowStrides.empty() ? 0 : rowStrides.front();
  if (plan.second)
    rowStrides.erase(rowStrides.begin());
  plan.rows.outer = sums(rowStrides);
  plan.columns.outer = sums(registerStrides(lhs, 0));
  // Bit 0 is the pair in a word, bit 1 the two halves of the depth.
  SmallVector<int64_t> depth = registerStrides(rhs, 0);
  if (!plan.alike)
    std::swap(depth[1], depth[halfOfDepth(depth)]);
  plan.steps = sums(ArrayRef(depth).drop_front(2));
  plan.upper = depth[1];
  if (llvm::is_contained(op.getDescending(), 0))
    std::reverse(plan.steps.begin(), plan.steps.end());
  if (llvm::is_contained(op.getDescending(), 1))
    std::reverse(plan.rows.outer.begin(), plan.rows.outer.end());
  // Neighbouring columns of the instruction share a lane.
  int64_t neighbour = lhs.lanes[target.matrix->outerLanes[0]][0];
  auto resultRegister = [&](int64_t row, int64_t column) -> int64_t {
    return result.registerAt({column, row});
  };
  for (int64_t row : plan.rows.outer)
    for (int64_t column : plan.columns.outer) {
      DotCell cell{row, column, {-1, -1, -1, -1}};
      cell.registers[0] = resultRegister(row, column);
      cell.registers[1] = resultRegister(row, column + neighbour);
      if (plan.second) {
        cell.registers[2] = resultRegister(row + plan.second, column);
        cell.registers[3] =
            resultRegister(row + plan.second, column + neighbour);
      }
      plan.cells.push_back(cell);
    }
  return plan;
}

/// What one instruction multiplies.
DotStep KernelEmitter::stepOf(const DotPlan &plan, const DotCell &cell,
                              int64_t at) {
  auto word = [&](const DotSide &side, int64_t outer, int64_t depth) {
    return pairOf(side.tile, side.pairAt(outer, depth));
  };
  int64_t row = cell.row + plan.second;
  return {{word(plan.rows, cell.row, at), word(plan.rows, row, at),
           word(plan.rows, cell.row, at + plan.upper),
           word(plan.rows, row, at + plan.upper)},
          {word(plan.columns, cell.column, at),
           word(plan.columns, cell.column, at + plan.upper)}};
}

/// One instruction.
Values KernelEmitter::multiply(const DotStep &step, ArrayRef<Value> sum) {
  Type f32 = ir.getF32Type();
  Type type =
      LLVM::LLVMStructType::getLiteral(ir.getContext(), {f32, f32, f32, f32});
  Values operands, results;
  for (const Values &words : {step.rows, step.columns})
    for (Value word : words)
      operands.push_back(ir.asPair(word));
  llvm::append_range(operands, sum);
  Value result =
      ir.intrinsic("llvm.nvvm.mma.m16n8k16.row.col.f32.f32", type, operands);
  for (int64_t i = 0; i < 4; ++i)
    results.push_back(ir.create<LLVM::ExtractValueOp>(result, i));
  return results;
}

/// The four sums of an instruction are neighbouring registers. Where both eight
/// rows begin with the same numbers, the assembler copies them for every
/// instruction, unless it does not know that they are equal: then they lie
/// there once. `copies`: those that are made already.
static void tellApart(Ir &ir, Values &sums, DenseMap<Value, Value> &copies) {
  if (sums[0] != sums[2] || sums[1] != sums[3] ||
      matchPattern(sums[0], m_Constant()))
    return;
  for (Value &sum : MutableArrayRef(sums).drop_front(2)) {
    Value &copy = copies[sum];
    if (!copy)
      copy = ir.shuffleXor(sum, 0);
    sum = copy;
  }
}

/// Adds the products of a few cells to `total`.
void KernelEmitter::sumInChains(const DotPlan &plan, ArrayRef<DotCell> group,
                                Values &total, DenseMap<Value, Value> &copies) {
  // A few cells are summed in several parts of the depth.
  size_t parts = std::max<size_t>(
      1, std::min(kChains / group.size(), plan.steps.size() / 2));
  SmallVector<SmallVector<Values>> running(parts);
  for (auto [part, sums] : llvm::enumerate(running))
    for (const DotCell &cell : group) {
      Values &sum = sums.emplace_back();
      for (int64_t index : cell.registers)
        sum.push_back(index < 0 || part ? ir.f32(0) : total[index]);
      tellApart(ir, sum, copies);
    }
  for (auto [number, at] : llvm::enumerate(plan.steps))
    for (auto [cell, sum] : llvm::zip(group, running[number % parts]))
      sum = multiply(stepOf(plan, cell, at), sum);
  for (auto [number, cell] : llvm::enumerate(group))
    for (int64_t i = 0; i < 4; ++i) {
      if (cell.registers[i] < 0)
        continue;
      Values sums;
      for (const SmallVector<Values> &cells : running)
        sums.push_back(cells[number][i]);
      total[cell.registers[i]] = sumOf(sums);
    }
}

/// The same of any number.
void KernelEmitter::sumCells(const DotPlan &plan, ArrayRef<DotCell> cells,
                             Values &total, DenseMap<Value, Value> &copies) {
  for (; !cells.empty();
       cells = cells.drop_front(std::min(kCellsAtOnce, cells.size())))
    sumInChains(plan, cells.take_front(kCellsAtOnce), total, copies);
}

LogicalResult KernelEmitter::emitDot(DotOp op) {
  for (Value operand : {Value(op.getLhs()), Value(op.getRhs())})
    if (Type element = getElementTypeOrSelf(operand); !element.isF16())
      return op.emitOpError() << "has an operand of " << element
                              << ", expected f16 for " << target.matrix->name;
  if (layout(op.getRhs()).rank == 1)
    return emitVectorDot(op);
  DotPlan plan = planDot(op);
  bool fewDifferent = plan.second && plan.alike;
  std::optional<AddIf> add = addIfOf(op);
  if (add && !fewDifferent && plan.cells.size() > kCellsAtOnce) {
    emitDotIf(op, plan, *add);
    return success();
  }
  Values total = registers(op.getAccumulator());
  DenseMap<Value, Value> copies;
  if (fewDifferent)
    sumAlike(plan, total);
  else
    sumCells(plan, plan.cells, total, copies);
  define(op.getResult(), total);
  return success();
}
