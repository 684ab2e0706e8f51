//===- MatrixLayouts.h - Operands of matrix instructions --------*- C++ -*-===//
//
// Products are computed transposed: the columns of the right operand, of which
// there are many, are the rows of the instruction, and the rows of the left
// operand, a few query rows, its columns.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_PASSES_MATRIXLAYOUTS_H
#define KVARN_PASSES_MATRIXLAYOUTS_H

#include "dialect/KVarNDialect.h"
#include "dialect/Layout.h"
#include "dialect/Targets.h"

namespace mlir::kvarn {

/// Strides along one dimension that lane bits add, lowest bit first.
using Strides = SmallVector<int64_t>;

/// What register bits add along one dimension, lowest first.
Strides registerStrides(const tile::Layout &layout, int64_t dim);

/// How a right operand [depth, columns] is spread over lanes.
struct OperandLanes {
  Strides depth, outer;
  int64_t pair = 0; // depth stride of the first register bit; 0 = the lowest
};

/// The lanes that suit codes of `format` in tiles of `tokens` tokens, or, with
/// a null format, 16-bit elements in memory: each lane gets long runs.
OperandLanes lanesOf(const MatrixInstruction &matrix, FormatAttr format,
                     RecordPart part, ArrayRef<int64_t> shape);

tile::Layout rhsLayout(const MatrixInstruction &matrix, ArrayRef<int64_t> shape,
                       const OperandLanes &lanes);
/// [rows, depth] for a right operand with these lanes.
tile::Layout lhsLayout(const MatrixInstruction &matrix, ArrayRef<int64_t> shape,
                       const OperandLanes &lanes);
/// Of [rows, columns], for the operands as `rhsLayout` and `lhsLayout` lay
/// them.
tile::Layout resultLayout(const MatrixInstruction &matrix,
                          ArrayRef<int64_t> shape, const tile::Layout &lhs,
                          const tile::Layout &rhs);
/// Which of the depth strides of a right operand's registers, lowest first, is
/// the second half of an instruction's depth; the first one is the pair in a
/// word.
int64_t halfOfDepth(ArrayRef<int64_t> strides);
/// A vector beside a matrix that `rhs` is the layout of, and what products with
/// it come to, [rows]. If rows of the instruction are pairs of its columns, the
/// left operand is used as rows, and the halves of a step's depth are columns
/// of their own (codegen/nvptx/VectorDot.cpp).
tile::Layout vectorLayout(const MatrixInstruction &matrix,
                          const tile::Layout &rhs);
tile::Layout vectorResultLayout(const MatrixInstruction &matrix, int64_t rows,
                                const tile::Layout &lhs,
                                const tile::Layout &vector);
/// The depth of a left operand that such a result becomes with all 8x8 pieces
/// transposed between lanes.
OperandLanes transposedPieces(const MatrixInstruction &matrix,
                              const tile::Layout &result);

/// `source`, a right operand, with its 8x8 pieces transposed between lanes: a
/// left operand [rows, depth] of `shape`.
tile::Layout transposedPieces(const MatrixInstruction &matrix,
                              ArrayRef<int64_t> shape,
                              const tile::Layout &source);
/// The Hadamard matrix as the right operand for `lhs`. Its columns may be in
/// any order: each lane of the result has 16 bytes of fp16 in a row.
tile::Layout hadamardLayout(const MatrixInstruction &matrix,
                            ArrayRef<int64_t> shape, const tile::Layout &lhs);
/// As `resultLayout`, with neighbours of a row in neighbouring registers.
tile::Layout rowResultLayout(const MatrixInstruction &matrix,
                             ArrayRef<int64_t> shape, const tile::Layout &lhs,
                             const tile::Layout &rhs);

/// The layouts of a product [rows, depth] x [depth, columns] by instructions of
/// four warps: each warp has 16 rows of the left operand and of the result, as
/// mma.m16n8k16 has them, and all read the right one from shared memory.
struct SharedProduct {
  tile::Layout lhs, rhs, result;
};
SharedProduct sharedProduct(ArrayRef<int64_t> lhs, int64_t columns);

/// The op that staged a tile, which loops and branches may have carried since;
/// null if none did. A carried tile is staged everywhere that it comes from.
tile::StageOp stageOf(Value tile);

/// For codes on their way to shared memory: as in their record, but with the
/// pairs that are expanded together first, and lanes that store at the same
/// time in different banks.
tile::Layout stagedCodes(const MatrixInstruction &matrix, FormatAttr format,
                         RecordPart part, ArrayRef<int64_t> shape,
                         int64_t warps);

/// For 16-bit elements [depth, columns] on their way from memory, where a row
/// is contiguous, to shared memory, where a column is: lanes have pieces of 16
/// bytes of either kind, and find them in different banks.
tile::Layout stagedColumns(const MatrixInstruction &matrix,
                           ArrayRef<int64_t> shape, int64_t warps);

/// What lane bits `bits` of `layout` add along `dim`.
Strides stridesOf(const tile::Layout &layout, ArrayRef<int64_t> bits,
                  int64_t dim);

/// For tiles that no product asks for: runs of 16 bytes, then lanes, then
/// registers along the last dimension first; `warps` share a matrix.
/// `shortRows`: no more lanes along that dimension than memory and the number
/// of threads ask for, since what is done along it costs exchanges of lanes.
tile::Layout plainLayout(const MatrixInstruction &matrix, RankedTensorType type,
                         int64_t warps, bool shortRows = false);

/// For codes [tokens, channels] (or the other way round if `tokenDim` is 1) on
/// their way from or to a record: every lane has whole words of it.
tile::Layout codesLayout(const MatrixInstruction &matrix, FormatAttr format,
                         RecordPart part, ArrayRef<int64_t> shape,
                         int64_t tokenDim, int64_t warps);

/// The same elements of each warp with fewer copies: registers move to lanes
/// that add nothing.
tile::Layout withoutCopies(tile::Layout layout);

/// A vector with as few elements per lane as possible.
tile::Layout spreadLayout(const MatrixInstruction &matrix, int64_t length);

} // namespace mlir::kvarn

#endif // KVARN_PASSES_MATRIXLAYOUTS_H
