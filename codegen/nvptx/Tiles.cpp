//===- Tiles.cpp - Elementwise ops and changes of shape -------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "passes/TileBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

const Values &KernelEmitter::registers(Value tile) {
  if (auto known = llvm::find(underWay, tile); known != underWay.end())
    waitFor(known - underWay.begin() + 1);
  auto known = tiles.find(tile);
  if (known != tiles.end())
    return known->second;
  // Packed or kept, or codes that nobody expanded yet. Not remembered: this
  // may be inside a branch.
  Values values;
  int64_t count = layout(tile).registerCount() / 2;
  for (int64_t i = 0; i < count; ++i) {
    auto it = packed.find(tile);
    Value word = it != packed.end() ? it->second[i]
                                    : (kept.count(tile) ? fetch(tile)[i]
                                                        : expandPair(tile, i));
    Value pair = ir.asPair(word);
    values.push_back(ir.half(pair, 0));
    values.push_back(ir.half(pair, 1));
  }
  unpacked = std::move(values);
  return unpacked;
}

const Values &KernelEmitter::pairs(Value tile) {
  if (kept.count(tile))
    return fetch(tile);
  auto known = packed.find(tile);
  if (known != packed.end())
    return known->second;
  Values scalars = registers(tile), words;
  DenseMap<std::pair<Value, Value>, Value> made; // alike ones stay alike
  for (size_t i = 0; i + 1 < scalars.size(); i += 2) {
    Value &word = made[{scalars[i], scalars[i + 1]}];
    if (!word)
      word = ir.asWord(ir.pair(scalars[i], scalars[i + 1]));
    words.push_back(word);
  }
  return packed[tile] = std::move(words);
}

/// The sum of what the set bits of `number`, powers of two, add along `dim`.
static Value sumOfBits(Ir &ir, const Bases &bases, int64_t dim, Value number) {
  SmallVector<std::pair<int64_t, int64_t>> moves;
  for (auto [bit, basis] : llvm::enumerate(bases))
    if (basis[dim])
      moves.push_back({bit, llvm::countr_zero(uint64_t(basis[dim]))});
  return ir.moveBits(number, moves);
}

Value KernelEmitter::laneOffset(const Layout &layout, int64_t dim) {
  return ir.add(sumOfBits(ir, layout.lanes, dim, lane),
                sumOfBits(ir, layout.warps, dim, warp));
}

