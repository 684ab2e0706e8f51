//===- Records.cpp - Codes and vectors of records -------------------------===//

#include "codegen/cpu/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

using CodeAxis = ::kvarn::Axis;
using ::kvarn::Format;
using ::kvarn::Part;

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

Value KernelEmitter::recordAddress(Value pages, Value block, Value head) {
  const Memory &memory = memories.find(pages)->second;
  Value offset = ir.add(ir.mul(scalar(block), memory.strides[0]),
                        ir.mul(scalar(head), memory.strides[1]));
  return ir.at(memory.pointer, offset, ir.getI8Type());
}

/// A slot holds one part of a record, from here on.
static int64_t partStart(const Format &format, Part part) {
  return part == Part::Key ? 0 : format.codeOffset(Part::Value);
}

static int64_t partBytes(const Format &format, Part part) {
  return part == Part::Key
             ? format.codeOffset(Part::Value)
             : format.recordBytes() - format.codeOffset(Part::Value);
}

Value KernelEmitter::sourceAddress(Value source, OperandRange indices,
                                   int64_t offset) {
  if (auto slot = dyn_cast<SlotType>(source.getType()))
    return ir.at(scalar(source), offset - partStart(slot.getFormat().get(),
                                                    toFormat(slot.getPart())));
  return ir.at(recordAddress(source, indices[0], indices[1]), offset);
}

Value KernelEmitter::loadVectorAt(LoadVectorOp op, Value column,
                                  int64_t width) {
  Value field =
      sourceAddress(op.getSource(), op.getIndices(),
                    op.getFormat().get().vectorOffset(toFormat(op.getField())));
  Value place = ir.add(scalar(op.getStart()), column);
  return ir.load(ir.at(field, place, ir.getF16Type()), ir.getF16Type(), width,
                 /*align=*/1);
}

//===----------------------------------------------------------------------===//
// load_codes
//===----------------------------------------------------------------------===//

static int64_t bitsOf(LoadCodesOp op) {
  return op.getFormat().get().bits(toFormat(op.getPart()));
}

bool mlir::kvarn::cpu::hasPackedRows(LoadCodesOp op) {
  int64_t columns = columnsOf(cast<RankedTensorType>(op.getResult().getType()));
  return op.getFormat().getLayout() == RecordLayout::Reference &&
         columns * bitsOf(op) % 8 == 0;
}

Value KernelEmitter::codesAt(LoadCodesOp op, Value row, Value column,
                             int64_t width) {
  if (hasPackedRows(op) && width * bitsOf(op) % 8 == 0)
    return packedCodesAt(op, row, column, width);
  return scatteredCodesAt(op, row, column, width);
}

/// Layout reference: where the byte of the code at (row, column) lies. The
/// code must be the first in its byte.
Value KernelEmitter::codeByteAddress(LoadCodesOp op, Value row, Value column) {
  Format format = op.getFormat().get();
  Part part = toFormat(op.getPart());
  int64_t perByte = 8 / format.bits(part);
  Value start = scalar(op.getStart());
  if (part == Part::Key)
    column = ir.add(start, column);
  else
    row = ir.add(start, row);
  int64_t rowLength = part == Part::Key ? format.group : format.headDim;
  Value byte =
      ir.add(ir.mul(row, rowLength / perByte), ir.div(column, perByte));
  return ir.at(
      sourceAddress(op.getSource(), op.getIndices(), format.codeOffset(part)),
      byte, ir.getI8Type());
}

