//===- KernelEmitter.cpp - One kernel as vectors and loops ----------------===//

#include "codegen/cpu/KernelEmitter.h"
#include "passes/TileBuilder.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

KernelEmitter::KernelEmitter(KernelOp kernel, const Target &target)
    : kernel(kernel), target(target), placement(kernel),
      ir(kernel.getLoc(), kernel.getContext()), lanes(target.vectorBits / 32) {
  // Programs of a GPU run one per work-item: registers as on a narrow CPU.
  if (target.backend != Backend::Cpu)
    lanes = 4;
}

LogicalResult KernelEmitter::run() {
  if (failed(checkSupported()))
    return failure();
  func::FuncOp function = createFunction();
  ir.setInsertionPointToStart(function.addEntryBlock());
  mapArguments(function);
  allocateSlots();
  emitBlock(kernel.getBody().front());
  ir.create<func::ReturnOp>();
  function->setAttr("kvarn.scratch_bytes",
                    ir.getI64IntegerAttr(scratch.bytes()));
  kernel.erase();
  return expandMath(function);
}

/// `void name(const int64_t *params, void *scratch, int64_t x, y, z)`.
func::FuncOp KernelEmitter::createFunction() {
  ir.setInsertionPoint(kernel);
  Type pointer = ir.pointerType(), word = ir.getI64Type();
  auto type = ir.getFunctionType({pointer, pointer, word, word, word}, {});
  auto function = ir.create<func::FuncOp>(kernel.getSymName(), type);
  // Nothing else points into either of them.
  for (unsigned i : {0u, 1u})
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        ir.getUnitAttr());
  function.setArgAttr(0, LLVM::LLVMDialect::getReadonlyAttrName(),
                      ir.getUnitAttr());
  function.setArgAttr(1, LLVM::LLVMDialect::getAlignAttrName(),
                      ir.getI64IntegerAttr(Scratch::kAlignment));
  return function;
}

void KernelEmitter::mapArguments(func::FuncOp function) {
  Value params = function.getArgument(0);
  scratchPointer = function.getArgument(1);
  for (unsigned i = 0; i < 3; ++i)
    programId[i] = ir.toIndex(function.getArgument(2 + i));
  int64_t words = 0;
  auto word = [&](Type type) {
    return ir.load(ir.at(params, 8 * words++), type, 0, 8);
  };
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type) {
      scalars.map(argument, word(argument.getType()));
      continue;
    }
    Memory memory;
    memory.element = type.getElementType();
    memory.pointer = word(ir.pointerType());
    SmallVector<int64_t> strides;
    int64_t offset;
    (void)getStridesAndOffset(type, strides, offset);
    auto extents = [&](ArrayRef<int64_t> known, Values &values) {
      for (int64_t extent : known) {
        Value value = ir.toIndex(word(ir.getI64Type()));
        values.push_back(ShapedType::isDynamic(extent) ? value
                                                       : ir.index(extent));
      }
    };
    extents(type.getShape(), memory.sizes);
    extents(strides, memory.strides);
    memories[argument] = std::move(memory);
  }
}

LogicalResult KernelEmitter::checkSupported() {
  if (!kernel.getBody().hasOneBlock())
    return kernel.emitOpError("has more than one block");
  WalkResult result = kernel.getBody().walk([](Operation *op) -> WalkResult {
    return checkKernelOp(op, /*storesScalars=*/true, "the CPU target");
  });
  return failure(result.wasInterrupted());
}

void KernelEmitter::emitBlock(Block &block) {
  for (Operation &op : block) {
    ir.setLoc(op.getLoc());
    emitOp(op);
    // What a terminator reads is needed until its parent has used it.
    if (!op.hasTrait<OpTrait::IsTerminator>())
      release(&op);
  }
}