Value KernelEmitter::ownsCopy(const Layout &layout) {
  auto copies = [](const Bases &bases) {
    int64_t mask = 0;
    for (auto [bit, basis] : llvm::enumerate(bases))
      if (llvm::all_of(basis, [](int64_t c) { return c == 0; }))
        mask |= int64_t(1) << bit;
    return mask;
  };
  int64_t laneMask = copies(layout.lanes), warpMask = copies(layout.warps);
  if (!insideWarps)
    for (int64_t bit = layout.warps.size(); (int64_t(1) << bit) < warps; ++bit)
      warpMask |= int64_t(1) << bit;
  Value masked = ir.either(ir.both(lane, ir.i32(laneMask)),
                           ir.both(warp, ir.i32(warpMask)));
  return laneMask || warpMask ? ir.equal(masked, ir.i32(0)) : Value();
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

/// `index` has 32 bits, other integers have their own.
static Value castIndex(Ir &ir, Value value, Type type) {
  if (value.getType().getIntOrFloatBitWidth() < 32)
    value = ir.createOrFold<arith::ExtSIOp>(ir.getI32Type(), value);
  if (type.isInteger(64))
    return ir.toI64(value);
  value = ir.toI32(value);
  return type.isInteger(32) ? value
                            : ir.createOrFold<arith::TruncIOp>(type, value);
}

/// One scalar op, folded if its operands are constants. Functions without an
/// instruction of full precision become the approximations of the hardware.
Value KernelEmitter::math(Operation *op, ValueRange operands) {
  Type f32 = ir.getF32Type();
  bool isF32 = op->getResult(0).getType().isF32() ||
               getElementTypeOrSelf(op->getResult(0)).isF32();
  auto approximate = [&](StringRef name, Value x) {
    return ir.intrinsic(name, f32, x);
  };
  if (isF32 && isa<math::Exp2Op>(op))
    return approximate("llvm.nvvm.ex2.approx.ftz.f", operands[0]);
  if (isF32 && isa<math::Log2Op>(op))
    return approximate("llvm.nvvm.lg2.approx.ftz.f", operands[0]);
  constexpr double kLog2OfE = 1.4426950408889634;
  if (isF32 && isa<math::ExpOp>(op))
    return approximate("llvm.nvvm.ex2.approx.ftz.f",
                       ir.create<arith::MulFOp>(operands[0], ir.f32(kLog2OfE)));
  if (isF32 && isa<math::LogOp>(op))
    return ir.create<arith::MulFOp>(
        approximate("llvm.nvvm.lg2.approx.ftz.f", operands[0]),
        ir.f32(1 / kLog2OfE));
  if (auto divide = dyn_cast<arith::DivFOp>(op);
      isF32 && divide &&
      bitEnumContainsAll(divide.getFastmath(), arith::FastMathFlags::arcp))
    return ir.create<arith::MulFOp>(
        operands[0], approximate("llvm.nvvm.rcp.approx.ftz.f", operands[1]));
  if (isF32 && isa<math::TanhOp>(op)) {
    // 1 - 2 / (1 + exp(2x)): tanh.approx has 11 bits only.
    Value power = approximate(
        "llvm.nvvm.ex2.approx.ftz.f",
        ir.create<arith::MulFOp>(operands[0], ir.f32(2 * kLog2OfE)));
    Value inverse = approximate("llvm.nvvm.rcp.approx.ftz.f",
                                ir.create<arith::AddFOp>(power, ir.f32(1)));
    return ir.create<arith::SubFOp>(
        ir.f32(1), ir.create<arith::MulFOp>(inverse, ir.f32(2)));
  }
  // The instruction that passes a NaN on is no faster, but LLVM expands it.
  if (isa<arith::MaximumFOp>(op))
    return ir.create<LLVM::MaxNumOp>(operands[0], operands[1]);
  if (isa<arith::MinimumFOp>(op))
    return ir.create<LLVM::MinNumOp>(operands[0], operands[1]);
  Type type = registerType(getElementTypeOrSelf(op->getResult(0)));
  if (isa<arith::IndexCastOp>(op))
    return castIndex(ir, operands[0], type);
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    if (auto index = dyn_cast<IntegerAttr>(constant.getValue());
        index && index.getType().isIndex())
      return ir.i32(index.getInt());
  OperationState state(ir.getLoc(), op->getName(), operands, {type},
                       op->getAttrs());
  Operation *scalarOp = ir.create(state);
  // Products and sums may become one instruction.
  if (isF32 && isa<arith::MulFOp, arith::AddFOp, arith::SubFOp>(op))
    scalarOp->setAttr("fastmath",
                      arith::FastMathFlagsAttr::get(
                          ir.getContext(), arith::FastMathFlags::contract));
  SmallVector<Value> folded;
  if (succeeded(ir.tryFold(scalarOp, folded)) && folded.size() == 1) {
    scalarOp->erase();
    return folded[0];
  }
  return scalarOp->getResult(0);
}

Values KernelEmitter::elementwise(Operation *op,
                                  ArrayRef<const Values *> operands) {
  Values results;
  int64_t count = layout(op->getResult(0)).registerCount();
  for (int64_t i = 0; i < count; ++i) {
    Values each;
    for (const Values *values : operands)
      each.push_back(values->size() == 1 ? values->front() : (*values)[i]);
    results.push_back(math(op, each));
  }
  return results;
}

/// Arithmetic on fp16 alone, of which a register holds two.
static bool isPacked(Operation *op) {
  return isInPairs(op->getResult(0)) && op->getNumOperands() > 0 &&
         llvm::all_of(op->getOperands(), isInPairs);
}

void KernelEmitter::emitPacked(Operation *op) {
  SmallVector<Values> operands;
  for (Value operand : op->getOperands())
    operands.push_back(pairs(operand));
  Values words;
  auto compute = [&](ArrayRef<Value> each) -> Value {
    // The assembler would take the long way through f32.
    if (isa<math::AbsFOp>(op))
      return ir.both(each[0], ir.i32(0x7fff7fff));
    Values pairs;
    for (Value word : each)
      pairs.push_back(ir.asPair(word));
    OperationState state(ir.getLoc(), op->getName(), pairs, {ir.pairType()},
                         op->getAttrs());
    return ir.asWord(ir.create(state)->getResult(0));
  };
  std::map<SmallVector<const void *>, Value> made; // alike ones stay alike
  auto wordOf = [&](ArrayRef<Value> each) {
    SmallVector<const void *> key;
    for (Value word : each)
      key.push_back(word.getAsOpaquePointer());
    Value &word = made[key];
    if (!word)
      word = compute(each);
    return word;
  };
  for (size_t i = 0; i < operands[0].size(); ++i) {
    Values each;
    for (const Values &all : operands)
      each.push_back(all[i]);
    words.push_back(wordOf(each));
    if (Opposite minus = opposites.lookup(each[0]);
        minus.word && isa<arith::MulFOp>(op)) {
      each[0] = minus.word;
      opposites[words.back()] = {wordOf(each), minus.isNegative};
    }
  }
  packed[op->getResult(0)] = std::move(words);
}

/// Compares the numbers of a lane's registers, which are constants, with what
/// the others are beyond the lane: few values instead of a number for each
/// register. Masks are made of this.
bool KernelEmitter::emitComparisonWithIota(arith::CmpIOp op) {
  bool left = isa_and_nonnull<IotaOp>(op.getLhs().getDefiningOp());
  Value numbers = left ? op.getLhs() : op.getRhs();
  Value others = left ? op.getRhs() : op.getLhs();
  auto iota = numbers.getDefiningOp<IotaOp>();
  if (!iota || op.getPredicate() >= arith::CmpIPredicate::ult ||
      !isNeverNegative(others))
    return false;
  Layout place = layout(numbers);
  Value own = laneOffset(place, iota.getDim());
  DenseMap<Value, Value> beyond;
  Values values, limits = registers(others);
  for (auto [i, limit] : llvm::enumerate(limits)) {
    Value &rest = beyond[limit];
    if (!rest)
      rest = ir.create<arith::SubIOp>(limit, own);
    Value number = ir.i32(place.placeOf(i)[iota.getDim()]);
    values.push_back(ir.create<arith::CmpIOp>(
        op.getPredicate(), left ? number : rest, left ? rest : number));
  }
  define(op.getResult(), values);
  return true;
}

void KernelEmitter::emitElementwise(Operation *op) {
  Value result = op->getResult(0);
  if (auto select = dyn_cast<arith::SelectOp>(op); select && emitAddIf(select))
    return;
  if (auto compare = dyn_cast<arith::CmpIOp>(op);
      compare && emitComparisonWithIota(compare))
    return;
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = cast<DenseElementsAttr>(constant.getValue());
    Value splat =
        dense.getElementType().isIndex()
            ? ir.i32(dense.getSplatValue<IntegerAttr>().getInt())
            : ir.constant(cast<TypedAttr>(dense.getSplatValue<Attribute>()));
    return define(result, Values(layout(result).registerCount(), splat));
  }
  if (isa<arith::TruncFOp>(op) && isInPairs(result))
    return emitTruncation(op);
  if (isPacked(op))
    return emitPacked(op);
  SmallVector<Values> storage;
  for (Value operand : op->getOperands())
    storage.push_back(isTile(operand) ? registers(operand)
                                      : Values{scalar(operand)});
  SmallVector<const Values *> operands;
  for (Values &values : storage)
    operands.push_back(&values);
  define(result, elementwise(op, operands));
}

