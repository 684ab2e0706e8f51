//===- TileBuilder.h - Shorthand for building tile programs -----*- C++ -*-===//

#ifndef KVARN_PASSES_TILEBUILDER_H
#define KVARN_PASSES_TILEBUILDER_H

#include "dialect/TileDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"

namespace mlir::kvarn {

/// An OpBuilder whose methods take scalars and tiles alike.
class TileBuilder : public OpBuilder {
public:
  TileBuilder(OpBuilder builder, Location loc)
      : OpBuilder(std::move(builder)), loc(loc) {}

  using Shape = ArrayRef<int64_t>;

  template <typename OpTy, typename... Args> auto op(Args &&...args) {
    auto created = OpBuilder::create<OpTy>(loc, std::forward<Args>(args)...);
    if constexpr (OpTy::template hasTrait<OpTrait::OneResult>())
      return created->getResult(0);
    else
      return created;
  }

  // Constants.
  Value index(int64_t value);
  Value f32(double value);
  Value i1(bool value);
  Value i32(int64_t value);
  /// `element`, or a tile of it with the shape of `value`.
  Type like(Value value, Type element);
  Value tileOf(double value, Shape shape, Type element = {}); // f32

  // Shapes.
  Value splat(Value scalar, Shape shape);
  /// Repeats `tile` so that its dimension i becomes dimension dims[i].
  Value broadcast(Value tile, ArrayRef<int64_t> dims, Shape shape);
  /// A rank-1 tile along one dimension of a rank-2 shape.
  Value along(Value tile, int64_t dim, Shape shape) {
    return broadcast(tile, {dim}, shape);
  }
  Value iota(int64_t dim, Shape shape);
  Value iota32(int64_t dim, Shape shape);
  /// start + 0, 1, ..: the places of `count` rows.
  Value range(Value start, int64_t count);
  Value transpose(Value tile);

  // Arithmetic; a scalar operand beside a tile is repeated.
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  /// Of floats, in which the last bits do not count.
  Value quotient(Value a, Value b);
  Value rem(Value a, Value b);
  Value ceilDiv(Value a, Value b);
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  Value clamp(Value x, double low, double high);
  Value both(Value a, Value b);
  Value either(Value a, Value b);
  Value select(Value condition, Value a, Value b);
  Value less(Value a, Value b);
  Value lessEqual(Value a, Value b);
  Value equal(Value a, Value b);
  Value exp2(Value x) { return op<math::Exp2Op>(x); }
  Value log2(Value x) { return op<math::Log2Op>(x); }

  /// To another float type, rounded once; saturates if that is f16.
  Value toFloat(Value x, Type element);
  /// The same of numbers that are known to fit.
  Value truncate(Value x, Type element);
  Value toF32(Value x) { return toFloat(x, getF32Type()); }
  Value toIndex(Value x);
  Value toI32(Value x);
  Value intToF32(Value x);

  Value reduce(tile::ReduceKind kind, Value x, int64_t dim);
  /// Running sums of a vector of integers.
  Value scan(Value x) { return op<tile::ScanOp>(x); }
  Value sum(Value x, int64_t dim) {
    return reduce(tile::ReduceKind::Add, x, dim);
  }
  /// The product without an accumulator; `b` is a matrix or a vector.
  Value dot(Value a, Value b);
  /// `a` * `b` + `sum`; dimensions of `b` that are gone through backward.
  Value dot(Value a, Value b, Value sum, ArrayRef<int64_t> descending = {});
  /// `x` as the right operand of products that several warps share.
  Value stage(Value x) { return op<tile::StageOp>(x.getType(), x); }
  Value keep(Value x) { return op<tile::KeepOp>(x); }
  /// Multiplies the last dimension by the Hadamard matrix of the reference.
  Value rotate(Value x);
  /// `columns` columns from `first` on of that matrix without its scale, for a
  /// product of fp16.
  Value hadamardMatrix(int64_t rows, Value first, int64_t columns) {
    return op<tile::HadamardMatrixOp>(
        RankedTensorType::get({rows, columns}, getF16Type()), first);
  }

  // Memory.
  Value dim(Value memref, int64_t i);
  Value loadScalar(Value memref, ValueRange indices);
  Value load(Value memref, ValueRange indices, Shape shape, Value mask = {});
  Value gather(Value memref, ValueRange indices, Value mask = {});
  void store(Value tile, Value memref, ValueRange indices, Value mask = {});
  void scatter(Value tile, Value memref, ValueRange indices, Value mask = {});

  // Control flow. `body` gets the loop variable and carried values and returns
  // the next ones.
  using LoopBody =
      function_ref<SmallVector<Value>(Value iv, ValueRange carried)>;
  SmallVector<Value> loop(Value from, Value to, Value step, ValueRange initial,
                          LoopBody body);
  /// The same at least once: `body` returns whether there is another round,
  /// then the next values.
  using RepeatBody = function_ref<SmallVector<Value>(ValueRange carried)>;
  SmallVector<Value> repeat(ValueRange initial, RepeatBody body);
  using Branch = function_ref<SmallVector<Value>()>;
  SmallVector<Value> branch(Value condition, Branch then, Branch otherwise);
  void when(Value condition, function_ref<void()> then);

  Location getLoc() const { return loc; }

private:
  /// Both operands in the shape of the one that is a tile.
  void unify(Value &a, Value &b);
  template <typename FloatOp, typename IntOp> Value binary(Value a, Value b);
  Value compare(arith::CmpFPredicate floats, arith::CmpIPredicate ints, Value a,
                Value b);

  Location loc;
};

/// That the loop is one of TileBuilder::repeat: its body stands in front of the
/// condition, and what is behind it hands all on.
LogicalResult checkRepeat(scf::WhileOp op);

/// Of the Hadamard matrix of the reference, but for the sign: nearly
/// 1 / sqrt(headDim).
double hadamardEntry(int64_t headDim);

/// Of fp16.
inline constexpr double kLargestHalf = 65504;

/// f16, f32, .. of a tile or a scalar.
inline Type elementOf(Value value) { return getElementTypeOrSelf(value); }

/// The shape of a tile; empty for a scalar.
ArrayRef<int64_t> shapeOf(Value value);

} // namespace mlir::kvarn

#endif // KVARN_PASSES_TILEBUILDER_H
