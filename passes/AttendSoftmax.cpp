//===- AttendSoftmax.cpp - Scores, weights and their sums -----------------===//
//
// Online softmax: the running maximum, the sum of weights and the weighted sum
// of a row tile, of several warps and of several parts.
//
//===----------------------------------------------------------------------===//

#include "passes/AttendKernel.h"

#include <cmath>

using namespace mlir;
using namespace mlir::kvarn;

/// Products with keys, through the softcap if there is one.
Scores AttendKernel::capped(Scores s) {
  if (!args.softcap)
    return s;
  Value x = b.op<math::TanhOp>(scaled(s.tile, s));
  return {b.mul(x, b.mul(args.softcap, b.f32(kLog2e))), {}};
}

/// `x`, some of these scores, times what they are to be multiplied with.
Value AttendKernel::scaled(Value x, const Scores &s) {
  if (!s.factor)
    return x;
  bool ofColumns = !shapeOf(s.factor).empty();
  return b.mul(x, ofColumns ? b.along(s.factor, 1, shapeOf(x)) : s.factor);
}

/// Whether all rows see all of `tokens` tokens.
Value AttendKernel::seenByAll(const QueryRows &r, Value firstPosition,
                              int64_t tokens) {
  Value last = b.add(firstPosition, b.index(tokens));
  Value seen = b.lessEqual(last, r.commonEnd);
  if (r.commonBegin)
    seen = b.both(seen, b.lessEqual(r.commonBegin, firstPosition));
  return seen;
}

/// `x`, a number for each row and token, and -inf where a row may not see.
Value AttendKernel::onlySeen(const QueryRows &r, Value x, Value firstPosition) {
  // Only tiles at a border are worth looking at element by element.
  return b.branch(
      seenByAll(r, firstPosition, shapeOf(x)[1]),
      [&]() -> SmallVector<Value> { return {x}; },
      [&]() -> SmallVector<Value> { return {masked(r, x, firstPosition)}; })[0];
}

Value AttendKernel::masked(const QueryRows &r, Value x, Value firstPosition) {
  SmallVector<int64_t> shape(shapeOf(x));
  // Relative to the tile, so that 32 bits are enough.
  auto inTile = [&](Value position) {
    Value offset = b.sub(position, firstPosition);
    offset = b.max(b.min(offset, b.index(shape[1])), b.index(0));
    return b.along(b.toI32(offset), 0, shape);
  };
  Value place = b.iota32(1, shape);
  Value seen = b.less(place, inTile(r.end));
  if (r.begin)
    seen = b.both(seen, b.lessEqual(inTile(r.begin), place));
  return b.select(seen, x, b.f32(-INFINITY));
}

/// Takes new scores in: returns their weights in parts of kUnitWeight, as an
/// operand, adds their sums to `state` and shrinks it where the maximum grows.
/// As long as the weights of no row add up to more than kLargestWeights the
/// maximum stays behind and nothing has to shrink, which is so for all but the
/// first tiles and those at a border. Values are waited for before that is
/// decided, so that nothing stands between the decision and their products.
Value AttendKernel::weigh(const QueryRows &r, Softmax &state, Scores s,
                          Value firstPosition,
                          function_ref<void()> waitForValues) {
  s = capped(s);
  Type operand = spec.schedule.getOperand();
  SmallVector<int64_t> shape(shapeOf(s.tile));
  auto weights = [&](Value x, Value base) {
    Value high = b.sub(b.f32(std::log2(kUnitWeight)), base);
    x = b.exp2(b.add(x, b.along(high, 0, shape)));
    return b.truncate(x, operand);
  };
  // As a product it costs no exchange between lanes, and weights are summed as
  // they are multiplied.
  auto plus = [&](Value sum, Value weights) -> Value {
    return operand.isF32()
               ? b.add(sum, b.sum(weights, 1))
               : b.dot(weights, b.tileOf(1.0, {shape[1]}, operand), sum);
  };
  auto max = [&](Value x, int64_t dim) {
    return b.reduce(tile::ReduceKind::Max, x, dim);
  };
  Value p = weights(scaled(s.tile, s), state.max);
  waitForValues();
  Value sum = plus(b.tileOf(0, {rows}), p);
  Value fits = b.lessEqual(max(sum, 0), b.f32(kLargestWeights));
  // Tiles at a border do not fit either: a branch of their own would stand
  // between the products and these exponentials.
  fits = b.both(fits, seenByAll(r, firstPosition, shape[1]));
  auto results = b.branch(
      fits,
      [&]() -> SmallVector<Value> {
        return {p, state.max, b.add(state.sum, sum), state.out};
      },
      [&]() -> SmallVector<Value> {
        Value visible = onlySeen(r, scaled(s.tile, s), firstPosition);
        Value highest = b.max(state.max, max(visible, 1));
        Value alpha = b.exp2(b.sub(state.max, highest));
        Value weight = weights(visible, highest);
        return {weight, highest, plus(b.mul(state.sum, alpha), weight),
                b.mul(state.out, b.along(alpha, 0, tile(depth)))};
      });
  state = {results[1], results[2], results[3]};
  return results[0];
}

/// The softmax of several warps, stacked along dimension 0, in one.
Softmax AttendKernel::merge(ArrayRef<Value> stacked) {
  int64_t warps = shapeOf(stacked[0])[0];
  SmallVector<int64_t> flat = {warps, rows}, full = {warps, rows, depth};
  Softmax state;
  state.max = b.reduce(tile::ReduceKind::Max, stacked[0], 0);
  Value factor = b.exp2(b.sub(stacked[0], b.along(state.max, 1, flat)));
  state.sum = b.sum(b.mul(stacked[1], factor), 0);
  state.out = b.sum(b.mul(stacked[2], b.broadcast(factor, {0, 1}, full)), 0);
  return state;
}

/// `state` and partial results of the same rows.
Softmax AttendKernel::addParts(const Softmax &state, ArrayRef<Value> lses,
                               ArrayRef<Value> outs) {
  Value highest = state.max;
  for (Value lse : lses)
    highest = b.max(highest, lse);
  Value alpha = b.exp2(b.sub(state.max, highest));
  Value sum = b.mul(state.sum, alpha);
  Value total = b.mul(state.out, b.along(alpha, 0, tile(depth)));
  for (auto [lse, out] : llvm::zip(lses, outs)) {
    Value weight = b.exp2(b.sub(lse, highest));
    sum = b.add(sum, weight);
    total = b.add(total, b.mul(out, b.along(weight, 0, tile(depth))));
  }
  return {highest, sum, total};
}
