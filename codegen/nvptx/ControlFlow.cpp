//===- ControlFlow.cpp - Loops and branches that carry tiles --------------===//
//
// A carried tile is one carried value per register.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

Values KernelEmitter::flatten(Value value) {
  if (isTile(value))
    return registers(value);
  return {scalar(value)};
}

void KernelEmitter::flatTypes(Type type, SmallVectorImpl<Type> &types) {
  if (auto tile = dyn_cast<RankedTensorType>(type)) {
    Layout layout(cast<LayoutAttr>(tile.getEncoding()));
    types.append(layout.registerCount(), registerType(tile.getElementType()));
  } else {
    types.push_back(registerType(type));
  }
}

void KernelEmitter::unflatten(Value value, ValueRange &flat) {
  int64_t count = isTile(value) ? layout(value).registerCount() : 1;
  if (isTile(value))
    define(value, Values(flat.take_front(count)));
  else
    scalars.map(value, flat.front());
  flat = flat.drop_front(count);
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
    if (failed(emitBlock(*op.getBody())))
      return failure();
    Values yielded;
    for (Value value : op.getYieldedValues())
      llvm::append_range(yielded, flatten(value));
    if (!inits.empty())
      ir.create<scf::YieldOp>(yielded);
  }
  ValueRange results = loop.getResults();
  for (Value result : op.getResults())
    unflatten(result, results);
  return success();
}

LogicalResult KernelEmitter::emitIf(scf::IfOp op) {
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    flatTypes(type, types);
  bool hasElse = !op.getElseRegion().empty();
  auto branch = ir.create<scf::IfOp>(types, scalar(op.getCondition()), hasElse);
  auto emitBranch = [&](Block &from, Block *to) -> LogicalResult {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(to);
    // What is packed inside is not known outside.
    auto outer = packed;
    if (failed(emitBlock(from)))
      return failure();
    Values yielded;
    for (Value value : from.getTerminator()->getOperands())
      llvm::append_range(yielded, flatten(value));
    if (!types.empty())
      ir.create<scf::YieldOp>(yielded);
    packed = std::move(outer);
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
  ir.assembly("fence.proxy.async.shared::cta;", "~{memory}", {});
  scalars.map(op.getWarp(), ir.toI64(warp));
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
