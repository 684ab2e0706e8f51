//===- Records.cpp - Codes and vectors of records -------------------------===//
//
// Two codes that one matrix operand register holds lie 16 bits apart in a word,
// or at the same place of two words, which two byte permutations bring
// together. Masked where they lie, they are fp16 numbers.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// The byte at `offset` of a record in pages or in a slot.
Value KernelEmitter::sourceAddress(Value source, OperandRange indices,
                                   int64_t offset) {
  if (isa<SlotType>(source.getType())) {
    // A slot holds one part of the record, from its first byte.
    auto type = cast<SlotType>(source.getType());
    return ir.at(
        slotAddress(source),
        offset - type.getFormat().get().codeOffset(toFormat(type.getPart())));
  }
  SmallVector<Value> at;
  for (Value index : indices)
    at.push_back(ir.toI64(scalar(index)));
  at.push_back(ir.i64(0));
  return ir.at(address(source, at), offset);
}

LogicalResult KernelEmitter::emitLoadVector(LoadVectorOp op) {
  Layout place = layout(op.getResult());
  auto format = op.getFormat().get();
  Value base = sourceAddress(op.getSource(), op.getIndices(),
                             format.vectorOffset(toFormat(op.getField())));
  Value first = ir.toI32(scalar(op.getStart()));
  base = ir.at(base, ir.shiftLeft(ir.add(first, laneOffset(place, 0)), 1));
  int64_t run = 1;
  for (const SmallVector<int64_t> &basis : place.registers) {
    if (basis[0] != run || run == 8)
      break;
    run *= 2;
  }
  Values values;
  for (int64_t i = 0; i < place.registerCount(); i += run) {
    Value at = ir.at(base, 2 * place.placeOf(i)[0]);
    if (run == 1)
      values.push_back(ir.load(at, ir.getF16Type(), 2));
    else
      llvm::append_range(values, ir.loadWords(at, 2 * run));
  }
  if (run == 1)
    define(op.getResult(), values);
  else
    packed[op.getResult()] = values;
  return success();
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

int64_t mlir::kvarn::nvptx::bitOf(const ::kvarn::Format &format,
                                  ::kvarn::Part part, ArrayRef<int64_t> place,
                                  int64_t tokenDim) {
  auto position = format.position(part, place[tokenDim], place[1 - tokenDim]);
  return 32 * position.word + position.bit;
}

/// Bytes from the first of a part to what this lane of this warp has of it, and
/// in `unit` the most bytes that no two of them share.
FailureOr<Value> KernelEmitter::codeOffset(Operation *op,
                                           const ::kvarn::Format &format,
                                           ::kvarn::Part part,
                                           const Layout &layout,
                                           int64_t tokenDim, int64_t &unit) {
  unit = 16;
  Value offset = ir.i32(0);
  for (auto [bases, number] :
       {std::pair(&layout.lanes, lane), std::pair(&layout.warps, warp)})
    for (auto [bit, basis] : llvm::enumerate(*bases)) {
      int64_t delta = bitOf(format, part, basis, tokenDim);
      if (delta == 0)
        continue;
      if (delta % 8)
        return op->emitOpError("has lanes that share bytes");
      unit = std::min(unit, (delta / 8) & -(delta / 8));
      Value set = ir.both(ir.shiftRight(number, bit), ir.i32(1));
      offset = ir.add(offset, ir.mul(set, ir.i32(delta / 8)));
    }
  return offset;
}

/// The word with a code's bits and, through `bit`, their place in it.
static Value wordOf(Ir &ir, Codes &codes, int64_t index, int64_t &bit) {
  int64_t unitBits = 8 * codes.unit, at = codes.bits[index];
  Values &words = codes.loaded[at / unitBits];
  if (words.empty())
    words =
        ir.loadWords(ir.at(codes.base, at / unitBits * codes.unit), codes.unit);
  bit = at % 32;
  if (codes.unit < 4)
    bit = at % unitBits;
  return words[codes.unit < 4 ? 0 : at % unitBits / 32];
}

LogicalResult KernelEmitter::emitLoadCodes(LoadCodesOp op) {
  auto all = std::make_shared<Codes>();
  all->format = op.getFormat().get();
  all->part = toFormat(op.getPart());
  all->layout = layout(op.getResult());
  const Layout &place = all->layout;
  bool key = all->part == ::kvarn::Part::Key;
  for (int64_t i = 0; i < place.registerCount(); ++i)
    all->bits.push_back(bitOf(all->format, all->part, place.placeOf(i), key));
  FailureOr<Value> own =
      codeOffset(op, all->format, all->part, place, key, all->unit);
  if (failed(own))
    return failure();
  Value offset = *own;
  // Nothing that other lanes hold is loaded: units are whole.
  int64_t covered = place.registerCount() * all->format.bits(all->part) / 8;
  all->unit = std::min(all->unit, covered);
  int64_t tokens = op.getType().getShape()[key];
  if (tokens != all->format.group) {
    SmallVector<int64_t> next(2);
    next[key] = tokens;
    // Tiles follow one another at a fixed distance.
    int64_t bytes = bitOf(all->format, all->part, next, key) / 8;
    APInt start;
    if (matchPattern(op.getStart(), m_ConstantInt(&start)) &&
        start.getSExtValue() % tokens)
      return op.emitOpError() << "starts at token " << start.getSExtValue()
                              << ", expected a multiple of " << tokens;
    if (covered == 0 || bytes == 0)
      return op.emitOpError()
             << "loads " << tokens << " tokens, which share bytes with others";
    all->unit = std::min(all->unit, bytes & -bytes);
    Value tile = ir.create<arith::DivUIOp>(ir.toI32(scalar(op.getStart())),
                                           ir.i32(tokens));
    offset = ir.add(offset, ir.mul(tile, ir.i32(bytes)));
  }
  Value base = sourceAddress(op.getSource(), op.getIndices(),
                             all->format.codeOffset(all->part));
  all->base = ir.at(base, offset);
  // Operands of products are expanded from the words that they lie in.
  bool operands = llvm::all_of(op->getUsers(), [](Operation *user) {
    auto expand = dyn_cast<ExpandOp>(user);
    return expand && expand.getType().getElementType().isF16();
  });
  // From memory all of them are loaded here, so that little waits for them.
  if (operands && !isa<SlotType>(op.getSource().getType()))
    for (size_t i = 0; i < all->bits.size(); ++i) {
      int64_t bit;
      wordOf(ir, *all, int64_t(i), bit);
    }
  if (operands)
    codes[op.getResult()] = std::move(all);
  else
    define(op.getResult(), codeValues(*all));
  return success();
}

/// Every code by itself, as i8.
Values KernelEmitter::codeValues(Codes &codes) {
  Values values;
  int64_t mask = (int64_t(1) << codes.format.bits(codes.part)) - 1;
  for (size_t i = 0; i < codes.bits.size(); ++i) {
    int64_t bit;
    Value word = wordOf(ir, codes, i, bit);
    Value code = ir.both(ir.shiftRight(word, bit), ir.i32(mask));
    values.push_back(ir.create<arith::TruncIOp>(ir.getI8Type(), code));
  }
  return values;
}

/// A word with the codes of registers 2 * pair and 2 * pair + 1 in its halves,
/// at `bit` (below 16) of each.
Value KernelEmitter::codePair(Codes &codes, int64_t pair, int64_t &bit) {
  int64_t lowBit, highBit;
  Value low = wordOf(ir, codes, 2 * pair, lowBit);
  Value high = wordOf(ir, codes, 2 * pair + 1, highBit);
  bit = lowBit;
  if (low == high && highBit == lowBit + 16)
    return low;
  bit %= 16;
  // Both words, and which halves of them.
  bool upper = lowBit >= 16;
  int64_t lowWord = codes.bits[2 * pair] - lowBit;
  int64_t highWord = codes.bits[2 * pair + 1] - highBit;
  Value &joined = codes.pairs[{2 * lowWord + upper, highWord}];
  if (!joined)
    joined = ir.permuteBytes(low, high, upper ? 0x7632 : 0x5410);
  return joined;
}

/// `bit` (from 8 on) of the halves of a word, brought 8 bits down; `alone`:
/// nothing is above that byte then.
Value KernelEmitter::upperBytes(Codes &codes, Value word, bool alone) {
  Value &bytes = codes.upper[{word, alone}];
  if (!bytes)
    bytes = alone ? ir.permuteBytes(word, ir.i32(0), 0x4341)
                  : ir.shiftRight(word, 8);
  return bytes;
}

LogicalResult KernelEmitter::emitExpand(ExpandOp op) {
  if (!codes.count(op.getCodes()))
    return expandValues(op);
  expanded[op.getResult()] = op;
  return success();
}

/// Whether each lane has whole bytes along `dim`, `top` being the bits of an
/// index that number the codes of one.
static LogicalResult checkBytes(Operation *op, const Layout &layout,
                                int64_t dim, int64_t top) {
  for (const Bases *bases : {&layout.lanes, &layout.warps})
    for (const SmallVector<int64_t> &basis : *bases)
      if (basis[dim] & top)
        return op->emitOpError("has lanes that share bytes");
  return success();
}

/// From each element that of the topmost code, with one rounding if it was a
/// product before.
LogicalResult KernelEmitter::emitSubtractTop(SubtractTopOp op) {
  Layout place = layout(op.getResult());
  int64_t top = op.getFormat().get().topOfByte(toFormat(op.getPart()));
  if (failed(checkBytes(op, place, 1, top)))
    return failure();
  if (place.registers.empty() || place.registers.front()[1] & top)
    return op.emitOpError("has no pairs, or pairs that share bytes");
  Values words = pairs(op.getInput());
  auto product = op.getInput().getDefiningOp<arith::MulFOp>();
  Values factors[2];
  if (product)
    for (unsigned i : {0, 1})
      factors[i] = pairs(product->getOperand(i));
  Values results = words;
  for (size_t i = 0; i < words.size(); ++i) {
    SmallVector<int64_t> at = place.placeOf(2 * i);
    if ((at[1] & top) == top)
      continue;
    at[1] |= top;
    Value minus =
        ir.create<arith::NegFOp>(ir.asPair(words[place.registerAt(at) / 2]));
    Value less = product ? ir.intrinsic("llvm.fma", ir.pairType(),
                                        {ir.asPair(factors[0][i]),
                                         ir.asPair(factors[1][i]), minus})
                         : ir.create<arith::AddFOp>(ir.asPair(words[i]), minus);
    results[i] = ir.asWord(less);
  }
  packed[op.getResult()] = std::move(results);
  return success();
}

/// Codes that are numbers already.
LogicalResult KernelEmitter::expandValues(ExpandOp op) {
  Type element = op.getType().getElementType();
  Values values;
  if (op.getMode() == ExpandMode::Convert) {
    for (Value code : registers(op.getCodes()))
      values.push_back(ir.create<arith::UIToFPOp>(element, code));
    define(op.getResult(), values);
    return success();
  }
  // Back to the place in its byte, which index bits add up to.
  auto format = op.getFormat().get();
  auto part = toFormat(op.getPart());
  bool key = part == ::kvarn::Part::Key;
  Layout place = layout(op.getResult());
  int64_t dim = (format.bitAxis(part) == ::kvarn::Axis::Token) == key;
  auto shiftOf = [&](const SmallVector<int64_t> &at) {
    return format.bitInByte(part, at[dim]);
  };
  Value laneShift = ir.i32(0);
  for (auto [bases, number] :
       {std::pair(&place.lanes, lane), std::pair(&place.warps, warp)})
    for (auto [bit, basis] : llvm::enumerate(*bases))
      if (int64_t shift = shiftOf(basis))
        laneShift = ir.add(
            laneShift, ir.mul(ir.both(ir.shiftRight(number, bit), ir.i32(1)),
                              ir.i32(shift)));
  Values words;
  for (auto [i, code] : llvm::enumerate(registers(op.getCodes()))) {
    Value word = ir.create<arith::ExtUIOp>(ir.getI32Type(), code);
    words.push_back(ir.create<arith::ShLIOp>(
        ir.shiftLeft(word, shiftOf(place.placeOf(i))), laneShift));
  }
  std::vector<int64_t> inByte = {0};
  if (op.getWholeBytes())
    inByte = format.codesOfByte(part);
  int64_t top = inByte.front();
  if (failed(checkBytes(op, place, dim, top)))
    return failure();
  for (auto [i, own] : llvm::enumerate(words)) {
    Value word = own;
    SmallVector<int64_t> at = place.placeOf(i);
    if ((at[dim] & top) == top)
      for (int64_t code : llvm::drop_begin(inByte)) {
        at[dim] = (at[dim] & ~top) | code;
        word = ir.either(word, words[place.registerAt(at)]);
      }
    Value bits = ir.create<arith::TruncIOp>(ir.getIntegerType(16), word);
    values.push_back(ir.bitcast(bits, element));
  }
  define(op.getResult(), values);
  return success();
}

/// Registers 2 * pair and 2 * pair + 1 of an expanded tile, in one word.
Value KernelEmitter::expandPair(Value tile, int64_t pair) {
  ExpandOp op = expanded.lookup(tile);
  Codes &source = *codes.find(op.getCodes())->second;
  int64_t bit, bits = source.format.bits(source.part);
  Value word = codePair(source, pair, bit);
  bool isUpper = bit >= 8;
  if (isUpper)
    word = upperBytes(source, word, op.getWholeBytes());
  bit %= 8;
  uint32_t mask = ((1u << bits) - 1) << bit;
  if (op.getWholeBytes() && bit + bits == 8) {
    if (isUpper)
      return word;
    mask = 0xff;
  }
  int64_t both = int32_t(mask | mask << 16);
  if (op.getMode() == ExpandMode::Subnormal)
    return ir.both(word, ir.i32(both));
  // Below 1024, an fp16 number of 1024 and more counts in ones.
  Value biased = ir.asPair(ir.maskAndSet(word, both, 0x64006400));
  auto constant = [&](double value) -> Value {
    return ir.create<LLVM::ConstantOp>(
        ir.pairType(), DenseElementsAttr::get(cast<ShapedType>(ir.pairType()),
                                              APFloat(APFloat::IEEEhalf(),
                                                      std::to_string(value))));
  };
  double scale = 1.0 / double(1 << bit);
  return ir.asWord(
      ir.intrinsic("llvm.fma", ir.pairType(),
                   {biased, constant(scale), constant(-1024 * scale)}));
}

/// Of fp16 operands: one word for two registers.
Value KernelEmitter::pairOf(Value tile, int64_t index) {
  auto known = expandedPairs.find({tile, index});
  if (known != expandedPairs.end())
    return known->second;
  if (expanded.count(tile))
    return expandedPairs[{tile, index}] = expandPair(tile, index);
  return pairs(tile)[index];
}
