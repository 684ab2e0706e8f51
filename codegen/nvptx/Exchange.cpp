//===- Exchange.cpp - Reductions and butterflies between lanes ------------===//

#include "codegen/nvptx/KernelEmitter.h"

#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

static arith::FastMathFlagsAttr contract(Ir &ir) {
  return arith::FastMathFlagsAttr::get(ir.getContext(),
                                       arith::FastMathFlags::contract);
}

Value KernelEmitter::combine(ReduceKind kind, Value a, Value b) {
  switch (kind) {
  case ReduceKind::Add:
    return ir.create<arith::AddFOp>(a, b, contract(ir));
  case ReduceKind::Max:
    return ir.create<LLVM::MaxNumOp>(a, b);
  case ReduceKind::Min:
    return ir.create<LLVM::MinNumOp>(a, b);
  }
  llvm_unreachable("unknown reduction");
}

/// First within each lane, then between lanes, then between warps.
LogicalResult KernelEmitter::emitReduce(ReduceOp op) {
  Layout from = layout(op.getInput());
  int64_t dim = op.getDim();
  Layout to = from.without(dim);
  Values input = registers(op.getInput());
  Values values(to.registerCount());
  for (int64_t i = 0; i < from.registerCount(); ++i) {
    SmallVector<int64_t> place = from.placeOf(i);
    place.erase(place.begin() + dim);
    Value &sum = values[to.registerAt(place)];
    sum = sum ? combine(op.getKind(), sum, input[i]) : input[i];
  }
  for (auto [bit, basis] : llvm::enumerate(from.lanes))
    if (basis[dim])
      for (Value &value : values)
        value = combine(op.getKind(), value,
                        ir.shuffleXor(value, int64_t(1) << bit));
  int64_t reducedWarps = 0;
  for (auto [bit, basis] : llvm::enumerate(from.warps))
    if (basis[dim])
      reducedWarps |= int64_t(1) << bit;
  if (reducedWarps) {
    if (insideWarps)
      return op.emitOpError("reduces over warps that run apart");
    reduceOverWarps(op, values, reducedWarps);
  }
  if (isTile(op.getResult()))
    define(op.getResult(), values);
  else
    scalars.map(op.getResult(), values[0]);
  return success();
}

/// Over the warps whose numbers differ in bits of `mask` only, in their order.
/// Through shared memory: [warp][register][lane].
void KernelEmitter::reduceOverWarps(ReduceOp op, Values &values, int64_t mask) {
  Type element = values[0].getType();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8, row = 32 * bytes;
  int64_t perWarp = row * int64_t(values.size());
  scratchBytes = std::max(scratchBytes, perWarp * warps);
  Value column = ir.at(shared, ir.mul(lane, ir.i32(bytes)));
  Value own = ir.at(column, ir.mul(warp, ir.i32(perWarp)));
  for (auto [i, value] : llvm::enumerate(values))
    ir.store(value, ir.at(own, row * int64_t(i)), bytes);
  ir.syncBlock();
  int64_t rest = (warps - 1) & ~mask;
  Value first =
      ir.at(column, ir.mul(ir.both(warp, ir.i32(rest)), ir.i32(perWarp)));
  for (auto [i, value] : llvm::enumerate(values)) {
    value = {};
    for (int64_t w = 0; w < warps; ++w) {
      if (w & rest)
        continue;
      Value part =
          ir.load(ir.at(first, w * perWarp + row * int64_t(i)), element, bytes);
      value = value ? combine(op.getKind(), value, part) : part;
    }
  }
  ir.syncBlock();
}

/// Gives each lane what the same lane of the warp has whose number differs in
/// one bit.
void KernelEmitter::exchangeBetweenWarps(Values &values, int64_t bit) {
  int64_t row = 32 * 4, perWarp = row * int64_t(values.size());
  scratchBytes = std::max(scratchBytes, perWarp * warps);
  Value column = ir.at(shared, ir.mul(lane, ir.i32(4)));
  Value own = ir.at(column, ir.mul(warp, ir.i32(perWarp)));
  for (auto [i, value] : llvm::enumerate(values))
    ir.store(value, ir.at(own, row * int64_t(i)), 4);
  ir.syncBlock();
  Value other = ir.create<arith::XOrIOp>(warp, ir.i32(int64_t(1) << bit));
  Value from = ir.at(column, ir.mul(other, ir.i32(perWarp)));
  for (auto [i, value] : llvm::enumerate(values))
    value = ir.load(ir.at(from, row * int64_t(i)), value.getType(), 4);
  ir.syncBlock();
}

/// One butterfly stage per bit of the last index, in any order.
LogicalResult KernelEmitter::emitHadamard(HadamardOp op) {
  Layout place = layout(op.getResult());
  int64_t dim = place.rank - 1;
  Values values = registers(op.getInput());
  for (auto [bit, basis] : llvm::enumerate(place.registers)) {
    if (!basis[dim])
      continue;
    for (size_t i = 0; i < values.size(); ++i) {
      size_t other = i | size_t(1) << bit;
      if (other == i)
        continue;
      Value a = values[i], b = values[other];
      values[i] = ir.create<arith::AddFOp>(a, b);
      values[other] = ir.create<arith::SubFOp>(a, b);
    }
  }
  // Between lanes and warps: one of two gets the sum, the other the difference.
  auto signOf = [&](Value number, int64_t bit) -> Value {
    Value upper =
        ir.equal(ir.both(ir.shiftRight(number, bit), ir.i32(1)), ir.i32(1));
    return ir.create<arith::SelectOp>(upper, ir.f32(-1), ir.f32(1));
  };
  auto meet = [&](Value own, Value sign, Value other) -> Value {
    own = ir.create<arith::MulFOp>(own, sign, contract(ir));
    return ir.create<arith::AddFOp>(own, other, contract(ir));
  };
  for (auto [bit, basis] : llvm::enumerate(place.lanes)) {
    if (!basis[dim])
      continue;
    Value sign = signOf(lane, bit);
    for (Value &value : values)
      value = meet(value, sign, ir.shuffleXor(value, int64_t(1) << bit));
  }
  for (auto [bit, basis] : llvm::enumerate(place.warps)) {
    if (!basis[dim])
      continue;
    if (insideWarps)
      return op.emitOpError("combines warps that run apart");
    Value sign = signOf(warp, bit);
    Values others = values;
    exchangeBetweenWarps(others, bit);
    for (auto [value, other] : llvm::zip(values, others))
      value = meet(value, sign, other);
  }
  define(op.getResult(), values);
  return success();
}
