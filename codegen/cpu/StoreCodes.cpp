//===- StoreCodes.cpp - Parts of records are written ----------------------===//

#include "codegen/cpu/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

using ::kvarn::Format;
using ::kvarn::Part;

void KernelEmitter::emitStoreVector(StoreVectorOp op) {
  Value field =
      ir.at(recordAddress(op.getPages(), op.getBlock(), op.getHead()),
            op.getFormat().get().vectorOffset(toFormat(op.getField())));
  int64_t columns = columnsOf(cast<RankedTensorType>(op.getValue().getType()));
  ir.pieces(columns, lanes, [&](Value column, int64_t width) {
    ir.store(vectorAt(op.getValue(), {}, column, width),
             ir.at(field, column, ir.getF16Type()), /*align=*/1);
  });
}

/// Which code (token * head_dim + channel) lies in every place of a part.
static SmallVector<int32_t> codesInOrder(const Format &format, Part part) {
  SmallVector<int32_t> codes(format.group * format.headDim);
  for (int64_t token = 0; token < format.group; ++token)
    for (int64_t channel = 0; channel < format.headDim; ++channel) {
      auto [word, bit] = format.position(part, token, channel);
      codes[(word * 32 + bit) / format.bits(part)] =
          token * format.headDim + channel;
    }
  return codes;
}

/// Word by word. Layouts permute the bits of the numbers, so the code in a
/// place is a sum over the bits of the place: of two short tables for the word
/// and of constants for the place in the word.
void KernelEmitter::emitStoreCodes(StoreCodesOp op) {
  constexpr int64_t kRun = 64;
  Format format = op.getFormat().get();
  Part part = toFormat(op.getPart());
  int64_t bits = format.bits(part), perWord = 32 / bits;
  int64_t words = format.codeBytes(part) / 4;
  SmallVector<int32_t> codes = codesInOrder(format, part);
  SmallVector<int32_t> low, high;
  for (int64_t word = 0; word < words; ++word) {
    int32_t code = codes[word * perWord];
    if (word < kRun)
      low.push_back(code);
    if (word % kRun == 0)
      high.push_back(code);
    assert(code == low[word % kRun] + high.back() && "not a bit permutation");
  }
  auto asTable = [&](ArrayRef<int32_t> values) {
    return table(DenseElementsAttr::get(
        RankedTensorType::get(values.size(), ir.getI32Type()), values));
  };
  Type i32 = ir.getI32Type(), i8 = ir.getI8Type();
  Value lowTable = asTable(low), highTable = asTable(high);
  Buffer from = inMemory(op.getCodes());
  Value to = ir.at(recordAddress(op.getPages(), op.getBlock(), op.getHead()),
                   format.codeOffset(part));
  ir.loop(high.size(), 1, [&](Value run) {
    Value start = ir.toIndex(ir.load(ir.at(highTable, run, i32), i32, 0));
    ir.loop(kRun, 1, [&](Value word) {
      Value first = ir.add(
          start, ir.toIndex(ir.load(ir.at(lowTable, word, i32), i32, 0)));
      Value base = ir.at(from.pointer, first, i8), packed;
      for (int64_t i = 0; i < perWord; ++i) {
        Value code = ir.create<arith::ExtUIOp>(
            i32, ir.load(ir.at(base, codes[i]), i8, 0));
        code = ir.create<arith::ShLIOp>(
            code, ir.create<arith::ConstantIntOp>(i * bits, 32));
        packed = packed ? ir.create<arith::OrIOp>(packed, code) : code;
      }
      Value place = ir.add(ir.mul(run, kRun), word);
      ir.store(packed, ir.at(to, place, i32), /*align=*/1);
    });
  });
}
