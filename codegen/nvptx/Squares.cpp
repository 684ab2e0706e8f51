//===- Squares.cpp - Squares of differences from the mean -----------------===//
//
// The sum of all numbers, then that of the squares of differences from their
// mean would be two exchanges, one waiting for the other. Here every part
// (lane, warp) has both sums of its own numbers, and parts of equal size are
// merged: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979. Nothing large cancels.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// Of the numbers of one lane: relative to the first of them, which is as far
/// from the mean as any.
Moments KernelEmitter::momentsOf(ArrayRef<Value> values) {
  double count = double(values.size());
  if (values.size() == 1)
    return {values[0], ir.f32(0)};
  Value sum, squares;
  for (Value value : values)
    if (auto product = value.getDefiningOp<arith::MulFOp>())
      product.setFastmath(arith::FastMathFlags::contract);
  for (Value value : values.drop_front()) {
    Value distance = ir.subFloat(value, values[0]);
    sum = sum ? ir.addFloat(sum, distance) : distance;
    squares = squares ? ir.addFloat(ir.mulFloat(distance, distance), squares)
                      : ir.mulFloat(distance, distance);
  }
  Value part = ir.mulFloat(sum, ir.f32(-1 / count));
  return {ir.addFloat(ir.mulFloat(values[0], ir.f32(count)), sum),
          ir.addFloat(ir.mulFloat(part, sum), squares)};
}

/// Of two parts of `count` numbers each.
Moments KernelEmitter::merge(const Moments &a, const Moments &b,
                             int64_t count) {
  Value distance = ir.subFloat(b.sum, a.sum);
  Value part = ir.mulFloat(distance, ir.f32(0.5 / double(count)));
  return {ir.addFloat(a.sum, b.sum),
          ir.addFloat(ir.mulFloat(part, distance),
                      ir.addFloat(a.squares, b.squares))};
}

/// What the warps `parts` have in layout `from`, each thread what it has in
/// layout `to`.
Values KernelEmitter::squaresOverWarps(const Layout &from, const Layout &to,
                                       ArrayRef<Moments> own, int64_t count,
                                       ArrayRef<int64_t> parts) {
  Values all;
  for (const Moments &moments : own)
    all.push_back(moments.sum);
  for (const Moments &moments : own)
    all.push_back(moments.squares);
  // A register bit more that is no place: behind the sums lie the squares.
  Layout both = from;
  both.registers.emplace_back(from.rank);
  int64_t bytes = 4, behind = 32 * bytes * int64_t(own.size());
  shareRegisters(all);
  Value base = sharedPlace(both, to, bytes);
  Values squares;
  for (int64_t i = 0; i < to.registerCount(); ++i) {
    int64_t place = sharedIndex(both, to.placeOf(i)) * bytes;
    SmallVector<Moments> merged;
    for (int64_t number : parts) {
      Value at = ir.at(base, number * 2 * behind + place);
      merged.push_back({ir.load(at, ir.getF32Type(), bytes),
                        ir.load(ir.at(at, behind), ir.getF32Type(), bytes)});
    }
    for (int64_t n = count; merged.size() > 1; n *= 2) {
      for (size_t pair = 0; pair < merged.size() / 2; ++pair)
        merged[pair] = merge(merged[2 * pair], merged[2 * pair + 1], n);
      merged.truncate(merged.size() / 2);
    }
    squares.push_back(merged[0].squares);
  }
  ir.syncBlock();
  return squares;
}

/// What lanes have when each of them has kept the register that `wanted` asks
/// for: lanes that reduce together have copies otherwise.
static int64_t keptBit(const Layout &held, const Layout &wanted, size_t bit) {
  if (bit >= wanted.lanes.size() || isCopy(wanted.lanes[bit]))
    return -1;
  auto found = llvm::find(held.registers, wanted.lanes[bit]);
  return found == held.registers.end() ? -1 : found - held.registers.begin();
}

