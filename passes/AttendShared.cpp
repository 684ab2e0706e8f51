//===- AttendShared.cpp - Attention of rows that warps share --------------===//
//
// Where a program has many query rows (team = warpgroup), all warps walk the
// same records. Each record is dequantized once, to operands that products read
// from shared memory, and every warp has rows of its own.
//
//===----------------------------------------------------------------------===//

#include "passes/AttendKernel.h"

using namespace mlir;
using namespace mlir::kvarn;

/// As `weigh`, but each row for itself and as soon as its maximum grows, so
/// that no warp waits for another. Weights are in parts of 1 / `unit`.
Value AttendKernel::weighTogether(Softmax &state, Scores s, Value unit) {
  Value highest =
      b.max(state.max, scaled(b.reduce(tile::ReduceKind::Max, s.tile, 1), s));
  Value alpha = b.exp2(b.sub(state.max, highest));
  Value base = unit ? b.sub(highest, b.log2(unit)) : highest;
  Value p = b.exp2(b.sub(scaled(s.tile, s), b.along(base, 0, shapeOf(s.tile))));
  Value sum = b.sum(p, 1);
  if (unit)
    sum = b.mul(sum, b.quotient(b.f32(1), unit));
  state = {highest, b.add(b.mul(state.sum, alpha), sum),
           b.mul(state.out, b.along(alpha, 0, tile(depth)))};
  return b.truncate(p, spec.schedule.getOperand());
}

/// Tokens that all warps share: `keys` [D, tokens] and `values` [tokens, D] are
/// operands; `staged` is called when they are no longer needed where they were.
/// Values are made while the scores are still computed.
Softmax AttendKernel::sharedStep(const QueryRows &r, const Query &q,
                                 Value firstPosition, Softmax state,
                                 function_ref<ScaledOperand()> keys,
                                 function_ref<ScaledOperand()> values,
                                 function_ref<void()> staged) {
  auto stage = [&](function_ref<ScaledOperand()> make) {
    ScaledOperand operand = make();
    return ScaledOperand{b.stage(operand.tile), operand.unit};
  };
  ScaledOperand k = stage(keys);
  Value factor = k.unit ? b.mul(q.factor, k.unit) : q.factor;
  Value raw = b.dot(q.rows, k.tile);
  ScaledOperand v = stage(values);
  staged();
  Scores s = capped({raw, factor});
  s.tile = onlySeen(r, s.tile, firstPosition);
  Value p = weighTogether(state, s, v.unit);
  state.out = b.dot(p, v.tile, state.out);
  return state;
}

/// As `packedBlock`.
Softmax AttendKernel::sharedBlock(const QueryRows &r, const Query &q,
                                  Value firstPosition, const Softmax &initial,
                                  RecordReader &record) {
  int64_t tokens = spec.schedule.getTokens(), group = spec.format.getGroup();
  auto done = [&] {
    record.keysDone();
    record.valuesDone();
  };
  auto step = [&](Value start, const Softmax &state) {
    auto scalesOf = [&](RecordPart part) {
      return record.scalesOf(part, start, tokens);
    };
    PartScales k = scalesOf(RecordPart::Key), v = scalesOf(RecordPart::Value);
    auto operand = [&](RecordPart part, const PartScales &scales) {
      return record.dequantized(part, scales,
                                record.codes(part, start, tokens));
    };
    return sharedStep(
        r, q, b.add(firstPosition, start), state,
        [&] { return operand(RecordPart::Key, k); },
        [&] { return operand(RecordPart::Value, v); },
        [&] {
          if (tokens == group)
            done();
        });
  };
  if (tokens == group)
    return step(b.index(0), initial);
  auto state = b.loop(b.index(0), b.index(group), b.index(tokens),
                      initial.list(), [&](Value start, ValueRange carried) {
                        return step(start, Softmax::from(carried)).list();
                      });
  done();
  return Softmax::from(state);
}
