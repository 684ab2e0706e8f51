//===- Quantized.h - Arithmetic on packed records ---------------*- C++ -*-===//
//
// The folding of the KVarN paper's reading side: scales leave the inner loop
// and are applied to the query, to the weights and to the results of the
// products.
//
//   score[h,t] = Ktok[t] * (sum_d (q[h,d] Kscale[d]) codeK[d,t] + q[h]·Kzero)
//   out[h,d]   = Vch[d] * (sum_t (p[h,t] Vscale[t]) codeV[t,d] + p[h]·Vzero)
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_PASSES_QUANTIZED_H
#define KVARN_PASSES_QUANTIZED_H

#include "passes/TileBuilder.h"

namespace mlir::kvarn {

/// The left operand [M, n] of a product with codes, one side's scales folded
/// in: the product with codes plus `bias` [M], all times `factor` (a number;
/// null = 1), is what exact operands would give.
struct RoundedOperand {
  Value operand, bias, factor;
};

/// Operands `tile` that count in `unit` (a scalar; null = 1).
struct ScaledOperand {
  Value tile, unit;
};

/// A power of two, fp16, that brings vectors of a part of a record to what its
/// operands may be, and its inverse.
struct PartRange {
  Value factor, unit;
};

/// The vectors of one part of a record, brought to what fp16 operands may be:
/// operands are (codes * scale + offset) * column, in `unit`.
struct PartScales {
  Value scale, offset, column, unit;
};

/// Query rows that become fp16 operands are brought to at most this: fp16 has
/// the more bits below.
inline constexpr double kLargestQuery = 1024;

/// What a token weighs whose score was the largest when the running maximum was
/// found, and what the weights of a row may add up to in one tile: scores may
/// be larger than a maximum that lags behind, and those of 128 tokens as large.
/// The nearer the two are, the more bits do small weights have, which are many
/// in a long context.
inline constexpr double kUnitWeight = 64, kLargestWeights = 8192;

/// Emits the reading of records: straight from the pages, or by asynchronous
/// copies into one slot for keys and one for values.
class RecordReader {
public:
  RecordReader(TileBuilder &b, FormatAttr format, ScheduleAttr schedule,
               Value pages);

  bool async() const { return schedule.getCopy() == CopyMode::Async; }

  /// The record that is read from now on.
  void enter(Value block, Value head);

  /// Query rows with the scales of the record's keys. `factor`: what the scores
  /// of `q` are to be multiplied with; null = 1.
  RoundedOperand scaleQuery(Value q, Value factor);
  /// Products [M, tokens] with the keys `start` and up, and what those of each
  /// token are to be multiplied with: Ktok and query.factor.
  std::pair<Value, Value> scores(const RoundedOperand &query, Value start,
                                 int64_t tokens);
  /// Sum over these tokens of weights `p` [M, tokens], operands, times V, which
  /// has been waited for: [M, D].
  Value weightedValues(Value p, Value start);
  /// Some tokens of K, [D, tokens], or V, [tokens, D], become operands,
  /// unfolded. Parts of a record that are used together have the range of all
  /// of it, which waits for the copy; scales without a range do so, too.
  PartRange rangeOf(RecordPart part);
  PartScales scalesOf(RecordPart part, Value start, int64_t tokens,
                      std::optional<PartRange> range = {});
  Value codes(RecordPart part, Value start, int64_t tokens);
  ScaledOperand dequantized(RecordPart part, const PartScales &scales,
                            Value codes);

  // The pipeline of copies: `begin` starts the first record, `setNext` names
  // the one to copy as soon as the slots are free, `keysDone` and `valuesDone`
  // say when. Tokens travel around the loop as SSA values. Without slots all
  // of these do nothing.
  void begin(Value block, Value head, Value packed);
  void setNext(Value block, Value head, Value packed);
  void keysDone();
  /// Copies the keys of the record again, if `needed`: where those of the next
  /// one are, or are to be when their copy, if one is `inFlight`, is there.
  void keysAgain(Value needed, Value inFlight);
  void valuesDone();
  /// The keys of the next record are read from now on.
  void enterNextKeys();
  SmallVector<Value> tokens() const;
  void setTokens(ValueRange tokens);
  SmallVector<Value> nextTokens() const;
  void setNextTokens(ValueRange tokens);

  /// Until the copy of this part of the record is there.
  void waitFor(RecordPart part);

private:
  PartScales rawScales(RecordPart part, Value start, int64_t tokens);
  PartRange rangeOf(RecordPart part, const PartScales &raw);
  Value vector(RecordField field, Value start, int64_t count);
  Value operands(RecordPart part, Value codes);
  Value expandScale(RecordPart part, int64_t count);
  Value middleOperands(RecordPart part, Value place);
  Value inUnits(Value bias, Value units, Value &scale);
  Value copy(Value slot);
  /// fp16 `x` [M, n], at most `largest`, times `scale` [n] as an operand, and
  /// x · `offset` in the bias; for a query the rounded operand counts with
  /// codes relative to the middle one.
  RoundedOperand narrowOperand(RecordPart part, Value x, Value scale,
                               Value offset, double largest);
  /// The axis of the part's codes that a product sums over.
  static ::kvarn::Axis foldedAxis(RecordPart part) {
    return part == RecordPart::Key ? ::kvarn::Axis::Channel
                                   : ::kvarn::Axis::Token;
  }
  ::kvarn::Axis bitAxis(RecordPart part) const {
    return format.get().bitAxis(toFormat(part));
  }
  /// Whether a product sums over the codes of a byte, so that where they lie
  /// in it is a matter of the left operand.
  bool foldsBytes(RecordPart part) const {
    return subnormal() && bitAxis(part) == foldedAxis(part) &&
           format.get().bits(toFormat(part)) < 8;
  }
  bool subnormal() const {
    return schedule.getExpand() == ExpandMode::Subnormal;
  }
  bool narrow() const { return schedule.getOperand().isF16(); }

  TileBuilder &b;
  FormatAttr format;
  ScheduleAttr schedule;
  Value pages;
  Value block, head;                   // the current record
  Value slots[2], current[2], next[2]; // by part
  Value nextBlock, nextHead, nextPacked;
};

/// `tokens` tokens of one part of a record in the rotated frame, [tokens, D]
/// f32, unfolded.
Value dequantizePart(TileBuilder &b, FormatAttr format, RecordPart part,
                     Value pages, Value block, Value head, Value start,
                     int64_t tokens);

} // namespace mlir::kvarn

#endif // KVARN_PASSES_QUANTIZED_H