/// Layout reference, as i32: every lane gets the 32-bit word that its code is
/// in and shifts it down by an amount of its own.
Value KernelEmitter::packedCodesAt(LoadCodesOp op, Value row, Value column,
                                   int64_t width) {
  int64_t bits = bitsOf(op);
  Value address = codeByteAddress(op, row, column);
  Type i32 = ir.getI32Type();
  auto type = VectorType::get(width, i32);
  if (bits == 8)
    return ir.create<arith::ExtUIOp>(
        type, ir.load(address, ir.getI8Type(), width, 1));
  Value words;
  if (width * bits <= 32) {
    Value word = ir.load(address, ir.getIntegerType(width * bits), 0, 1);
    if (width * bits < 32)
      word = ir.create<arith::ExtUIOp>(i32, word);
    words = ir.splat(word, width);
  } else {
    SmallVector<int64_t> source;
    for (int64_t lane = 0; lane < width; ++lane)
      source.push_back(lane * bits / 32);
    Value loaded = ir.load(address, i32, width * bits / 32, 1);
    words = ir.shuffle(loaded, loaded, source);
  }
  SmallVector<int64_t> shifts;
  for (int64_t lane = 0; lane < width; ++lane)
    shifts.push_back(lane * bits % 32);
  Value shifted = ir.create<arith::ShRUIOp>(words, ir.constant(i32, shifts));
  return ir.create<arith::AndIOp>(
      shifted, ir.constant(i32, (int64_t(1) << bits) - 1, width));
}

/// The bit position of a code in its field is the sum of a part that depends on
/// the token and one that depends on the channel: layouts permute the bits of
/// the two numbers.
static SmallVector<int32_t> bitPositions(const Format &format, Part part,
                                         CodeAxis axis) {
  SmallVector<int32_t> positions;
  int64_t length = axis == CodeAxis::Token ? format.group : format.headDim;
  for (int64_t i = 0; i < length; ++i) {
    auto position = axis == CodeAxis::Token ? format.position(part, i, 0)
                                            : format.position(part, 0, i);
    positions.push_back(position.word * 32 + position.bit);
  }
  return positions;
}

static DenseElementsAttr asTensor(MLIRContext *context,
                                  ArrayRef<int32_t> values) {
  return DenseElementsAttr::get(
      RankedTensorType::get(values.size(), IntegerType::get(context, 32)),
      values);
}

/// Any layout, as i32: one word per lane.
Value KernelEmitter::scatteredCodesAt(LoadCodesOp op, Value row, Value column,
                                      int64_t width) {
  Format format = op.getFormat().get();
  Part part = toFormat(op.getPart());
  bool key = part == Part::Key;
  Value start = scalar(op.getStart());
  (key ? column : row) = ir.add(key ? column : row, start);
  Type i32 = ir.getI32Type();
  auto positions = [&](CodeAxis axis) {
    return table(asTensor(ir.getContext(), bitPositions(format, part, axis)));
  };
  Value along = ir.load(
      ir.at(positions(key ? CodeAxis::Token : CodeAxis::Channel), column, i32),
      i32, width);
  Value across = ir.load(
      ir.at(positions(key ? CodeAxis::Channel : CodeAxis::Token), row, i32),
      i32, 0);
  Value position = ir.create<arith::AddIOp>(along, ir.splat(across, width));
  auto constant = [&](int64_t value) { return ir.constant(i32, value, width); };
  Value word = ir.create<arith::ShRUIOp>(position, constant(5));
  Value shift = ir.create<arith::AndIOp>(position, constant(31));
  Value base =
      sourceAddress(op.getSource(), op.getIndices(), format.codeOffset(part));
  auto type = VectorType::get(width, i32);
  auto addresses =
      ir.create<LLVM::GEPOp>(LLVM::getFixedVectorType(ir.pointerType(), width),
                             i32, base, ValueRange{word});
  Value loaded = ir.create<LLVM::masked_gather>(
      type, addresses, ir.constant(ir.getI1Type(), int64_t(1), width),
      ValueRange{}, ir.getI32IntegerAttr(1));
  Value shifted = ir.create<arith::ShRUIOp>(loaded, shift);
  return ir.create<arith::AndIOp>(shifted,
                                  constant((1 << format.bits(part)) - 1));
}

