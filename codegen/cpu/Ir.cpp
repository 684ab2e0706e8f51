//===- Ir.cpp - Short names for the IR that the CPU target emits ----------===//

#include "codegen/cpu/Ir.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace mlir::kvarn::cpu;

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value Ir::index(int64_t value) { return create<arith::ConstantIndexOp>(value); }

Value Ir::add(Value a, Value b) { return createOrFold<arith::AddIOp>(a, b); }

Value Ir::mul(Value a, Value b) { return createOrFold<arith::MulIOp>(a, b); }

Value Ir::div(Value a, int64_t b) {
  return createOrFold<arith::DivUIOp>(a, index(b));
}

Value Ir::rem(Value a, int64_t b) {
  return createOrFold<arith::RemUIOp>(a, index(b));
}

Value Ir::toIndex(Value integer) {
  return integer.getType().isIndex()
             ? integer
             : createOrFold<arith::IndexCastOp>(getIndexType(), integer);
}

Value Ir::toI64(Value index) {
  return index.getType().isIndex()
             ? createOrFold<arith::IndexCastOp>(getI64Type(), index)
             : index;
}

Value Ir::zero(Type type) {
  return create<arith::ConstantOp>(cast<TypedAttr>(getZeroAttr(type)));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static Type storageType(Type element) {
  if (element.isInteger(1))
    return IntegerType::get(element.getContext(), 8);
  if (element.isIndex())
    return IntegerType::get(element.getContext(), 64);
  // LLVM 19 cannot select all of bf16 for every target.
  if (element.isBF16())
    return IntegerType::get(element.getContext(), 16);
  return element;
}

int64_t mlir::kvarn::cpu::storageBytes(Type element) {
  return storageType(element).getIntOrFloatBitWidth() / 8;
}

Type Ir::pointerType() { return LLVM::LLVMPointerType::get(getContext()); }

Value Ir::at(Value pointer, Value index, Type element) {
  return create<LLVM::GEPOp>(pointerType(), storageType(element), pointer,
                             ValueRange{toI64(index)});
}

Value Ir::at(Value pointer, int64_t bytes) {
  return bytes ? at(pointer, index(bytes), getI8Type()) : pointer;
}

Value Ir::load(Value pointer, Type element, int64_t width, int64_t align) {
  auto withWidth = [&](Type type) -> Type {
    return width ? VectorType::get(width, type) : type;
  };
  Type storage = storageType(element);
  Value value = create<LLVM::LoadOp>(withWidth(storage), pointer,
                                     align ? align : storageBytes(element));
  if (element.isInteger(1))
    return create<arith::TruncIOp>(withWidth(element), value);
  if (element.isIndex())
    return create<arith::IndexCastOp>(withWidth(element), value);
  if (element.isBF16())
    return create<arith::BitcastOp>(withWidth(element), value);
  return value;
}

void Ir::store(Value value, Value pointer, int64_t align) {
  Type element = getElementTypeOrSelf(value);
  Type storage = storageType(element);
  auto vector = dyn_cast<VectorType>(value.getType());
  Type type = vector ? Type(vector.clone(storage)) : storage;
  if (element.isInteger(1))
    value = create<arith::ExtUIOp>(type, value);
  else if (element.isIndex())
    value = create<arith::IndexCastOp>(type, value);
  else if (element.isBF16())
    value = create<arith::BitcastOp>(type, value);
  create<LLVM::StoreOp>(value, pointer, align ? align : storageBytes(element));
}

//===----------------------------------------------------------------------===//
// Vectors
//===----------------------------------------------------------------------===//

Value Ir::splat(Value scalar, int64_t width) {
  return create<vector::BroadcastOp>(VectorType::get(width, scalar.getType()),
                                     scalar);
}

Value Ir::constant(Type element, ArrayRef<int64_t> lanes) {
  auto type = VectorType::get(lanes.size(), element);
  SmallVector<Attribute> values;
  for (int64_t lane : lanes)
    values.push_back(isa<FloatType>(element)
                         ? Attribute(getFloatAttr(element, double(lane)))
                         : Attribute(getIntegerAttr(element, lane)));
  return create<arith::ConstantOp>(DenseElementsAttr::get(type, values));
}

Value Ir::constant(Type element, int64_t value, int64_t width) {
  Attribute attr = getIntegerAttr(element, value);
  return create<arith::ConstantOp>(
      DenseElementsAttr::get(VectorType::get(width, element), attr));
}

Value Ir::constant(Type element, double value, int64_t width) {
  Attribute attr = getFloatAttr(element, value);
  return create<arith::ConstantOp>(
      DenseElementsAttr::get(VectorType::get(width, element), attr));
}

Value Ir::shuffle(Value a, Value b, ArrayRef<int64_t> mask) {
  return create<vector::ShuffleOp>(a, b, mask);
}

Value Ir::fma(Value a, Value b, Value c) {
  return create<math::FmaOp>(a, b, c);
}

Value Ir::toF32(Value value) {
  Type element = getElementTypeOrSelf(value);
  if (element.isF32())
    return value;
  Type type = getF32Type();
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    type = vector.clone(type);
  if (element.getIntOrFloatBitWidth() > 32)
    return create<arith::TruncFOp>(type, value);
  return create<arith::ExtFOp>(type, value);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

Values Ir::loop(int64_t end, int64_t step, ValueRange inits,
                llvm::function_ref<Values(Value, ValueRange)> body) {
  if (end <= 0)
    return Values(inits);
  if (end <= step)
    return body(index(0), inits);
  auto loop = create<scf::ForOp>(index(0), index(end), index(step), inits);
  InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  Values results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  setInsertionPointToEnd(loop.getBody());
  // Without carried values the builder has made the terminator already.
  if (!inits.empty())
    create<scf::YieldOp>(results);
  return Values(loop.getResults());
}

void Ir::loop(int64_t end, int64_t step, llvm::function_ref<void(Value)> body) {
  if (end <= 0)
    return;
  if (end <= step)
    return body(index(0));
  auto loop = create<scf::ForOp>(index(0), index(end), index(step));
  InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

void Ir::pieces(int64_t end, int64_t width,
                llvm::function_ref<void(Value, int64_t)> body) {
  int64_t full = end / width * width;
  loop(full, width, [&](Value start) { body(start, width); });
  for (int64_t start = full; start < end;) {
    int64_t piece = llvm::bit_floor(uint64_t(end - start));
    body(index(start), piece);
    start += piece;
  }
}
