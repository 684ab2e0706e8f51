//===- Quantized.cpp - Arithmetic on packed records -----------------------===//

#include "passes/Quantized.h"

#include <cmath>

using namespace mlir;
using namespace mlir::kvarn;

static constexpr int kKey = 0, kValue = 1;

// Subnormal operands are codes times 2^-24, but for tile.expand_scale.
static constexpr double kSubnormalUnit = 16777216.0;

// What dequantized operands are at most, unless K and V are more than fp16
// holds.
static constexpr double kLargestOperand = 32768;

/// No value of a record is larger: it is a rotated fp16 number.
static constexpr double kLargestValue = 1 << 20;

static int slotOf(RecordPart part) {
  return part == RecordPart::Key ? kKey : kValue;
}

static RecordPart partOf(RecordField field) {
  return field < RecordField::ValueChannel ? RecordPart::Key
                                           : RecordPart::Value;
}

static Value bitsOf(TileBuilder &b, Value x) {
  return b.op<arith::BitcastOp>(b.like(x, b.getI32Type()), x);
}

static Value fromBits(TileBuilder &b, Value x) {
  return b.op<arith::BitcastOp>(b.like(x, b.getF32Type()), x);
}

/// Which dimensions of codes, as right operands, products go through backward:
/// tokens, and channels of values.
static ArrayRef<int64_t> descendingOf(ScheduleAttr schedule, RecordPart part) {
  static constexpr int64_t kBoth[] = {0, 1}, kColumns[] = {1};
  if (schedule.getOrder() == RecordOrder::Forward)
    return {};
  if (part == RecordPart::Key)
    return kColumns;
  return kBoth;
}

