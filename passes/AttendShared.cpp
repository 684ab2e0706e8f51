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

/// Tokens that are multiplied at once: the weights of some are computed while
/// the values of others are summed. Rows of a staged tile have as many.
static constexpr int64_t kPartTokens = 64;

/// `state` and parts of the tokens that warps share. As `weigh`, but each row
/// for itself and as soon as its maximum grows, so that no warp waits for
/// another. Weights are in parts of 1 / unit of the values; all parts have one
/// unit, and scores one factor.
Softmax AttendKernel::addTogether(const Softmax &state, ArrayRef<Scores> scores,
                                  ArrayRef<ScaledOperand> values) {
  Value largest = scores[0].tile, unit = values[0].unit;
  for (const Scores &s : scores.drop_front())
    largest = b.max(largest, s.tile);
  largest = scaled(b.reduce(tile::ReduceKind::Max, largest, 1), scores[0]);
  Value highest = b.max(state.base, largest);
  Value alpha = b.exp2(b.sub(state.base, highest));
  Value base = unit ? b.sub(highest, b.log2(unit)) : highest;
  Value sum, out = b.mul(state.out, b.along(alpha, 0, tile(depth)));
  for (auto [s, v] : llvm::zip(scores, values)) {
    Value p =
        b.exp2(b.sub(scaled(s.tile, s), b.along(base, 0, shapeOf(s.tile))));
    sum = sum ? b.add(sum, b.sum(p, 1)) : b.sum(p, 1);
    out = b.dot(b.truncate(p, spec.schedule.getOperand()), v.tile, out);
  }
  if (unit)
    sum = b.mul(sum, b.quotient(b.f32(1), unit));
  return {highest, b.add(b.mul(state.sum, alpha), sum), out};
}

/// `tokens` tokens from `start` on as operands of products.
SmallVector<ScaledOperand> AttendKernel::stageParts(Value start, int64_t tokens,
                                                    MakeOperand make) {
  int64_t count = std::min(tokens, kPartTokens);
  SmallVector<ScaledOperand> parts;
  for (int64_t at = 0; at < tokens; at += count) {
    ScaledOperand operand = make(at ? b.add(start, b.index(at)) : start, count);
    parts.push_back({b.stage(operand.tile), operand.unit});
  }
  return parts;
}

/// `tokens` tokens from `start` on that all warps share: `keys` are [D, n],
/// staged, `values` makes operands [n, D]; `staged` is called when they are no
/// longer needed where they were. Values are made while the scores are still
/// computed.
Softmax AttendKernel::sharedStep(const QueryRows &r, const Query &q,
                                 Value firstPosition, Value start,
                                 int64_t tokens, const Softmax &state,
                                 ArrayRef<ScaledOperand> keys,
                                 MakeOperand values,
                                 function_ref<void()> staged) {
  SmallVector<Scores> scores;
  for (const ScaledOperand &k : keys)
    scores.push_back(
        {b.dot(q.rows, k.tile), k.unit ? b.mul(q.factor, k.unit) : q.factor});
  SmallVector<ScaledOperand> v = stageParts(start, tokens, values);
  staged();
  Value position = b.add(firstPosition, start);
  for (auto [i, s] : llvm::enumerate(scores)) {
    s = capped(s);
    s.tile = onlySeen(r, s.tile,
                      i ? b.add(position, b.index(i * kPartTokens)) : position);
  }
  return addTogether(state, scores, v);
}

static ScaledOperand operandOf(RecordReader &record, RecordPart part,
                               const PartRange &range, Value start,
                               int64_t tokens) {
  PartScales scales = record.scalesOf(part, start, tokens, range);
  return record.dequantized(part, scales, record.codes(part, start, tokens));
}

/// Whether the keys of a record are made while products with the values of the
/// one before it run.
bool AttendKernel::stagesAhead() const {
  return together() && spec.schedule.getCopy() == CopyMode::Async &&
         spec.schedule.getTokens() == spec.format.getGroup();
}

/// As in KeysAhead::staged, in place of those of the `last` record. If there
/// are none that are `packed`, nobody looks.
SmallVector<Value> AttendKernel::keysAhead(RecordReader &record, Value packed,
                                           ValueRange last) {
  int64_t tokens = spec.schedule.getTokens();
  auto parts = [&](MakeOperand make) {
    SmallVector<Value> all;
    for (const ScaledOperand &part : stageParts(b.index(0), tokens, make))
      all.push_back(part.tile);
    return all;
  };
  if (!last.empty())
    record.enterNextKeys();
  return b.branch(
      packed,
      [&] {
        PartRange range = record.rangeOf(RecordPart::Key);
        SmallVector<Value> all = parts([&](Value start, int64_t count) {
          return operandOf(record, RecordPart::Key, range, start, count);
        });
        all.push_back(range.unit);
        return all;
      },
      [&] {
        if (!last.empty())
          return SmallVector<Value>(last);
        Type type = spec.schedule.getOperand();
        SmallVector<Value> all = parts([&](Value, int64_t count) {
          return ScaledOperand{b.tileOf(0, {depth, count}, type), {}};
        });
        all.push_back(b.f32(1));
        return all;
      });
}

/// As `packedBlock`. `keys`: as in KeysAhead::staged, if there are any.
Softmax AttendKernel::sharedBlock(const QueryRows &r, const Query &q,
                                  Value firstPosition, const Softmax &initial,
                                  RecordReader &record, ValueRange keys) {
  int64_t tokens = spec.schedule.getTokens(), group = spec.format.getGroup();
  PartRange keyRange, valueRange = record.rangeOf(RecordPart::Value);
  if (keys.empty())
    keyRange = record.rangeOf(RecordPart::Key);
  auto done = [&] {
    record.keysDone();
    record.valuesDone();
  };
  auto step = [&](Value start, const Softmax &state) {
    SmallVector<ScaledOperand> k;
    if (keys.empty())
      k = stageParts(start, tokens, [&](Value from, int64_t count) {
        return operandOf(record, RecordPart::Key, keyRange, from, count);
      });
    else
      for (Value part : keys.drop_back())
        k.push_back({part, keys.back()});
    return sharedStep(
        r, q, firstPosition, start, tokens, state, k,
        [&](Value from, int64_t count) {
          return operandOf(record, RecordPart::Value, valueRange, from, count);
        },
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
