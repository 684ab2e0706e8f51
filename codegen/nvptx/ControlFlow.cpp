//===- ControlFlow.cpp - Loops and branches that carry tiles --------------===//
//
// A carried tile is one carried value per register, fp16 in pairs.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// What stands for a carried tile: so many registers or words.
static int64_t countOf(Value tile) {
  int64_t registers = Layout(layoutOf(tile)).registerCount();
  return isInPairs(tile) ? registers / 2 : registers;
}

Values KernelEmitter::flatten(ValueRange values) {
  Values flat;
  for (Value value : values)
    if (!isTile(value))
      flat.push_back(scalar(value));
    else if (!stages.contains(value))
      llvm::append_range(flat,
                         isInPairs(value) ? pairs(value) : registers(value));
  return flat;
}

SmallVector<Type> KernelEmitter::flatTypes(ValueRange values) {
  SmallVector<Type> types;
  for (Value value : values) {
    Type type = registerType(getElementTypeOrSelf(value));
    if (!isTile(value))
      types.push_back(type);
    else if (!stages.contains(value))
      types.append(countOf(value), isInPairs(value) ? ir.getI32Type() : type);
  }
  return types;
}

void KernelEmitter::unflatten(ValueRange values, ValueRange flat) {
  for (Value value : values) {
    if (stages.contains(value))
      continue;
    Values own(flat.take_front(isTile(value) ? countOf(value) : 1));
    flat = flat.drop_front(own.size());
    if (!isTile(value))
      scalars.map(value, own.front());
    else if (isInPairs(value))
      packed[value] = std::move(own);
    else
      define(value, std::move(own));
  }
}

LogicalResult KernelEmitter::emitBody(Block &block, Values &yielded) {
  // What is packed, loaded or expanded inside is not known outside.
  auto outerPacked = packed;
  DenseMap<Value, Values> outerFetched;
  std::swap(fetched, outerFetched);
  auto outerPairs = expandedPairs;
  SmallVector<std::pair<Codes *, Codes>, 0> outerCodes;
  for (auto &[value, known] : codes)
    outerCodes.emplace_back(known.get(), *known);
  if (failed(emitBlock(block)))
    return failure();
  waitForProducts();
  yielded = flatten(block.getTerminator()->getOperands());
  packed = std::move(outerPacked);
  fetched = std::move(outerFetched);
  expandedPairs = std::move(outerPairs);
  for (auto &[known, before] : outerCodes)
    *known = std::move(before);
  return success();
}

/// Whether a product may be under way while a loop or a branch is run: there
/// nobody uses its result, multiplies, or waits for others.
bool KernelEmitter::passesBy(Value product, Operation *op) {
  bool isUsed = llvm::any_of(product.getUsers(), [&](Operation *user) {
    return op->isAncestor(user);
  });
  return !isUsed && !op->walk([&](Operation *inner) {
                         return isa<DotOp>(inner) || syncsBefore.contains(inner)
                                    ? WalkResult::interrupt()
                                    : WalkResult::advance();
                       }).wasInterrupted();
}

LogicalResult KernelEmitter::emitRegions(Operation *op) {
  for (size_t i = underWay.size(); i > 0; --i)
    if (!passesBy(underWay[i - 1], op)) {
      waitFor(i);
      break;
    }
  SmallVector<Value> passing;
  std::swap(underWay, passing);
  LogicalResult emitted =
      llvm::TypeSwitch<Operation *, LogicalResult>(op)
          .Case<scf::ForOp>([&](auto op) { return emitFor(op); })
          .Case<scf::WhileOp>([&](auto op) { return emitWhile(op); })
          .Case<scf::IfOp>([&](auto op) { return emitIf(op); });
  if (failed(emitted))
    return failure();
  underWay = std::move(passing);
  return success();
}

LogicalResult KernelEmitter::emitFor(scf::ForOp op) {
  Values inits = flatten(op.getInits());
  auto loop = ir.create<scf::ForOp>(scalar(op.getLowerBound()),
                                    scalar(op.getUpperBound()),
                                    scalar(op.getStep()), inits);
  {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(loop.getBody());
    scalars.map(op.getInductionVar(), loop.getInductionVar());
    unflatten(op.getRegionIterArgs(), loop.getRegionIterArgs());
    Values yielded;
    if (failed(emitBody(*op.getBody(), yielded)))
      return failure();
    if (!inits.empty())
      ir.create<scf::YieldOp>(yielded);
  }
  unflatten(op.getResults(), loop.getResults());
  return success();
}

