//===- Placement.cpp - Which tiles exist in memory ------------------------===//

#include "codegen/cpu/Placement.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

/// An inline tile may be computed several times if that costs at most this many
/// instructions per vector.
static constexpr int64_t kCheap = 3;
static constexpr int64_t kNever = 1000;

Value mlir::kvarn::cpu::transposedRows(Value tile) {
  auto transpose = tile.getDefiningOp<TransposeOp>();
  // A multiple of the widest vector: no tails in the loop along the rows.
  if (transpose && transpose.getInput().getType().getShape().back() % 16 == 0)
    return transpose.getInput();
  return {};
}

static bool isElementwise(Operation *op) {
  return OpTrait::hasElementwiseMappableTraits(op);
}

/// Ops that can be computed at any one place of their result.
static bool isPointwise(Operation *op) {
  return isElementwise(op) ||
         isa<arith::ConstantOp, SplatOp, IotaOp, BroadcastOp, ExpandOp,
             ExpandScaleOp, HadamardMatrixOp, LoadOp, LoadVectorOp, LoadCodesOp,
             SubtractTopOp>(op);
}

static bool isLoad(Operation *op) {
  return isa<LoadOp, LoadVectorOp, LoadCodesOp>(op);
}

/// The use reads each element more than once, or at scattered places.
static bool repeats(OpOperand &use) {
  Operation *user = use.getOwner();
  if (isa<BroadcastOp, TransposeOp, SubtractTopOp>(user))
    return true;
  if (isa<LoadOp>(user))
    return true;
  if (auto store = dyn_cast<StoreOp>(user))
    return use.get() != store.getValue();
  return false;
}

Placement::Placement(KernelOp kernel) {
  for (Block &block : kernel.getBody())
    visit(block);
}

ArrayRef<Value> Placement::endingAt(Operation *op) const {
  auto it = endings.find(op);
  return it == endings.end() ? ArrayRef<Value>() : ArrayRef(it->second);
}

/// From the last op to the first: whoever uses a tile is placed already.
void Placement::visit(Block &block) {
  for (Operation &op : llvm::reverse(block)) {
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        visit(inner);
    for (Value result : op.getResults())
      if (isTile(result))
        visit(result);
  }
}

void Placement::visit(Value tile) {
  Operation *end = endOf(tile);
  ends[tile] = end;
  if (shouldInline(tile)) {
    inlined[tile] = end;
    return;
  }
  endings[end].push_back(tile);
}

Operation *Placement::endOf(Value tile) const {
  Operation *def = tile.getDefiningOp(), *end = def;
  for (Operation *user : tile.getUsers()) {
    Operation *last = def->getBlock()->findAncestorOpInBlock(*user);
    if (last == user && user->getNumResults() == 1 &&
        isInline(user->getResult(0)))
      last = inlined.lookup(user->getResult(0));
    if (end->isBeforeInBlock(last))
      end = last;
  }
  return end;
}

bool Placement::shouldInline(Value tile) {
  Operation *op = tile.getDefiningOp();
  if (isa<arith::ConstantOp, SplatOp, IotaOp, BroadcastOp, ExpandScaleOp>(op))
    return true;
  if (isa<TransposeOp>(op))
    return tile.hasOneUse() && transposedRows(tile) &&
           isa<DotOp>(*tile.user_begin()) &&
           (*tile.user_begin())->getBlock() == op->getBlock() &&
           cast<DotOp>(*tile.user_begin()).getRhs() == tile;
  if (!isPointwise(op) || isOverwritten(tile))
    return false;
  return cost(tile) <= kCheap || fusesIntoOneLoop(tile);
}

/// The op that evaluates this use: the user, or what evaluates the user.
Operation *Placement::root(OpOperand &use) const {
  Operation *user = use.getOwner();
  if (user->getNumResults() == 1 && isInline(user->getResult(0)) &&
      !isa<TransposeOp>(user))
    return inlined.lookup(user->getResult(0));
  return user;
}

bool Placement::fusesIntoOneLoop(Value tile) {
  Operation *loop = nullptr;
  for (OpOperand &use : tile.getUses()) {
    bool transposed = isa<TransposeOp>(use.getOwner()) &&
                      isInline(use.getOwner()->getResult(0));
    if (use.getOwner()->getBlock() != tile.getDefiningOp()->getBlock() ||
        (repeats(use) && !transposed))
      return false;
    Operation *at = root(use);
    if (loop && loop != at)
      return false;
    loop = at;
  }
  return loop != nullptr;
}

static bool writes(Operation *op) {
  auto effects = getEffectsRecursively(op);
  return !effects || llvm::any_of(*effects, [](auto &effect) {
    return isa<MemoryEffects::Write>(effect.getEffect());
  });
}

static bool uses(Operation *op, Value value) {
  return llvm::is_contained(op->getOperands(), value);
}

/// True if memory that an inline `tile` would read may have changed when it is
/// evaluated.
bool Placement::isOverwritten(Value tile) {
  Operation *op = tile.getDefiningOp();
  if (!isLoad(op))
    return false;
  for (Operation *user : tile.getUsers())
    if (user->getBlock() != op->getBlock())
      return true;
  Operation *end = ends.lookup(tile);
  for (Operation *at = op->getNextNode(); at && at != end;
       at = at->getNextNode())
    if (writes(at))
      return true;
  // An op with regions may write before one of them reads the tile, and a store
  // to the same memory before it has read all of the tile.
  return writes(end) && (end->getNumRegions() || uses(end, op->getOperand(0)));
}

/// Instructions per vector to compute an inline tile, its inline operands
/// included. Only an estimate of operands that are not placed yet.
int64_t Placement::cost(Value tile) const {
  Operation *op = tile.getDefiningOp();
  if (!op || !isPointwise(op))
    return 1; // a load from a buffer
  int64_t own =
      TypeSwitch<Operation *, int64_t>(op)
          .Case<arith::ConstantOp, SplatOp, IotaOp, ExpandScaleOp, BroadcastOp>(
              [](auto) { return 0; })
          .Case<LoadVectorOp>([](auto) { return 2; })
          .Case<LoadOp, LoadCodesOp, ExpandOp, SubtractTopOp, arith::DivFOp,
                arith::DivSIOp, HadamardMatrixOp, arith::DivUIOp,
                arith::RemSIOp, arith::RemUIOp>([](auto) { return kCheap + 1; })
          .Default([](Operation *op) {
            return isa<math::MathDialect>(op->getDialect()) ? kNever : 1;
          });
  for (Value operand : op->getOperands()) {
    if (own > kCheap)
      break;
    if (isTile(operand))
      own += cost(operand);
  }
  return own;
}
