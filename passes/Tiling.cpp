//===- Tiling.cpp - The pass kvarn-tile -----------------------------------===//

#include "passes/Tiling.h"

#include "dialect/Names.h"
#include "passes/CacheOrigin.h"
#include "passes/Passes.h"
#include "passes/Schedules.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;

namespace mlir::kvarn {
#define GEN_PASS_DEF_KVARNTILE
#include "passes/Passes.h.inc"
} // namespace mlir::kvarn

/// Any strides but 1 in the last dimension.
static MemRefType memoryFor(RankedTensorType type) {
  if (type.getRank() <= 1)
    return MemRefType::get(type.getShape(), type.getElementType());
  SmallVector<int64_t> strides(type.getRank(), ShapedType::kDynamic);
  strides.back() = 1;
  auto layout = StridedLayoutAttr::get(type.getContext(), 0, strides);
  return MemRefType::get(type.getShape(), type.getElementType(), layout);
}

//===----------------------------------------------------------------------===//
// Tiling
//===----------------------------------------------------------------------===//

Tiling::Tiling(func::FuncOp host, ScheduleAttr schedule)
    : hostFunc(host), scheduleAttr(schedule),
      builder(OpBuilder(host.getContext()), host.getLoc()),
      symbols(host->getParentOfType<ModuleOp>()) {}

FailureOr<int64_t> Tiling::tokensOfBlock(Operation *op,
                                         FormatAttr format) const {
  int64_t tokens = scheduleAttr.getTokens();
  if (format.getGroup() % tokens == 0)
    return tokens;
  return op->emitOpError() << "schedule has tokens = " << tokens
                           << ", expected a divisor of the group "
                           << format.getGroup();
}

CacheOp Tiling::cache(Value value) { return originOf(value); }

Value Tiling::buffer(Type element, ArrayRef<Value> extents) {
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  for (Value extent : extents) {
    if (std::optional<int64_t> known = getConstantIntValue(extent)) {
      shape.push_back(*known);
      continue;
    }
    shape.push_back(ShapedType::kDynamic);
    dynamic.push_back(extent);
  }
  return builder.op<memref::AllocOp>(MemRefType::get(shape, element), dynamic);
}

Value Tiling::destination(Value result, ArrayRef<Value> extents) {
  if (Value known = lowered(result)) {
    builder.op<tile::CheckShapeOp>(known, extents);
    return known;
  }
  auto type = cast<RankedTensorType>(result.getType());
  Value memory = buffer(type.getElementType(), extents);
  values.map(result, memory);
  return memory;
}

void Tiling::checkHeads(Value memory, Value heads) {
  if (!isa<BlockArgument>(memory))
    return;
  int64_t rank = cast<MemRefType>(memory.getType()).getRank();
  SmallVector<Value> extents;
  for (int64_t i = 0; i < rank; ++i)
    extents.push_back(i == rank - 2 ? heads : builder.dim(memory, i));
  builder.op<tile::CheckShapeOp>(memory, extents);
}

void Tiling::markOutput(Value tensor) {
  if (auto argument = dyn_cast<BlockArgument>(lowered(tensor)))
    hostFunc.setArgAttr(argument.getArgNumber(), kOutputAttr,
                        builder.getUnitAttr());
}

void Tiling::launch(StringRef stem, ArrayRef<Value> grid,
                    ArrayRef<Value> arguments, Body body) {
  auto type = FunctionType::get(builder.getContext(),
                                TypeRange(ValueRange(arguments)), {});
  OpBuilder module(hostFunc);
  std::string name = (hostFunc.getName() + "_" + stem).str();
  auto kernel =
      module.create<tile::KernelOp>(builder.getLoc(), name, type, scheduleAttr);
  // A second op of the same kind gets a name of its own.
  symbols.insert(kernel);
  Block *entry = &kernel.getBody().front();
  TileBuilder inner(OpBuilder::atBlockEnd(entry), builder.getLoc());
  SmallVector<Value> values(entry->getArguments());
  body(inner, values);
  inner.setInsertionPointToEnd(entry);
  inner.op<tile::ReturnOp>();
  builder.op<tile::LaunchOp>(kernel.getName(), grid[0], grid[1], grid[2],
                             arguments);
}

