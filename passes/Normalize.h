//===- Normalize.h - Variance normalization and rounding --------*- C++ -*-===//

#ifndef KVARN_PASSES_NORMALIZE_H
#define KVARN_PASSES_NORMALIZE_H

#include "passes/TileBuilder.h"

namespace mlir::kvarn {

/// A balanced tile and the scales that balance it, all f32. `rowDim` is the
/// dimension of the tile (of any float type) along which rows are counted: 0,
/// or 1 for a transposed tile.
struct Normalized {
  Value balanced;              // x / rowScale / columnScale
  Value rowScale, columnScale; // without the prescale
};
Normalized normalizeTile(TileBuilder &b, Value x, int64_t rowDim,
                         int64_t iterations, bool prescale);

struct Quantized {
  Value codes;       // i8, shape of the tile
  Value scale, zero; // per row
};
/// `columnWeight`, which may be null, says by how much an error in each column
/// counts when a range of least squared error is searched.
Quantized quantizeTile(TileBuilder &b, Value x, int64_t rowDim, int64_t bits,
                       QuantRange range, Value columnWeight = {});

} // namespace mlir::kvarn

#endif // KVARN_PASSES_NORMALIZE_H
