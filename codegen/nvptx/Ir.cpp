//===- Ir.cpp - Short names for the IR that NVIDIA targets get ------------===//

#include "codegen/nvptx/Ir.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include <map>

using namespace mlir;
using namespace mlir::kvarn::nvptx;

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

Value Ir::i32(int64_t value) { return constant(getI32IntegerAttr(value)); }

Value Ir::i64(int64_t value) { return constant(getI64IntegerAttr(value)); }

Value Ir::shiftLeft(Value a, int64_t bits) {
  Value count = constant(getIntegerAttr(a.getType(), bits));
  return bits ? createOrFold<arith::ShLIOp>(a, count) : a;
}

Value Ir::shiftRight(Value a, int64_t bits) {
  Value count = constant(getIntegerAttr(a.getType(), bits));
  return bits ? createOrFold<arith::ShRUIOp>(a, count) : a;
}

Value Ir::moveBits(Value number, ArrayRef<std::pair<int64_t, int64_t>> moves) {
  std::map<int64_t, int64_t> masks; // by distance
  for (auto [from, to] : moves)
    masks[to - from] |= int64_t(1) << from;
  Value sum = i32(0);
  for (auto [distance, mask] : masks) {
    Value bits = both(number, i32(mask));
    sum = add(sum, distance < 0 ? shiftRight(bits, -distance)
                                : shiftLeft(bits, distance));
  }
  return sum;
}

Value Ir::equal(Value a, Value b) {
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, a, b);
}

Value Ir::toI64(Value integer) {
  return integer.getType().isInteger(64)
             ? integer
             : createOrFold<arith::ExtSIOp>(getI64Type(), integer);
}

Value Ir::toI32(Value integer) {
  return integer.getType().isInteger(32)
             ? integer
             : createOrFold<arith::TruncIOp>(getI32Type(), integer);
}

Value Ir::zero(Type type) {
  return constant(cast<TypedAttr>(getZeroAttr(type)));
}

