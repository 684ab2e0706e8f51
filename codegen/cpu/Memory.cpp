//===- Memory.cpp - Tiles from and to memrefs -----------------------------===//

#include "codegen/cpu/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

/// The address of a row that starts at `indices`, plus `column` elements; an
/// index that is a tile has a place for each row. If `mask` is false for the
/// row, the address of `bytes` zeros.
Value KernelEmitter::rowAddress(Value memory, OperandRange indices, Value mask,
                                Value row, Value column, int64_t bytes) {
  const Memory &to = memories.find(memory)->second;
  Value offset = column ? column : ir.index(0);
  for (auto [index, stride] : llvm::zip(indices, to.strides)) {
    Value place = isTile(index) ? elementAt(index, {}, row) : scalar(index);
    offset = ir.add(offset, ir.mul(place, stride));
  }
  Value address = ir.at(to.pointer, offset, to.element);
  if (!mask || !bytes)
    return address;
  // No branch, so that it can leave the loop over the columns.
  Value none = ir.at(zeros(bytes), column ? column : ir.index(0), to.element);
  return ir.create<arith::SelectOp>(elementAt(mask, {}, row), address, none);
}

Value KernelEmitter::loadAt(LoadOp op, ValueRange lead, Value column,
                            int64_t width) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  Value row = lead.empty() ? Value() : lead.front();
  int64_t bytes = columnsOf(type) * storageBytes(type.getElementType());
  return ir.load(rowAddress(op.getMemory(), op.getIndices(), op.getMask(), row,
                            column, bytes),
                 type.getElementType(), width);
}

void KernelEmitter::ifMasked(Value mask, Value row,
                             llvm::function_ref<void()> body) {
  if (!mask)
    return body();
  auto branch = ir.create<scf::IfOp>(elementAt(mask, {}, row), false);
  OpBuilder::InsertionGuard guard(ir);
  ir.setInsertionPointToStart(branch.thenBlock());
  body();
}

void KernelEmitter::emitStore(StoreOp op) {
  auto type = cast<RankedTensorType>(op.getValue().getType());
  forEachRow(type.getShape(), [&](ValueRange lead) {
    Value row = lead.empty() ? ir.index(0) : lead.front();
    ifMasked(op.getMask(), row, [&] {
      Value start = rowAddress(op.getMemory(), op.getIndices(), {}, row, {}, 0);
      ir.pieces(columnsOf(type), lanes, [&](Value column, int64_t width) {
        ir.store(vectorAt(op.getValue(), lead, column, width),
                 ir.at(start, column, type.getElementType()));
      });
    });
  });
}

void KernelEmitter::emitGather(GatherOp op) {
  Buffer to = destination(op.getResult());
  Type element = to.type.getElementType();
  ir.loop(columnsOf(to.type), 1, [&](Value row) {
    Value address = rowAddress(op.getMemory(), op.getIndices(), op.getMask(),
                               row, {}, storageBytes(element));
    storeTo(to, ir.load(address, element, 0), {}, row);
  });
}

void KernelEmitter::emitScatter(ScatterOp op) {
  auto type = cast<RankedTensorType>(op.getValue().getType());
  Buffer from = inMemory(op.getValue());
  ir.loop(columnsOf(type), 1, [&](Value row) {
    ifMasked(op.getMask(), row, [&] {
      Value address =
          rowAddress(op.getMemory(), op.getIndices(), {}, row, {}, 0);
      ir.store(ir.load(bufferAddress(from, {}, row), type.getElementType(), 0),
               address);
    });
  });
}