void KernelEmitter::emitOp(Operation &op) {
  if (op.getNumResults() == 1 && placement.isInline(op.getResult(0)))
    return;
  // Copies have ended when they have begun: their tokens say nothing.
  if (isa<arith::SelectOp>(op) && isa<TokenType>(op.getResult(0).getType()))
    return;
  llvm::TypeSwitch<Operation *>(&op)
      .Case<scf::ForOp>([&](auto op) { emitFor(op); })
      .Case<scf::WhileOp>([&](auto op) { emitWhile(op); })
      .Case<scf::IfOp>([&](auto op) { emitIf(op); })
      .Case<WarpsOp>([&](auto op) { emitWarps(op); })
      .Case<ReduceOp>([&](auto op) { emitReduce(op); })
      .Case<ScanOp>([&](auto op) { emitScan(op); })
      .Case<DotOp>([&](auto op) { emitDot(op); })
      .Case<HadamardOp>([&](auto op) { emitHadamard(op); })
      .Case<TransposeOp>([&](auto op) { emitTranspose(op); })
      .Case<StoreOp>([&](auto op) { emitStore(op); })
      .Case<GatherOp>([&](auto op) { emitGather(op); })
      .Case<ScatterOp>([&](auto op) { emitScatter(op); })
      .Case<StoreVectorOp>([&](auto op) { emitStoreVector(op); })
      .Case<StoreCodesOp>([&](auto op) { emitStoreCodes(op); })
      .Case<AsyncCopyOp>([&](auto op) { emitAsyncCopy(op); })
      .Case<ProgramIdOp>([&](ProgramIdOp op) {
        scalars.map(op.getResult(), programId[unsigned(op.getAxis())]);
      })
      .Case<SlotOp, WaitOp, BeginNextOp, AwaitPreviousOp, ReturnOp,
            scf::YieldOp, scf::ConditionOp, YieldOp>([](auto) {})
      .Default([&](Operation *op) {
        if (op->getNumResults() == 1 && isTile(op->getResult(0)))
          fill(destination(op->getResult(0)),
               [&](ValueRange lead, Value column, int64_t width) {
                 return evaluate(op, lead, column, width);
               });
        else
          emitScalarOp(*op);
      });
}

/// Programs run on many threads, in any order.
Value KernelEmitter::arrive(Value counter, Value count) {
  Type i32 = ir.getI32Type();
  Value one = ir.create<arith::ConstantOp>(ir.getI32IntegerAttr(1));
  Value before = ir.create<LLVM::AtomicRMWOp>(
      LLVM::AtomicBinOp::add, counter, one, LLVM::AtomicOrdering::acq_rel);
  Value arrived = ir.create<arith::AddIOp>(before, one);
  Value wanted = ir.create<arith::IndexCastOp>(i32, count);
  Value last =
      ir.create<arith::CmpIOp>(arith::CmpIPredicate::eq, arrived, wanted);
  OpBuilder::InsertionGuard guard(ir);
  auto branch = ir.create<scf::IfOp>(last, /*withElseRegion=*/false);
  ir.setInsertionPointToStart(branch.thenBlock());
  ir.store(ir.zero(i32), counter);
  return last;
}

void KernelEmitter::emitScalarOp(Operation &op) {
  auto address = [&](Value memref, ValueRange indices) {
    const Memory &memory = memories.find(memref)->second;
    Value offset = ir.index(0);
    for (auto [index, stride] : llvm::zip(indices, memory.strides))
      offset = ir.add(offset, ir.mul(scalar(index), stride));
    return ir.at(memory.pointer, offset, memory.element);
  };
  llvm::TypeSwitch<Operation *>(&op)
      .Case<memref::LoadOp>([&](memref::LoadOp op) {
        scalars.map(
            op.getResult(),
            ir.load(address(op.getMemref(), op.getIndices()), op.getType(), 0));
      })
      .Case<memref::StoreOp>([&](memref::StoreOp op) {
        ir.store(scalar(op.getValue()),
                 address(op.getMemref(), op.getIndices()));
      })
      .Case<ArriveOp>([&](ArriveOp op) {
        scalars.map(op.getLast(),
                    arrive(address(op.getCounters(), op.getIndex()),
                           scalar(op.getCount())));
      })
      .Case<memref::DimOp>([&](memref::DimOp op) {
        const Memory &memory = memories.find(op.getSource())->second;
        scalars.map(op.getResult(),
                    memory.sizes[op.getConstantIndex().value_or(0)]);
      })
      .Default([&](Operation *op) {
        for (Value result : ir.clone(*op, scalars)->getResults())
          if (isa<SlotType>(result.getType()))
            result.setType(ir.pointerType());
      });
}