static Layout afterKeeping(Layout held, const Layout &wanted, size_t bit) {
  if (int64_t number = keptBit(held, wanted, bit); number >= 0) {
    held.registers.erase(held.registers.begin() + number);
    held.lanes[bit] = wanted.lanes[bit];
  }
  return held;
}

ConvertLayoutOp KernelEmitter::onlyConversion(ReduceOp op) {
  if (op.getKind() != ReduceKind::Squares || !isTile(op.getResult()) ||
      !op.getResult().hasOneUse())
    return {};
  auto convert = dyn_cast<ConvertLayoutOp>(*op.getResult().user_begin());
  if (!convert || convert->getBlock() != op->getBlock())
    return {};
  Layout from = layout(op.getInput()), wanted = layout(convert.getResult());
  int64_t dim = op.getDim();
  Layout held = from.without(dim);
  for (auto [bit, basis] : llvm::enumerate(from.lanes))
    if (basis[dim])
      held = afterKeeping(held, wanted, bit);
  // Through shared memory everything is possible.
  bool possible = held.get(op.getContext()) == wanted.get(op.getContext()) ||
                  warpsAlong(from, dim).size() > 1;
  return possible ? convert : ConvertLayoutOp();
}

/// Merges with the lanes whose number differs in `bit`. Of two registers each
/// lane keeps one, if that is what it is to have in the end.
void KernelEmitter::mergeLanes(SmallVector<Moments> &moments, Layout &held,
                               const Layout &wanted, size_t bit,
                               int64_t count) {
  auto other = [&](const Moments &own) -> Moments {
    return {ir.shuffleXor(own.sum, int64_t(1) << bit),
            ir.shuffleXor(own.squares, int64_t(1) << bit)};
  };
  int64_t number = keptBit(held, wanted, bit);
  if (number < 0) {
    for (Moments &own : moments)
      own = merge(own, other(own), count);
    return;
  }
  Value upper =
      ir.equal(ir.both(ir.shiftRight(lane, bit), ir.i32(1)), ir.i32(1));
  auto choose = [&](const Moments &a, const Moments &b) -> Moments {
    return {ir.create<arith::SelectOp>(upper, a.sum, b.sum),
            ir.create<arith::SelectOp>(upper, a.squares, b.squares)};
  };
  SmallVector<Moments> merged;
  for (size_t i = 0; i < moments.size(); ++i) {
    size_t second = i | size_t(1) << number;
    if (second != i)
      merged.push_back(merge(choose(moments[second], moments[i]),
                             other(choose(moments[i], moments[second])),
                             count));
  }
  moments = merged;
  held = afterKeeping(held, wanted, bit);
}

/// First within each lane, then between lanes, then between warps. `result` is
/// that of `op` or of its only conversion.
LogicalResult KernelEmitter::emitSquares(ReduceOp op, Value result) {
  Layout from = layout(op.getInput());
  int64_t dim = op.getDim();
  Layout held = from.without(dim);
  Layout wanted = isTile(result) ? layout(result) : held;
  Values input = registers(op.getInput());
  SmallVector<Values> numbers(held.registerCount());
  for (int64_t i = 0; i < from.registerCount(); ++i) {
    SmallVector<int64_t> place = from.placeOf(i);
    place.erase(place.begin() + dim);
    numbers[held.registerAt(place)].push_back(input[i]);
  }
  SmallVector<Moments> moments;
  for (const Values &values : numbers)
    moments.push_back(momentsOf(values));
  int64_t count = numbers[0].size();
  for (auto [bit, basis] : llvm::enumerate(from.lanes))
    if (basis[dim]) {
      mergeLanes(moments, held, wanted, bit, count);
      count *= 2;
    }
  Values squares;
  for (const Moments &own : moments)
    squares.push_back(own.squares);
  SmallVector<int64_t> parts = warpsAlong(from, dim);
  if (parts.size() > 1) {
    if (insideWarps)
      return op.emitOpError("reduces over warps that do not wait for one "
                            "another");
    squares = squaresOverWarps(held, wanted, moments, count, parts);
  }
  if (isTile(result))
    define(result, squares);
  else
    scalars.map(result, squares[0]);
  return success();
}
