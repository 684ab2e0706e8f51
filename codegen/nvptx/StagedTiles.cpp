//===- StagedTiles.cpp - Tiles in the memory of a program -----------------===//

#include "codegen/nvptx/StagedTiles.h"
#include "dialect/ProgramOrder.h"
#include "passes/MatrixLayouts.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/IntEqClasses.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// Of a staged tile: the swizzle repeats after eight rows of memory.
static constexpr int64_t kAlignment = 1024;

/// What a loop or a branch carries as one value: pairs of them are alike.
static void
forEachCarried(Operation *op,
               function_ref<void(Value carried, Value from)> visit) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    for (auto [argument, init, yielded, result] :
         llvm::zip(loop.getRegionIterArgs(), loop.getInits(),
                   loop.getYieldedValues(), loop.getResults()))
      for (Value from : {init, yielded, Value(result)})
        visit(argument, from);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    for (OpResult result : branch.getResults())
      for (scf::YieldOp yield : {branch.thenYield(), branch.elseYield()})
        visit(result, yield.getOperand(result.getResultNumber()));
}

static int64_t depthOf(Block *block) {
  int64_t depth = 0;
  for (Operation *op = block->getParentOp(); op; op = op->getParentOp())
    ++depth;
  return depth;
}

LogicalResult StagedTiles::find(KernelOp kernelOp) {
  kernel = kernelOp;
  llvm::MapVector<Value, unsigned> all;
  auto add = [&](Value value) {
    if (stageOf(value))
      all.insert({value, all.size()});
  };
  kernel.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    llvm::for_each(op->getResults(), add);
    for (Region &region : op->getRegions())
      llvm::for_each(region.getArguments(), add);
  });
  llvm::IntEqClasses classes(all.size());
  WalkResult walked = kernel.getBody().walk([&](Operation *op) -> WalkResult {
    LogicalResult result = success();
    forEachCarried(op, [&](Value carried, Value from) {
      if (all.count(carried) && all.count(from))
        classes.join(all.find(carried)->second, all.find(from)->second);
      else if (all.count(carried) || all.count(from))
        result = op->emitOpError("carries a tile that is not staged everywhere "
                                 "that it comes from");
    });
    return result;
  });
  if (walked.wasInterrupted())
    return failure();
  classes.compress();
  places.resize(classes.getNumClasses());
  for (auto [value, number] : all) {
    Place &place = places[numbers[value] = classes[number]];
    place.tiles.push_back(value);
    Block *block = value.getParentBlock();
    if (!place.home || depthOf(block) < depthOf(place.home))
      place.home = block;
  }
  for (const Place &place : places)
    if (failed(check(place)))
      return failure();
  return success();
}

/// What makes `tile`, or carries it.
static Operation *ownerOf(Value tile) {
  Operation *made = tile.getDefiningOp();
  return made ? made : tile.getParentBlock()->getParentOp();
}

/// Whether `stage` is where `tile` comes from, or precedes that.
static bool precedes(StageOp stage, Value tile) {
  Operation *owner = ownerOf(tile);
  bool inside = !isa<BlockArgument>(tile) && owner->isAncestor(stage);
  return inside || comesBefore(stage, owner);
}

LogicalResult StagedTiles::check(const Place &place) const {
  for (auto [i, tile] : llvm::enumerate(place.tiles))
    for (Value other : ArrayRef(place.tiles).take_front(i))
      if (isa<BlockArgument>(tile) == isa<BlockArgument>(other) &&
          ownerOf(tile) == ownerOf(other))
        return ownerOf(tile)->emitOpError("carries one staged tile as two");
  for (Value tile : place.tiles)
    for (Operation *user : tile.getUsers()) {
      if (!isa<DotOp, scf::ForOp, scf::YieldOp>(user))
        return user->emitOpError("uses a staged tile, which only products can");
      // Another one may be staged once this one is no longer used.
      for (Value other : place.tiles)
        if (auto stage = other.getDefiningOp<StageOp>();
            stage && other != tile &&
            (shareLoopOutside(tile.getParentRegion(), user, stage) ||
             (!precedes(stage, tile) && comesBefore(stage, user))))
          return user->emitOpError(
              "uses a staged tile in whose place another one was staged");
    }
  return success();
}

int64_t StagedTiles::allocate(int64_t offset) {
  return places.empty() ? offset : allocate(kernel.getBody().front(), offset);
}

int64_t StagedTiles::allocate(Block &block, int64_t offset) {
  for (Place &place : places)
    if (place.home == &block) {
      auto type = cast<RankedTensorType>(place.tiles.front().getType());
      place.bytes.begin = llvm::alignTo(offset, kAlignment);
      place.bytes.end = place.bytes.begin + type.getNumElements() * 2;
      offset = place.bytes.end;
    }
  return allocateInside(block, offset, [&](Block &inner, int64_t from) {
    return allocate(inner, from);
  });
}

int64_t mlir::kvarn::nvptx::allocateInside(
    Block &block, int64_t offset,
    function_ref<int64_t(Block &inner, int64_t offset)> allocate) {
  int64_t end = offset;
  for (Operation &op : block)
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        end = std::max(end, allocate(inner, offset));
  return end;
}
