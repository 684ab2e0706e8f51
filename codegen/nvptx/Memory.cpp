//===- Memory.cpp - Tiles in global memory --------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

static int64_t bytesOf(Type element) {
  return element.isIndex() ? 8 : (element.getIntOrFloatBitWidth() + 7) / 8;
}

/// The address of one element; `indices` are i64.
Value KernelEmitter::address(Value memref, ArrayRef<Value> indices) {
  const Memory &memory = memories.find(memref)->second;
  Value offset = ir.i64(0);
  for (auto [index, stride] : llvm::zip(indices, memory.strides))
    offset = ir.add(offset, ir.mul(index, stride));
  return ir.at(memory.pointer, ir.mul(offset, ir.i64(bytesOf(memory.element))));
}

namespace {
/// Registers that follow one another along the last dimension, up to 16 bytes.
struct Run {
  SmallVector<int64_t> bits; // of the register number, lowest element first

  int64_t length() const { return int64_t(1) << bits.size(); }
  /// Register `element` of the run that starts at register `first`.
  int64_t at(int64_t first, int64_t element) const {
    for (auto [i, bit] : llvm::enumerate(bits))
      if (element >> i & 1)
        first |= int64_t(1) << bit;
    return first;
  }
  bool starts(int64_t index) const {
    return llvm::none_of(bits, [&](int64_t bit) { return index >> bit & 1; });
  }
};
} // namespace

static Run findRun(const Layout &layout, Type element) {
  Run run;
  while (2 * run.length() * bytesOf(element) <= 16) {
    auto next = Layout::unit(layout.rank, layout.rank - 1, run.length());
    auto it = llvm::find(layout.registers, next);
    if (it == layout.registers.end())
      break;
    run.bits.push_back(it - layout.registers.begin());
  }
  return run;
}

/// Calls `access` for each run of registers with the address of its first
/// element and whether its row exists (null = always).
LogicalResult KernelEmitter::forEachRun(
    Operation *op, Value tile, OperandRange indices, Value mask,
    llvm::function_ref<void(Value, Value, ArrayRef<int64_t>)> access) {
  Layout place = layout(tile);
  if (place.rank > 2 || (place.rank == 1 && mask))
    return op->emitOpError("of this shape is unknown to NVIDIA targets");
  Type element = cast<RankedTensorType>(tile.getType()).getElementType();
  int64_t last = place.rank - 1;
  Run run = findRun(place, element);
  Layout rowLayout = place.rank == 2 ? place.without(1) : Layout();
  Value column = ir.toI64(laneOffset(place, last));
  Value memref = op->getOperand(isa<LoadOp>(op) ? 0 : 1);
  std::map<int64_t, std::pair<Value, Value>> rows; // address, exists
  for (int64_t first = 0; first < place.registerCount(); ++first) {
    if (!run.starts(first))
      continue;
    int64_t row = place.rank == 2 ? place.placeOf(first)[0] : 0;
    auto &[start, exists] = rows[row];
    if (!start) {
      int64_t index = place.rank == 2 ? rowLayout.registerAt({row}) : 0;
      SmallVector<Value> at;
      for (Value i : indices)
        at.push_back(ir.toI64(isTile(i) ? registers(i)[index] : scalar(i)));
      at.back() = ir.add(at.back(), column);
      start = address(memref, at);
      if (mask)
        exists = registers(mask)[index];
    }
    SmallVector<int64_t> covered;
    for (int64_t i = 0; i < run.length(); ++i)
      covered.push_back(run.at(first, i));
    access(ir.at(start, place.placeOf(first)[last] * bytesOf(element)), exists,
           covered);
  }
  return success();
}

/// `address`, or where nothing exists the first element of the memref, which
/// always does: so that no load waits for a branch.
Value KernelEmitter::existing(Value memref, Value address, Value exists) {
  return exists ? ir.create<arith::SelectOp>(
                      exists, address, memories.find(memref)->second.pointer)
                : address;
}

