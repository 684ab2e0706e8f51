//===- Ir.h - Short names for the IR that NVIDIA targets get ----*- C++ -*-===//
//
// Addresses are LLVM pointers of an address space. Lane and warp numbers and
// what was `index` are i32: counts and places fit, and 64 bits take twice the
// registers and instructions. Only strides and addresses are i64.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_CODEGEN_NVPTX_IR_H
#define KVARN_CODEGEN_NVPTX_IR_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::kvarn::nvptx {

using Values = SmallVector<Value>;

/// Address spaces of NVPTX.
enum class Space : unsigned { Global = 1, Shared = 3 };

class Ir : public ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  //===--- Integers -------------------------------------------------------===//

  Value i32(int64_t value);
  Value i64(int64_t value);
  Value add(Value a, Value b) { return createOrFold<arith::AddIOp>(a, b); }
  Value mul(Value a, Value b) { return createOrFold<arith::MulIOp>(a, b); }
  Value both(Value a, Value b) { return createOrFold<arith::AndIOp>(a, b); }
  Value either(Value a, Value b) { return createOrFold<arith::OrIOp>(a, b); }
  Value shiftLeft(Value a, int64_t bits);
  Value shiftRight(Value a, int64_t bits);
  /// The sum of bits of a 32-bit number, from and to a place each: those that
  /// move as far at once.
  Value moveBits(Value number, ArrayRef<std::pair<int64_t, int64_t>> moves);
  Value equal(Value a, Value b);
  /// Between i32 and i64, with the sign.
  Value toI64(Value integer);
  Value toI32(Value integer);
  Value zero(Type type);
  /// One op for each constant of a function: everything that counts, asks for
  /// the same few.
  Value constant(TypedAttr value);

  //===--- Floats ---------------------------------------------------------===//

  /// These may become one fused multiplication and addition.
  Value addFloat(Value a, Value b) {
    return create<arith::AddFOp>(a, b, arith::FastMathFlags::contract);
  }
  Value subFloat(Value a, Value b) {
    return create<arith::SubFOp>(a, b, arith::FastMathFlags::contract);
  }
  Value mulFloat(Value a, Value b) {
    return create<arith::MulFOp>(a, b, arith::FastMathFlags::contract);
  }

  Value f32(double value);
  /// Two f16 in one register; `low` in the lower half.
  Value roundPair(Value low, Value high);
  Value pair(Value low, Value high);
  Value half(Value pair, int64_t which);
  Type pairType() { return VectorType::get(2, getF16Type()); }
  Value asPair(Value word) { return bitcast(word, pairType()); }
  Value asWord(Value pair) { return bitcast(pair, getI32Type()); }
  Value bitcast(Value value, Type type);

  //===--- Memory ---------------------------------------------------------===//

  Type pointerType(Space space);
  Value at(Value pointer, Value bytes);
  Value at(Value pointer, int64_t bytes);
  Value load(Value pointer, Type type, int64_t align);
  /// The assembler then leaves loads in the order in which they are written: it
  /// puts none behind what waits for another one.
  bool loadsInOrder = false;
  void store(Value value, Value pointer, int64_t align);
  /// `bytes` (1, 2, or a multiple of 4 up to 16) as i32 words.
  Values loadWords(Value pointer, int64_t bytes);
  void storeWords(ValueRange words, Value pointer);
  /// To global memory, one instruction without a branch.
  void storeWordsIf(Value condition, ValueRange words, Value pointer);

  //===--- Instructions ---------------------------------------------------===//

  Value intrinsic(StringRef name, Type result, ValueRange operands);
  /// Inline PTX with side effects; `constraints` as LLVM's inline assembly.
  Value assembly(StringRef text, StringRef constraints, ValueRange operands,
                 Type result = {});
  /// As a word of fp16, what is too large for it as its largest number.
  Value roundPairFinite(Value low, Value high);
  /// `a` * `b` + `sum` if `condition`, else `sum`.
  Value addProductIf(Value condition, Value a, Value b, Value sum);
  /// (a & mask) | bits in one instruction.
  Value maskAndSet(Value a, int64_t mask, int64_t bits);
  Value permuteBytes(Value a, Value b, int64_t selector);
  /// The value of lane `lane`; of lane (own ^ mask).
  Value shuffle(Value value, Value lane);
  Value shuffleXor(Value value, int64_t mask);
  void syncWarp();
  void syncBlock();

private:
  Value pureAssembly(StringRef text, StringRef constraints,
                     ValueRange operands);
  Value shuffleWord(Value word, Value operand, bool exclusive);
  Value shuffleAny(Value value, Value operand, bool exclusive);

  DenseMap<Attribute, Value> constants;
};

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_IR_H
