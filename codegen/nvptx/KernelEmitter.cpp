//===- KernelEmitter.cpp - One kernel, tiles in registers -----------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "codegen/nvptx/LlvmPasses.h"
#include "passes/MatrixLayouts.h"
#include "passes/TileBuilder.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

KernelEmitter::KernelEmitter(KernelOp kernel, const Target &target)
    : kernel(kernel), target(target), ir(kernel.getLoc(), kernel.getContext()),
      bulkCopies(target.bulkCopies) {}

LogicalResult KernelEmitter::run() {
  if (failed(checkSupported()))
    return failure();
  allocateMemory();
  LLVM::LLVMFuncOp function = createFunction();
  ir.setInsertionPointToStart(function.addEntryBlock(ir));
  mapArguments(function);
  initializeSlots();
  if (failed(emitBlock(kernel.getBody().front())))
    return failure();
  waitForProducts();
  ir.create<LLVM::ReturnOp>(ValueRange());
  int64_t bytes = std::max(scratchOffset + scratchBytes,
                           together ? 0 : slotsOffset + warps * slotBytes);
  function->setAttr("kvarn.shared_bytes", ir.getI64IntegerAttr(bytes));
  // Attention, and materialize, for which it makes no difference.
  if (hasOwnWarps || together)
    function->setAttr(kFillsRegisters, ir.getUnitAttr());
  auto awaits = kernel.getBody().getOps<AwaitPreviousOp>();
  if (target.earlyLaunches && !awaits.empty())
    function->setAttr("kvarn.awaits_previous", ir.getUnitAttr());
  kernel.erase();
  return success();
}

//===----------------------------------------------------------------------===//
// What is supported
//===----------------------------------------------------------------------===//

static LogicalResult checkTile(Operation *op, Value value, int64_t lanes) {
  if (!isTile(value) || stageOf(value))
    return success();
  LayoutAttr layout = layoutOf(value);
  if (layout && int64_t(layout.getLanes().size()) == lanes * layout.getRank())
    return success();
  return op->emitOpError() << "has a tile without a layout of " << (1 << lanes)
                           << " lanes: " << value.getType();
}

/// The functions that PTX has instructions for, or that become some.
static LogicalResult checkFunction(Operation *op) {
  Type type = getElementTypeOrSelf(op->getResult(0));
  bool any = isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp,
                 math::FloorOp, math::FmaOp, math::RoundEvenOp, math::RoundOp,
                 math::TruncOp>(op);
  if (any ||
      (type.isF32() && isa<math::ExpOp, math::Exp2Op, math::LogOp, math::Log2Op,
                           math::SqrtOp, math::TanhOp>(op)))
    return success();
  return op->emitOpError() << "of " << type << " is unknown to NVIDIA targets";
}

/// A slot is a place that instructions name, and no value.
static LogicalResult checkSlot(Operation *op, Value value) {
  if (!isa<SlotType>(value.getType()) || value.getDefiningOp<SlotOp>())
    return success();
  return op->emitOpError("has a slot that is not from tile.alloc_slot itself");
}

static LogicalResult checkOp(Operation *op) {
  if (failed(checkKernelOp(op, /*storesScalars=*/false, "NVIDIA targets")))
    return failure();
  if (isa<math::MathDialect>(op->getDialect()))
    return checkFunction(op);
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    if (hasTiles(op) && !isa<SplatElementsAttr>(constant.getValue()))
      return op->emitOpError("has elements that differ");
  return success();
}