/// 1 / x for a power of two: its exponent is taken from twice that of 1.
static Value inverseOfPower(TileBuilder &b, Value x) {
  return fromBits(b, b.sub(b.i32(0x7f000000), bitsOf(b, x)));
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

void RecordReader::keysAgain(Value needed, Value inFlight) {
  Value token = current[kKey];
  current[kKey] = b.branch(
      needed,
      [&]() -> SmallVector<Value> {
        b.when(inFlight, [&] { b.op<tile::WaitOp>(token); });
        return {copy(slots[kKey])};
      },
      [&]() -> SmallVector<Value> { return {token}; })[0];
}

void RecordReader::valuesDone() {
  if (async())
    next[kValue] = copy(slots[kValue]);
}

void RecordReader::enterNextKeys() { current[kKey] = next[kKey]; }

void RecordReader::waitFor(RecordPart part) {
  if (async())
    b.op<tile::WaitOp>(current[slotOf(part)]);
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
  return raw;
}

Value RecordReader::codes(RecordPart part, Value start, int64_t tokens) {
  int64_t depth = format.getHeadDim();
  SmallVector<int64_t> shape = {depth, tokens};
  if (part == RecordPart::Value)
    shape = {tokens, depth};
  auto type = RankedTensorType::get(shape, b.getI8Type());
  return async()
             ? b.op<tile::LoadCodesOp>(type, part, slots[slotOf(part)],
                                       ValueRange(), start, format)
             : b.op<tile::LoadCodesOp>(type, part, pages,
                                       ValueRange{block, head}, start, format);
}

Value RecordReader::operands(RecordPart part, Value codes) {
  return b.op<tile::ExpandOp>(
      RankedTensorType::get(shapeOf(codes), schedule.getOperand()),
      schedule.getExpand(), foldsBytes(part), codes, part, format);
}

/// `bias` as what a product of operands in `units` [n] begins with; `scale` of
/// the result's columns then counts in them.
Value RecordReader::inUnits(Value bias, Value units, Value &scale) {
  scale = b.mul(scale, units);
  return b.mul(bias, b.along(inverseOfPower(b, units), 1, shapeOf(bias)));
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

/// The power of two that brings `largest` times `unit` to at most 1, so that
/// products with it fit fp16 and keep their bits.
static Power powerToFit(TileBuilder &b, Value largest, double unit) {
  // fp16 has no larger power of two than 2^15.
  Value inverse = b.max(b.mul(largest, b.f32(unit)), b.f32(std::ldexp(1, -15)));
  // The exponent of a float lies above 23 bits: rounded up, it is a power of
  // two.
  inverse = fromBits(b, b.both(b.add(bitsOf(b, inverse), b.i32((1 << 23) - 1)),
                               b.i32(0x7f800000)));
  return {inverseOfPower(b, inverse), inverse};
}

/// Minus what operands of the middle code are, but for the unit, at these
/// places: of a topmost code, which is the whole byte, half of all its bits.
Value RecordReader::middleOperands(RecordPart part, Value place) {
  int64_t bits = format.get().bits(toFormat(part));
  SmallVector<int64_t> shape(shapeOf(place));
  Value isTop = b.lessEqual(place, b.tileOf(std::ldexp(1, bits - 8), shape));
  double middle = ((1 << bits) - 1) / 2.0;
  return b.select(isTop, b.tileOf(-127.5, shape),
                  b.mul(b.tileOf(-middle, shape), inverseOfPower(b, place)));
}

RoundedOperand RecordReader::narrowOperand(RecordPart part, Value x,
                                           Value scale, Value offset,
                                           double largest) {
  SmallVector<int64_t> shape(shapeOf(x));
  Type half = schedule.getOperand();
  double middle = ((1 << format.get().bits(toFormat(part))) - 1) / 2.0;
  // No value of the record is larger than twice this times the scale of its
  // column.
  auto constant = b.tileOf(middle, {shape[1]}, half);
  Value reach = b.op<math::FmaOp>(b.op<math::AbsFOp>(scale), constant,
                                  b.op<math::AbsFOp>(offset));
  reach = b.reduce(tile::ReduceKind::Max, b.toF32(reach), 0);
  reach = b.min(reach, b.f32(kLargestValue));
  // Brings products with x to at most 2^14, where fp16 still has all its bits.
  Power power = powerToFit(b, reach, largest / 16384 / middle);
  Value units = b.splat(power.factor, {shape[1]});
  Value place; // of each code in its word, as a power of two
  if (foldsBytes(part)) {
    place = expandScale(part, shape[1]);
    units = b.mul(units, place);
  }
  Value folded = b.along(b.mul(scale, b.truncate(units, half)), 1, shape);
  RoundedOperand result;
  result.operand = b.mul(x, folded);
  if (place)
    result.operand = b.op<tile::SubtractTopOp>(result.operand, part, format);
  if (part == RecordPart::Key) {
    // What rounding takes of an operand would count with the whole code. Keys
    // are a middle key, which all tokens share, and codes relative to the
    // middle one: only with these does the rounded operand count. Weights
    // differ by token, so that what they lose adds up to little.
    Value centre = b.op<math::FmaOp>(scale, constant, offset);
    Value middles =
        place ? middleOperands(part, place) : b.tileOf(-middle, {shape[1]});
    result.bias = b.dot(result.operand, b.truncate(middles, half),
                        b.mul(b.dot(x, centre), power.factor));
  } else {
    result.bias = b.mul(b.dot(x, offset), power.factor);
  }
  double unit = subnormal() ? kSubnormalUnit : 1.0;
  result.bias = b.mul(result.bias, b.f32(1 / unit));
  result.factor = b.mul(power.inverse, b.f32(unit));
  return result;
}

RoundedOperand RecordReader::scaleQuery(Value q, Value factor) {
  SmallVector<int64_t> shape(shapeOf(q));
  waitFor(RecordPart::Key);
  Value zero = b.index(0);
  Value scale = vector(RecordField::KeyScale, zero, shape[1]);
  Value offset = vector(RecordField::KeyZero, zero, shape[1]);
  if (!narrow()) {
    Value bias = b.mul(q, b.along(b.toF32(offset), 1, shape));
    return {b.mul(q, b.along(b.toF32(scale), 1, shape)), b.sum(bias, 1), {}};
  }
  RoundedOperand query =
      narrowOperand(RecordPart::Key, q, scale, offset, kLargestQuery);
  query.factor = b.mul(query.factor, factor);
  return query;
}

std::pair<Value, Value> RecordReader::scores(const RoundedOperand &query,
                                             Value start, int64_t tokens) {
  SmallVector<int64_t> shape = {shapeOf(query.operand)[0], tokens};
  Value codes =
      operands(RecordPart::Key, this->codes(RecordPart::Key, start, tokens));
  Value bias = b.along(query.bias, 0, shape), token;
  auto loadToken = [&] {
    token = b.toF32(vector(RecordField::KeyToken, start, tokens));
  };
  // The bits of a code depend on its token modulo 8 at most, and tiles start
  // at multiples of 32: the first `tokens` scales serve every tile.
  if (subnormal() && bitAxis(RecordPart::Key) == ::kvarn::Axis::Token) {
    loadToken();
    bias = inUnits(bias, expandScale(RecordPart::Key, tokens), token);
  }
  Value s = narrow() ? b.dot(query.operand, codes, bias,
                             descendingOf(schedule, RecordPart::Key))
                     : b.add(b.dot(query.operand, codes), bias);
  // Products leave few registers for what is not needed before their end.
  if (!token)
    loadToken();
  return {s, query.factor ? b.mul(token, query.factor) : token};
}

Value RecordReader::weightedValues(Value p, Value start) {
  SmallVector<int64_t> shape(shapeOf(p));
  int64_t tokens = shape[1], depth = format.getHeadDim();
  SmallVector<int64_t> out = {shape[0], depth};
  Value channel = b.toF32(vector(RecordField::ValueChannel, b.index(0), depth));
  Value scale = vector(RecordField::ValueScale, start, tokens);
  Value offset = vector(RecordField::ValueZero, start, tokens);
  Value codes = operands(RecordPart::Value,
                         this->codes(RecordPart::Value, start, tokens));
  if (!narrow()) {
    scale = b.toF32(scale);
    offset = b.toF32(offset);
    Value bias = b.sum(b.mul(p, b.along(offset, 1, shape)), 1);
    Value sum = b.dot(b.mul(p, b.along(scale, 1, shape)), codes);
    sum = b.add(sum, b.along(bias, 0, out));
    return b.mul(sum, b.along(channel, 1, out));
  }
  RoundedOperand weights =
      narrowOperand(RecordPart::Value, p, scale, offset, kLargestWeights);
  channel = b.mul(channel, weights.factor);
  Value bias = b.along(weights.bias, 0, out);
  if (subnormal() && bitAxis(RecordPart::Value) == ::kvarn::Axis::Channel)
    bias = inUnits(bias, expandScale(RecordPart::Value, depth), channel);
  // Before the product, which may then be parted (codegen/nvptx/AddIf.cpp).
  channel = b.along(channel, 1, out);
  return b.mul(b.dot(weights.operand, codes, bias,
                     descendingOf(schedule, RecordPart::Value)),
               channel);
}

//===----------------------------------------------------------------------===//
// Unfolded
//===----------------------------------------------------------------------===//

/// The power of two, at most 1, by which rows and their products with columns
/// fit fp16.
static Power powerToStay(TileBuilder &b, Value rows, Value columns) {
  auto largest = [&](Value x) {
    return b.reduce(tile::ReduceKind::Max, b.toF32(b.op<math::AbsFOp>(x)), 0);
  };
  Value reach = largest(rows);
  Value products = b.min(b.mul(reach, largest(columns)), b.f32(kLargestValue));
  reach = b.max(reach, products);
  return powerToFit(b, b.max(reach, b.f32(kLargestOperand)),
                    1 / kLargestOperand);
}

PartScales RecordReader::rawScales(RecordPart part, Value start,
                                   int64_t tokens) {
  bool key = part == RecordPart::Key;
  int64_t depth = format.getHeadDim();
  int64_t rowCount = key ? depth : tokens, columnCount = key ? tokens : depth;
  Value rowStart = key ? b.index(0) : start;
  Value columnStart = key ? start : b.index(0);
  PartScales scales;
  scales.scale = vector(key ? RecordField::KeyScale : RecordField::ValueScale,
                        rowStart, rowCount);
  scales.offset = vector(key ? RecordField::KeyZero : RecordField::ValueZero,
                         rowStart, rowCount);
  scales.column =
      vector(key ? RecordField::KeyToken : RecordField::ValueChannel,
             columnStart, columnCount);
  return scales;
}

PartRange RecordReader::rangeOf(RecordPart part, const PartScales &raw) {
  // In f32, where sums of what fits fp16 fit.
  double largestCode = (1 << format.get().bits(toFormat(part))) - 1;
  auto size = [&](Value x) { return b.op<math::AbsFOp>(b.toF32(x)); };
  Value rows =
      b.add(b.mul(size(raw.scale), b.f32(largestCode)), size(raw.offset));
  Power power = powerToStay(b, rows, raw.column);
  return {b.truncate(power.factor, b.getF16Type()), power.inverse};
}

PartRange RecordReader::rangeOf(RecordPart part) {
  waitFor(part);
  return rangeOf(part, rawScales(part, b.index(0), format.getGroup()));
}

PartScales RecordReader::scalesOf(RecordPart part, Value start, int64_t tokens,
                                  std::optional<PartRange> range) {
  if (!range)
    waitFor(part);
  PartScales scales = rawScales(part, start, tokens);
  if (!range)
    range = rangeOf(part, scales);
  Value factor = b.splat(range->factor, shapeOf(scales.scale));
  scales.scale = b.mul(scales.scale, factor);
  scales.offset = b.mul(scales.offset, factor);
  scales.unit = range->unit;
  return scales;
}

ScaledOperand RecordReader::dequantized(RecordPart part,
                                        const PartScales &scales, Value codes) {
  Value x = operands(part, codes);
  SmallVector<int64_t> shape(shapeOf(x));
  x = b.op<math::FmaOp>(x, b.along(scales.scale, 0, shape),
                        b.along(scales.offset, 0, shape));
  return {b.mul(x, b.along(scales.column, 1, shape)), scales.unit};
}

Value mlir::kvarn::dequantizePart(TileBuilder &b, FormatAttr format,
                                  RecordPart part, Value pages, Value block,
                                  Value head, Value start, int64_t tokens) {
  bool key = part == RecordPart::Key;
  int64_t depth = format.getHeadDim();
  SmallVector<Value> place = {block, head};
  auto vector = [&](RecordField field, Value from, int64_t count) {
    Value raw =
        b.op<tile::LoadVectorOp>(RankedTensorType::get({count}, b.getF16Type()),
                                 field, pages, ValueRange(place), from, format);
    return b.toF32(raw);
  };
  SmallVector<int64_t> shape = {tokens, depth};
  if (key)
    std::swap(shape[0], shape[1]);
  Value first = b.index(0);
  Value codes =
      b.op<tile::LoadCodesOp>(RankedTensorType::get(shape, b.getI8Type()), part,
                              pages, ValueRange(place), start, format);
  Value x = b.op<tile::ExpandOp>(RankedTensorType::get(shape, b.getF32Type()),
                                 ExpandMode::Convert, /*whole_bytes=*/false,
                                 codes, part, format);
  Value rowStart = key ? first : start, columnStart = key ? start : first;
  Value s = vector(key ? RecordField::KeyScale : RecordField::ValueScale,
                   rowStart, shape[0]);
  Value z = vector(key ? RecordField::KeyZero : RecordField::ValueZero,
                   rowStart, shape[0]);
  Value c = vector(key ? RecordField::KeyToken : RecordField::ValueChannel,
                   columnStart, shape[1]);
  x = b.add(b.mul(x, b.along(s, 0, shape)), b.along(z, 0, shape));
  x = b.mul(x, b.along(c, 1, shape));
  return key ? b.transpose(x) : x;
}
