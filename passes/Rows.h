//===- Rows.h - The rows of a tensor as one sequence ------------*- C++ -*-===//

#ifndef KVARN_PASSES_ROWS_H
#define KVARN_PASSES_ROWS_H

#include "passes/TileBuilder.h"

namespace mlir::kvarn {

/// `rows` consecutive rows (last dimensions) of a memref, from row number
/// `first` on, over all leading dimensions in row-major order.
struct RowTile {
  SmallVector<Value> indices; // one per dimension; the last is 0
  Value valid;                // rows that exist
};
RowTile makeRowTile(TileBuilder &b, Value memref, Value first, int64_t rows);

/// The number of rows of a memref, and of tiles of `rows` rows.
Value countRows(TileBuilder &b, Value memref);
Value countRowTiles(TileBuilder &b, Value memref, int64_t rows);

} // namespace mlir::kvarn

#endif // KVARN_PASSES_ROWS_H
