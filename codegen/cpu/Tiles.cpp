//===- Tiles.cpp - Tiles as vectors on demand, or in memory ---------------===//

#include "codegen/cpu/KernelEmitter.h"

#include "llvm/ADT/TypeSwitch.h"

#include <functional>

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

static RankedTensorType tileType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

int64_t mlir::kvarn::cpu::columnsOf(RankedTensorType type) {
  return type.getRank() ? type.getShape().back() : 1;
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

Value KernelEmitter::vectorAt(Value tile, ValueRange lead, Value column,
                              int64_t width) {
  if (auto it = buffers.find(tile); it != buffers.end())
    return ir.load(bufferAddress(it->second, lead, column),
                   it->second.type.getElementType(), width);
  return evaluate(tile.getDefiningOp(), lead, column, width);
}

Value KernelEmitter::elementAt(Value tile, ValueRange lead, Value column) {
  if (auto it = buffers.find(tile); it != buffers.end())
    return ir.load(bufferAddress(it->second, lead, column),
                   it->second.type.getElementType(), 0);
  if (auto splat = tile.getDefiningOp<SplatOp>())
    return scalar(splat.getInput());
  return ir.createOrFold<vector::ExtractOp>(vectorAt(tile, lead, column, 1),
                                            ArrayRef<int64_t>{0});
}

Value KernelEmitter::floatsAt(Value tile, ValueRange lead, Value column,
                              int64_t width) {
  // Codes need no detour through fp16.
  Value source = tile;
  if (auto extend = tile.getDefiningOp<arith::ExtFOp>();
      extend && placement.isInline(tile))
    source = extend.getIn();
  if (auto expand = source.getDefiningOp<ExpandOp>();
      expand && placement.isInline(source))
    return expandAt(expand, lead, column, width);
  return ir.toF32(vectorAt(tile, lead, column, width));
}

Value KernelEmitter::evaluate(Operation *op, ValueRange lead, Value column,
                              int64_t width) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<arith::ConstantOp>(
          [&](auto op) { return constantAt(op, lead, column, width); })
      .Case<SplatOp>(
          [&](SplatOp op) { return ir.splat(scalar(op.getInput()), width); })
      .Case<IotaOp>([&](auto op) { return iotaAt(op, lead, column, width); })
      .Case<HadamardMatrixOp>(
          [&](auto op) { return hadamardAt(op, lead, column, width); })
      .Case<BroadcastOp>(
          [&](auto op) { return broadcastAt(op, lead, column, width); })
      .Case<ExpandOp>([&](ExpandOp op) -> Value {
        Value value = expandAt(op, lead, column, width);
        Type element = op.getResult().getType().getElementType();
        if (element.isF32())
          return value;
        return ir.create<arith::TruncFOp>(VectorType::get(width, element),
                                          value);
      })
      .Case<SubtractTopOp>(
          [&](auto op) { return subtractTopAt(op, lead, column, width); })
      .Case<ExpandScaleOp>(
          [&](auto op) { return expandScaleAt(op, column, width); })
      .Case<LoadOp>([&](auto op) { return loadAt(op, lead, column, width); })
      .Case<LoadVectorOp>(
          [&](auto op) { return loadVectorAt(op, column, width); })
      .Case<LoadCodesOp>([&](auto op) -> Value {
        return ir.create<arith::TruncIOp>(
            VectorType::get(width, ir.getI8Type()),
            codesAt(op, lead.front(), column, width));
      })
      .Default([&](Operation *op) {
        return elementwiseAt(op, lead, column, width);
      });
}

Value KernelEmitter::constantAt(arith::ConstantOp op, ValueRange lead,
                                Value column, int64_t width) {
  auto values = cast<DenseElementsAttr>(op.getValue());
  auto type = VectorType::get(width, values.getElementType());
  if (values.isSplat())
    return ir.create<arith::ConstantOp>(
        DenseElementsAttr::get(type, values.getSplatValue<Attribute>()));
  Buffer buffer{table(values), tileType(op)};
  return ir.load(bufferAddress(buffer, lead, column), values.getElementType(),
                 width);
}

