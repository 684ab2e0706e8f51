//===- Quantized.cpp - Arithmetic on packed records -----------------------===//

#include "passes/Quantized.h"

#include <cmath>

using namespace mlir;
using namespace mlir::kvarn;

static constexpr int kKey = 0, kValue = 1;

// Subnormal operands are codes times 2^-24, but for tile.expand_scale.
static constexpr double kSubnormalUnit = 16777216.0;

static int slotOf(RecordPart part) {
  return part == RecordPart::Key ? kKey : kValue;
}

static RecordPart partOf(RecordField field) {
  return field < RecordField::ValueChannel ? RecordPart::Key
                                           : RecordPart::Value;
}

RecordReader::RecordReader(TileBuilder &b, FormatAttr format,
                           ScheduleAttr schedule, Value pages)
    : b(b), format(format), schedule(schedule), pages(pages) {
  if (!async())
    return;
  for (RecordPart part : {RecordPart::Key, RecordPart::Value})
    slots[slotOf(part)] =
        b.op<tile::SlotOp>(tile::SlotType::get(b.getContext(), format, part));
}

void RecordReader::enter(Value newBlock, Value newHead) {
  block = newBlock;
  head = newHead;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

Value RecordReader::copy(Value slot) {
  return b.op<tile::AsyncCopyOp>(pages, nextBlock, nextHead, slot, nextPacked);
}

void RecordReader::setNext(Value block, Value head, Value packed) {
  nextBlock = block;
  nextHead = head;
  nextPacked = packed;
}

void RecordReader::begin(Value block, Value head, Value packed) {
  setNext(block, head, packed);
  for (int part : {kKey, kValue})
    current[part] = copy(slots[part]);
}

void RecordReader::keysDone() {
  if (async())
    next[kKey] = copy(slots[kKey]);
}

void RecordReader::valuesDone() {
  if (async())
    next[kValue] = copy(slots[kValue]);
}

SmallVector<Value> RecordReader::tokens() const {
  if (!async())
    return {};
  return {current[kKey], current[kValue]};
}

void RecordReader::setTokens(ValueRange tokens) {
  for (auto [part, token] : llvm::enumerate(tokens))
    current[part] = token;
}

SmallVector<Value> RecordReader::nextTokens() const {
  if (!async())
    return {};
  return {next[kKey], next[kValue]};
}

void RecordReader::setNextTokens(ValueRange tokens) {
  for (auto [part, token] : llvm::enumerate(tokens))
    next[part] = token;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

Value RecordReader::vector(RecordField field, Value start, int64_t count) {
  auto type = RankedTensorType::get({count}, b.getF16Type());
  Value raw =
      async()
          ? b.op<tile::LoadVectorOp>(type, field, slots[slotOf(partOf(field))],
                                     ValueRange(), start, format)
          : b.op<tile::LoadVectorOp>(type, field, pages,
                                     ValueRange{block, head}, start, format);
  return b.toF32(raw);
}

Value RecordReader::operands(RecordPart part, Value start, int64_t tokens) {
  int64_t depth = format.getHeadDim();
  SmallVector<int64_t> shape = {depth, tokens};
  if (part == RecordPart::Value)
    shape = {tokens, depth};
  auto type = RankedTensorType::get(shape, b.getI8Type());
  Value codes =
      async() ? b.op<tile::LoadCodesOp>(type, part, slots[slotOf(part)],
                                        ValueRange(), start, format)
              : b.op<tile::LoadCodesOp>(type, part, pages,
                                        ValueRange{block, head}, start, format);
  return b.op<tile::ExpandOp>(
      RankedTensorType::get(shape, schedule.getOperand()), schedule.getExpand(),
      codes, part, format);
}

Value RecordReader::expandScale(RecordPart part, int64_t count) {
  return b.op<tile::ExpandScaleOp>(
      RankedTensorType::get({count}, b.getF32Type()), part, format);
}

namespace {
/// A power of two and its inverse.
struct Power {
  Value factor, inverse;
};
} // namespace

/// The power of two that brings the largest of |vector| to at most `limit` (a
/// power of two itself), so that products with it fit fp16 and keep their bits.
static Power powerToFit(TileBuilder &b, Value vector, double limit) {
  Value largest =
      b.reduce(tile::ReduceKind::Max, b.op<math::AbsFOp>(vector), 0);
  // The smallest fp16 number: also what an all-zero vector counts as.
  largest = b.max(largest, b.f32(std::ldexp(1.0, -24)));
  Value exponent =
      b.sub(b.op<math::CeilOp>(b.log2(largest)), b.f32(std::log2(limit)));
  return {b.exp2(b.sub(b.f32(0), exponent)), b.exp2(exponent)};
}

RoundedOperand RecordReader::roundOperand(RecordPart part, Value x, Value scale,
                                          Value offset) {
  bool key = part == RecordPart::Key;
  SmallVector<int64_t> shape(shapeOf(x));
  if (!narrow())
    return {b.mul(x, b.along(scale, 1, shape)),
            b.sum(b.mul(x, b.along(offset, 1, shape)), 1), {}};
  double middle = ((1 << format.get().bits(toFormat(part))) - 1) / 2.0;
  Value centered = b.add(offset, b.mul(scale, b.f32(middle)));
  // Weights are at most 1, query rows at most kLargestQuery.
  Power power = powerToFit(b, scale, key ? 1.0 : 16384.0);
  Value folded = b.mul(scale, power.factor);
  Value ones = b.tileOf(1.0, {shape[1]});
  if (subnormal() && bitAxis(part) == foldedAxis(part)) {
    Value units = expandScale(part, shape[1]);
    folded = b.mul(folded, units);
    ones = b.div(ones, units);
  }
  Type operand = schedule.getOperand();
  RoundedOperand result;
  result.operand = b.truncate(b.mul(x, b.along(folded, 1, shape)), operand);
  // What rounding took from each row's products with codes is, for the most
  // part, what it took from products with the middle code.
  Value kept = b.dot(result.operand, b.truncate(ones, operand));
  Value exact = b.sum(b.mul(x, b.along(centered, 1, shape)), 1);
  result.bias =
      b.sub(exact, b.mul(kept, b.mul(power.inverse, b.f32(middle))));
  result.factor = b.mul(power.inverse, b.f32(subnormal() ? kSubnormalUnit : 1));
  return result;
}

ScaledQuery RecordReader::scaleQuery(Value q, Value factor) {
  int64_t depth = shapeOf(q)[1];
  if (async())
    b.op<tile::WaitOp>(current[kKey]);
  Value zero = b.index(0);
  RoundedOperand rounded =
      roundOperand(RecordPart::Key, q, vector(RecordField::KeyScale, zero, depth),
                   vector(RecordField::KeyZero, zero, depth));
  if (!factor)
    return {rounded.operand, rounded.bias, rounded.factor};
  return {rounded.operand, b.mul(rounded.bias, factor),
          b.mul(rounded.factor, factor)};
}

Value RecordReader::scores(const ScaledQuery &query, Value start,
                           int64_t tokens) {
  SmallVector<int64_t> shape = {shapeOf(query.operand)[0], tokens};
  Value s = b.dot(query.operand, operands(RecordPart::Key, start, tokens));
  // The bits of a code depend on its token modulo 8 at most, and tiles start at
  // multiples of 32: the first `tokens` scales serve every tile.
  if (subnormal() && bitAxis(RecordPart::Key) == ::kvarn::Axis::Token)
    s = b.mul(s, b.along(expandScale(RecordPart::Key, tokens), 1, shape));
  if (query.factor)
    s = b.mul(s, query.factor);
  s = b.add(s, b.along(query.bias, 0, shape));
  Value token = vector(RecordField::KeyToken, start, tokens);
  return b.mul(s, b.along(token, 1, shape));
}

Value RecordReader::weightedValues(Value p, Value start) {
  int64_t tokens = shapeOf(p)[1], depth = format.getHeadDim();
  SmallVector<int64_t> out = {shapeOf(p)[0], depth};
  if (async())
    b.op<tile::WaitOp>(current[kValue]);
  Value channel = vector(RecordField::ValueChannel, b.index(0), depth);
  RoundedOperand weights = roundOperand(
      RecordPart::Value, p, vector(RecordField::ValueScale, start, tokens),
      vector(RecordField::ValueZero, start, tokens));
  Value sum =
      b.dot(weights.operand, operands(RecordPart::Value, start, tokens));
  if (subnormal() && bitAxis(RecordPart::Value) == ::kvarn::Axis::Channel)
    sum = b.mul(sum, b.along(expandScale(RecordPart::Value, depth), 1, out));
  if (weights.factor)
    sum = b.mul(sum, weights.factor);
  sum = b.add(sum, b.along(weights.bias, 0, out));
  return b.mul(sum, b.along(channel, 1, out));
}

//===----------------------------------------------------------------------===//
// Unfolded
//===----------------------------------------------------------------------===//

Dequantized mlir::kvarn::dequantizeRecord(TileBuilder &b, FormatAttr format,
                                          Value pages, Value block, Value head,
                                          Value start, int64_t tokens) {
  int64_t depth = format.getHeadDim();
  SmallVector<Value> place = {block, head};
  auto vector = [&](RecordField field, Value from, int64_t count) {
    Value raw =
        b.op<tile::LoadVectorOp>(RankedTensorType::get({count}, b.getF16Type()),
                                 field, pages, ValueRange(place), from, format);
    return b.toF32(raw);
  };
  auto tile = [&](RecordPart part, SmallVector<int64_t> shape,
                  RecordField scale, RecordField zero, RecordField column) {
    bool key = part == RecordPart::Key;
    Value first = b.index(0);
    Value codes =
        b.op<tile::LoadCodesOp>(RankedTensorType::get(shape, b.getI8Type()),
                                part, pages, ValueRange(place), start, format);
    Value x = b.op<tile::ExpandOp>(RankedTensorType::get(shape, b.getF32Type()),
                                   ExpandMode::Convert, codes, part, format);
    Value rowStart = key ? first : start, columnStart = key ? start : first;
    Value s = vector(scale, rowStart, shape[0]);
    Value z = vector(zero, rowStart, shape[0]);
    Value c = vector(column, columnStart, shape[1]);
    x = b.add(b.mul(x, b.along(s, 0, shape)), b.along(z, 0, shape));
    return b.mul(x, b.along(c, 1, shape));
  };
  Value k = tile(RecordPart::Key, {depth, tokens}, RecordField::KeyScale,
                 RecordField::KeyZero, RecordField::KeyToken);
  Value v = tile(RecordPart::Value, {tokens, depth}, RecordField::ValueScale,
                 RecordField::ValueZero, RecordField::ValueChannel);
  return {b.transpose(k), v};
}
