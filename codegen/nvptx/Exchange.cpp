//===- Exchange.cpp - Reductions and butterflies between lanes ------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "codegen/nvptx/Runs.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/bit.h"

#include <map>

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// Sums of one lane that are computed side by side.
static constexpr size_t kChains = 4;

Value KernelEmitter::combine(ReduceKind kind, Value a, Value b) {
  if (!isa<FloatType>(getElementTypeOrSelf(a))) {
    if (kind == ReduceKind::Add)
      return ir.create<arith::AddIOp>(a, b);
    if (kind == ReduceKind::Max)
      return ir.create<arith::MaxSIOp>(a, b);
    return ir.create<arith::MinSIOp>(a, b);
  }
  switch (kind) {
  case ReduceKind::Add:
    return ir.addFloat(a, b);
  case ReduceKind::Max:
    return ir.create<LLVM::MaxNumOp>(a, b);
  case ReduceKind::Min:
    return ir.create<LLVM::MinNumOp>(a, b);
  case ReduceKind::Squares:
    break;
  }
  llvm_unreachable("squares are merged with sums, see Squares.cpp");
}

/// Floats as integers of the same order, or back.
static Value inOrder(Ir &ir, Value bits) {
  Value sign = ir.create<arith::ShRSIOp>(bits, ir.i32(31));
  return ir.create<arith::XOrIOp>(bits, ir.both(sign, ir.i32(0x7fffffff)));
}

/// Whether one instruction finds the largest or smallest number of all lanes,
/// or sums integers of which each lane has its own.
static bool reducesAtOnce(ReduceKind kind, const Layout &from, Type element) {
  bool all = llvm::none_of(from.lanes, isCopy);
  if (kind == ReduceKind::Add)
    return element.isInteger(32) && all;
  return element.isF32() || element.isInteger(32);
}

bool mlir::kvarn::nvptx::isNeverNegative(Value value, int depth) {
  Operation *op = value.getDefiningOp();
  if (depth == 0)
    return false;
  auto operand = [&](unsigned i) {
    return isNeverNegative(op->getOperand(i), depth - 1);
  };
  if (isa_and_nonnull<math::AbsFOp, math::Exp2Op>(op))
    return true;
  if (isa_and_nonnull<arith::AddFOp, arith::MulFOp>(op))
    return operand(0) && operand(1);
  if (isa_and_nonnull<math::FmaOp, DotOp>(op))
    return operand(0) && operand(1) && operand(2);
  if (isa_and_nonnull<arith::MaxSIOp>(op))
    return operand(0) || operand(1);
  // Sums of integers may overflow.
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(value));
  if (isa_and_nonnull<SplatOp, BroadcastOp, ConvertLayoutOp, arith::ExtFOp,
                      arith::TruncFOp>(op) ||
      (isa_and_nonnull<ReduceOp>(op) && isFloat))
    return operand(0);
  // `index` has 32 bits.
  if (isa_and_nonnull<arith::IndexCastOp>(op))
    return !getElementTypeOrSelf(op->getOperand(0)).isInteger(64) && operand(0);
  APInt integer;
  if (matchPattern(value, m_ConstantInt(&integer)))
    return !integer.isNegative();
  FloatAttr number;
  if (matchPattern(value, m_Constant(&number)))
    return !number.getValue().isNegative();
  SplatElementsAttr splat;
  return isFloat && matchPattern(value, m_Constant(&splat)) &&
         !splat.getSplatValue<APFloat>().isNegative();
}

/// Of all 32 lanes. `signs`: whether some may be negative.
Value KernelEmitter::reduceLanes(ReduceKind kind, Value value, bool signs) {
  bool isFloat = value.getType().isF32();
  auto order = [&](Value bits) { return signs ? inOrder(ir, bits) : bits; };
  if (isFloat)
    value = order(ir.bitcast(value, ir.getI32Type()));
  StringRef name = kind == ReduceKind::Add   ? "llvm.nvvm.redux.sync.add"
                   : kind == ReduceKind::Max ? "llvm.nvvm.redux.sync.max"
                                             : "llvm.nvvm.redux.sync.min";
  value = ir.intrinsic(name, ir.getI32Type(), {value, ir.i32(-1)});
  return isFloat ? ir.bitcast(order(value), ir.getF32Type()) : value;
}