/// `value` before it was brought into the range of fp16, or null.
static Value beforeClamp(Value value) {
  auto isLimit = [](Value limit, double want) {
    Attribute constant;
    if (auto splat = limit.getDefiningOp<SplatOp>())
      limit = splat.getInput();
    if (!matchPattern(limit, m_Constant(&constant)))
      return false;
    if (auto dense = dyn_cast<SplatElementsAttr>(constant))
      constant = dense.getSplatValue<Attribute>();
    auto number = dyn_cast<FloatAttr>(constant);
    return number && number.getValueAsDouble() == want;
  };
  auto min = value.getDefiningOp<arith::MinimumFOp>();
  auto max = min ? min.getLhs().getDefiningOp<arith::MaximumFOp>()
                 : arith::MaximumFOp();
  return max && isLimit(min.getRhs(), kLargestHalf) &&
                 isLimit(max.getRhs(), -kLargestHalf)
             ? max.getLhs()
             : Value();
}

/// Two numbers with one instruction, which clamps them as well; constants
/// become constants.
void KernelEmitter::emitTruncation(Operation *op) {
  Value free = beforeClamp(op->getOperand(0));
  Values values = registers(free ? free : op->getOperand(0)), words;
  auto round = [&](Value low, Value high) -> Value {
    return free ? ir.roundPairFinite(low, high)
                : ir.asWord(ir.roundPair(low, high));
  };
  auto bitsOf = [](Value value) -> std::optional<uint32_t> {
    FloatAttr number;
    if (!matchPattern(value, m_Constant(&number)))
      return std::nullopt;
    APFloat half = number.getValue();
    bool lost;
    half.convert(APFloat::IEEEhalf(), APFloat::rmNearestTiesToEven, &lost);
    return half.bitcastToAPInt().getZExtValue();
  };
  for (size_t i = 0; i < values.size(); i += 2) {
    auto low = bitsOf(values[i]), high = bitsOf(values[i + 1]);
    words.push_back(!free && low && high ? ir.i32(int32_t(*high << 16 | *low))
                                         : round(values[i], values[i + 1]));
  }
  packed[op->getResult(0)] = std::move(words);
}