/// Warps that work together have no tiles of their own, and staged tiles lie in
/// memory, where products find them and nothing else does.
LogicalResult KernelEmitter::checkTogether() {
  if (together && !target.warpgroupProducts)
    return kernel.emitOpError()
           << "has a schedule with team = warpgroup, which " << target.name
           << " has no instruction for";
  WalkResult result = kernel.getBody().walk([&](Operation *op) -> WalkResult {
    if (together && isa<WarpsOp>(op))
      return op->emitOpError("stands in a kernel with team = warpgroup");
    auto stage = dyn_cast<StageOp>(op);
    if (!stage)
      return WalkResult::advance();
    if (!together)
      return op->emitOpError("needs a schedule with team = warpgroup");
    LayoutAttr memory = layoutOf(stage.getResult());
    if (!memory || !memory.getLanes().empty() || !memory.getWarps().empty())
      return op->emitOpError("has no order in shared memory: ")
             << stage.getType();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Where warps multiply together the assembler has too few registers for an
/// order that is not its own: such kernels are 3 % faster without one.
void KernelEmitter::findExchanged() {
  if (together)
    return;
  bool arrives = false;
  DenseSet<Value> stored;
  kernel.getBody().walk([&](Operation *op) {
    arrives |= isa<ArriveOp>(op);
    if (auto store = dyn_cast<StoreOp>(op))
      stored.insert(store.getMemory());
    else if (auto scatter = dyn_cast<ScatterOp>(op))
      stored.insert(scatter.getMemory());
  });
  if (arrives)
    exchanged = std::move(stored);
}

LogicalResult KernelEmitter::checkSupported() {
  if (!kernel.getBody().hasOneBlock())
    return kernel.emitOpError("has more than one block");
  together = worksTogether(kernel);
  if (failed(checkTogether()) || failed(stages.find(kernel)))
    return failure();
  int64_t lanes =
      target.matrix->depthLanes.size() + target.matrix->outerLanes.size();
  WalkResult result = kernel.getBody().walk([&](Operation *op) -> WalkResult {
    if (failed(checkOp(op)))
      return WalkResult::interrupt();
    for (ValueRange values :
         {ValueRange(op->getOperands()), ValueRange(op->getResults())})
      for (Value value : values)
        if (failed(checkTile(op, value, lanes)) || failed(checkSlot(op, value)))
          return WalkResult::interrupt();
    if (auto wait = dyn_cast<WaitOp>(op); wait && failed(checkWait(wait)))
      return WalkResult::interrupt();
    repeats |= isa<scf::WhileOp>(op);
    if (auto op_ = dyn_cast<WarpsOp>(op)) {
      hasOwnWarps = true;
      int64_t count = op_.getCount();
      if (!llvm::isPowerOf2_64(count) || count > 32 ||
          (warps > 1 && warps != count))
        return op->emitOpError() << "has " << count
                                 << " warps, expected a power of two up to 32 "
                                    "and the same throughout a kernel";
      warps = count;
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  findExchanged();
  // Without regions of their own, warps share tiles.
  if (warps == 1)
    kernel.getBody().walk([&](Operation *op) {
      for (Value value : op->getResults())
        if (isTile(value))
          warps = std::max(warps, int64_t(1) << layout(value).warps.size());
    });
  return success();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

static int64_t wordsOf(Type type) {
  auto memref = dyn_cast<MemRefType>(type);
  return memref ? 1 + 2 * memref.getRank() : 1;
}

LLVM::LLVMFuncOp KernelEmitter::createFunction() {
  ir.setInsertionPoint(kernel);
  int64_t words = 0;
  for (Type type : kernel.getArgumentTypes())
    words += wordsOf(type);
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(ir.getContext()),
                                  SmallVector<Type>(words, ir.getI64Type()));
  auto function = ir.create<LLVM::LLVMFuncOp>(kernel.getSymName(), type);
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                    ir.getUnitAttr());
  function->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                    ir.getDenseI32ArrayAttr({int32_t(32 * warps)}));
  // Programs of balanced work are all there at once.
  if (ScheduleAttr schedule = kernel.getScheduleAttr();
      schedule && schedule.getPrograms() > 1)
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                      ir.getI32IntegerAttr(schedule.getPrograms()));
  auto module = kernel->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(kSharedMemory)) {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(module.getBody());
    ir.create<LLVM::GlobalOp>(LLVM::LLVMArrayType::get(ir.getI8Type(), 0),
                              /*isConstant=*/false, LLVM::Linkage::External,
                              kSharedMemory, Attribute(),
                              /*alignment=*/1024, unsigned(Space::Shared));
  }
  return function;
}

void KernelEmitter::mapArguments(LLVM::LLVMFuncOp function) {
  unsigned next = 0;
  auto word = [&] { return function.getArgument(next++); };
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type) {
      Value bits = word();
      Type scalarType = argument.getType();
      if (scalarType.isF32())
        bits = ir.bitcast(ir.toI32(bits), scalarType);
      else if (scalarType.isInteger(32))
        bits = ir.toI32(bits);
      scalars.map(argument, bits);
      continue;
    }
    Memory memory;
    memory.element = type.getElementType();
    memory.pointer =
        ir.create<LLVM::IntToPtrOp>(ir.pointerType(Space::Global), word());
    SmallVector<int64_t> strides;
    int64_t offset;
    (void)getStridesAndOffset(type, strides, offset);
    auto extents = [&](ArrayRef<int64_t> known, Values &values) {
      for (int64_t extent : known) {
        Value value = word();
        values.push_back(ShapedType::isDynamic(extent) ? value
                                                       : ir.i64(extent));
      }
    };
    extents(type.getShape(), memory.sizes);
    extents(strides, memory.strides);
    memories[argument] = std::move(memory);
  }
  auto special = [&](auto op) -> Value { return op; };
  Type i32 = ir.getI32Type();
  Value thread = special(ir.create<NVVM::ThreadIdXOp>(i32));
  lane = warps > 1 ? ir.both(thread, ir.i32(31)) : thread;
  warp = warps > 1 ? ir.shiftRight(thread, 5) : ir.i32(0);
  // What a warp does by itself is then known not to divide its lanes.
  if (warps > 1 && hasOwnWarps)
    warp = ir.shuffle(warp, ir.i32(0));
  // The sign of an extent, which the assembler does not know to be positive.
  for (BlockArgument argument : kernel.getBody().getArguments())
    for (Value extent : memories.lookup(argument).sizes)
      if (isa<BlockArgument>(extent) && !ownZero)
        ownZero = ir.both(ir.toI64(lane), ir.shiftRight(extent, 63));
  programId = {special(ir.create<NVVM::BlockIdXOp>(i32)),
               special(ir.create<NVVM::BlockIdYOp>(i32)),
               special(ir.create<NVVM::BlockIdZOp>(i32))};
  shared = ir.create<LLVM::AddressOfOp>(ir.pointerType(Space::Shared),
                                        kSharedMemory);
  scratch = ir.at(shared, scratchOffset);
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

LogicalResult KernelEmitter::emitBlock(Block &block) {
  for (Operation &op : block) {
    ir.setLoc(op.getLoc());
    if (failed(emitOp(op)))
      return failure();
  }
  return success();
}

LogicalResult KernelEmitter::emitOp(Operation &op) {
  if (emitted.contains(&op))
    return success();
  // Others wait by themselves, and not only for one another's stores.
  if (isa<LoadOp, GatherOp, StoreOp, ScatterOp>(op) &&
      syncsBefore.contains(&op))
    ir.syncBlock();
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<scf::ForOp, scf::WhileOp, scf::IfOp>(
          [&](auto op) { return emitRegions(op); })
      .Case<WarpsOp>([&](auto op) { return emitWarps(op); })
      .Case<ReduceOp>([&](auto op) { return emitReduce(op); })
      .Case<HadamardOp>([&](auto op) { return emitHadamard(op); })
      .Case<HadamardMatrixOp>(
          [&](auto op) { return emitHadamardMatrix(op), success(); })
      .Case<ScanOp>([&](auto op) { return emitScan(op); })
      .Case<DotOp>(
          [&](auto op) { return together ? emitSharedDot(op) : emitDot(op); })
      .Case<ConvertLayoutOp>([&](auto op) { return emitConvertLayout(op); })
      .Case<LoadOp>([&](auto op) { return emitLoad(op); })
      .Case<StoreOp>([&](auto op) { return emitStore(op); })
      .Case<GatherOp>([&](auto op) { return emitGather(op); })
      .Case<ScatterOp>([&](auto op) { return emitScatter(op); })
      .Case<LoadVectorOp>([&](auto op) { return emitLoadVector(op); })
      .Case<LoadCodesOp>([&](auto op) { return emitLoadCodes(op); })
      .Case<StoreCodesOp>([&](auto op) { return emitStoreCodes(op); })
      .Case<ExpandOp>([&](auto op) { return emitExpand(op); })
      .Case<SubtractTopOp>([&](auto op) { return emitSubtractTop(op); })
      .Default([&](Operation *op) {
        emitSimpleOp(op);
        return success();
      });
}

/// Ops that cannot fail.
void KernelEmitter::emitSimpleOp(Operation *op) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<ExpandScaleOp>([&](auto op) { emitExpandScale(op); })
      .Case<StageOp>([&](auto op) { emitStage(op); })
      .Case<KeepOp>([&](auto op) { emitKeep(op); })
      .Case<StoreVectorOp>([&](auto op) { emitStoreVector(op); })
      .Case<AsyncCopyOp>([&](auto op) { emitAsyncCopy(op); })
      .Case<WaitOp>([&](auto op) { emitWait(op); })
      .Case<ArriveOp>([&](auto op) { emitArrive(op); })
      .Case<BeginNextOp>([&](auto) {
        if (target.earlyLaunches)
          ir.assembly("griddepcontrol.launch_dependents;", "~{memory}", {});
      })
      .Case<AwaitPreviousOp>([&](auto) {
        if (target.earlyLaunches)
          ir.assembly("griddepcontrol.wait;", "~{memory}", {});
      })
      .Case<IotaOp>([&](auto op) { emitIota(op); })
      .Case<BroadcastOp>([&](auto op) { emitBroadcast(op); })
      .Case<TransposeOp>([&](auto op) { emitTranspose(op); })
      .Case<SplatOp>([&](SplatOp op) {
        define(op.getResult(), Values(layout(op.getResult()).registerCount(),
                                      scalar(op.getInput())));
      })
      .Case<ProgramIdOp>([&](ProgramIdOp op) {
        scalars.map(op.getResult(), programId[unsigned(op.getAxis())]);
      })
      .Case<SlotOp, ReturnOp, scf::YieldOp, scf::ConditionOp, YieldOp>(
          [](auto) {})
      .Default([&](Operation *op) {
        if (op->getNumResults() == 1 && isTile(op->getResult(0)))
          emitElementwise(op);
        else
          emitScalarOp(*op);
      });
}

void KernelEmitter::emitScalarOp(Operation &op) {
  if (auto load = dyn_cast<memref::LoadOp>(op)) {
    SmallVector<Value> indices;
    for (Value index : load.getIndices())
      indices.push_back(ir.toI64(scalar(index)));
    Type type = load.getType();
    Value from = address(load.getMemref(), indices);
    if (insideWarps && ownZero)
      from = ir.at(from, ownZero);
    scalars.map(load.getResult(),
                ir.load(from, type, (type.getIntOrFloatBitWidth() + 7) / 8));
  } else if (auto dim = dyn_cast<memref::DimOp>(op)) {
    const Memory &memory = memories.find(dim.getSource())->second;
    int64_t index = dim.getConstantIndex().value_or(0);
    scalars.map(dim.getResult(), ir.toI32(memory.sizes[index]));
  } else if (op.getNumResults() == 1 && op.getNumRegions() == 0) {
    Values operands;
    for (Value operand : op.getOperands())
      operands.push_back(scalar(operand));
    scalars.map(op.getResult(0), math(&op, operands));
  } else {
    ir.clone(op, scalars);
  }
}
