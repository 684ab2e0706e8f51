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
  return std::max<int64_t>(Layout(layoutOf(tile)).registerCount() / 2, 1);
}

/// Memory for the tiles that the kernel keeps, from `offset` on. Returns the
/// end.
int64_t KernelEmitter::allocateKept(int64_t offset) {
  kernel.walk([&](KeepOp op) {
    offset = llvm::alignTo(offset, 32 * kBytes);
    kept[op.getResult()] = offset;
    offset += warps * 32 * 4 * llvm::alignTo(wordsOf(op.getResult()), kWords);
  });
  return offset;
}

/// Where this lane has word `word`, one of every `kWords`, of a tile.
Value KernelEmitter::keptAt(Value tile, int64_t word) {
  int64_t perWarp = 32 * 4 * llvm::alignTo(wordsOf(tile), kWords);
  Value own =
      ir.add(ir.mul(warp, ir.i32(perWarp)), ir.mul(lane, ir.i32(kBytes)));
  Value first = ir.at(ir.at(shared, kept.find(tile)->second), own);
  return ir.at(first, word / kWords * 32 * kBytes);
}

void KernelEmitter::emitKeep(KeepOp op) {
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
