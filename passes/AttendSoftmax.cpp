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

/// Of scores `x`, as an operand.
Value AttendKernel::weightsOf(Value x, Value base) {
  x = b.exp2(b.sub(x, b.along(base, 0, shapeOf(x))));
  return b.truncate(x, spec.schedule.getOperand());
}

/// As a product it costs no exchange between lanes, and weights are summed as
/// they are multiplied.
Value AttendKernel::plusWeights(Value sum, Value weights) {
  Type operand = spec.schedule.getOperand();
  if (operand.isF32())
    return b.add(sum, b.sum(weights, 1));
  return b.dot(weights, b.tileOf(1.0, {shapeOf(weights)[1]}, operand), sum);
}

Value AttendKernel::weightsFit(Value sum) {
  return b.lessEqual(b.reduce(tile::ReduceKind::Max, sum, 0),
                     b.f32(kLargestWeights));
}

/// Takes new scores in: returns their weights as an operand, adds their sums to
/// `state` and shrinks it where the maximum grows. With one loop, as long as
/// the weights of no row add up to more than kLargestWeights the maximum stays
/// behind and nothing has to shrink, which is so for all but the first tiles
/// and those at a border. Values are waited for before that is decided, so that
/// nothing stands between the decision and their products.
Value AttendKernel::weigh(const QueryRows &r, Softmax &state, Scores s,
                          Value firstPosition,
                          function_ref<void()> waitForValues) {
  s = capped(s);
  // Of two loops this is the one for few blocks.
  if (walksSteadily()) {
    waitForValues();
    return weighAnew(r, state, s, firstPosition);
  }
  Value p = weightsOf(scaled(s.tile, s), state.base);
  waitForValues();
  Value sum = plusWeights(b.tileOf(0, {rows}), p);
  // Tiles at a border do not fit either: a branch of their own would stand
  // between the products and these exponentials.
  Value fits =
      b.both(weightsFit(sum), seenByAll(r, firstPosition, shapeOf(s.tile)[1]));
  auto results = b.branch(
      fits,
      [&]() -> SmallVector<Value> {
        return {p, state.base, b.add(state.sum, sum), state.out};
      },
      [&]() -> SmallVector<Value> {
        Softmax grown = state;
        Value weights = weighAnew(r, grown, s, firstPosition);
        return {weights, grown.base, grown.sum, grown.out};
      });
  state = {results[1], results[2], results[3]};
  return results[0];
}

/// The same with the maximum of all that rows have seen by then; `s` has been
/// through the softcap.
Value AttendKernel::weighAnew(const QueryRows &r, Softmax &state, Scores s,
                              Value firstPosition) {
  Value visible = onlySeen(r, scaled(s.tile, s), firstPosition);
  Value base = b.sub(b.reduce(tile::ReduceKind::Max, visible, 1),
                     b.f32(std::log2(kUnitWeight)));
  base = b.max(state.base, base);
  Value alpha = b.exp2(b.sub(state.base, base));
  Value p = weightsOf(visible, base);
  state = {base, plusWeights(b.mul(state.sum, alpha), p),
           b.mul(state.out, b.along(alpha, 0, tile(depth)))};
  return p;
}

/// The softmax of several warps, stacked along dimension 0, in one.
Softmax AttendKernel::merge(ArrayRef<Value> stacked) {
  int64_t warps = shapeOf(stacked[0])[0];
  SmallVector<int64_t> flat = {warps, rows}, full = {warps, rows, depth};
  Softmax state;
  state.base = b.reduce(tile::ReduceKind::Max, stacked[0], 0);
  Value factor = b.exp2(b.sub(stacked[0], b.along(state.base, 1, flat)));
  state.sum = b.sum(b.mul(stacked[1], factor), 0);
  state.out = b.sum(b.mul(stacked[2], b.broadcast(factor, {0, 1}, full)), 0);
  return state;
}

/// `state` and partial results of the same rows.
Softmax AttendKernel::addParts(const Softmax &state, ArrayRef<Value> lses,
                               ArrayRef<Value> outs) {
  Value highest = state.base;
  for (Value lse : lses)
    highest = b.max(highest, lse);
  Value alpha = b.exp2(b.sub(state.base, highest));
  Value sum = b.mul(state.sum, alpha);
  Value total = b.mul(state.out, b.along(alpha, 0, tile(depth)));
  for (auto [lse, out] : llvm::zip(lses, outs)) {
    Value weight = b.exp2(b.sub(lse, highest));
    sum = b.add(sum, weight);
    total = b.add(total, b.mul(out, b.along(weight, 0, tile(depth))));
  }
  return {highest, sum, total};
}