LogicalResult KernelEmitter::emitLoad(LoadOp op) {
  Value result = op.getResult();
  Type element = op.getType().getElementType();
  int64_t bytes = bytesOf(element);
  if (bytes > 4)
    return op.emitOpError("of elements of 8 bytes is unknown to NVIDIA "
                          "targets");
  Values values(layout(result).registerCount());
  auto access = [&](Value address, Value exists, ArrayRef<int64_t> covered) {
    int64_t count = covered.size();
    address = existing(op.getMemory(), address, exists);
    auto orZero = [&](Value value) -> Value {
      return exists ? ir.create<arith::SelectOp>(exists, value,
                                                 ir.zero(value.getType()))
                    : value;
    };
    if (count * bytes < 4) {
      values[covered[0]] = orZero(ir.load(address, element, bytes));
      return;
    }
    int64_t perWord = 4 / bytes;
    Values words = ir.loadWords(address, count * bytes);
    for (auto [w, word] : llvm::enumerate(words)) {
      Value known = orZero(word);
      if (perWord == 1) {
        values[covered[w]] = ir.bitcast(known, element);
        continue;
      }
      Value parts = ir.bitcast(known, VectorType::get(perWord, element));
      for (int64_t i = 0; i < perWord; ++i)
        values[covered[w * perWord + i]] =
            ir.create<LLVM::ExtractElementOp>(parts, ir.i32(i));
    }
  };
  if (failed(forEachRun(op, result, op.getIndices(), op.getMask(), access)))
    return failure();
  define(result, values);
  return success();
}

LogicalResult KernelEmitter::emitStore(StoreOp op) {
  Value tile = op.getValue();
  Type element = op.getValue().getType().getElementType();
  int64_t bytes = bytesOf(element);
  Values values = registers(tile);
  auto access = [&](Value address, Value exists, ArrayRef<int64_t> covered) {
    OpBuilder::InsertionGuard guard(ir);
    if (exists)
      ir.setInsertionPointToStart(
          ir.create<scf::IfOp>(exists, /*withElseRegion=*/false).thenBlock());
    int64_t count = covered.size();
    if (count == 1)
      return ir.store(values[covered[0]], address, bytes);
    Value vector = ir.create<LLVM::UndefOp>(VectorType::get(count, element));
    for (auto [i, index] : llvm::enumerate(covered))
      vector = ir.create<LLVM::InsertElementOp>(vector, values[index],
                                                ir.i32(int64_t(i)));
    ir.store(vector, address, count * bytes);
  };
  Value owner = ownsCopy(layout(tile));
  OpBuilder::InsertionGuard guard(ir);
  if (owner)
    ir.setInsertionPointToStart(
        ir.create<scf::IfOp>(owner, /*withElseRegion=*/false).thenBlock());
  return forEachRun(op, tile, op.getIndices(), op.getMask(), access);
}

//===----------------------------------------------------------------------===//
// Single elements
//===----------------------------------------------------------------------===//

LogicalResult KernelEmitter::emitGather(GatherOp op) {
  Type element = cast<RankedTensorType>(op.getType()).getElementType();
  Values values;
  for (int64_t i = 0; i < layout(op.getResult()).registerCount(); ++i) {
    SmallVector<Value> at;
    for (Value index : op.getIndices())
      at.push_back(
          ir.toI64(isTile(index) ? registers(index)[i] : scalar(index)));
    Value exists = op.getMask() ? registers(op.getMask())[i] : Value();
    Value from = existing(op.getMemory(), address(op.getMemory(), at), exists);
    Value value = ir.load(from, element, bytesOf(element));
    values.push_back(
        exists ? ir.create<arith::SelectOp>(exists, value, ir.zero(element))
               : value);
  }
  define(op.getResult(), values);
  return success();
}

LogicalResult KernelEmitter::emitScatter(ScatterOp op) {
  Values values = registers(op.getValue());
  Value owner = ownsCopy(layout(op.getValue()));
  for (auto [i, value] : llvm::enumerate(values)) {
    Value condition = owner;
    if (op.getMask()) {
      Value exists = registers(op.getMask())[i];
      condition = condition ? ir.both(condition, exists) : exists;
    }
    SmallVector<Value> at;
    for (Value index : op.getIndices())
      at.push_back(
          ir.toI64(isTile(index) ? registers(index)[i] : scalar(index)));
    OpBuilder::InsertionGuard guard(ir);
    if (condition)
      ir.setInsertionPointToStart(
          ir.create<scf::IfOp>(condition, false).thenBlock());
    ir.store(value, address(op.getMemory(), at), bytesOf(value.getType()));
  }
  return success();
}
