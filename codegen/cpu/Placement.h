//===- Placement.h - Which tiles exist in memory ----------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_CPU_PLACEMENT_H
#define KVARN_CODEGEN_CPU_PLACEMENT_H

#include "codegen/KernelOps.h"
#include "dialect/TileDialect.h"

#include "llvm/ADT/DenseMap.h"

namespace mlir::kvarn::cpu {

/// Decides for every tile of a kernel whether it is *inline*, that is computed
/// vector by vector where it is used, or *buffered*, that is computed once into
/// scratch memory.
class Placement {
public:
  explicit Placement(tile::KernelOp kernel);

  bool isInline(Value tile) const { return inlined.contains(tile); }

  /// The op of the tile's own block after which nobody reads the tile.
  Operation *lastUse(Value tile) const { return ends.lookup(tile); }

  /// The buffered tiles that `op` is the last to read.
  ArrayRef<Value> endingAt(Operation *op) const;

private:
  void visit(Block &block);
  void visit(Value tile);
  bool shouldInline(Value tile);
  bool fusesIntoOneLoop(Value tile);
  bool isOverwritten(Value tile);
  Operation *root(OpOperand &use) const;
  Operation *endOf(Value tile) const;
  int64_t cost(Value tile) const;

  DenseMap<Value, Operation *> inlined; // tile -> the op that evaluates it
  DenseMap<Value, Operation *> ends;
  DenseMap<Operation *, SmallVector<Value>> endings;
};

/// X if `tile` is the transpose of X, and a dot can use it row by row.
Value transposedRows(Value tile);

} // namespace mlir::kvarn::cpu

#endif // KVARN_CODEGEN_CPU_PLACEMENT_H
