//===- Store.cpp - Records are written ------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "codegen/nvptx/Runs.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

Value KernelEmitter::recordAddress(Value pages, Value block, Value head) {
  return address(pages,
                 {ir.toI64(scalar(block)), ir.toI64(scalar(head)), ir.i64(0)});
}

void KernelEmitter::emitStoreVector(StoreVectorOp op) {
  Layout place = layout(op.getValue());
  Values values = registers(op.getValue());
  OpBuilder::InsertionGuard guard(ir);
  if (Value owner = ownsCopy(place))
    ir.setInsertionPointToStart(
        ir.create<scf::IfOp>(owner, /*withElseRegion=*/false).thenBlock());
  Type element = ir.getF16Type();
  Value field =
      ir.at(recordAddress(op.getPages(), op.getBlock(), op.getHead()),
            op.getFormat().get().vectorOffset(toFormat(op.getField())));
  Value base =
      ir.at(field, ir.mul(laneOffset(place, 0), ir.i32(bytesOf(element))));
  Run run(place, element);
  for (int64_t first = 0; first < place.registerCount(); ++first) {
    if (!run.startsAt(first))
      continue;
    Values elements;
    for (int64_t index : run.from(first))
      elements.push_back(values[index]);
    storeRun(ir, elements,
             ir.at(base, place.placeOf(first)[0] * bytesOf(element)));
  }
}

/// Codes of the same bytes, joined.
static Value packBytes(Ir &ir, ArrayRef<std::pair<int64_t, Value>> codes) {
  Value word;
  for (auto [bit, code] : codes) {
    Value shifted =
        ir.shiftLeft(ir.create<arith::ExtUIOp>(ir.getI32Type(), code), bit);
    word = word ? ir.either(word, shifted) : shifted;
  }
  return word;
}

/// Every lane has all codes of the bytes that it writes.
LogicalResult KernelEmitter::emitStoreCodes(StoreCodesOp op) {
  Layout place = layout(op.getCodes());
  Values values = registers(op.getCodes());
  auto format = op.getFormat().get();
  auto part = toFormat(op.getPart());
  // What it writes over may be what codes of other warps were read from.
  if (insideWarps)
    ir.syncWarp();
  else
    ir.syncBlock();
  OpBuilder::InsertionGuard guard(ir);
  if (Value owner = ownsCopy(place))
    ir.setInsertionPointToStart(
        ir.create<scf::IfOp>(owner, /*withElseRegion=*/false).thenBlock());
  int64_t unit;
  FailureOr<Value> offset =
      codeOffset(op, format, part, place, /*tokenDim=*/0, unit);
  if (failed(offset))
    return failure();
  Value base =
      ir.at(ir.at(recordAddress(op.getPages(), op.getBlock(), op.getHead()),
                  format.codeOffset(part)),
            *offset);
  // Unit by unit, in each of them word by word.
  using Word = SmallVector<std::pair<int64_t, Value>>;
  std::map<int64_t, std::map<int64_t, Word>> units;
  int64_t wordBits = std::min<int64_t>(32, 8 * unit);
  for (auto [i, value] : llvm::enumerate(values)) {
    int64_t bit = bitOf(format, part, place.placeOf(i), /*tokenDim=*/0);
    units[bit / (8 * unit)][bit / wordBits].push_back({bit % wordBits, value});
  }
  for (auto &[number, parts] : units) {
    Values words;
    for (auto &[index, codes] : parts)
      words.push_back(packBytes(ir, codes));
    Value at = ir.at(base, number * unit);
    if (unit >= 4)
      ir.storeWords(words, at);
    else
      ir.store(
          ir.create<arith::TruncIOp>(ir.getIntegerType(8 * unit), words[0]), at,
          unit);
  }
  return success();
}