Values KernelEmitter::groupedCodesAt(LoadCodesOp op, Value row, Value column,
                                     int64_t group, int64_t width,
                                     bool subnormal) {
  int64_t bits = bitsOf(op);
  Type i32 = ir.getI32Type();
  auto type = VectorType::get(width, i32);
  Value bytes =
      ir.create<arith::ExtUIOp>(type, ir.load(codeByteAddress(op, row, column),
                                              ir.getI8Type(), width, 1));
  Values vectors;
  for (int64_t i = 0; i < group; ++i) {
    Value code = bytes;
    // In place, the code is a number times a power of two.
    int64_t mask = ((int64_t(1) << bits) - 1) << (subnormal ? i * bits : 0);
    if (i && !subnormal)
      code = ir.create<arith::ShRUIOp>(code, ir.constant(i32, i * bits, width));
    if (i + 1 < group || subnormal)
      code = ir.create<arith::AndIOp>(code, ir.constant(i32, mask, width));
    Value value = ir.create<arith::SIToFPOp>(
        VectorType::get(width, ir.getF32Type()), code);
    if (subnormal)
      value = ir.create<arith::MulFOp>(
          value, ir.constant(ir.getF32Type(), 0x1p-24, width));
    vectors.push_back(value);
  }
  return vectors;
}

//===----------------------------------------------------------------------===//
// expand
//===----------------------------------------------------------------------===//

/// 2^(sign * (bit % 8) + bias) along the bit axis of a part.
static DenseElementsAttr bitScales(MLIRContext *context, const Format &format,
                                   Part part, int sign, int bias) {
  SmallVector<float> values;
  int64_t length = format.bitLength(part);
  for (int64_t i = 0; i < length; ++i)
    values.push_back(
        std::ldexp(1.0f, sign * int(format.bitInByte(part, i)) + bias));
  return DenseElementsAttr::get(
      RankedTensorType::get(length, Float32Type::get(context)),
      ArrayRef(values));
}

/// The codes that `op` expands, i32.
Value KernelEmitter::codesBehind(ExpandOp op, ValueRange lead, Value column,
                                 int64_t width) {
  auto load = op.getCodes().getDefiningOp<LoadCodesOp>();
  if (load && placement.isInline(op.getCodes()))
    return codesAt(load, lead.front(), column, width);
  return ir.create<arith::ExtUIOp>(
      VectorType::get(width, ir.getI32Type()),
      vectorAt(op.getCodes(), lead, column, width));
}

/// All codes of a byte, of which only the topmost keeps them all. They share a
/// column: rows are along the bit axis.
Value KernelEmitter::wholeBytesAt(ExpandOp op, Value row, Value column,
                                  int64_t width) {
  Format format = op.getFormat().get();
  Part part = toFormat(op.getPart());
  int64_t top = format.topOfByte(part), length = format.bitLength(part);
  int32_t largest = (1 << format.bits(part)) - 1;
  SmallVector<int32_t> masks;
  for (int64_t i = 0; i < length; ++i)
    masks.push_back((i & top) == top ? 0xff
                                     : largest << format.bitInByte(part, i));
  Type i32 = ir.getI32Type();
  Value table = this->table(DenseElementsAttr::get(
      RankedTensorType::get(length, i32), ArrayRef(masks)));
  Value bytes;
  for (int64_t code : format.codesOfByte(part)) {
    Value other = ir.create<arith::OrIOp>(
        ir.create<arith::AndIOp>(row, ir.index(~top)), ir.index(code));
    Value bits = ir.create<arith::ShLIOp>(
        codesBehind(op, other, column, width),
        ir.constant(i32, format.bitInByte(part, code), width));
    bytes = bytes ? ir.create<arith::OrIOp>(bytes, bits) : bits;
  }
  Value mask = ir.splat(ir.load(ir.at(table, row, i32), i32, 0), width);
  Type f32 = ir.getF32Type();
  Value number = ir.create<arith::SIToFPOp>(
      VectorType::get(width, f32), ir.create<arith::AndIOp>(bytes, mask));
  return ir.create<arith::MulFOp>(number, ir.constant(f32, 0x1p-24, width));
}

