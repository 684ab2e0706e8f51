//===- Kept.cpp - Tiles in shared memory while nobody uses them -----------===//
//
// A lane reads what it wrote itself, so nobody waits. What all warps keep alike
// is there once: the first one writes it, and they wait for it.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "passes/MatrixLayouts.h"

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

/// The words of a tile as they lie in memory, which is an exchange of pairs of
/// them: the halves of a product's depth, which an instruction takes together,
/// are loaded into neighbouring registers.
static SmallVector<int64_t> orderOfWords(Value tile) {
  Layout layout(layoutOf(tile));
  Strides depth = registerStrides(layout, layout.rank - 1);
  int64_t count = wordsOf(tile);
  bool apart = halfOfDepth(depth) == 2 && count >= kWords &&
               layout.registers[2].back() == depth[2];
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < count; ++i)
    order.push_back(apart ? (i & ~3) | (i & 1) << 1 | (i >> 1 & 1) : i);
  return order;
}

/// Whether `op` is computed from `warp`, or from what each warp has of its own.
static bool uses(Operation *op, Value warp, DenseSet<Operation *> &seen) {
  if (!op || !seen.insert(op).second)
    return false;
  WalkResult walk = op->walk([&](Operation *inner) {
    bool found =
        isa<SlotOp, ArriveOp>(inner) ||
        llvm::any_of(inner->getOperands(), [&](Value operand) {
          return operand == warp || uses(operand.getDefiningOp(), warp, seen);
        });
    return found ? WalkResult::interrupt() : WalkResult::advance();
  });
  return walk.wasInterrupted();
}

/// All warps come by in what each of them does, and have the same tile.
static bool isAlike(KeepOp keep) {
  auto each = dyn_cast<WarpsOp>(keep->getParentOp());
  DenseSet<Operation *> seen;
  return each && !uses(keep, each.getWarp(), seen);
}

/// Memory for the tiles that a block keeps, from `offset` on. Returns the end.
int64_t KernelEmitter::allocateKept(Block &block, int64_t offset) {
  for (Operation &op : block)
    if (auto keep = dyn_cast<KeepOp>(op); keep && isInPairs(keep.getResult())) {
      offset = llvm::alignTo(offset, 32 * kBytes);
      bool alike = isAlike(keep);
      kept[keep.getResult()] = {offset, alike};
      offset += (alike ? 1 : warps) * bytesOfWarp(keep.getResult());
    }
  return allocateInside(block, offset, [&](Block &inner, int64_t from) {
    return allocateKept(inner, from);
  });
}

/// Where this lane has word `word`, one of every `kWords`, of a tile.
Value KernelEmitter::keptAt(Value tile, int64_t word) {
  const Kept &place = kept.find(tile)->second;
  Value own = ir.mul(lane, ir.i32(kBytes));
  if (!place.alike)
    own = ir.add(own, ir.mul(warp, ir.i32(bytesOfWarp(tile))));
  Value first = ir.at(ir.at(shared, place.offset), own);
  return ir.at(first, word / kWords * 32 * kBytes);
}

void KernelEmitter::emitKeep(KeepOp op) {
  // A single number is not worth it.
  if (!kept.count(op.getResult()))
    return define(op.getResult(), registers(op.getInput()));
  Values held = pairs(op.getInput()), words;
  for (int64_t word : orderOfWords(op.getResult()))
    words.push_back(held[word]);
  auto store = [&] {
    for (size_t i = 0; i < words.size(); i += kWords)
      ir.storeWords(ArrayRef(words).slice(i).take_front(kWords),
                    keptAt(op.getResult(), int64_t(i)));
  };
  if (!kept.find(op.getResult())->second.alike)
    return store();
  {
    OpBuilder::InsertionGuard guard(ir);
    auto first = ir.create<scf::IfOp>(ir.equal(warp, ir.i32(0)), false);
    ir.setInsertionPointToStart(first.thenBlock());
    store();
  }
  ir.syncBlock();
}

/// In each region again: what is read in one is not known in another.
const Values &KernelEmitter::fetch(Value tile) {
  Values &words = fetched[tile];
  if (!words.empty())
    return words;
  int64_t count = wordsOf(tile);
  Values loaded;
  for (int64_t i = 0; i < count; i += kWords)
    llvm::append_range(
        loaded, ir.loadWords(keptAt(tile, i), 4 * std::min(kWords, count - i)));
  for (int64_t word : orderOfWords(tile))
    words.push_back(loaded[word]);
  return words;
}