/// Whether `op` is a step on the way to one number, that the last step does.
static bool isStep(ReduceOp op) {
  if (!isTile(op.getResult()) || !op.getResult().hasOneUse() ||
      (op.getKind() != ReduceKind::Max && op.getKind() != ReduceKind::Min) ||
      !(isInPairs(op.getInput()) ||
        getElementTypeOrSelf(op.getInput()).isF32()))
    return false;
  auto last = dyn_cast<ReduceOp>(*op.getResult().user_begin());
  return last && !isTile(last.getResult()) && last.getKind() == op.getKind() &&
         layoutOf(op.getInput()).getWarps().empty();
}

/// All elements of a tile to one number. fp16 is compared in pairs.
Value KernelEmitter::reduceToNumber(ReduceKind kind, Value tile) {
  bool signs = !isNeverNegative(tile);
  if (getElementTypeOrSelf(tile).isF32())
    return reduceLanes(kind, combineAll(kind, registers(tile)), signs);
  Values both;
  for (Value word : pairs(tile))
    both.push_back(ir.asPair(word));
  Value pair = combineAll(kind, both);
  Value value = ir.create<arith::ExtFOp>(
      ir.getF32Type(), combine(kind, ir.half(pair, 0), ir.half(pair, 1)));
  return ir.create<arith::TruncFOp>(ir.getF16Type(),
                                    reduceLanes(kind, value, signs));
}

/// In several chains that do not wait for one another.
Value KernelEmitter::combineAll(ReduceKind kind, ArrayRef<Value> values) {
  Values sums(values.take_front(std::min(kChains, values.size())));
  for (auto [i, value] : llvm::enumerate(values.drop_front(sums.size())))
    sums[i % kChains] = combine(kind, sums[i % kChains], value);
  for (Value other : ArrayRef(sums).drop_front())
    sums[0] = combine(kind, sums[0], other);
  return sums[0];
}

/// The numbers of the warps that share a dimension with warp 0.
SmallVector<int64_t> KernelEmitter::warpsAlong(const Layout &layout,
                                               int64_t dim) {
  SmallVector<int64_t> numbers = {0};
  for (auto [bit, basis] : llvm::enumerate(layout.warps))
    if (basis[dim])
      for (size_t i = 0, end = numbers.size(); i < end; ++i)
        numbers.push_back(numbers[i] | int64_t(1) << bit);
  return numbers;
}

/// First within each lane, then between lanes, then between warps.
LogicalResult KernelEmitter::emitReduce(ReduceOp op) {
  if (op.getKind() == ReduceKind::Squares)
    return onlyConversion(op) ? success() : emitSquares(op, op.getResult());
  if (isStep(op))
    return success();
  auto step = op.getInput().getDefiningOp<ReduceOp>();
  if (step && isStep(step) && !isTile(op.getResult())) {
    scalars.map(op.getResult(), reduceToNumber(op.getKind(), step.getInput()));
    return success();
  }
  Layout from = layout(op.getInput());
  int64_t dim = op.getDim();
  Layout to = from.without(dim);
  Values input = registers(op.getInput());
  SmallVector<Values> parts(to.registerCount());
  for (int64_t i = 0; i < from.registerCount(); ++i) {
    SmallVector<int64_t> place = from.placeOf(i);
    place.erase(place.begin() + dim);
    parts[to.registerAt(place)].push_back(input[i]);
  }
  Values values;
  for (const Values &part : parts)
    values.push_back(combineAll(op.getKind(), part));
  bool allLanes = llvm::all_of(from.lanes, [&](ArrayRef<int64_t> basis) {
    return basis[dim] || isCopy(basis);
  });
  bool atOnce =
      allLanes && reducesAtOnce(op.getKind(), from, values[0].getType());
  for (Value &value : values)
    if (atOnce)
      value = reduceLanes(op.getKind(), value, !isNeverNegative(op.getInput()));
  for (auto [bit, basis] : llvm::enumerate(from.lanes))
    if (basis[dim] && !atOnce)
      for (Value &value : values)
        value = combine(op.getKind(), value,
                        ir.shuffleXor(value, int64_t(1) << bit));
  SmallVector<int64_t> numbers = warpsAlong(from, dim);
  if (numbers.size() > 1) {
    if (insideWarps)
      return op.emitOpError("reduces over warps that do not wait for one "
                            "another");
    Layout result = isTile(op.getResult()) ? layout(op.getResult()) : to;
    values = reduceOverWarps(op.getKind(), to, result, values, numbers);
  }
  if (isTile(op.getResult()))
    define(op.getResult(), values);
  else
    scalars.map(op.getResult(), values[0]);
  return success();
}