/// Negative where row and column have an odd number of bits in common.
Value KernelEmitter::hadamardAt(HadamardMatrixOp op, ValueRange lead,
                                Value column, int64_t width) {
  auto type = VectorType::get(width, op.getType().getElementType());
  auto constant = [&](double value) -> Value {
    return ir.create<arith::ConstantOp>(DenseElementsAttr::get(
        type, ir.getFloatAttr(type.getElementType(), value)));
  };
  auto steps = llvm::to_vector(llvm::seq<int64_t>(0, width));
  Value columns = ir.create<arith::AddIOp>(
      ir.splat(ir.create<arith::AddIOp>(column, scalar(op.getFirst())), width),
      ir.create<arith::ConstantOp>(DenseElementsAttr::get(
          VectorType::get(width, ir.getIndexType()), ArrayRef(steps))));
  Value common = ir.create<arith::AndIOp>(ir.splat(lead[0], width), columns);
  auto words = VectorType::get(width, ir.getI32Type());
  Value bits = ir.create<arith::IndexCastOp>(words, common);
  // Of 16 bits, each half is folded into the other.
  for (int shift : {8, 4, 2, 1})
    bits = ir.create<arith::XOrIOp>(
        bits, ir.create<arith::ShRUIOp>(
                  bits, ir.create<arith::ConstantOp>(DenseElementsAttr::get(
                            words, ir.getI32IntegerAttr(shift)))));
  Value odd =
      ir.create<arith::TruncIOp>(VectorType::get(width, ir.getI1Type()), bits);
  return ir.create<arith::SelectOp>(odd, constant(-1), constant(1));
}

Value KernelEmitter::iotaAt(IotaOp op, ValueRange lead, Value column,
                            int64_t width) {
  RankedTensorType type = tileType(op);
  Type element = type.getElementType();
  auto convert = [&](Value index) -> Value {
    return element.isIndex()
               ? index
               : ir.createOrFold<arith::IndexCastOp>(element, index);
  };
  int64_t dim = op.getDim();
  if (dim != type.getRank() - 1)
    return ir.splat(convert(lead[dim]), width);
  Value start = ir.splat(convert(column), width);
  return ir.create<arith::AddIOp>(
      start, ir.constant(element, llvm::to_vector(llvm::seq<int64_t>(width))));
}

Value KernelEmitter::broadcastAt(BroadcastOp op, ValueRange lead, Value column,
                                 int64_t width) {
  Value input = op.getInput();
  int64_t last = tileType(op).getRank() - 1;
  ArrayRef<int64_t> dims = op.getDims();
  Values place;
  for (int64_t dim : dims)
    place.push_back(dim == last ? column : lead[dim]);
  if (dims.empty())
    return ir.splat(elementAt(input, {}, ir.index(0)), width);
  Value inner = place.pop_back_val();
  if (dims.back() == last)
    return vectorAt(input, place, inner, width);
  return ir.splat(elementAt(input, place, inner), width);
}