LogicalResult Tiling::lowerArguments() {
  Block &body = hostFunc.getBody().front();
  for (BlockArgument argument : llvm::to_vector(body.getArguments())) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type) {
      if (!argument.getType().isF32() && !argument.getType().isInteger(32) &&
          !argument.getType().isInteger(64))
        return hostFunc.emitError()
               << "argument " << argument.getArgNumber() << " is "
               << argument.getType() << ", expected a tensor, f32, i32 or i64";
      values.map(argument, argument);
      continue;
    }
    // Level-1 ops still use the tensor; they are erased at the end.
    builder.setInsertionPointToStart(&body);
    auto stand = builder.create<UnrealizedConversionCastOp>(
        builder.getLoc(), TypeRange(type), ValueRange());
    argument.replaceAllUsesWith(stand.getResult(0));
    argument.setType(memoryFor(type));
    values.map(stand.getResult(0), argument);
    levelOne.push_back(stand);
  }
  return success();
}

LogicalResult Tiling::lowerResults() {
  auto ret = cast<func::ReturnOp>(hostFunc.getBody().front().getTerminator());
  for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
    if (isa<CacheType>(value.getType()))
      continue; // updated in place
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      return ret.emitError() << "result " << i << " is " << value.getType()
                             << ", expected a tensor or a cache";
    if (values.contains(value))
      return ret.emitError()
             << "result " << i
             << " is an argument or another result, expected a value of its "
                "own";
    DictionaryAttr attributes = hostFunc.getResultAttrDict(i);
    unsigned position = hostFunc.getNumArguments();
    BlockArgument argument =
        hostFunc.getBody().front().addArgument(memoryFor(type), value.getLoc());
    hostFunc.setType(FunctionType::get(
        builder.getContext(), hostFunc.getBody().front().getArgumentTypes(),
        hostFunc.getResultTypes()));
    NamedAttrList list(attributes);
    list.set(kOutputAttr, builder.getUnitAttr());
    if (!list.get(kNameAttr))
      list.set(kNameAttr, builder.getStringAttr("result" + std::to_string(i)));
    // The new argument has no slot in an absent list of attributes yet.
    hostFunc.setArgAttrs(position, list.getDictionary(builder.getContext()));
    values.map(value, argument);
  }
  return success();
}

LogicalResult Tiling::lowerOp(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](CacheOp) { return success(); })
      .Case([&](AttendOp attend) { return tileAttend(*this, attend); })
      .Case([&](AttentionOp attention) {
        return tileAttention(*this, attention);
      })
      .Case([&](AppendOp append) { return tileAppend(*this, append); })
      .Case([&](FlushOp flush) { return tileFlush(*this, flush); })
      .Case([&](PackOp pack) { return tilePack(*this, pack); })
      .Case([&](UnflushOp unflush) { return tileUnflush(*this, unflush); })
      .Case([&](RelayoutOp relayout) { return tileRelayout(*this, relayout); })
      .Case([&](DequantizeOp dequantize) {
        return tileMaterialize(*this, dequantize.getK(), dequantize.getV(),
                               dequantize.getCache(), Frame::Rotated);
      })
      .Case([&](MaterializeOp materialize) {
        return tileMaterialize(*this, materialize.getK(), materialize.getV(),
                               materialize.getCache(), materialize.getFrame());
      })
      .Case<RotateOp, ScaleOp>(
          [&](Operation *rowwise) { return tileRowwise(*this, rowwise); })
      .Case([&](NormalizeOp normalize) {
        return tileNormalize(*this, normalize);
      })
      .Case([&](QuantizeOp quantize) { return tileQuantize(*this, quantize); })
      .Default([&](Operation *other) {
        return other->emitError()
               << "'" << other->getName()
               << "' cannot be tiled; level-1 programs consist of kvarn ops";
      });
}