/// Where shared memory, [warp][register][lane] of layout `from`, has the
/// element at `place`, in elements.
int64_t KernelEmitter::sharedIndex(const Layout &from,
                                   ArrayRef<int64_t> place) {
  int64_t index = 0;
  SmallVector<int64_t> rest(place);
  auto take = [&](const Bases &bases, int64_t weight) {
    for (auto [bit, basis] : llvm::enumerate(bases))
      for (size_t dim = 0; dim < rest.size(); ++dim)
        if (basis[dim] && (rest[dim] & basis[dim])) {
          rest[dim] -= basis[dim];
          index += weight << bit;
        }
  };
  take(from.lanes, 1);
  take(from.registers, 32);
  take(from.warps, 32 * from.registerCount());
  return index;
}

static int64_t sizeOf(Value value) { return bytesOf(value.getType()); }

/// Stores what every thread has, [warp][register][lane], and waits for all.
void KernelEmitter::shareRegisters(ArrayRef<Value> values) {
  int64_t bytes = sizeOf(values[0]);
  int64_t perWarp = 32 * bytes * int64_t(values.size());
  scratchBytes = std::max(scratchBytes, perWarp * warps);
  Value own = ir.at(ir.at(scratch, ir.mul(lane, ir.i32(bytes))),
                    ir.mul(warp, ir.i32(perWarp)));
  for (auto [i, value] : llvm::enumerate(values))
    ir.store(value, ir.at(own, 32 * bytes * int64_t(i)), bytes);
  ir.syncBlock();
}

/// The address of what this thread has in register 0 of layout `to`.
Value KernelEmitter::sharedPlace(const Layout &from, const Layout &to,
                                 int64_t bytes) {
  Value offset = ir.i32(0);
  auto addBits = [&](const Bases &bases, Value number) {
    for (auto [bit, basis] : llvm::enumerate(bases)) {
      Value set = ir.both(ir.shiftRight(number, bit), ir.i32(1));
      if (int64_t index = sharedIndex(from, basis))
        offset = ir.add(offset, ir.mul(set, ir.i32(index * bytes)));
    }
  };
  addBits(to.lanes, lane);
  addBits(to.warps, warp);
  return ir.at(scratch, offset);
}

/// The same tile in another layout, through shared memory.
Values KernelEmitter::exchange(const Layout &from, const Layout &to,
                               const Values &values) {
  Values own = values, result;
  Type type = own[0].getType();
  int64_t bytes = sizeOf(own[0]);
  shareRegisters(own);
  Value base = sharedPlace(from, to, bytes);
  for (int64_t i = 0; i < to.registerCount(); ++i)
    result.push_back(ir.load(
        ir.at(base, sharedIndex(from, to.placeOf(i)) * bytes), type, bytes));
  ir.syncBlock();
  return result;
}

/// Reduces what the warps `parts` have in layout `from` (and those that differ
/// from them in other bits), each thread what it has in layout `to`.
Values KernelEmitter::reduceOverWarps(ReduceKind kind, const Layout &from,
                                      const Layout &to, ArrayRef<Value> values,
                                      ArrayRef<int64_t> parts) {
  Type element = values[0].getType();
  int64_t bytes = sizeOf(values[0]);
  int64_t perWarp = 32 * bytes * int64_t(values.size());
  shareRegisters(values);
  Value base = sharedPlace(from, to, bytes);
  Values sums;
  for (int64_t i = 0; i < to.registerCount(); ++i) {
    int64_t place = sharedIndex(from, to.placeOf(i)) * bytes;
    Value sum;
    for (int64_t number : parts) {
      Value part =
          ir.load(ir.at(base, number * perWarp + place), element, bytes);
      sum = sum ? combine(kind, sum, part) : part;
    }
    sums.push_back(sum);
  }
  ir.syncBlock();
  return sums;
}

