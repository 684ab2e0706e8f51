//===- ControlFlow.cpp - Loops and branches that carry tiles --------------===//
//
// A carried tile lives in a buffer of its own; other values stay SSA values.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

bool KernelEmitter::isCarried(Type type) {
  return !isa<RankedTensorType, TokenType>(type);
}

SmallVector<Buffer> KernelEmitter::carryTiles(ValueRange inits,
                                              ValueRange arguments,
                                              ValueRange results,
                                              Values &scalarInits) {
  SmallVector<Buffer> carried;
  for (auto [init, argument, result] : llvm::zip(inits, arguments, results)) {
    if (isTile(result)) {
      Buffer buffer = destination(result);
      materialize(init, buffer);
      buffers[argument] = buffer;
      carried.push_back(buffer);
    } else if (isCarried(result.getType())) {
      scalarInits.push_back(scalar(init));
    }
  }
  release(nullptr);
  return carried;
}

void KernelEmitter::mapCarried(ValueRange values, ValueRange scalarValues) {
  for (Value value : values)
    if (isCarried(value.getType())) {
      scalars.map(value, scalarValues.front());
      scalarValues = scalarValues.drop_front();
    }
}

void KernelEmitter::emitFor(scf::ForOp op) {
  Values inits;
  SmallVector<Buffer> carried =
      carryTiles(op.getInits(), op.getRegionIterArgs(), op.getResults(), inits);
  auto loop = ir.create<scf::ForOp>(scalar(op.getLowerBound()),
                                    scalar(op.getUpperBound()),
                                    scalar(op.getStep()), inits);
  OpBuilder::InsertionGuard guard(ir);
  ir.setInsertionPointToStart(loop.getBody());
  scalars.map(op.getInductionVar(), loop.getInductionVar());
  mapCarried(op.getRegionIterArgs(), loop.getRegionIterArgs());
  mapCarried(op.getResults(), loop.getResults());
  emitBlock(*op.getBody());
  Values yielded = emitNext(op.getYieldedValues(), op.getRegionIterArgs(),
                            carried, op.getBody()->getTerminator());
  if (!inits.empty())
    ir.create<scf::YieldOp>(yielded);
}

/// The body stands in front of the condition; what is behind it hands on.
void KernelEmitter::emitWhile(scf::WhileOp op) {
  Values inits;
  SmallVector<Buffer> carried = carryTiles(
      op.getInits(), op.getBeforeArguments(), op.getResults(), inits);
  auto loop =
      ir.create<scf::WhileOp>(TypeRange(inits), inits, nullptr, nullptr);
  OpBuilder::InsertionGuard guard(ir);
  ir.setInsertionPointToStart(loop.getAfterBody());
  ir.create<scf::YieldOp>(loop.getAfterArguments());
  ir.setInsertionPointToStart(loop.getBeforeBody());
  mapCarried(op.getBeforeArguments(), loop.getBeforeArguments());
  mapCarried(op.getResults(), loop.getResults());
  emitBlock(*op.getBeforeBody());
  scf::ConditionOp condition = op.getConditionOp();
  Value again = scalar(condition.getCondition());
  Values next = emitNext(condition.getArgs(), op.getBeforeArguments(), carried,
                         condition);
  ir.create<scf::ConditionOp>(again, next);
}

/// What a loop carries next: tiles where those before them are. A new value may
/// be computed from the old ones of all carried tiles, so all are computed
/// before the first is replaced.
Values KernelEmitter::emitNext(ValueRange values, ValueRange arguments,
                               ArrayRef<Buffer> carried,
                               Operation *terminator) {
  SmallVector<std::pair<Buffer, Buffer>> copies;
  ArrayRef<Buffer> all = carried;
  Values next;
  for (auto [value, argument] : llvm::zip(values, arguments)) {
    if (isCarried(value.getType()))
      next.push_back(scalar(value));
    if (!isTile(value))
      continue;
    Buffer to = carried.front();
    carried = carried.drop_front();
    if (value == argument)
      continue;
    auto it = buffers.find(value);
    bool moves =
        it != buffers.end() && llvm::none_of(all, [&](const Buffer &other) {
          return other.pointer == it->second.pointer;
        });
    Buffer from;
    if (moves) {
      from = it->second;
    } else {
      from = allocate(to.type);
      materialize(value, from);
    }
    copies.push_back({from, to});
  }
  for (auto [from, to] : copies)
    fill(to, [&, from = from](ValueRange lead, Value column, int64_t width) {
      return ir.load(bufferAddress(from, lead, column),
                     from.type.getElementType(), width);
    });
  release(terminator);
  return next;
}

void KernelEmitter::emitIf(scf::IfOp op) {
  SmallVector<Type> types;
  SmallVector<Buffer> results;
  for (Value result : op.getResults()) {
    if (isTile(result))
      results.push_back(destination(result));
    else if (isCarried(result.getType()))
      types.push_back(isa<SlotType>(result.getType()) ? ir.pointerType()
                                                      : result.getType());
  }
  release(nullptr);
  bool hasElse = !op.getElseRegion().empty();
  auto branch = ir.create<scf::IfOp>(types, scalar(op.getCondition()), hasElse);
  unsigned nextResult = 0;
  for (Value result : op.getResults())
    if (isCarried(result.getType()))
      scalars.map(result, branch.getResult(nextResult++));
  auto emitBranch = [&](Region &from, Block *to) {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(to);
    auto yield = cast<scf::YieldOp>(from.front().getTerminator());
    unsigned next = 0;
    for (Value value : yield.getOperands())
      if (isTile(value)) {
        Buffer result = results[next++];
        // Computed right where the result shall be, if nobody else wants it.
        if (value.hasOneUse() && value.getParentBlock() == &from.front())
          forwarded[value] = result;
      }
    emitBlock(from.front());
    next = 0;
    Values yielded;
    for (Value value : yield.getOperands()) {
      if (isTile(value))
        materialize(value, results[next++]);
      else if (isCarried(value.getType()))
        yielded.push_back(scalar(value));
    }
    release(yield);
    if (!types.empty())
      ir.create<scf::YieldOp>(yielded);
  };
  emitBranch(op.getThenRegion(), branch.thenBlock());
  if (hasElse)
    emitBranch(op.getElseRegion(), branch.elseBlock());
}

/// Warps one after the other: they do not wait for one another.
void KernelEmitter::emitWarps(WarpsOp op) {
  SmallVector<Buffer> results;
  for (Value result : op.getResults())
    results.push_back(destination(result));
  release(nullptr);
  Block &body = op.getBody().front();
  ir.loop(op.getCount(), 1, [&](Value warp) {
    scalars.map(op.getWarp(), warp);
    emitBlock(body);
    auto yield = cast<YieldOp>(body.getTerminator());
    for (auto [value, result] : llvm::zip(yield.getValues(), results)) {
      auto type = cast<RankedTensorType>(value.getType());
      Value offset = ir.mul(warp, type.getNumElements());
      materialize(value,
                  {ir.at(result.pointer, offset, type.getElementType()), type});
    }
    release(yield);
  });
}