Value KernelEmitter::elementwiseAt(Operation *op, ValueRange lead, Value column,
                                   int64_t width) {
  IRMapping operands;
  for (Value operand : op->getOperands()) {
    if (operands.contains(operand))
      continue;
    operands.map(operand, isTile(operand)
                              ? vectorAt(operand, lead, column, width)
                              : scalar(operand));
  }
  Operation *clone = op->clone(operands);
  ir.insert(clone);
  clone->getResult(0).setType(
      VectorType::get(width, tileType(op->getResult(0)).getElementType()));
  return clone->getResult(0);
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

static int64_t bytesOf(RankedTensorType type) {
  return type.getNumElements() * storageBytes(type.getElementType());
}

Buffer KernelEmitter::allocate(RankedTensorType type) {
  int64_t offset = scratch.allocate(bytesOf(type));
  temporaries.push_back(offset);
  return {ir.at(scratchPointer, offset), type};
}

Buffer KernelEmitter::destination(Value result) {
  if (auto it = forwarded.find(result); it != forwarded.end())
    return buffers[result] = it->second;
  int64_t offset = scratch.allocate(bytesOf(tileType(result)));
  owned[result] = offset;
  return buffers[result] = {ir.at(scratchPointer, offset), tileType(result)};
}

void KernelEmitter::release(Operation *after) {
  for (int64_t offset : temporaries)
    scratch.free(offset);
  temporaries.clear();
  for (Value tile : placement.endingAt(after))
    if (auto it = owned.find(tile); it != owned.end())
      scratch.free(it->second);
}

Value KernelEmitter::bufferAddress(Buffer buffer, ValueRange lead,
                                   Value column) {
  ArrayRef<int64_t> shape = buffer.type.getShape();
  Value row = ir.index(0);
  for (auto [i, index] : llvm::enumerate(lead))
    row = ir.add(ir.mul(row, shape[i]), index);
  Value place = ir.add(ir.mul(row, columnsOf(buffer.type)), column);
  return ir.at(buffer.pointer, place, buffer.type.getElementType());
}

void KernelEmitter::storeTo(Buffer buffer, Value value, ValueRange lead,
                            Value column) {
  ir.store(value, bufferAddress(buffer, lead, column));
}

void KernelEmitter::forEachRow(ArrayRef<int64_t> shape,
                               llvm::function_ref<void(ValueRange)> body) {
  Values lead;
  std::function<void()> nest = [&] {
    if (lead.size() + 1 >= shape.size())
      return body(lead);
    ir.loop(shape[lead.size()], 1, [&](Value i) {
      lead.push_back(i);
      nest();
      lead.pop_back();
    });
  };
  nest();
}

void KernelEmitter::fill(
    Buffer to, llvm::function_ref<Value(ValueRange, Value, int64_t)> vector) {
  forEachRow(to.type.getShape(), [&](ValueRange lead) {
    ir.pieces(columnsOf(to.type), lanes, [&](Value column, int64_t width) {
      storeTo(to, vector(lead, column, width), lead, column);
    });
  });
}

void KernelEmitter::materialize(Value tile, Buffer to) {
  if (auto it = buffers.find(tile);
      it != buffers.end() && it->second.pointer == to.pointer)
    return;
  fill(to, [&](ValueRange lead, Value column, int64_t width) {
    return vectorAt(tile, lead, column, width);
  });
}

Buffer KernelEmitter::inMemory(Value tile) {
  if (auto it = buffers.find(tile); it != buffers.end())
    return it->second;
  Buffer buffer = allocate(tileType(tile));
  materialize(tile, buffer);
  return buffer;
}

Buffer KernelEmitter::inMemoryAsF32(Value tile) {
  RankedTensorType type = tileType(tile);
  if (type.getElementType().isF32())
    return inMemory(tile);
  Buffer buffer =
      allocate(RankedTensorType::get(type.getShape(), ir.getF32Type()));
  fill(buffer, [&](ValueRange lead, Value column, int64_t width) {
    return floatsAt(tile, lead, column, width);
  });
  return buffer;
}

//===----------------------------------------------------------------------===//
// Constant arrays
//===----------------------------------------------------------------------===//

/// Addresses are taken once, in the entry block.
Value KernelEmitter::global(Type type, Attribute value) {
  Value &address = tables[value];
  if (address)
    return address;
  OpBuilder::InsertionGuard guard(ir);
  auto function = scratchPointer.getParentBlock()->getParentOp();
  auto module = function->getParentOfType<ModuleOp>();
  ir.setInsertionPointToStart(module.getBody());
  std::string name = ("__" + cast<func::FuncOp>(function).getSymName() +
                      "_table" + Twine(tables.size()))
                         .str();
  auto array = ir.create<LLVM::GlobalOp>(type, /*isConstant=*/true,
                                         LLVM::Linkage::Internal, name, value,
                                         /*alignment=*/Scratch::kAlignment);
  ir.setInsertionPointToStart(scratchPointer.getParentBlock());
  return address = ir.create<LLVM::AddressOfOp>(array);
}

Value KernelEmitter::table(DenseElementsAttr values) {
  // Index and i1 as they lie in memory.
  Type element = values.getElementType();
  auto type = cast<RankedTensorType>(values.getType());
  if (element.isIndex() || element.isInteger(1))
    values = values.mapValues(ir.getIntegerType(8 * storageBytes(element)),
                              [&](const APInt &v) {
                                return v.zextOrTrunc(8 * storageBytes(element));
                              });
  values = values.reshape(
      RankedTensorType::get({type.getNumElements()}, values.getElementType()));
  return global(LLVM::LLVMArrayType::get(values.getElementType(),
                                         values.getNumElements()),
                values);
}

Value KernelEmitter::zeros(int64_t bytes) {
  return table(DenseElementsAttr::get(
      RankedTensorType::get(bytes, ir.getI8Type()), uint8_t(0)));
}
