//===- Hadamard.cpp - Rotations -------------------------------------------===//
//
// By butterflies, of f32 in any layout; or as a product with a matrix of +-1,
// whose registers are few: with register bits of row and column fixed, the sign
// depends on the lane, in a way that most registers share.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// One butterfly stage per bit of the last index.
LogicalResult KernelEmitter::emitHadamard(HadamardOp op) {
  Layout place = layout(op.getResult());
  int64_t dim = place.rank - 1;
  Values values = registers(op.getInput());
  auto betweenRegisters = [&](int64_t bit) {
    for (size_t i = 0; i < values.size(); ++i) {
      size_t other = i | size_t(1) << bit;
      if (other == i)
        continue;
      Value a = values[i], b = values[other];
      values[i] = ir.create<arith::AddFOp>(a, b);
      values[other] = ir.create<arith::SubFOp>(a, b);
    }
  };
  // Between lanes and warps: one of two gets the sum, the other the difference.
  auto signOf = [&](Value number, int64_t bit) -> Value {
    Value upper =
        ir.equal(ir.both(ir.shiftRight(number, bit), ir.i32(1)), ir.i32(1));
    return ir.create<arith::SelectOp>(upper, ir.f32(-1), ir.f32(1));
  };
  auto meet = [&](Value own, Value sign, Value other) -> Value {
    return ir.addFloat(ir.mulFloat(own, sign), other);
  };
  auto betweenLanes = [&](int64_t bit) {
    Value sign = signOf(lane, bit);
    for (Value &value : values)
      value = meet(value, sign, ir.shuffleXor(value, int64_t(1) << bit));
  };
  auto betweenWarps = [&](int64_t bit) {
    Value sign = signOf(warp, bit);
    for (auto [value, other] : llvm::zip(values, otherWarp(values, bit)))
      value = meet(value, sign, other);
  };
  // From the lowest bit of the column up, wherever it is: the same sums in
  // every layout, and on a CPU.
  std::map<int64_t, std::pair<function_ref<void(int64_t)>, int64_t>> stages;
  auto add = [&](const auto &bases, function_ref<void(int64_t)> stage) {
    for (auto [bit, basis] : llvm::enumerate(bases))
      if (basis[dim])
        stages[basis[dim]] = {stage, bit};
  };
  add(place.registers, betweenRegisters);
  add(place.lanes, betweenLanes);
  size_t own = stages.size();
  add(place.warps, betweenWarps);
  if (insideWarps && stages.size() != own)
    return op.emitOpError("combines warps that do not wait for one another");
  for (auto &[column, stage] : stages)
    stage.first(stage.second);
  define(op.getResult(), values);
  return success();
}

static bool isOdd(int64_t bits) { return llvm::popcount(uint64_t(bits)) & 1; }

/// The sign at (row, column) is the parity of the bits that both have. Both are
/// sums of a part of the lane and one of the register, the column of a multiple
/// of the columns as well: the sign is the parity of such terms. That of the
/// two lane parts is the same for all registers, that of the register parts a
/// constant, and what is left are some bits of the lane and of the first
/// column, unless that is a constant as well.
void KernelEmitter::emitHadamardMatrix(HadamardMatrixOp op) {
  Layout place = layout(op.getResult());
  Value first = ir.toI32(scalar(op.getFirst())), own = laneOffset(place, 0);
  auto parity = [&](Value bits) {
    return ir.both(ir.create<math::CtPopOp>(bits), ir.i32(1));
  };
  auto differ = [&](Value a, Value b) -> Value {
    return ir.create<arith::XOrIOp>(a, b);
  };
  Value common = differ(parity(ir.both(own, laneOffset(place, 1))),
                        parity(ir.both(own, first)));
  std::optional<int64_t> known = getConstantIntValue(op.getFirst());
  /// Which bits of lane, warp and first column count, and the constant.
  using Sign = std::tuple<int64_t, int64_t, int64_t, bool>;
  auto signAt = [&](int64_t index) {
    SmallVector<int64_t> at = place.placeOf(index);
    auto counted = [&](const Bases &bases) {
      int64_t mask = 0;
      for (auto [bit, basis] : llvm::enumerate(bases))
        if (isOdd(basis[0] & at[1]) != isOdd(basis[1] & at[0]))
          mask |= int64_t(1) << bit;
      return mask;
    };
    bool odd = isOdd(at[0] & at[1]);
    if (known)
      odd ^= isOdd(at[0] & *known);
    return Sign(counted(place.lanes), counted(place.warps), known ? 0 : at[0],
                odd);
  };
  auto valueOf = [&](const Sign &sign, int64_t at) {
    auto [lanes, warps, columns, odd] = sign;
    Value bit = differ(common, parity(ir.both(lane, ir.i32(lanes))));
    if (warps)
      bit = differ(bit, parity(ir.both(warp, ir.i32(warps))));
    bit = differ(bit, parity(ir.both(first, ir.i32(columns))));
    return ir.shiftLeft(differ(bit, ir.i32(odd)), at);
  };
  std::map<std::pair<Sign, Sign>, Value> made;
  auto wordOf = [&](const Sign &low, const Sign &high) {
    Value &word = made[{low, high}];
    if (!word) // +-1 in fp16
      word = differ(ir.i32(0x3c003c00),
                    differ(valueOf(low, 15), valueOf(high, 31)));
    return word;
  };
  auto minus = [](Sign sign) {
    std::get<bool>(sign) = !std::get<bool>(sign);
    return sign;
  };
  Values words;
  bool single = place.registerCount() == 1;
  for (int64_t i = 0; i < place.registerCount(); i += 2) {
    Sign low = signAt(i), high = single ? low : signAt(i + 1);
    words.push_back(wordOf(low, high));
    opposites[words.back()] = {wordOf(minus(low), minus(high)),
                               std::get<bool>(low)};
  }
  if (single)
    return define(op.getResult(), {ir.half(ir.asPair(words[0]), 0)});
  packed[op.getResult()] = std::move(words);
}
