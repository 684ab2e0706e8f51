//===- Layout.h - Arithmetic on #tile.layout --------------------*- C++ -*-===//

#ifndef KVARN_DIALECT_LAYOUT_H
#define KVARN_DIALECT_LAYOUT_H

#include "dialect/TileDialect.h"

namespace mlir::kvarn::tile {

/// The vectors that the bits of a register, lane or warp number add.
using Bases = SmallVector<SmallVector<int64_t>>;

/// A #tile.layout to compute with.
struct Layout {
  int64_t rank = 0;
  Bases registers, lanes, warps;

  Layout() = default;
  explicit Layout(LayoutAttr attribute);

  LayoutAttr get(MLIRContext *context) const;

  int64_t registerCount() const { return int64_t(1) << registers.size(); }
  /// The place of the element in register `index` of lane 0 of warp 0.
  SmallVector<int64_t> placeOf(int64_t index) const {
    return placeIn(registers, index);
  }
  SmallVector<int64_t> placeIn(const Bases &bases, int64_t index) const;
  /// The register of lane 0 of warp 0 that holds the element at `place`, or -1.
  int64_t registerAt(ArrayRef<int64_t> place) const;

  /// Without a dimension: what remains of a reduction.
  Layout without(int64_t dim) const;
  /// Only the dimensions in `kept`, which ascend.
  Layout keeping(ArrayRef<int64_t> kept) const;
  Layout transposed() const;
  /// As the results of `count` warps on top of each other.
  Layout stacked(int64_t count) const;

  /// A vector with one coordinate.
  static SmallVector<int64_t> unit(int64_t rank, int64_t dim, int64_t value);
};

/// The layout of a tile, or null.
inline LayoutAttr layoutOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type ? dyn_cast_or_null<LayoutAttr>(type.getEncoding()) : LayoutAttr();
}

} // namespace mlir::kvarn::tile

#endif // KVARN_DIALECT_LAYOUT_H
