//===- ControlFlow.cpp - Loops and branches that carry tiles --------------===//
//
// A carried tile is one carried value per register, fp16 in pairs.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// Whether tiles of this type are carried two registers in a word.
static bool inPairs(RankedTensorType type) {
  return type.getElementType().isF16() &&
         Layout(cast<LayoutAttr>(type.getEncoding())).registerCount() > 1;
}

Values KernelEmitter::flatten(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return {scalar(value)};
  return inPairs(type) ? pairs(value) : registers(value);
}

void KernelEmitter::flatTypes(Type type, SmallVectorImpl<Type> &types) {
  if (auto tile = dyn_cast<RankedTensorType>(type)) {
    Layout layout(cast<LayoutAttr>(tile.getEncoding()));
    if (inPairs(tile))
      types.append(layout.registerCount() / 2,
                   IntegerType::get(type.getContext(), 32));
    else
      types.append(layout.registerCount(), registerType(tile.getElementType()));
  } else {
    types.push_back(registerType(type));
  }
}

void KernelEmitter::unflatten(Value value, ValueRange &flat) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  int64_t count = type ? layout(value).registerCount() : 1;
  if (type && inPairs(type))
    packed[value] = Values(flat.take_front(count /= 2));
  else if (type)
    define(value, Values(flat.take_front(count)));
  else
    scalars.map(value, flat.front());
  flat = flat.drop_front(count);
}

LogicalResult KernelEmitter::emitBody(Block &block, Values &yielded) {
  // Whatever came before, or comes before in the next round.
  mayReadStages = mayReadSlots = true;
  bool stagedBefore = hasStaged;
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
  for (Value value : block.getTerminator()->getOperands())
    llvm::append_range(yielded, flatten(value));
  mayReadStages = mayReadSlots = true;
  // Nobody may have gone this way.
  hasStaged |= stagedBefore;
  packed = std::move(outerPacked);
  fetched = std::move(outerFetched);
  expandedPairs = std::move(outerPairs);
  for (auto &[known, before] : outerCodes)
    *known = std::move(before);
  return success();
}

LogicalResult KernelEmitter::emitFor(scf::ForOp op) {
  waitForProducts();
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

LogicalResult KernelEmitter::emitIf(scf::IfOp op) {
  waitForProducts();
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    flatTypes(type, types);
  bool hasElse = !op.getElseRegion().empty();
  auto branch = ir.create<scf::IfOp>(types, scalar(op.getCondition()), hasElse);
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
  if (bulkCopies)
    ir.assembly("fence.proxy.async.shared::cta;", "~{memory}", {});
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
