//===- StagedTiles.h - Tiles in the memory of a program ---------*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_STAGEDTILES_H
#define KVARN_CODEGEN_NVPTX_STAGEDTILES_H

#include "dialect/TileDialect.h"

namespace mlir::kvarn::nvptx {

/// Bytes [begin, end) of a program's memory.
struct StagedBytes {
  int64_t begin = 0, end = 0;
};

/// The tiles that a kernel stages and where they lie. Loops and branches carry
/// them without moving them: a tile, what it is carried as, and what is staged
/// to be carried on are in the same memory.
class StagedTiles {
public:
  /// Finds them, and checks that none is used otherwise than by products or
  /// after another was staged in its place.
  LogicalResult find(tile::KernelOp kernel);

  /// Gives them memory from `offset` on; returns the end.
  int64_t allocate(int64_t offset);

  bool empty() const { return places.empty(); }
  bool contains(Value tile) const { return numbers.count(tile); }
  StagedBytes bytesOf(Value tile) const {
    return places[numbers.lookup(tile)].bytes;
  }

private:
  struct Place {
    SmallVector<Value> tiles;
    Block *home = nullptr; // the outermost block of these
    StagedBytes bytes;
  };

  LogicalResult check(const Place &place) const;
  int64_t allocate(Block &block, int64_t offset);

  tile::KernelOp kernel;
  SmallVector<Place> places;
  DenseMap<Value, unsigned> numbers; // of places
};

/// Memory for the blocks inside of `block`, from `offset` on, by `allocate`,
/// which returns the end: those of branches and of loops that follow one
/// another have the same. Returns the last end.
int64_t
allocateInside(Block &block, int64_t offset,
               function_ref<int64_t(Block &inner, int64_t offset)> allocate);

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_STAGEDTILES_H