void KernelEmitter::emitIota(IotaOp op) {
  Layout place = layout(op.getResult());
  int64_t dim = op.getDim();
  Value offset = laneOffset(place, dim);
  Values values;
  for (int64_t i = 0; i < place.registerCount(); ++i)
    values.push_back(ir.add(offset, ir.i32(place.placeOf(i)[dim])));
  define(op.getResult(), values);
}

//===----------------------------------------------------------------------===//
// Changes of shape
//===----------------------------------------------------------------------===//

void KernelEmitter::emitBroadcast(BroadcastOp op) {
  Layout to = layout(op.getResult()), from = layout(op.getInput());
  Values input = registers(op.getInput()), values;
  for (int64_t i = 0; i < to.registerCount(); ++i) {
    SmallVector<int64_t> place = to.placeOf(i), kept;
    for (int64_t dim : op.getDims())
      kept.push_back(place[dim]);
    values.push_back(input[from.registerAt(kept)]);
  }
  define(op.getResult(), values);
}

void KernelEmitter::emitTranspose(TransposeOp op) {
  Layout to = layout(op.getResult()), from = layout(op.getInput());
  Values input = registers(op.getInput()), values;
  for (int64_t i = 0; i < to.registerCount(); ++i) {
    SmallVector<int64_t> place = to.placeOf(i);
    std::swap(place[0], place[1]);
    values.push_back(input[from.registerAt(place)]);
  }
  define(op.getResult(), values);
}

void KernelEmitter::emitExpandScale(ExpandScaleOp op) {
  Layout place = layout(op.getResult());
  auto format = op.getFormat().get();
  auto part = toFormat(op.getPart());
  // Bits of an index add to the place of its code, those of the numbers of lane
  // and warp too.
  for (Bases *bases : {&place.lanes, &place.warps})
    for (SmallVector<int64_t> &basis : *bases)
      basis[0] = format.bitInByte(part, basis[0]);
  Value own;
  if (!llvm::all_of(place.lanes, isCopy) ||
      !llvm::all_of(place.warps, isCopy)) {
    Value exponent =
        ir.create<arith::SubIOp>(ir.i32(127), laneOffset(place, 0));
    own = ir.bitcast(ir.shiftLeft(exponent, 23), ir.getF32Type());
  }
  Values values;
  for (int64_t i = 0; i < place.registerCount(); ++i) {
    Value scale =
        ir.f32(1.0 / double(1 << format.bitInByte(part, place.placeOf(i)[0])));
    values.push_back(own ? ir.mulFloat(own, scale) : scale);
  }
  define(op.getResult(), values);
}