/// In-place updates are the meaning of a program only if nothing reads the
/// cache, or its tensors, as they were before.
static LogicalResult checkLinear(Operation *op) {
  Value cache = updatedBy(op);
  if (!cache)
    return success();
  CacheOp origin = originOf(cache);
  if (!origin)
    return op->emitError() << "cache must come from kvarn.cache";
  // What a function returns of its arguments it returns as updated.
  auto reads = [&](Operation *user, Value updated) {
    return user != op && user->getBlock() == op->getBlock() &&
           op->isBeforeInBlock(user) &&
           (updated == cache || !user->hasTrait<OpTrait::IsTerminator>());
  };
  for (Value updated : {cache, Value(origin.getPages()),
                        Value(origin.getPoolK()), Value(origin.getPoolV())})
    for (Operation *user : updated.getUsers())
      if (reads(user, updated))
        return user->emitError() << "uses a cache after '" << op->getName()
                                 << "' has updated it in place";
  return success();
}

/// The same for two caches over the same memory.
static LogicalResult checkDisjoint(ArrayRef<Operation *> ops) {
  if (llvm::none_of(ops, [](Operation *op) { return !!updatedBy(op); }))
    return success();
  DenseSet<Value> owned;
  for (Operation *op : ops)
    if (auto cache = dyn_cast<CacheOp>(op))
      for (Value memory : {Value(cache.getPages()), Value(cache.getPoolK()),
                           Value(cache.getPoolV())})
        if (!owned.insert(memory).second)
          return cache.emitError()
                 << "shares memory with itself or another cache, but a cache "
                    "is updated in place";
  return success();
}

LogicalResult Tiling::run() {
  if (!llvm::hasSingleElement(hostFunc.getBody()))
    return hostFunc.emitError() << "expected a function with one block";
  if (failed(checkProgramName(hostFunc)))
    return failure();
  SmallVector<Operation *> ops;
  for (Operation &op : hostFunc.getBody().front().without_terminator())
    ops.push_back(&op);
  for (Operation *op : ops) {
    for (Value operand : op->getOperands())
      if (isa<CacheType>(operand.getType()) && !originOf(operand))
        return op->emitError() << "cache must come from kvarn.cache";
    if (failed(checkLinear(op)))
      return failure();
  }
  if (failed(checkDisjoint(ops)) || failed(lowerArguments()) ||
      failed(lowerResults()))
    return failure();
  Operation *ret = hostFunc.getBody().front().getTerminator();
  builder.setInsertionPoint(ret);
  for (Operation *op : ops)
    if (failed(lowerOp(op)))
      return failure();
  builder.op<func::ReturnOp>();
  ret->erase();
  for (Operation *op : llvm::reverse(ops))
    op->erase();
  for (Operation *op : llvm::reverse(levelOne))
    op->erase();
  hostFunc.setType(FunctionType::get(
      builder.getContext(), hostFunc.getBody().front().getArgumentTypes(), {}));
  hostFunc.removeResAttrsAttr();
  // No caller should have to pass what no kernel reads.
  BitVector unused(hostFunc.getNumArguments());
  for (BlockArgument argument : hostFunc.getArguments())
    unused[argument.getArgNumber()] = argument.use_empty();
  hostFunc.eraseArguments(unused);
  return success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {

struct KVarNTile : public mlir::kvarn::impl::KVarNTileBase<KVarNTile> {
  using KVarNTileBase::KVarNTileBase;

  void runOnOperation() override {
    ScheduleAttr given;
    if (!schedule.empty()) {
      given = parseSchedule(&getContext(), schedule);
      if (!given)
        return signalPassFailure();
    }
    const Target *row = bestOf(target);
    if (!row) {
      getOperation().emitError() << "unknown target '" << target
                                 << "', expected one of " << knownTargetNames();
      return signalPassFailure();
    }
    SmallVector<func::FuncOp> functions(getOperation().getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      if (!isLevelOne(function))
        continue;
      ScheduleAttr chosen =
          given ? given : defaultSchedule(&getContext(), *row, function);
      if (failed(Tiling(function, chosen).run()))
        return signalPassFailure();
    }
  }

  static bool isLevelOne(func::FuncOp function) {
    return !function.isExternal() &&
           function
               .walk([](Operation *op) {
                 return isa_and_nonnull<KVarNDialect>(op->getDialect())
                            ? WalkResult::interrupt()
                            : WalkResult::advance();
               })
               .wasInterrupted();
  }
};

} // namespace
