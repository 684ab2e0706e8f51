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

Values KernelEmitter::flatten(Value value) {
  if (stages.contains(value))
    return {};
  if (!isTile(value))
    return {scalar(value)};
  return isInPairs(value) ? pairs(value) : registers(value);
}

void KernelEmitter::flatTypes(Value value, SmallVectorImpl<Type> &types) {
  if (stages.contains(value))
    return;
  Type type = registerType(getElementTypeOrSelf(value));
  if (!isTile(value))
    types.push_back(type);
  else if (isInPairs(value))
    types.append(layout(value).registerCount() / 2, ir.getI32Type());
  else
    types.append(layout(value).registerCount(), type);
}

void KernelEmitter::unflatten(Value value, ValueRange &flat) {
  if (stages.contains(value))
    return;
  auto take = [&](int64_t count) {
    Values values(flat.take_front(count));
    flat = flat.drop_front(count);
    return values;
  };
  if (!isTile(value))
    scalars.map(value, take(1).front());
  else if (isInPairs(value))
    packed[value] = take(layout(value).registerCount() / 2);
  else
    define(value, take(layout(value).registerCount()));
}

void KernelEmitter::inRegion(function_ref<void()> emit) {
  auto outerPacked = packed;
  DenseMap<Value, Values> outerFetched;
  std::swap(fetched, outerFetched);
  auto outerPairs = expandedPairs;
  SmallVector<std::pair<Codes *, Codes>, 0> outerCodes;
  for (auto &[value, known] : codes)
    outerCodes.emplace_back(known.get(), *known);
  emit();
  packed = std::move(outerPacked);
  fetched = std::move(outerFetched);
  expandedPairs = std::move(outerPairs);
  for (auto &[known, before] : outerCodes)
    *known = std::move(before);
}

LogicalResult KernelEmitter::emitBody(Block &block, Values &yielded) {
  LogicalResult result = success();
  inRegion([&] {
    result = emitBlock(block);
    if (failed(result))
      return;
    waitForProducts();
    for (Value value : block.getTerminator()->getOperands())
      llvm::append_range(yielded, flatten(value));
  });
  return result;
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
  Values inits;
  for (Value init : op.getInits())
    llvm::append_range(inits, flatten(init));
  auto loop = ir.create<scf::ForOp>(scalar(op.getLowerBound()),
                                    scalar(op.getUpperBound()),
                                    scalar(op.getStep()), inits);
  {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(loop.getBody());
    scalars.map(op.getInductionVar(), loop.getInductionVar());
    ValueRange carried = loop.getRegionIterArgs();
    for (Value argument : op.getRegionIterArgs())
      unflatten(argument, carried);
    Values yielded;
    if (failed(emitBody(*op.getBody(), yielded)))
      return failure();
    if (!inits.empty())
      ir.create<scf::YieldOp>(yielded);
  }
  ValueRange results = loop.getResults();
  for (Value result : op.getResults())
    unflatten(result, results);
  return success();
}

/// The body stands in front of the condition; what is behind it hands on.
LogicalResult KernelEmitter::emitWhile(scf::WhileOp op) {
  Values inits;
  SmallVector<Type> types;
  for (Value init : op.getInits())
    llvm::append_range(inits, flatten(init));
  for (Value result : op.getResults())
    flatTypes(result, types);
  auto loop = ir.create<scf::WhileOp>(types, inits, nullptr, nullptr);
  {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(loop.getBeforeBody());
    ValueRange carried = loop.getBeforeArguments();
    for (Value argument : op.getBeforeArguments())
      unflatten(argument, carried);
    Values next;
    if (failed(emitBody(*op.getBeforeBody(), next)))
      return failure();
    ir.create<scf::ConditionOp>(conditionOf(op.getConditionOp().getCondition()),
                                ValueRange(next).drop_front());
    ir.setInsertionPointToStart(loop.getAfterBody());
    ir.create<scf::YieldOp>(loop.getAfterArguments());
  }
  ValueRange results = loop.getResults();
  for (Value result : op.getResults())
    unflatten(result, results);
  return success();
}

/// Whether the assembler may see that all lanes of a warp have the same scalar,
/// as they do: not if it is loaded inside of tile.warps (see `ownZero`), and
/// maybe carried around a loop or out of a branch.
static bool isSharedByLanes(Value value) {
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
  return llvm::all_of(op->getOperands(), [](Value operand) {
    return isTile(operand) || isSharedByLanes(operand);
  });
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
  SmallVector<Type> types;
  for (Value result : op.getResults())
    flatTypes(result, types);
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
  ValueRange results = branch.getResults();
  for (Value result : op.getResults())
    unflatten(result, results);
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
