//===- Memory.cpp - Tiles in global memory --------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "codegen/nvptx/Runs.h"

#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// The address of one element; `indices` are i64.
Value KernelEmitter::address(Value memref, ArrayRef<Value> indices) {
  const Memory &memory = memories.find(memref)->second;
  Value offset = ir.i64(0);
  for (auto [index, stride] : llvm::zip(indices, memory.strides))
    offset = ir.add(offset, ir.mul(index, stride));
  return ir.at(memory.pointer, ir.mul(offset, ir.i64(bytesOf(memory.element))));
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
  Run run(place, element);
  Layout rowLayout = place.rank == 2 ? place.without(1) : Layout();
  Value column = ir.toI64(laneOffset(place, last));
  Value memref = op->getOperand(isa<LoadOp>(op) ? 0 : 1);
  std::map<int64_t, std::pair<Value, Value>> rows; // address, exists
  for (int64_t first = 0; first < place.registerCount(); ++first) {
    if (!run.startsAt(first))
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
    access(ir.at(start, place.placeOf(first)[last] * bytesOf(element)), exists,
           run.from(first));
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
  llvm::SaveAndRestore order(ir.loadsInOrder,
                             exchanged.contains(op.getMemory()));
  Value result = op.getResult();
  Type element = op.getType().getElementType();
  Values values(layout(result).registerCount());
  auto access = [&](Value address, Value exists, ArrayRef<int64_t> covered) {
    address = existing(op.getMemory(), address, exists);
    // In whole words: there are fewer of them to choose.
    int64_t words = covered.size() * bytesOf(element) / 4;
    Type unit = words && bytesOf(element) < 4 ? ir.getI32Type() : element;
    Values loaded =
        loadRun(ir, address, unit, unit == element ? covered.size() : words);
    for (Value &value : loaded)
      if (exists)
        value =
            ir.create<arith::SelectOp>(exists, value, ir.zero(value.getType()));
    int64_t parts = covered.size() / loaded.size();
    for (auto [i, index] : llvm::enumerate(covered)) {
      Value value = loaded[i / parts];
      if (parts > 1)
        value = ir.create<LLVM::ExtractElementOp>(
            ir.bitcast(value, VectorType::get(parts, element)),
            ir.i32(i % parts));
      values[index] = value;
    }
  };
  if (failed(forEachRun(op, result, op.getIndices(), op.getMask(), access)))
    return failure();
  define(result, values);
  return success();
}

LogicalResult KernelEmitter::emitStore(StoreOp op) {
  Value tile = op.getValue();
  Values values = registers(tile);
  auto access = [&](Value address, Value exists, ArrayRef<int64_t> covered) {
    Values run;
    for (int64_t index : covered)
      run.push_back(values[index]);
    storeRun(ir, run, address, exists);
  };
  Value owner = ownsCopy(layout(tile));
  OpBuilder::InsertionGuard guard(ir);
  if (owner)
    ir.setInsertionPointToStart(
        ir.create<scf::IfOp>(owner, /*withElseRegion=*/false).thenBlock());
  LogicalResult stored =
      forEachRun(op, tile, op.getIndices(), op.getMask(), access);
  orderByStores();
  return stored;
}

//===----------------------------------------------------------------------===//
// Single elements
//===----------------------------------------------------------------------===//

LogicalResult KernelEmitter::emitGather(GatherOp op) {
  llvm::SaveAndRestore order(ir.loadsInOrder,
                             exchanged.contains(op.getMemory()));
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