/// One thread counts for the program and tells the others.
void KernelEmitter::emitArrive(ArriveOp op) {
  Value counter = ir.create<LLVM::PtrToIntOp>(
      ir.getI64Type(),
      address(op.getCounters(), {ir.toI64(scalar(op.getIndex()))}));
  scratchBytes = std::max<int64_t>(scratchBytes, 4);
  Value thread = ir.add(ir.shiftLeft(warp, 5), lane);
  ir.syncBlock();
  {
    OpBuilder::InsertionGuard guard(ir);
    auto first = ir.create<scf::IfOp>(ir.equal(thread, ir.i32(0)), false);
    ir.setInsertionPointToStart(first.thenBlock());
    Value before = ir.assembly("atom.acq_rel.gpu.global.add.s32 $0, [$1], 1;",
                               "=r,l,~{memory}", {counter}, ir.getI32Type());
    Value last =
        ir.equal(ir.add(before, ir.i32(1)), ir.toI32(scalar(op.getCount())));
    ir.store(ir.create<arith::ExtUIOp>(ir.getI32Type(), last), scratch, 4);
    auto reset = ir.create<scf::IfOp>(last, false);
    ir.setInsertionPointToStart(reset.thenBlock());
    ir.assembly("st.global.s32 [$0], 0;", "l,~{memory}", {counter});
  }
  ir.syncBlock();
  Value flag = ir.load(scratch, ir.getI32Type(), 4);
  ir.syncBlock();
  scalars.map(op.getLast(), ir.create<arith::CmpIOp>(arith::CmpIPredicate::ne,
                                                     flag, ir.i32(0)));
}

/// Within each lane, then the totals of the lanes before.
LogicalResult KernelEmitter::emitScan(ScanOp op) {
  Layout place = layout(op.getResult());
  int64_t next = 1;
  for (const Bases *bases : {&place.registers, &place.lanes})
    for (const SmallVector<int64_t> &basis : *bases) {
      if (basis[0] != next && (basis[0] || next != op.getType().getDimSize(0)))
        return op.emitOpError("of this layout is unknown to NVIDIA targets: ")
               << op.getType();
      next *= basis[0] ? 2 : 1;
    }
  Values values = registers(op.getInput());
  for (size_t i = 1; i < values.size(); ++i)
    values[i] = ir.add(values[i - 1], values[i]);
  Value before = ir.zero(values[0].getType()), total = values.back();
  for (auto [bit, basis] : llvm::enumerate(place.lanes)) {
    if (!basis[0])
      break;
    // The total of the neighbouring group of lanes, for its upper half.
    Value other = ir.shuffleXor(total, int64_t(1) << bit);
    Value upper =
        ir.equal(ir.both(ir.shiftRight(lane, bit), ir.i32(1)), ir.i32(1));
    Value gained =
        ir.create<arith::SelectOp>(upper, other, ir.zero(other.getType()));
    before = ir.add(before, gained);
    total = ir.add(total, other);
  }
  for (Value &value : values)
    value = ir.add(value, before);
  define(op.getResult(), values);
  return success();
}

/// What the same lane of the warp has whose number differs in one bit.
Values KernelEmitter::otherWarp(ArrayRef<Value> values, int64_t bit) {
  Type type = values[0].getType();
  int64_t bytes = sizeOf(values[0]);
  int64_t perWarp = 32 * bytes * int64_t(values.size());
  shareRegisters(values);
  Value other = ir.create<arith::XOrIOp>(warp, ir.i32(int64_t(1) << bit));
  Value from = ir.at(ir.at(scratch, ir.mul(lane, ir.i32(bytes))),
                     ir.mul(other, ir.i32(perWarp)));
  Values result;
  for (size_t i = 0; i < values.size(); ++i)
    result.push_back(
        ir.load(ir.at(from, 32 * bytes * int64_t(i)), type, bytes));
  ir.syncBlock();
  return result;
}
