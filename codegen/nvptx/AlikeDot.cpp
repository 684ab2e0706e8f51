//===- AlikeDot.cpp - Products with few different registers ---------------===//
//
// Of a Hadamard matrix, whole steps of a product differ from one another in
// their sign only.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// Steps that are summed by matrix instructions. The fewer they are, the fewer
/// such instructions, and the more sums.
static constexpr size_t kStepsInChain = 2;

/// Whether most registers of an fp16 tile are one of a few.
bool KernelEmitter::areAlike(Value tile) const {
  auto words = packed.find(tile);
  if (words == packed.end())
    return false;
  DenseSet<Value> different(words->second.begin(), words->second.end());
  return 2 * different.size() < words->second.size();
}

/// As a fast Hadamard transform does it: sums of a part of the steps, of which
/// there are few but for their sign, and then sums and differences of these.
/// LLVM finds those that are the same.
SignedSum KernelEmitter::signedSum(ArrayRef<DotStep> steps) {
  if (steps.size() > kStepsInChain) {
    SignedSum a = signedSum(steps.take_front(steps.size() / 2));
    SignedSum b = signedSum(steps.drop_front(steps.size() / 2));
    for (auto [sum, other] : llvm::zip(a.sum, b.sum))
      sum = a.isNegative == b.isNegative
                ? Value(ir.create<arith::AddFOp>(sum, other))
                : Value(ir.create<arith::SubFOp>(sum, other));
    return a;
  }
  // Of a sum and its negative, the one that begins with a positive word.
  bool isNegative = opposites.lookup(steps[0].rows[0]).isNegative;
  for (const DotStep &step : steps)
    isNegative &= llvm::all_of(
        step.rows, [&](Value word) { return opposites.contains(word); });
  SignedSum result{Values(4, ir.f32(0)), isNegative};
  for (DotStep step : steps) {
    for (Value &word : step.rows)
      if (isNegative)
        word = opposites.lookup(word).word;
    result.sum = multiply(step, result.sum);
  }
  return result;
}

void KernelEmitter::sumAlike(const DotPlan &plan, Values &total) {
  firstOfProduct = ir.create<LLVM::UndefOp>(ir.getI32Type());
  for (const DotCell &cell : plan.cells) {
    SmallVector<DotStep> steps;
    for (int64_t at : plan.steps)
      steps.push_back(stepOf(plan, cell, at));
    auto [sum, isNegative] = signedSum(steps);
    for (auto [value, index] : llvm::zip(sum, cell.registers)) {
      Value &to = total[index];
      to = isNegative ? Value(ir.create<arith::SubFOp>(to, value))
                      : plus(to, value);
    }
  }
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

/// Whether `op` may stand anywhere between what it needs and what needs it.
static bool isMovable(Operation *op) {
  if (auto assembly = dyn_cast<LLVM::InlineAsmOp>(op))
    return !assembly.getHasSideEffects();
  if (auto call = dyn_cast<LLVM::CallIntrinsicOp>(op))
    return call.getIntrin().starts_with("llvm.nvvm.mma");
  return isPure(op);
}

/// All sums of a product at once take more registers than a lane has: each is
/// to be computed, rounded and stored before the next.
void KernelEmitter::orderByStores() {
  Operation *first = std::exchange(firstOfProduct, nullptr);
  if (!first || first->getBlock() != ir.getInsertionBlock())
    return;
  Block::iterator end = ir.getInsertionPoint();
  SmallVector<Operation *> ops;
  for (Block::iterator op(first); op != end; ++op)
    ops.push_back(&*op);
  DenseSet<Operation *> left(ops.begin(), ops.end());
  std::function<void(Operation *)> place = [&](Operation *op) {
    if (!op || !left.erase(op))
      return;
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        place(operand.getDefiningOp());
    });
    op->moveBefore(op->getBlock(), end);
  };
  for (Operation *op : ops)
    if (!isMovable(op))
      place(op);
  // What nothing needs yet.
  for (Operation *op : ops)
    place(op);
}