/// The body stands in front of the condition; what is behind it hands on.
LogicalResult KernelEmitter::emitWhile(scf::WhileOp op) {
  auto loop = ir.create<scf::WhileOp>(flatTypes(op.getResults()),
                                      flatten(op.getInits()), nullptr, nullptr);
  {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(loop.getBeforeBody());
    unflatten(op.getBeforeArguments(), loop.getBeforeArguments());
    Values next;
    if (failed(emitBody(*op.getBeforeBody(), next)))
      return failure();
    ir.create<scf::ConditionOp>(conditionOf(op.getConditionOp().getCondition()),
                                ValueRange(next).drop_front());
    ir.setInsertionPointToStart(loop.getAfterBody());
    ir.create<scf::YieldOp>(loop.getAfterArguments());
  }
  unflatten(op.getResults(), loop.getResults());
  return success();
}

/// Whether the assembler may see that all lanes of a warp have the same scalar,
/// as they do, if they have what it is made of: not if it is loaded inside of
/// tile.warps (see `ownZero`), and maybe carried around a loop or out of a
/// branch. `needs`: what it is made of.
static bool mayBeShared(Value value, SmallVectorImpl<Value> &needs) {
  Operation *owner = value.getParentBlock()->getParentOp();
  if (!isa<WarpsOp>(owner) && !owner->getParentOfType<WarpsOp>())
    return true;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<scf::ForOp>(owner);
    return loop ? argument == loop.getInductionVar() : isa<WarpsOp>(owner);
  }
  Operation *op = value.getDefiningOp();
  if (isa<memref::LoadOp, scf::IfOp, scf::ForOp, scf::WhileOp>(op))
    return false;
  llvm::copy_if(op->getOperands(), std::back_inserter(needs),
                [](Value operand) { return !isTile(operand); });
  return true;
}

static bool isSharedByLanes(Value value) {
  SmallVector<Value> needs = {value};
  DenseSet<Value> seen;
  while (!needs.empty()) {
    Value next = needs.pop_back_val();
    if (seen.insert(next).second && !mayBeShared(next, needs))
      return false;
  }
  return true;
}

/// As the assembler knows that lanes stay together: then it may move what is
/// done together, and needs no way for lanes that come one by one.
Value KernelEmitter::conditionOf(Value condition) {
  if (isSharedByLanes(condition))
    return scalar(condition);
  return ir.intrinsic("llvm.nvvm.vote.any.sync", ir.getI1Type(),
                      {ir.i32(-1), scalar(condition)});
}

LogicalResult KernelEmitter::emitIf(scf::IfOp op) {
  SmallVector<Type> types = flatTypes(op.getResults());
  bool hasElse = !op.getElseRegion().empty();
  auto branch =
      ir.create<scf::IfOp>(types, conditionOf(op.getCondition()), hasElse);
  auto emitBranch = [&](Block &from, Block *to) -> LogicalResult {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(to);
    Values yielded;
    if (failed(emitBody(from, yielded)))
      return failure();
    if (!types.empty())
      ir.create<scf::YieldOp>(yielded);
    return success();
  };
  if (failed(emitBranch(op.getThenRegion().front(), branch.thenBlock())))
    return failure();
  if (hasElse &&
      failed(emitBranch(op.getElseRegion().front(), branch.elseBlock())))
    return failure();
  unflatten(op.getResults(), branch.getResults());
  return success();
}

/// Every warp runs the region; its registers are its part of the results.
LogicalResult KernelEmitter::emitWarps(WarpsOp op) {
  // Slots share memory with what warps exchange.
  ir.syncBlock();
  fenceCopies();
  scalars.map(op.getWarp(), warp);
  insideWarps = true;
  if (failed(emitBlock(op.getBody().front())))
    return failure();
  insideWarps = false;
  auto yield = cast<YieldOp>(op.getBody().front().getTerminator());
  for (auto [value, result] : llvm::zip(yield.getValues(), op.getResults()))
    define(result, registers(value));
  ir.syncBlock();
  return success();
}
