//===- Records.cpp - Codes and vectors of records -------------------------===//
//
// Two codes that one matrix operand register holds lie 16 bits apart in a word,
// or at the same place of two words, which two byte permutations bring
// together. Masked where they lie, they are fp16 numbers.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

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
/// at `bit` (below 8) of each.
Value KernelEmitter::codePair(Codes &codes, int64_t pair, int64_t &bit) {
  int64_t lowBit, highBit;
  Value low = wordOf(ir, codes, 2 * pair, lowBit);
  Value high = wordOf(ir, codes, 2 * pair + 1, highBit);
  // (unit, half and upper byte, both units) say which word it is.
  auto remember = [&](int64_t a, int64_t b,
                      llvm::function_ref<Value()> make) -> Value {
    Value &value = codes.pairs[{a, b}];
    if (!value)
      value = make();
    return value;
  };
  int64_t lowWord = codes.bits[2 * pair] - lowBit;
  int64_t highWord = codes.bits[2 * pair + 1] - highBit;
  Value joined = low;
  int64_t key = 4 * lowWord;
  if (low != high || highBit != lowBit + 16) {
    bool upper = lowBit >= 16;
    key += 1 + upper;
    joined = remember(key, highWord, [&] {
      return ir.permuteBytes(low, high, upper ? 0x7632 : 0x5410);
    });
    lowBit %= 16;
  }
  bit = lowBit;
  if (bit < 8)
    return joined;
  bit -= 8;
  return remember(-1 - key, highWord, [&] { return ir.shiftRight(joined, 8); });
}

void KernelEmitter::emitExpand(ExpandOp op) {
  if (codes.count(op.getCodes()))
    expanded[op.getResult()] = op;
  else
    expandValues(op);
}

/// Codes that are numbers already.
void KernelEmitter::expandValues(ExpandOp op) {
  Type element = op.getType().getElementType();
  Values values;
  if (op.getMode() == ExpandMode::Convert) {
    for (Value code : registers(op.getCodes()))
      values.push_back(ir.create<arith::UIToFPOp>(element, code));
    return define(op.getResult(), values);
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
  for (auto [i, code] : llvm::enumerate(registers(op.getCodes()))) {
    Value word = ir.create<arith::ExtUIOp>(ir.getI32Type(), code);
    word = ir.create<arith::ShLIOp>(
        ir.shiftLeft(word, shiftOf(place.placeOf(i))), laneShift);
    Value bits = ir.create<arith::TruncIOp>(ir.getIntegerType(16), word);
    values.push_back(ir.bitcast(bits, element));
  }
  define(op.getResult(), values);
}

/// Registers 2 * pair and 2 * pair + 1 of an expanded tile, in one word.
Value KernelEmitter::expandPair(Value tile, int64_t pair) {
  ExpandOp op = expanded.lookup(tile);
  Codes &source = *codes.find(op.getCodes())->second;
  int64_t bit, bits = source.format.bits(source.part);
  Value word = codePair(source, pair, bit);
  uint32_t mask = ((1u << bits) - 1) << bit;
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
