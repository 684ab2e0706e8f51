//===- Dot.cpp - Matrix products with mma.m16n8k16 ------------------------===//
//
// The instruction multiplies [16 rows, 16 depth] by [16 depth, 8 columns]. Its
// rows are the columns of the right operand: a product is computed transposed.
// Eight of them alone leave the other half empty.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

namespace {

/// What register bits add along one dimension, lowest first.
SmallVector<int64_t> registerStrides(const Layout &layout, int64_t dim) {
  SmallVector<int64_t> strides;
  for (const SmallVector<int64_t> &basis : layout.registers)
    if (basis[dim])
      strides.push_back(basis[dim]);
  return strides;
}

/// All sums of `strides`, the first one fastest.
SmallVector<int64_t> sums(ArrayRef<int64_t> strides) {
  SmallVector<int64_t> all = {0};
  for (int64_t stride : strides)
    for (size_t i = 0, end = all.size(); i < end; ++i)
      all.push_back(all[i] + stride);
  return all;
}

/// One operand by its outer index and its depth.
struct Side {
  Value tile;
  Layout layout;
  int64_t outerDim;           // -1: a vector, the same for every outer index
  SmallVector<int64_t> outer; // places of instructions along the outer index

  int64_t pairAt(int64_t outerPlace, int64_t depth) const {
    SmallVector<int64_t> place(layout.rank);
    place[outerDim < 0 ? 0 : 1 - outerDim] = depth;
    if (outerDim >= 0)
      place[outerDim] = outerPlace;
    return layout.registerAt(place) / 2;
  }
};

/// Sums of one instruction: registers of the result, -1 = none.
struct Cell {
  int64_t row, column;
  int64_t registers[4];
};

} // namespace

/// Chains of products that do not wait for one another.
static constexpr size_t kChainsAtOnce = 8;

/// In pairs.
Value KernelEmitter::sumOf(ArrayRef<Value> parts) {
  if (parts.size() == 1)
    return parts[0];
  size_t half = parts.size() / 2;
  return combine(ReduceKind::Add, sumOf(parts.take_front(half)),
                 sumOf(parts.drop_front(half)));
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

LogicalResult KernelEmitter::emitDot(DotOp op) {
  for (Value operand : {Value(op.getLhs()), Value(op.getRhs())})
    if (Type element = getElementTypeOrSelf(operand); !element.isF16())
      return op.emitOpError() << "has an operand of " << element
                              << ", expected f16 for " << target.matrix->name;
  Layout lhs = layout(op.getLhs()), rhs = layout(op.getRhs()),
         result = layout(op.getResult());
  Side columns{op.getLhs(), lhs, 0, {}};
  Side rows{op.getRhs(), rhs, rhs.rank == 2 ? 1 : -1, {}};

  // A register bit of the rows gives the second eight.
  SmallVector<int64_t> rowStrides;
  if (rows.outerDim >= 0)
    rowStrides = registerStrides(rhs, 1);
  int64_t second = rowStrides.empty() ? 0 : rowStrides.front();
  if (second)
    rowStrides.erase(rowStrides.begin());
  rows.outer = sums(rowStrides);
  columns.outer = sums(registerStrides(lhs, 0));
  // Neighbouring columns of the instruction share a lane.
  int64_t neighbour = lhs.lanes[target.matrix->outerLanes[0]][0];

  auto resultRegister = [&](int64_t row, int64_t column) -> int64_t {
    return result.rank == 1 ? result.registerAt({column})
                            : result.registerAt({column, row});
  };
  SmallVector<Cell> cells;
  for (int64_t row : rows.outer)
    for (int64_t column : columns.outer) {
      Cell cell{row, column, {-1, -1, -1, -1}};
      cell.registers[0] = resultRegister(row, column);
      cell.registers[1] = resultRegister(row, column + neighbour);
      if (second) {
        cell.registers[2] = resultRegister(row + second, column);
        cell.registers[3] = resultRegister(row + second, column + neighbour);
      }
      cells.push_back(cell);
    }

  Values sumsOf = registers(op.getAccumulator());
  SmallVector<int64_t> depth = registerStrides(rhs, 0);
  // Vectors are loaded eight elements at a time. With every other pair of them
  // in the second half, four registers in a row are one operand.
  if (depth.size() > 2 && depth[2] == 2 * depth[1])
    std::swap(depth[1], depth[2]);
  // Bit 0 is the pair in a word, bit 1 the two halves of the depth.
  SmallVector<int64_t> steps = sums(ArrayRef(depth).drop_front(2));
  int64_t upper = depth[1];
  auto operand = [&](const Side &side, int64_t outer, int64_t at) {
    return ir.asPair(pairOf(side.tile, side.pairAt(outer, at)));
  };
  Type f32 = ir.getF32Type();
  Type sumType =
      LLVM::LLVMStructType::getLiteral(ir.getContext(), {f32, f32, f32, f32});
  DenseMap<Value, Value> copies;
  for (size_t first = 0; first < cells.size(); first += kChainsAtOnce) {
    auto group = MutableArrayRef(cells).slice(
        first, std::min(kChainsAtOnce, cells.size() - first));
    // A few cells are summed in several parts of the depth. Without another
    // eight rows these are the rows of every other step instead: two steps
    // have one operand, and the odd parts their sums there.
    size_t parts = std::min(kChainsAtOnce / group.size(), steps.size() / 2);
    parts = std::max<size_t>(parts, !second && steps.size() > 1 ? 2 : 1);
    SmallVector<SmallVector<Values>> running(parts);
    for (auto [part, sums] : llvm::enumerate(running))
      for (const Cell &cell : group) {
        Values &sum = sums.emplace_back();
        for (int64_t index : cell.registers)
          sum.push_back(index < 0 || part ? ir.f32(0) : sumsOf[index]);
        tellApart(ir, sum, copies);
      }
    for (auto [number, step] : llvm::enumerate(steps))
      for (auto [cell, sum] : llvm::zip(group, running[number % parts])) {
        int64_t low = step, high = step;
        if (!second && parts > 1) {
          low = steps[number & ~1];
          high = steps[number | 1];
        }
        int64_t row = cell.row + second;
        Values operands = {operand(rows, cell.row, low),
                           operand(rows, row, high),
                           operand(rows, cell.row, low + upper),
                           operand(rows, row, high + upper)};
        operands.push_back(operand(columns, cell.column, step));
        operands.push_back(operand(columns, cell.column, step + upper));
        llvm::append_range(operands, sum);
        Value results = ir.intrinsic("llvm.nvvm.mma.m16n8k16.row.col.f32.f32",
                                     sumType, operands);
        for (int64_t i = 0; i < 4; ++i)
          sum[i] = ir.create<LLVM::ExtractValueOp>(results, i);
      }
    auto total = [&](size_t cell, int64_t i) {
      Values sums;
      for (auto [part, cells] : llvm::enumerate(running))
        sums.push_back(cells[cell][second || part % 2 == 0 ? i : i + 2]);
      return sumOf(sums);
    };
    for (auto [number, cell] : llvm::enumerate(group))
      for (int64_t i = 0; i < 4; ++i)
        if (cell.registers[i] >= 0)
          sumsOf[cell.registers[i]] = total(number, i);
  }
  define(op.getResult(), sumsOf);
  return success();
}
