//===- Dot.h - A product as matrix instructions -----------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_DOT_H
#define KVARN_CODEGEN_NVPTX_DOT_H

#include "codegen/nvptx/Ir.h"
#include "dialect/Layout.h"

namespace mlir::kvarn::nvptx {

/// One operand by its outer index and its depth.
struct DotSide {
  Value tile;
  tile::Layout layout;
  int64_t outerDim;           // -1: a vector, the same for every outer index
  SmallVector<int64_t> outer; // places of instructions along the outer index

  int64_t pairAt(int64_t outerPlace, int64_t depth) const {
    SmallVector<int64_t> place(layout.rank);
    place[outerDim < 0 ? 0 : 1 - outerDim] = depth;
    if (outerDim >= 0)
      place[outerDim] = outerPlace;
    return layout.registerAt(place) / 2;
  }
};

/// Sums that are made at once, so that instructions share operands and do not
/// wait for one another.
constexpr size_t kCellsAtOnce = 8;

/// Sums of one instruction: registers of the result, -1 = none.
struct DotCell {
  int64_t row, column;
  int64_t registers[4];
};

/// The rows of an instruction are columns of the right operand.
struct DotPlan {
  DotSide rows, columns;
  int64_t second;             // rows further on are the second eight; 0 = none
  int64_t upper;              // the second half of a step's depth is so far on
  SmallVector<int64_t> steps; // places of instructions along the depth
  SmallVector<DotCell> cells;
  bool alike; // the rows are few different registers, see AlikeDot.cpp
};

/// Words of one instruction: four of its rows, two of its columns.
struct DotStep {
  Values rows, columns;
};

/// A product with a vector, see VectorDot.cpp.
struct VectorPlan {
  DotSide matrix, vector;
  int64_t upper = 0;          // as in DotPlan
  SmallVector<int64_t> steps; // likewise
};

/// `select`: `sum` = before + `product`, or before.
struct AddIf {
  arith::MulFOp product;
  arith::AddFOp sum;
  arith::SelectOp select;

  static std::optional<AddIf> match(arith::SelectOp select);
};

/// What some steps of a product come to, or minus that.
struct SignedSum {
  Values sum;
  bool isNegative = false;
};

/// Another word of two fp16 numbers that is minus this one, and whether this is
/// the one that counts as negative.
struct Opposite {
  Value word;
  bool isNegative = false;
};

/// All sums of `strides`, the first one fastest.
SmallVector<int64_t> sums(ArrayRef<int64_t> strides);

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_DOT_H
