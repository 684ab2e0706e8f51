//===- VectorDot.cpp - Products of a matrix and a vector ------------------===//
//
// Here rows of the left operand are rows of the instruction, which has sixteen
// of them, and the vector is some of its eight columns.
//
// The left operand lies in registers as for a product with a matrix: two of
// them, the halves of a step's depth, are the columns of an instruction. Two
// such pairs are an instruction's rows as they lie there, which reads them as
//
//              depth 0-7          depth 8-15
//   rows 0-7   pair 0, lower      pair 1, lower
//   rows 8-15  pair 0, upper      pair 1, upper
//
// Column 0 has what the vector has for the lower halves and column 1 for the
// upper ones: the sums of eight rows of the left operand are on the diagonal.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "passes/MatrixLayouts.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// What one instruction multiplies: two steps of a row of pairs, or one and
/// zeros on both sides, because infinity times zero would be no number.
DotStep KernelEmitter::vectorStep(const VectorPlan &plan, int64_t row,
                                  ArrayRef<int64_t> steps) {
  DotStep words;
  for (int64_t step : steps) {
    for (int64_t half : {int64_t(0), plan.upper})
      words.rows.push_back(
          pairOf(plan.matrix.tile, plan.matrix.pairAt(row, step + half)));
    words.columns.push_back(
        pairOf(plan.vector.tile, plan.vector.pairAt(0, step)));
  }
  words.rows.resize(4, ir.i32(0));
  words.columns.resize(2, ir.i32(0));
  return words;
}

/// The sum over all steps, of eight rows.
Value KernelEmitter::vectorSum(const VectorPlan &plan, int64_t row) {
  Values sum(4, ir.f32(0));
  for (ArrayRef<int64_t> steps = plan.steps; !steps.empty();) {
    size_t count = std::min<size_t>(2, steps.size());
    sum = multiply(vectorStep(plan, row, steps.take_front(count)), sum);
    steps = steps.drop_front(count);
  }
  return sumOf({sum[0], sum[3]});
}

LogicalResult KernelEmitter::emitVectorDot(DotOp op) {
  Layout lhs = layout(op.getLhs()), rhs = layout(op.getRhs()),
         result = layout(op.getResult());
  VectorPlan plan;
  plan.matrix = {op.getLhs(), lhs, 0, {}};
  plan.vector = {op.getRhs(), rhs, -1, {}};
  plan.upper = rhs.lanes[target.matrix->outerLanes[0]][0];
  if (!plan.upper)
    return op.emitOpError("has a vector of this layout, expected one where "
                          "neighbouring columns are halves of a depth: ")
           << op.getRhs().getType();
  // Bit 0 is the pair in a word.
  plan.steps = sums(ArrayRef(registerStrides(rhs, 0)).drop_front());
  Values total = registers(op.getAccumulator());
  for (int64_t row : sums(registerStrides(lhs, 0))) {
    Value &sum = total[result.registerAt({row})];
    sum = plus(sum, vectorSum(plan, row));
  }
  define(op.getResult(), total);
  return success();
}
