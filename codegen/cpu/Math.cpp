//===- Math.cpp - Functions without a library -----------------------------===//
//
// The polynomials are those of Cephes (Moshier); relative error about 2e-7 in
// f32. They work on scalars and on vectors.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/KernelEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;

namespace {

/// f32 arithmetic on the shape of one operand.
class Expander {
public:
  Expander(Operation *op, Type shape)
      : b(op->getLoc(), op), f32(withElement(shape, b.getF32Type())),
        i32(withElement(shape, b.getI32Type())) {}

  Value exp2(Value x);
  Value exp(Value x);
  Value log(Value x, bool base2);
  Value tanh(Value x);
  Value fromBf16(Value x);
  Value toBf16(Value x);

  static Type withElement(Type shape, Type element) {
    if (auto vector = dyn_cast<VectorType>(shape))
      return vector.clone(element);
    return element;
  }

  ImplicitLocOpBuilder b;

private:
  Value number(double value) { return constant(f32, b.getF32FloatAttr(value)); }
  Value integer(int32_t value) {
    return constant(i32, b.getI32IntegerAttr(value));
  }
  Value constant(Type type, TypedAttr value) {
    if (auto vector = dyn_cast<VectorType>(type))
      value = DenseElementsAttr::get(vector, value);
    return b.create<arith::ConstantOp>(value);
  }
  Value mul(Value x, Value y) { return b.create<arith::MulFOp>(x, y); }
  Value add(Value x, Value y) { return b.create<arith::AddFOp>(x, y); }
  Value fma(Value x, Value y, Value z) {
    return b.create<math::FmaOp>(x, y, z);
  }
  Value less(Value x, Value y) {
    return b.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, x, y);
  }
  Value select(Value c, Value x, Value y) {
    return b.create<arith::SelectOp>(c, x, y);
  }
  /// x, but at least `low` and at most `high`; NaN stays NaN.
  Value clamp(Value x, double low, double high) {
    x = select(less(x, number(low)), number(low), x);
    return select(less(number(high), x), number(high), x);
  }
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value sum = number(coefficients.front());
    for (double c : coefficients.drop_front())
      sum = fma(sum, x, number(c));
    return sum;
  }
  Value bits(Value x) { return b.create<arith::BitcastOp>(i32, x); }
  Value fromBits(Value x) { return b.create<arith::BitcastOp>(f32, x); }
  Value times2To(Value x, Value power);

  Type f32, i32;
};

} // namespace

/// x * 2^power in two steps, so that subnormal results and infinity come out.
Value Expander::times2To(Value x, Value power) {
  Value n = b.create<arith::FPToSIOp>(i32, power);
  Value half = b.create<arith::ShRSIOp>(n, integer(1));
  for (Value part : {half, Value(b.create<arith::SubIOp>(n, half))}) {
    Value biased = b.create<arith::AddIOp>(part, integer(127));
    x = mul(x, fromBits(b.create<arith::ShLIOp>(biased, integer(23))));
  }
  return x;
}

Value Expander::exp2(Value x) {
  x = clamp(x, -152.0, 129.0);
  Value n = b.create<math::RoundEvenOp>(x);
  Value r = b.create<arith::SubFOp>(x, n);
  Value p = polynomial(r, {1.535336188319500e-4, 1.339887440266574e-3,
                           9.618437357674640e-3, 5.550332471162809e-2,
                           2.402264791363012e-1, 6.931472028550421e-1, 1.0});
  return times2To(p, n);
}

Value Expander::exp(Value x) {
  x = clamp(x, -105.0, 89.0);
  Value n = b.create<math::RoundEvenOp>(mul(x, number(1.44269504088896341)));
  Value r = fma(n, number(-0.693359375), x);
  r = fma(n, number(2.12194440e-4), r);
  Value p = polynomial(r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
                           4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
                           1.0, 1.0});
  return times2To(p, n);
}

Value Expander::log(Value x, bool base2) {
  Value tiny = less(x, number(0x1p-126));
  Value scaled = select(tiny, mul(x, number(0x1p23)), x);
  // scaled = m * 2^e with m in [sqrt(1/2), sqrt(2)).
  Value offset = b.create<arith::SubIOp>(bits(scaled), integer(0x3f3504f3));
  Value e = b.create<arith::SIToFPOp>(
      f32, b.create<arith::ShRSIOp>(offset, integer(23)));
  Value fraction = b.create<arith::AndIOp>(offset, integer(0x7fffff));
  Value m = fromBits(b.create<arith::AddIOp>(fraction, integer(0x3f3504f3)));
  e = add(e, select(tiny, number(-23), number(0)));
  m = add(m, number(-1));
  Value square = mul(m, m);
  Value p = polynomial(m, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1,
                           -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
                           2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
  Value y = mul(mul(m, square), p), result;
  y = fma(square, number(-0.5), y);
  if (base2) {
    result = fma(add(m, y), number(1.44269504088896341), e);
  } else {
    y = fma(e, number(-2.12194440e-4), y);
    result = fma(e, number(0.693359375), add(m, y));
  }
  Value infinity = fromBits(integer(0x7f800000));
  Value finite = less(x, infinity);
  result = select(finite, result, x); // infinity and NaN
  result = select(less(x, number(0)), fromBits(integer(0x7fc00000)), result);
  Value isZero =
      b.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, x, number(0));
  return select(isZero, fromBits(integer(0xff800000)), result);
}

