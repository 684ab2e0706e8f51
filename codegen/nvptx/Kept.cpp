//===- Kept.cpp - Tiles in shared memory while nobody uses them -----------===//
//
// A lane reads what it wrote itself, so nobody waits.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// Of one access of a lane.
static constexpr int64_t kWords = 4, kBytes = 4 * kWords;

static int64_t wordsOf(Value tile) {
  return Layout(layoutOf(tile)).registerCount() / 2;
}

static int64_t bytesOfWarp(Value tile) {
  return 32 * 4 * llvm::alignTo(wordsOf(tile), kWords);
}

/// Memory for the tiles that a block keeps, from `offset` on; those of branches
/// and of loops that follow one another have the same. Returns the end.
int64_t KernelEmitter::allocateKept(Block &block, int64_t offset) {
  for (Operation &op : block)
    if (auto keep = dyn_cast<KeepOp>(op); keep && isInPairs(keep.getResult())) {
      offset = llvm::alignTo(offset, 32 * kBytes);
      kept[keep.getResult()] = offset;
      offset += warps * bytesOfWarp(keep.getResult());
    }
  int64_t end = offset;
  for (Operation &op : block)
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        end = std::max(end, allocateKept(inner, offset));
  return end;
}

/// Where this lane has word `word`, one of every `kWords`, of a tile.
Value KernelEmitter::keptAt(Value tile, int64_t word) {
  Value own = ir.add(ir.mul(warp, ir.i32(bytesOfWarp(tile))),
                     ir.mul(lane, ir.i32(kBytes)));
  Value first = ir.at(ir.at(shared, kept.find(tile)->second), own);
  return ir.at(first, word / kWords * 32 * kBytes);
}

void KernelEmitter::emitKeep(KeepOp op) {
  // A single number is not worth it.
  if (!kept.count(op.getResult()))
    return define(op.getResult(), registers(op.getInput()));
  Values words = pairs(op.getInput());
  for (size_t i = 0; i < words.size(); i += kWords)
    ir.storeWords(ArrayRef(words).slice(i).take_front(kWords),
                  keptAt(op.getResult(), int64_t(i)));
}

/// In each region again: what is read in one is not known in another.
const Values &KernelEmitter::fetch(Value tile) {
  Values &words = fetched[tile];
  if (!words.empty())
    return words;
  int64_t count = wordsOf(tile);
  for (int64_t i = 0; i < count; i += kWords)
    llvm::append_range(
        words, ir.loadWords(keptAt(tile, i), 4 * std::min(kWords, count - i)));
  return words;
}