/// From each element that of the topmost code, one by one: others are anywhere
/// in the row.
Value KernelEmitter::subtractTopAt(SubtractTopOp op, ValueRange lead,
                                   Value column, int64_t width) {
  int64_t top = op.getFormat().get().topOfByte(toFormat(op.getPart()));
  Type element = op.getType().getElementType();
  Value own = vectorAt(op.getInput(), lead, column, width);
  Value zero = ir.create<arith::ConstantOp>(ir.getFloatAttr(element, 0));
  Value others = ir.splat(zero, width);
  for (int64_t i = 0; i < width; ++i) {
    Value at = ir.add(column, i);
    Value above = ir.create<arith::OrIOp>(at, ir.index(top));
    Value isTop = ir.create<arith::CmpIOp>(arith::CmpIPredicate::eq, at, above);
    Value other = ir.create<arith::SelectOp>(
        isTop, zero, elementAt(op.getInput(), lead, above));
    others = ir.create<vector::InsertOp>(other, others, ArrayRef<int64_t>{i});
  }
  return ir.create<arith::SubFOp>(own, others);
}

Value KernelEmitter::expandAt(ExpandOp op, ValueRange lead, Value column,
                              int64_t width) {
  Type f32 = ir.getF32Type();
  auto type = VectorType::get(width, f32);
  if (op.getWholeBytes())
    return wholeBytesAt(op, lead.front(), column, width);
  Value codes = codesBehind(op, lead, column, width);
  Value value = ir.create<arith::SIToFPOp>(type, codes);
  if (op.getMode() == ExpandMode::Convert)
    return value;
  Format format = op.getFormat().get();
  Part part = toFormat(op.getPart());
  Value scales = table(bitScales(ir.getContext(), format, part, 1, -24));
  bool alongRow =
      (part == Part::Key) == (format.bitAxis(part) == CodeAxis::Token);
  Value scale =
      alongRow
          ? ir.load(ir.at(scales, column, f32), f32, width)
          : ir.splat(ir.load(ir.at(scales, lead.front(), f32), f32, 0), width);
  return ir.create<arith::MulFOp>(value, scale);
}

Value KernelEmitter::expandScaleAt(ExpandScaleOp op, Value column,
                                   int64_t width) {
  Type f32 = ir.getF32Type();
  Value scales = table(bitScales(ir.getContext(), op.getFormat().get(),
                                 toFormat(op.getPart()), -1, 0));
  return ir.load(ir.at(scales, column, f32), f32, width);
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

/// Slots are reserved for the whole kernel.
void KernelEmitter::allocateSlots() {
  kernel.walk([&](SlotOp op) {
    SlotType type = op.getSlot().getType();
    int64_t offset = scratch.allocate(
        partBytes(type.getFormat().get(), toFormat(type.getPart())));
    scalars.map(op.getSlot(), ir.at(scratchPointer, offset));
  });
}

void KernelEmitter::emitAsyncCopy(AsyncCopyOp op) {
  SlotType slot = op.getSlot().getType();
  Format format = slot.getFormat().get();
  Part part = toFormat(slot.getPart());
  auto branch = ir.create<scf::IfOp>(scalar(op.getPredicate()), false);
  OpBuilder::InsertionGuard guard(ir);
  ir.setInsertionPointToStart(branch.thenBlock());
  Value from = ir.at(recordAddress(op.getPages(), op.getBlock(), op.getHead()),
                     partStart(format, part));
  Value to = scalar(op.getSlot());
  Type byte = ir.getI8Type();
  ir.pieces(partBytes(format, part), 4 * lanes,
            [&](Value place, int64_t width) {
              ir.store(ir.load(ir.at(from, place, byte), byte, width),
                       ir.at(to, place, byte));
            });
}
