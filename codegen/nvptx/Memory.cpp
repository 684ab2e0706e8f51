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
  return ir.at(memory.pointer,
               ir.mul(offset, ir.i64(bytesOf(memory.element))));
}

/// Registers of `layout` that follow one another along the last dimension, up
/// to 16 bytes.
static int64_t runLength(const Layout &layout, Type element) {
  int64_t length = 1;
  for (const SmallVector<int64_t> &basis : layout.registers) {
    if (basis.back() != length || 2 * length * bytesOf(element) > 16)
      break;
    length *= 2;
  }
  return length;
}

/// Calls `access` for each run of registers, rows that are masked out excepted.
/// With `results`, these collect what it returns, one value per register, and
/// zero for masked rows.
LogicalResult KernelEmitter::forEachRun(
    Operation *op, Value tile, OperandRange indices, Value mask,
    llvm::function_ref<Values(Value, ArrayRef<int64_t>)> access,
    Values *results) {
  Layout place = layout(tile);
  if (place.rank > 2 || (place.rank == 1 && mask))
    return op->emitOpError("of this shape is unknown to NVIDIA targets");
  Type element = cast<RankedTensorType>(tile.getType()).getElementType();
  int64_t last = place.rank - 1, run = runLength(place, element);
  Layout rowLayout = place.rank == 2 ? place.without(1) : Layout();
  Value column = ir.toI64(laneOffset(place, last));
  std::map<int64_t, SmallVector<int64_t>> rows; // row -> first registers
  for (int64_t i = 0; i < place.registerCount(); i += run)
    rows[place.rank == 2 ? place.placeOf(i)[0] : 0].push_back(i);
  for (auto &[row, firsts] : rows) {
    int64_t rowRegister = place.rank == 2 ? rowLayout.registerAt({row}) : 0;
    SmallVector<Value> at;
    for (Value index : indices)
      at.push_back(ir.toI64(isTile(index) ? registers(index)[rowRegister]
                                          : scalar(index)));
    at.back() = ir.add(at.back(), column);
    Values collected;
    auto body = [&, &firsts = firsts] {
      Value start = address(op->getOperand(isa<LoadOp>(op) ? 0 : 1), at);
      for (int64_t first : firsts) {
        SmallVector<int64_t> covered;
        for (int64_t i = 0; i < run; ++i)
          covered.push_back(first + i);
        int64_t offset = place.placeOf(first)[last] * bytesOf(element);
        llvm::append_range(collected, access(ir.at(start, offset), covered));
      }
    };
    if (!mask) {
      body();
    } else {
      Value exists = registers(mask)[rowRegister];
      SmallVector<Type> types(results ? firsts.size() * run : 0, element);
      auto branch = ir.create<scf::IfOp>(types, exists, results != nullptr);
      OpBuilder::InsertionGuard guard(ir);
      ir.setInsertionPointToStart(branch.thenBlock());
      body();
      if (results) {
        ir.create<scf::YieldOp>(collected);
        ir.setInsertionPointToStart(branch.elseBlock());
        ir.create<scf::YieldOp>(Values(types.size(), ir.zero(element)));
        collected = Values(branch.getResults());
      }
    }
    if (results)
      for (auto [k, first] : llvm::enumerate(firsts))
        for (int64_t i = 0; i < run; ++i)
          (*results)[first + i] = collected[k * run + i];
  }
  return success();
}

LogicalResult KernelEmitter::emitLoad(LoadOp op) {
  Value result = op.getResult();
  Type element = op.getType().getElementType();
  int64_t bytes = bytesOf(element);
  Values values(layout(result).registerCount());
  auto access = [&](Value address, ArrayRef<int64_t> covered) {
    int64_t count = covered.size();
    if (count == 1)
      return Values{ir.load(address, element, bytes)};
    Value vector =
        ir.load(address, VectorType::get(count, element), count * bytes);
    Values all;
    for (int64_t i = 0; i < count; ++i)
      all.push_back(ir.create<LLVM::ExtractElementOp>(vector, ir.i32(i)));
    return all;
  };
  if (failed(forEachRun(op, result, op.getIndices(), op.getMask(), access,
                        &values)))
    return failure();
  define(result, values);
  return success();
}

LogicalResult KernelEmitter::emitStore(StoreOp op) {
  Value tile = op.getValue();
  Type element = op.getValue().getType().getElementType();
  int64_t bytes = bytesOf(element);
  Values values = registers(tile);
  auto access = [&](Value address, ArrayRef<int64_t> covered) {
    int64_t count = covered.size();
    if (count == 1) {
      ir.store(values[covered[0]], address, bytes);
      return Values();
    }
    Value vector = ir.create<LLVM::UndefOp>(VectorType::get(count, element));
    for (auto [i, index] : llvm::enumerate(covered))
      vector = ir.create<LLVM::InsertElementOp>(vector, values[index],
                                                ir.i32(int64_t(i)));
    ir.store(vector, address, count * bytes);
    return Values();
  };
  Value owner = ownsCopy(layout(tile));
  OpBuilder::InsertionGuard guard(ir);
  if (owner)
    ir.setInsertionPointToStart(
        ir.create<scf::IfOp>(owner, /*withElseRegion=*/false).thenBlock());
  return forEachRun(op, tile, op.getIndices(), op.getMask(), access, nullptr);
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
    auto load = [&] {
      return ir.load(address(op.getMemory(), at), element, bytesOf(element));
    };
    if (!op.getMask()) {
      values.push_back(load());
      continue;
    }
    Value exists = registers(op.getMask())[i];
    auto branch = ir.create<scf::IfOp>(TypeRange(element), exists, true);
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(branch.thenBlock());
    ir.create<scf::YieldOp>(load());
    ir.setInsertionPointToStart(branch.elseBlock());
    ir.create<scf::YieldOp>(ir.zero(element));
    values.push_back(branch.getResult(0));
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