Value Expander::tanh(Value x) {
  Value size = b.create<math::AbsFOp>(x);
  Value e = exp(add(size, size));
  Value large = b.create<arith::SubFOp>(
      number(1), b.create<arith::DivFOp>(number(2), add(e, number(1))));
  large = b.create<math::CopySignOp>(large, x);
  Value square = mul(x, x);
  Value p = polynomial(square,
                       {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2,
                        1.33314422036e-1, -3.33332819422e-1});
  Value small = fma(mul(p, square), x, x);
  return select(less(size, number(0.625)), small, large);
}

Value Expander::fromBf16(Value x) {
  Type i16 = withElement(i32, b.getI16Type());
  Value word =
      b.create<arith::ExtUIOp>(i32, b.create<arith::BitcastOp>(i16, x));
  return fromBits(b.create<arith::ShLIOp>(word, integer(16)));
}

/// Round to nearest, ties to even; NaN stays NaN.
Value Expander::toBf16(Value x) {
  Value word = bits(x);
  Value odd = b.create<arith::AndIOp>(
      b.create<arith::ShRUIOp>(word, integer(16)), integer(1));
  Value rounded = b.create<arith::AddIOp>(
      word, b.create<arith::AddIOp>(odd, integer(0x7fff)));
  Value isNaN = b.create<arith::CmpFOp>(arith::CmpFPredicate::UNO, x, x);
  rounded = select(isNaN, integer(0x7fc00000), rounded);
  Value high =
      b.create<arith::TruncIOp>(withElement(i32, b.getI16Type()),
                                b.create<arith::ShRUIOp>(rounded, integer(16)));
  return b.create<arith::BitcastOp>(withElement(i32, b.getBF16Type()), high);
}

static Value expandFunction(Operation *op) {
  Type shape = op->getResult(0).getType();
  Expander expander(op, shape);
  Value x = op->getOperand(0);
  if (!getElementTypeOrSelf(shape).isF32())
    x = expander.b.create<arith::ExtFOp>(
        Expander::withElement(shape, expander.b.getF32Type()), x);
  Value result =
      llvm::TypeSwitch<Operation *, Value>(op)
          .Case<math::Exp2Op>([&](auto) { return expander.exp2(x); })
          .Case<math::ExpOp>([&](auto) { return expander.exp(x); })
          .Case<math::LogOp>([&](auto) { return expander.log(x, false); })
          .Case<math::Log2Op>([&](auto) { return expander.log(x, true); })
          .Case<math::TanhOp>([&](auto) { return expander.tanh(x); });
  if (result.getType() != shape)
    result = expander.b.create<arith::TruncFOp>(shape, result);
  return result;
}

/// fp16 products fused with a sum, rounded once: f32 has all bits of both.
static Value expandFusedHalf(math::FmaOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Type half = op.getType(), wide = Expander::withElement(half, b.getF32Type());
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(b.create<arith::ExtFOp>(wide, operand));
  Value sum = b.create<math::FmaOp>(operands[0], operands[1], operands[2]);
  return b.create<arith::TruncFOp>(half, sum);
}

static Value expandConversion(Operation *op) {
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  Expander expander(op, to);
  if (isa<arith::ExtFOp>(op) && getElementTypeOrSelf(from).isBF16() &&
      getElementTypeOrSelf(to).isF32())
    return expander.fromBf16(op->getOperand(0));
  if (isa<arith::TruncFOp>(op) && getElementTypeOrSelf(to).isBF16() &&
      getElementTypeOrSelf(from).isF32())
    return expander.toBf16(op->getOperand(0));
  return {};
}

LogicalResult mlir::kvarn::cpu::expandMath(func::FuncOp function) {
  SmallVector<Operation *> functions, conversions;
  SmallVector<math::FmaOp> fused;
  WalkResult result = function.walk([&](Operation *op) {
    if (auto fma = dyn_cast<math::FmaOp>(op);
        fma && getElementTypeOrSelf(fma.getType()).isF16())
      fused.push_back(fma);
    if (isa<arith::ExtFOp, arith::TruncFOp>(op))
      conversions.push_back(op);
    if (!isa<math::MathDialect>(op->getDialect()) ||
        isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp,
            math::FloorOp, math::FmaOp, math::RoundEvenOp, math::RsqrtOp,
            math::SqrtOp, math::TruncOp>(op))
      return WalkResult::advance();
    if (!isa<math::Exp2Op, math::ExpOp, math::LogOp, math::Log2Op,
             math::TanhOp>(op) ||
        getElementTypeOrSelf(op->getResult(0)).getIntOrFloatBitWidth() > 32) {
      op->emitOpError("has no expansion for the CPU target");
      return WalkResult::interrupt();
    }
    functions.push_back(op);
    return WalkResult::advance();
  });
  auto replace = [](Operation *op, Value value) {
    if (!value)
      return;
    op->getResult(0).replaceAllUsesWith(value);
    op->erase();
  };
  for (Operation *op : functions)
    replace(op, expandFunction(op));
  for (math::FmaOp op : fused)
    replace(op, expandFusedHalf(op));
  for (Operation *op : conversions)
    replace(op, expandConversion(op));
  return failure(result.wasInterrupted());
}
