//===- TileBuilder.cpp - Shorthand for building tile programs -------------===//

#include "passes/TileBuilder.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <cmath>

using namespace mlir;
using namespace mlir::kvarn;

ArrayRef<int64_t> mlir::kvarn::shapeOf(Value value) {
  if (auto type = dyn_cast<RankedTensorType>(value.getType()))
    return type.getShape();
  return {};
}

//===----------------------------------------------------------------------===//
// Constants and shapes
//===----------------------------------------------------------------------===//

Value TileBuilder::index(int64_t value) {
  return op<arith::ConstantIndexOp>(value);
}

Value TileBuilder::f32(double value) {
  return op<arith::ConstantOp>(getF32FloatAttr(value));
}

Value TileBuilder::i32(int64_t value) {
  return op<arith::ConstantOp>(getI32IntegerAttr(value));
}

Type TileBuilder::like(Value value, Type element) {
  if (auto type = dyn_cast<RankedTensorType>(value.getType()))
    return type.clone(element);
  return element;
}

Value TileBuilder::i1(bool value) {
  return op<arith::ConstantOp>(getBoolAttr(value));
}

Value TileBuilder::tileOf(double value, Shape shape, Type element) {
  auto type = RankedTensorType::get(shape, element ? element : getF32Type());
  return op<arith::ConstantOp>(DenseElementsAttr::get(
      type, FloatAttr::get(type.getElementType(), value).getValue()));
}

Value TileBuilder::splat(Value scalar, Shape shape) {
  return op<tile::SplatOp>(RankedTensorType::get(shape, scalar.getType()),
                           scalar);
}

Value TileBuilder::broadcast(Value tile, ArrayRef<int64_t> dims, Shape shape) {
  return op<tile::BroadcastOp>(RankedTensorType::get(shape, elementOf(tile)),
                               tile, dims);
}

Value TileBuilder::iota(int64_t dim, Shape shape) {
  return op<tile::IotaOp>(RankedTensorType::get(shape, getIndexType()),
                          uint64_t(dim));
}

Value TileBuilder::iota32(int64_t dim, Shape shape) {
  return op<tile::IotaOp>(RankedTensorType::get(shape, getI32Type()),
                          uint64_t(dim));
}

Value TileBuilder::toI32(Value x) {
  return op<arith::IndexCastOp>(like(x, getI32Type()), x);
}

Value TileBuilder::range(Value start, int64_t count) {
  return add(start, iota(0, {count}));
}