Value Ir::constant(TypedAttr value) {
  Value &known = constants[value];
  if (known)
    return known;
  InsertionGuard guard(*this);
  Block *block = getInsertionBlock();
  while (!isa<LLVM::LLVMFuncOp>(block->getParentOp()))
    block = block->getParentOp()->getBlock();
  setInsertionPointToStart(block);
  return known = create<arith::ConstantOp>(value);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

Value Ir::f32(double value) { return constant(getF32FloatAttr(float(value))); }

Value Ir::roundPair(Value low, Value high) {
  return intrinsic("llvm.nvvm.ff2f16x2.rn", pairType(), {high, low});
}

Value Ir::pair(Value low, Value high) {
  Value both = create<LLVM::UndefOp>(pairType());
  both = create<LLVM::InsertElementOp>(both, low, i32(0));
  return create<LLVM::InsertElementOp>(both, high, i32(1));
}

Value Ir::half(Value pair, int64_t which) {
  return create<LLVM::ExtractElementOp>(pair, i32(which));
}

Value Ir::bitcast(Value value, Type type) {
  return value.getType() == type ? value : create<LLVM::BitcastOp>(type, value);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Type Ir::pointerType(Space space) {
  return LLVM::LLVMPointerType::get(getContext(), unsigned(space));
}

Value Ir::at(Value pointer, Value bytes) {
  return create<LLVM::GEPOp>(pointer.getType(), getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{bytes});
}

Value Ir::at(Value pointer, int64_t bytes) {
  return bytes == 0
             ? pointer
             : create<LLVM::GEPOp>(pointer.getType(), getI8Type(), pointer,
                                   ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
}

Value Ir::load(Value pointer, Type type, int64_t align) {
  return create<LLVM::LoadOp>(type, pointer, unsigned(align), loadsInOrder);
}

void Ir::store(Value value, Value pointer, int64_t align) {
  create<LLVM::StoreOp>(value, pointer, unsigned(align));
}

Values Ir::loadWords(Value pointer, int64_t bytes) {
  if (bytes < 4) {
    Value small = load(pointer, getIntegerType(8 * bytes), bytes);
    return {create<arith::ExtUIOp>(getI32Type(), small)};
  }
  if (bytes == 4)
    return {load(pointer, getI32Type(), 4)};
  Value vector = load(pointer, VectorType::get(bytes / 4, getI32Type()), bytes);
  Values words;
  for (int64_t i = 0; i < bytes / 4; ++i)
    words.push_back(create<LLVM::ExtractElementOp>(vector, i32(i)));
  return words;
}

void Ir::storeWords(ValueRange words, Value pointer) {
  if (words.size() == 1)
    return store(words[0], pointer, 4);
  Value vector = create<LLVM::UndefOp>(
      VectorType::get(int64_t(words.size()), getI32Type()));
  for (auto [i, word] : llvm::enumerate(words))
    vector = create<LLVM::InsertElementOp>(vector, word, i32(i));
  store(vector, pointer, 4 * int64_t(words.size()));
}

void Ir::storeWordsIf(Value condition, ValueRange words, Value pointer) {
  SmallVector<Value> operands = {condition, pointer};
  llvm::append_range(operands, words);
  std::string constraints = "b,l", list;
  for (size_t i = 0; i < words.size(); ++i) {
    constraints += ",r";
    list += (i ? ", $" : "$") + std::to_string(2 + i);
  }
  std::string text = "@$0 st.global.b32 [$1], " + list + ";";
  if (words.size() > 1)
    text = "@$0 st.global.v" + std::to_string(words.size()) + ".b32 [$1], {" +
           list + "};";
  assembly(text, constraints + ",~{memory}", operands);
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

Value Ir::intrinsic(StringRef name, Type result, ValueRange operands) {
  return create<LLVM::CallIntrinsicOp>(result, getStringAttr(name), operands)
      .getResult(0);
}

Value Ir::assembly(StringRef text, StringRef constraints, ValueRange operands,
                   Type result) {
  auto op = create<LLVM::InlineAsmOp>(
      result ? TypeRange(result) : TypeRange(), operands, text, constraints,
      /*has_side_effects=*/true, /*is_align_stack=*/false,
      LLVM::AsmDialectAttr(), ArrayAttr());
  return result ? op.getResult(0) : Value();
}

/// Inline PTX without side effects, so that it can be moved.
Value Ir::pureAssembly(StringRef text, StringRef constraints,
                       ValueRange operands) {
  return create<LLVM::InlineAsmOp>(
             TypeRange(getI32Type()), operands, text, constraints,
             /*has_side_effects=*/false, /*is_align_stack=*/false,
             LLVM::AsmDialectAttr(), ArrayAttr())
      .getResult(0);
}

Value Ir::maskAndSet(Value a, int64_t mask, int64_t bits) {
  // One of the constants must be in a register.
  return pureAssembly("lop3.b32 $0, $1, $2, $3, 0xea;", "=r,r,n,r",
                      {a, i32(mask), i32(bits)});
}

Value Ir::roundPairFinite(Value low, Value high) {
  return pureAssembly("cvt.rn.satfinite.f16x2.f32 $0, $1, $2;", "=r,f,f",
                      {high, low});
}

// LLVM would move it behind a branch, where what it frees is no longer needed.
Value Ir::addProductIf(Value condition, Value a, Value b, Value sum) {
  return assembly("@$4 fma.rn.f32 $0, $1, $2, $0;", "=f,f,f,0,b",
                  {a, b, sum, condition}, getF32Type());
}

Value Ir::permuteBytes(Value a, Value b, int64_t selector) {
  return intrinsic("llvm.nvvm.prmt", getI32Type(), {a, b, i32(selector)});
}

Value Ir::shuffleWord(Value word, Value operand, bool exclusive) {
  auto kind = exclusive ? NVVM::ShflKind::bfly : NVVM::ShflKind::idx;
  return create<NVVM::ShflOp>(word.getType(), i32(-1), word, operand, i32(31),
                              kind, UnitAttr());
}

/// Anything but f32 travels as words.
Value Ir::shuffleAny(Value value, Value operand, bool exclusive) {
  Type type = value.getType();
  if (type.isF32() || type.isInteger(32))
    return shuffleWord(value, operand, exclusive);
  if (type.isInteger(64)) {
    Value low = shuffleWord(toI32(value), operand, exclusive);
    Value high = shuffleWord(toI32(shiftRight(value, 32)), operand, exclusive);
    Value upper = shiftLeft(create<arith::ExtUIOp>(getI64Type(), high), 32);
    return either(upper, create<arith::ExtUIOp>(getI64Type(), low));
  }
  Type bits = getIntegerType(type.getIntOrFloatBitWidth());
  Value word = create<arith::ExtUIOp>(getI32Type(), bitcast(value, bits));
  Value moved = shuffleWord(word, operand, exclusive);
  return bitcast(create<arith::TruncIOp>(bits, moved), type);
}

Value Ir::shuffle(Value value, Value lane) {
  return shuffleAny(value, lane, /*exclusive=*/false);
}

Value Ir::shuffleXor(Value value, int64_t mask) {
  return shuffleAny(value, i32(mask), /*exclusive=*/true);
}

void Ir::syncWarp() { create<NVVM::SyncWarpOp>(i32(-1)); }

void Ir::syncBlock() { create<NVVM::Barrier0Op>(); }
