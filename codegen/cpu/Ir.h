//===- Ir.h - Short names for the IR that the CPU target emits --*- C++ -*-===//
//
// Addresses are LLVM pointers, loop bounds and offsets are `index` (64 bits),
// vectors have one dimension.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_CODEGEN_CPU_IR_H
#define KVARN_CODEGEN_CPU_IR_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::kvarn::cpu {

using Values = SmallVector<Value>;

class Ir : public ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  //===--- Scalars -------------------------------------------------------===//

  Value index(int64_t value);
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, index(b)); }
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b) { return mul(a, index(b)); }
  Value div(Value a, int64_t b);
  Value rem(Value a, int64_t b);
  Value toIndex(Value integer);
  Value toI64(Value index);
  Value zero(Type type);

  //===--- Memory --------------------------------------------------------===//

  Type pointerType();
  /// The address of element `index` of an array of `element` at `pointer`.
  Value at(Value pointer, Value index, Type element);
  Value at(Value pointer, int64_t bytes);
  /// `width` consecutive elements as a vector, or as a scalar if `width` is 0.
  /// i1 lies in memory as i8 and index as i64.
  Value load(Value pointer, Type element, int64_t width, int64_t align = 0);
  void store(Value value, Value pointer, int64_t align = 0);

  //===--- Vectors -------------------------------------------------------===//

  Value splat(Value scalar, int64_t width);
  Value constant(Type element, ArrayRef<int64_t> lanes);
  Value constant(Type element, int64_t value, int64_t width);
  Value constant(Type element, double value, int64_t width);
  Value shuffle(Value a, Value b, ArrayRef<int64_t> mask);
  Value fma(Value a, Value b, Value c);
  Value toF32(Value value);

  //===--- Loops ---------------------------------------------------------===//

  /// for (i = 0; i < end; i += step) with values carried from body to body. A
  /// single iteration is no loop.
  Values loop(int64_t end, int64_t step, ValueRange inits,
              llvm::function_ref<Values(Value, ValueRange)> body);
  void loop(int64_t end, int64_t step, llvm::function_ref<void(Value)> body);
  /// [0, end) in pieces of `width`, then in smaller powers of two.
  void pieces(int64_t end, int64_t width,
              llvm::function_ref<void(Value, int64_t)> body);
};

/// Bytes of an element in memory.
int64_t storageBytes(Type element);

} // namespace mlir::kvarn::cpu

#endif // KVARN_CODEGEN_CPU_IR_H