Value TileBuilder::transpose(Value tile) {
  Shape shape = shapeOf(tile);
  return op<tile::TransposeOp>(
      RankedTensorType::get({shape[1], shape[0]}, elementOf(tile)), tile);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

void TileBuilder::unify(Value &a, Value &b) {
  bool tileA = isa<RankedTensorType>(a.getType());
  bool tileB = isa<RankedTensorType>(b.getType());
  if (tileA && !tileB)
    b = splat(b, shapeOf(a));
  if (tileB && !tileA)
    a = splat(a, shapeOf(b));
}

template <typename FloatOp, typename IntOp>
Value TileBuilder::binary(Value a, Value b) {
  unify(a, b);
  if (isa<FloatType>(elementOf(a)))
    return op<FloatOp>(a, b);
  return op<IntOp>(a, b);
}

Value TileBuilder::add(Value a, Value b) {
  return binary<arith::AddFOp, arith::AddIOp>(a, b);
}
Value TileBuilder::sub(Value a, Value b) {
  return binary<arith::SubFOp, arith::SubIOp>(a, b);
}
Value TileBuilder::mul(Value a, Value b) {
  return binary<arith::MulFOp, arith::MulIOp>(a, b);
}
// Integers here are places and counts: never negative.
Value TileBuilder::div(Value a, Value b) {
  return binary<arith::DivFOp, arith::DivUIOp>(a, b);
}
Value TileBuilder::rem(Value a, Value b) {
  return binary<arith::RemFOp, arith::RemUIOp>(a, b);
}
Value TileBuilder::min(Value a, Value b) {
  return binary<arith::MinimumFOp, arith::MinSIOp>(a, b);
}
Value TileBuilder::max(Value a, Value b) {
  return binary<arith::MaximumFOp, arith::MaxSIOp>(a, b);
}
Value TileBuilder::both(Value a, Value b) {
  unify(a, b);
  return op<arith::AndIOp>(a, b);
}
Value TileBuilder::either(Value a, Value b) {
  unify(a, b);
  return op<arith::OrIOp>(a, b);
}

Value TileBuilder::ceilDiv(Value a, Value b) {
  return div(add(a, sub(b, index(1))), b);
}

Value TileBuilder::quotient(Value a, Value b) {
  unify(a, b);
  return op<arith::DivFOp>(a, b, arith::FastMathFlags::arcp);
}

Value TileBuilder::clamp(Value x, double low, double high) {
  return min(max(x, f32(low)), f32(high));
}

Value TileBuilder::select(Value condition, Value a, Value b) {
  unify(a, b);
  if (isa<RankedTensorType>(condition.getType()))
    unify(condition, a), unify(condition, b);
  return op<arith::SelectOp>(condition, a, b);
}

Value TileBuilder::compare(arith::CmpFPredicate floats,
                           arith::CmpIPredicate ints, Value a, Value b) {
  unify(a, b);
  if (isa<FloatType>(elementOf(a)))
    return op<arith::CmpFOp>(floats, a, b);
  return op<arith::CmpIOp>(ints, a, b);
}

Value TileBuilder::less(Value a, Value b) {
  return compare(arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt, a, b);
}
Value TileBuilder::lessEqual(Value a, Value b) {
  return compare(arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle, a, b);
}
Value TileBuilder::equal(Value a, Value b) {
  return compare(arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq, a, b);
}

Value TileBuilder::toFloat(Value x, Type element) {
  unsigned from = elementOf(x).getIntOrFloatBitWidth();
  unsigned to = element.getIntOrFloatBitWidth();
  if (elementOf(x) == element)
    return x;
  if (from < to)
    return op<arith::ExtFOp>(like(x, element), x);
  if (from == to) // f16 <-> bf16
    return toFloat(toF32(x), element);
  if (element.isF16())
    x = clamp(x, -kLargestHalf, kLargestHalf);
  return truncate(x, element);
}

Value TileBuilder::truncate(Value x, Type element) {
  if (elementOf(x) == element)
    return x;
  return op<arith::TruncFOp>(like(x, element), x);
}

Value TileBuilder::toIndex(Value x) {
  return op<arith::IndexCastOp>(like(x, getIndexType()), x);
}

Value TileBuilder::intToF32(Value x) {
  if (elementOf(x).isIndex())
    x = op<arith::IndexCastOp>(like(x, getI64Type()), x);
  return op<arith::SIToFPOp>(like(x, getF32Type()), x);
}

Value TileBuilder::reduce(tile::ReduceKind kind, Value x, int64_t dim) {
  SmallVector<int64_t> shape(shapeOf(x));
  shape.erase(shape.begin() + dim);
  Type result = elementOf(x);
  if (!shape.empty())
    result = RankedTensorType::get(shape, result);
  return op<tile::ReduceOp>(result, kind, x, uint64_t(dim));
}

Value TileBuilder::dot(Value a, Value b) {
  SmallVector<int64_t> shape = {shapeOf(a)[0]};
  llvm::append_range(shape, shapeOf(b).drop_front());
  return dot(a, b, tileOf(0.0, shape));
}

Value TileBuilder::dot(Value a, Value b, Value sum,
                       ArrayRef<int64_t> descending) {
  DenseI64ArrayAttr order;
  if (!descending.empty())
    order = getDenseI64ArrayAttr(descending);
  return op<tile::DotOp>(a, b, sum, order);
}

double mlir::kvarn::hadamardEntry(int64_t headDim) {
  APFloat entry(1.0 / std::sqrt(double(headDim)));
  bool inexact;
  entry.convert(APFloat::IEEEhalf(), APFloat::rmNearestTiesToEven, &inexact);
  entry.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
  return entry.convertToDouble();
}

Value TileBuilder::rotate(Value x) {
  // The reference multiplies by entries of +-fp16(1/sqrt(D)) and sums in fp32.
  return mul(op<tile::HadamardOp>(x), f32(hadamardEntry(shapeOf(x).back())));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value TileBuilder::dim(Value memref, int64_t i) {
  auto type = cast<MemRefType>(memref.getType());
  if (!type.isDynamicDim(i))
    return index(type.getDimSize(i));
  return op<memref::DimOp>(memref, i);
}

Value TileBuilder::loadScalar(Value memref, ValueRange indices) {
  return op<memref::LoadOp>(memref, indices);
}

static Type memoryElement(Value memref) {
  return cast<MemRefType>(memref.getType()).getElementType();
}

Value TileBuilder::load(Value memref, ValueRange indices, Shape shape,
                        Value mask) {
  return op<tile::LoadOp>(RankedTensorType::get(shape, memoryElement(memref)),
                          memref, indices, mask);
}

Value TileBuilder::gather(Value memref, ValueRange indices, Value mask) {
  int64_t rows = 0;
  for (Value index : indices)
    if (!shapeOf(index).empty())
      rows = shapeOf(index)[0];
  return op<tile::GatherOp>(
      RankedTensorType::get({rows}, memoryElement(memref)), memref, indices,
      mask);
}

void TileBuilder::store(Value tile, Value memref, ValueRange indices,
                        Value mask) {
  op<tile::StoreOp>(tile, memref, indices, mask);
}

void TileBuilder::scatter(Value tile, Value memref, ValueRange indices,
                          Value mask) {
  op<tile::ScatterOp>(tile, memref, indices, mask);
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

SmallVector<Value> TileBuilder::loop(Value from, Value to, Value step,
                                     ValueRange initial, LoopBody body) {
  auto loop = OpBuilder::create<scf::ForOp>(
      loc, from, to, step, initial,
      [&](OpBuilder &inner, Location, Value iv, ValueRange carried) {
        OpBuilder::InsertionGuard guard(*this);
        setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
        SmallVector<Value> next = body(iv, carried);
        op<scf::YieldOp>(next);
      });
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> TileBuilder::repeat(ValueRange initial, RepeatBody body) {
  auto loop = OpBuilder::create<scf::WhileOp>(
      loc, initial.getTypes(), initial,
      [&](OpBuilder &inner, Location, ValueRange carried) {
        OpBuilder::InsertionGuard guard(*this);
        setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
        SmallVector<Value> next = body(carried);
        op<scf::ConditionOp>(next.front(), ValueRange(next).drop_front());
      },
      [](OpBuilder &inner, Location loc, ValueRange carried) {
        inner.create<scf::YieldOp>(loc, carried);
      });
  return SmallVector<Value>(loop.getResults());
}

LogicalResult mlir::kvarn::checkRepeat(scf::WhileOp op) {
  if (op.getAfterBody()->getOperations().size() == 1 &&
      op.getYieldOp().getOperands() == ValueRange(op.getAfterArguments()) &&
      op.getOperandTypes() == op.getResultTypes())
    return success();
  return op.emitOpError("expected all of the body in front of the condition, "
                        "which hands on what is carried");
}

SmallVector<Value> TileBuilder::branch(Value condition, Branch then,
                                       Branch otherwise) {
  auto region = [&](Branch build) {
    return [&, build](OpBuilder &inner, Location) {
      OpBuilder::InsertionGuard guard(*this);
      setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
      op<scf::YieldOp>(build());
    };
  };
  auto created = OpBuilder::create<scf::IfOp>(loc, condition, region(then),
                                              region(otherwise));
  return SmallVector<Value>(created.getResults());
}

void TileBuilder::when(Value condition, function_ref<void()> then) {
  auto created =
      OpBuilder::create<scf::IfOp>(loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(created.thenBlock());
  then();
}
