//===- Runs.cpp - Registers whose elements follow one another -------------===//

#include "codegen/nvptx/Runs.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

int64_t mlir::kvarn::nvptx::bytesOf(Type element) {
  return element.isIndex() ? 4 : (element.getIntOrFloatBitWidth() + 7) / 8;
}

Run::Run(const Layout &layout, Type element) {
  while (!element.isInteger(1) &&
         2 * length() * bytesOf(element) <= kVectorBytes) {
    auto next = Layout::unit(layout.rank, layout.rank - 1, length());
    auto it = llvm::find(layout.registers, next);
    if (it == layout.registers.end())
      break;
    bits.push_back(it - layout.registers.begin());
  }
}

SmallVector<int64_t> Run::from(int64_t first) const {
  SmallVector<int64_t> registers;
  for (int64_t element = 0; element < length(); ++element) {
    int64_t index = first;
    for (auto [i, bit] : llvm::enumerate(bits))
      if (element >> i & 1)
        index |= int64_t(1) << bit;
    registers.push_back(index);
  }
  return registers;
}

/// A single element; truth values are bytes in memory.
static Value loadElement(Ir &ir, Value pointer, Type element) {
  if (!element.isInteger(1))
    return ir.load(pointer, element, bytesOf(element));
  return ir.create<arith::TruncIOp>(element,
                                    ir.load(pointer, ir.getI8Type(), 1));
}

static void storeElement(Ir &ir, Value value, Value pointer) {
  int64_t bytes = bytesOf(value.getType());
  if (value.getType().isInteger(1))
    value = ir.create<arith::ExtUIOp>(ir.getI8Type(), value);
  ir.store(value, pointer, bytes);
}

Values mlir::kvarn::nvptx::loadRun(Ir &ir, Value pointer, Type element,
                                   int64_t count) {
  int64_t bytes = bytesOf(element);
  Values values;
  if (bytes > 4 || count * bytes < 4) {
    for (int64_t i = 0; i < count; ++i)
      values.push_back(loadElement(ir, ir.at(pointer, i * bytes), element));
    return values;
  }
  int64_t perWord = 4 / bytes;
  for (Value word : ir.loadWords(pointer, count * bytes)) {
    if (perWord == 1) {
      values.push_back(ir.bitcast(word, element));
      continue;
    }
    Value parts = ir.bitcast(word, VectorType::get(perWord, element));
    for (int64_t i = 0; i < perWord; ++i)
      values.push_back(ir.create<LLVM::ExtractElementOp>(parts, ir.i32(i)));
  }
  return values;
}

void mlir::kvarn::nvptx::storeRun(Ir &ir, ValueRange values, Value pointer,
                                  Value exists) {
  Type element = values[0].getType();
  int64_t bytes = bytesOf(element), count = values.size();
  if (bytes > 4 || count * bytes < 4) {
    OpBuilder::InsertionGuard guard(ir);
    if (exists)
      ir.setInsertionPointToStart(
          ir.create<scf::IfOp>(exists, /*withElseRegion=*/false).thenBlock());
    for (auto [i, value] : llvm::enumerate(values))
      storeElement(ir, value, ir.at(pointer, int64_t(i) * bytes));
    return;
  }
  int64_t perWord = 4 / bytes;
  Values words;
  for (int64_t first = 0; first < count; first += perWord) {
    if (perWord == 1) {
      words.push_back(ir.bitcast(values[first], ir.getI32Type()));
      continue;
    }
    Value parts = ir.create<LLVM::UndefOp>(VectorType::get(perWord, element));
    for (int64_t i = 0; i < perWord; ++i)
      parts =
          ir.create<LLVM::InsertElementOp>(parts, values[first + i], ir.i32(i));
    words.push_back(ir.bitcast(parts, ir.getI32Type()));
  }
  if (exists)
    ir.storeWordsIf(exists, words, pointer);
  else
    ir.storeWords(words, pointer);
}
