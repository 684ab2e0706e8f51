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

void KernelEmitter::emitFor(scf::ForOp op) {
  SmallVector<Buffer> carried;
  Values inits;
  for (auto [init, argument, result] :
       llvm::zip(op.getInits(), op.getRegionIterArgs(), op.getResults())) {
    if (isTile(result)) {
      Buffer buffer = destination(result);
      materialize(init, buffer);
      buffers[argument] = buffer;
      carried.push_back(buffer);
    } else if (isCarried(result.getType())) {
      inits.push_back(scalar(init));
    }
  }
  release(nullptr);
  auto loop = ir.create<scf::ForOp>(scalar(op.getLowerBound()),
                                    scalar(op.getUpperBound()),
                                    scalar(op.getStep()), inits);
  OpBuilder::InsertionGuard guard(ir);
  ir.setInsertionPointToStart(loop.getBody());
  scalars.map(op.getInductionVar(), loop.getInductionVar());
  unsigned next = 0;
  for (auto [argument, result] :
       llvm::zip(op.getRegionIterArgs(), op.getResults()))
    if (isCarried(result.getType())) {
      scalars.map(argument, loop.getRegionIterArg(next));
      scalars.map(result, loop.getResult(next++));
    }
  emitBlock(*op.getBody());
  Values yielded;
  emitForYield(op, carried, yielded);
  if (!inits.empty())
    ir.create<scf::YieldOp>(yielded);
}

/// A new value may be computed from the old ones of all carried tiles, so all
/// are computed before the first is replaced.
void KernelEmitter::emitForYield(scf::ForOp op, ArrayRef<Buffer> carried,
                                 Values &yielded) {
  SmallVector<std::pair<Buffer, Buffer>> copies;
  unsigned next = 0;
  for (auto [value, argument] :
       llvm::zip(op.getYieldedValues(), op.getRegionIterArgs())) {
    if (isCarried(value.getType()))
      yielded.push_back(scalar(value));
    if (!isTile(value))
      continue;
    Buffer to = carried[next++];
    if (value == argument)
      continue;
    auto it = buffers.find(value);
    bool moves =
        it != buffers.end() && llvm::none_of(carried, [&](const Buffer &other) {
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
  release(op.getBody()->getTerminator());
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
