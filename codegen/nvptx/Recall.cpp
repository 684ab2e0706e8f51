//===- Recall.cpp - Tiles that wait in shared memory ----------------------===//
//
// Each thread keeps what it holds of a tile, in chunks of 16 bytes that lie
// side by side for the threads of a program: there is nobody to wait for.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "codegen/nvptx/Runs.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

static constexpr int64_t kAlignment = 128;

static int64_t elementBytes(Value tile) {
  return bytesOf(cast<RankedTensorType>(tile.getType()).getElementType());
}

void KernelEmitter::findKeptTiles() {
  kernel.getBody().walk([&](RecallOp op) {
    // What a loop carries is in registers.
    if (op.getInput().getDefiningOp())
      kept.insert({op.getInput(), {0, 0, false}});
  });
  placeKeptTiles(kernel.getBody().front(), 0, /*apart=*/false);
  for (auto &[tile, a] : kept)
    for (auto &[other, b] : kept)
      a.shares |= tile != other && a.begin < b.end && b.begin < a.end;
}

/// Tiles of regions beside each other share memory, unless warps run `apart`.
void KernelEmitter::placeKeptTiles(Block &block, int64_t start, bool apart) {
  for (Operation &op : block) {
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        placeKeptTiles(inner, start, apart || isa<WarpsOp>(op));
    for (Value result : op.getResults()) {
      auto it = kept.find(result);
      if (it == kept.end())
        continue;
      int64_t bytes = layout(result).registerCount() * elementBytes(result);
      int64_t begin = apart ? keptBytes : start;
      start = begin + llvm::alignTo(32 * warps * bytes, kAlignment);
      keptBytes = std::max(keptBytes, start);
      it->second = {begin, start, false};
    }
  }
}

int64_t KernelEmitter::keptChunk(Value tile) {
  return std::min<int64_t>(layout(tile).registerCount(),
                           16 / elementBytes(tile));
}

Value KernelEmitter::keptAddress(Value tile, int64_t chunk) {
  int64_t bytes = keptChunk(tile) * elementBytes(tile);
  Value thread = ir.add(ir.shiftLeft(warp, 5), lane);
  Value first = ir.at(keptMemory, ir.mul(thread, ir.i32(bytes)));
  return ir.at(first, kept.lookup(tile).begin + chunk * 32 * warps * bytes);
}

void KernelEmitter::keep(Value tile) {
  Values values = registers(tile);
  int64_t count = keptChunk(tile);
  // Other threads may still recall what lies there; warps that run apart have
  // waited before.
  if (kept.lookup(tile).shares && !insideWarps)
    ir.syncBlock();
  for (int64_t first = 0; first < int64_t(values.size()); first += count)
    storeRun(ir, ArrayRef(values).slice(first, count),
             keptAddress(tile, first / count));
}

void KernelEmitter::emitRecall(RecallOp op) {
  Value tile = op.getInput();
  if (!kept.contains(tile))
    return define(op.getResult(), Values(registers(tile)));
  Type element = registerType(op.getType().getElementType());
  int64_t count = keptChunk(tile);
  Values values;
  // Volatile, or LLVM would join two of them and hold the registers.
  for (int64_t first = 0; first < layout(tile).registerCount(); first += count)
    llvm::append_range(values, loadRun(ir, keptAddress(tile, first / count),
                                       element, count, /*isVolatile=*/true));
  define(op.getResult(), values);
}
