//===- Slots.cpp - Asynchronous copies into shared memory -----------------===//
//
// Every warp has slots of its own, but for warps that work together, which
// share them. On sm_90 one bulk copy fills a slot and completes on its
// mbarrier; before, lanes copy 16 bytes at a time and the warp waits for groups
// of copies.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

static constexpr int64_t kAlignment = 128, kBarrierBytes = 8;

static int64_t bytesOf(SlotType type) {
  auto format = type.getFormat().get();
  return type.getPart() == RecordPart::Key
             ? format.codeOffset(::kvarn::Part::Value)
             : format.recordBytes() - format.codeOffset(::kvarn::Part::Value);
}

/// Barriers come first, those of one warp after those of another, then what
/// warps keep, then the slots in the same way.
void KernelEmitter::allocateSlots() {
  int64_t barriers = 0, bytes = 0;
  kernel.walk([&](SlotOp op) {
    Slot slot;
    slot.barrier = barriers;
    slot.offset = bytes;
    slot.bytes = bytesOf(op.getSlot().getType());
    barriers += bulkCopies ? kBarrierBytes : 0;
    bytes += llvm::alignTo(slot.bytes, kAlignment);
    slots[op.getSlot()] = slot;
  });
  barrierBytes = barriers;
  slotBytes = bytes;
  slotsOffset = llvm::alignTo(
      allocateKept(kernel.getBody().front(), (together ? 1 : warps) * barriers),
      kAlignment);
}

static bool copiesOutsideWarps(KernelOp kernel) {
  bool any = false;
  kernel.walk(
      [&](AsyncCopyOp copy) { any |= !copy->getParentOfType<WarpsOp>(); });
  return any;
}

/// What warps exchange lies where their slots are, because barriers separate
/// both; but those that work together, or copy outside of regions of their own,
/// exchange while copies are under way.
/// Nothing but barriers may lie where barriers are: they would no longer work.
void KernelEmitter::allocateMemory() {
  allocateSlots();
  scratchOffset = slotsOffset;
  if (together)
    scratchOffset = stages.allocate(slotsOffset + slotBytes);
  else if (copiesOutsideWarps(kernel))
    scratchOffset += warps * slotBytes;
  syncsBefore = findBarriers(kernel, stages);
}

Value KernelEmitter::slotMemory() {
  Value first = ir.at(shared, slotsOffset);
  return together ? first : ir.at(first, ir.mul(warp, ir.i32(slotBytes)));
}

/// As the number that instructions take.
Value KernelEmitter::barrierOf(const Slot &slot) {
  Value first = ir.at(shared, slot.barrier);
  return sharedNumber(
      together ? first : ir.at(first, ir.mul(warp, ir.i32(barrierBytes))));
}

Value KernelEmitter::isFirst() {
  Value first = ir.equal(lane, ir.i32(0));
  return together ? ir.both(first, ir.equal(warp, ir.i32(0))) : first;
}

void KernelEmitter::meetSharers() {
  if (together)
    ir.syncBlock();
  else
    ir.syncWarp();
}

/// Bulk copies and products of a warpgroup access shared memory through the
/// async proxy, which is in no order with loads and stores.
void KernelEmitter::fenceCopies() {
  if (bulkCopies)
    ir.assembly("fence.proxy.async.shared::cta;", "~{memory}", {});
}

/// To meet is not enough: lanes do not wait for what they load before they use
/// it, and a copy may be faster.
void KernelEmitter::syncSharers() {
  if (together)
    waitForProducts();
  fenceCopies();
  meetSharers();
}

Value KernelEmitter::slotAddress(Value slot) {
  return ir.at(slotMemory(), slots.find(slot)->second.offset);
}

void KernelEmitter::initializeSlots() {
  if (slots.empty())
    return;
  auto counter = [&] {
    Value place =
        ir.create<LLVM::AllocaOp>(LLVM::LLVMPointerType::get(ir.getContext()),
                                  ir.getI32Type(), ir.i32(1));
    ir.store(ir.i32(0), place, 4);
    return place;
  };
  copies = counter();
  for (auto &[value, slot] : slots) {
    slot.phase = counter();
    slot.arrived = counter();
  }
  if (!bulkCopies)
    return;
  Value first = isFirst();
  OpBuilder::InsertionGuard guard(ir);
  auto branch = ir.create<scf::IfOp>(first, false);
  ir.setInsertionPointToStart(branch.thenBlock());
  for (auto &[value, slot] : slots)
    ir.assembly("mbarrier.init.shared::cta.b64 [$0], 1;", "r,~{memory}",
                {barrierOf(slot)});
  ir.assembly("fence.mbarrier_init.release.cluster;", "~{memory}", {});
  ir.setInsertionPointAfter(branch);
  meetSharers();
}

/// A shared address as the number that instructions take.
Value KernelEmitter::sharedNumber(Value pointer) {
  return ir.create<LLVM::PtrToIntOp>(ir.getI32Type(), pointer);
}

/// The token is the number of the copy: on sm_90 of this slot's, else of all.
void KernelEmitter::emitAsyncCopy(AsyncCopyOp op) {
  Slot &slot = slots.find(op.getSlot())->second;
  SlotType type = op.getSlot().getType();
  Value predicate = scalar(op.getPredicate());
  Value counter = bulkCopies ? slot.phase : copies;
  Value number = ir.load(counter, ir.getI32Type(), 4);
  Value started = bulkCopies
                      ? ir.create<arith::ExtUIOp>(ir.getI32Type(), predicate)
                      : ir.i32(1);
  ir.store(ir.add(number, started), counter, 4);
  scalars.map(op.getToken(), number);
  Value from =
      ir.at(address(op.getPages(), {ir.toI64(scalar(op.getBlock())),
                                    ir.toI64(scalar(op.getHead())), ir.i64(0)}),
            type.getFormat().get().codeOffset(toFormat(type.getPart())));
  Value to = slotAddress(op.getSlot());
  if (syncsBefore.contains(op))
    syncSharers();
  if (!bulkCopies)
    return emitLaneCopies(slot, predicate, from, to);
  emitBulkCopy(slot, predicate, from, to);
  if (!together)
    askForOthers(op.getSlot());
}

/// A barrier takes a while to answer, so the other slots' are asked when the
/// copy into `slot` has started, well before somebody waits for them.
void KernelEmitter::askForOthers(Value slot) {
  for (auto &[value, other] : slots) {
    // Of the copy that may have started now nothing is known.
    Value arrived = ir.i32(0);
    if (value != slot) {
      // The last copy is as odd as the one behind the next. A barrier without
      // copies says yes, which its first copy clears.
      Value count = ir.load(other.phase, ir.getI32Type(), 4);
      Value parity = ir.both(ir.add(count, ir.i32(1)), ir.i32(1));
      arrived = ir.assembly(
          "{\n .reg .pred p;\n"
          " mbarrier.test_wait.parity.shared::cta.b64 p, [$1], $2;\n"
          " selp.b32 $0, 1, 0, p;\n}",
          "=r,r,r,~{memory}", {barrierOf(other), parity}, ir.getI32Type());
    }
    ir.store(arrived, other.arrived, 4);
  }
}

void KernelEmitter::emitBulkCopy(const Slot &slot, Value predicate, Value from,
                                 Value to) {
  // Of an elected lane the assembler knows that it is alone: it need not go
  // through the lanes in a loop, which nothing could be moved over. Warps that
  // work together are faster with the loop.
  Value starts = together ? ir.both(predicate, isFirst()) : predicate;
  StringRef isStarting = together ? " setp.ne.b32 p, $0, 0;\n"
                                  : " elect.sync _|p, 0xffffffff;\n"
                                    " setp.ne.and.b32 p, $0, 0, p;\n";
  std::string text =
      "{\n .reg .pred p;\n" + isStarting.str() +
      " @p mbarrier.arrive.expect_tx.shared::cta.b64 _, [$1], $4;\n"
      " @p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[$2], [$3], $4, [$1];\n}";
  ir.assembly(text, "r,r,r,l,r,~{memory}",
              {ir.create<arith::ExtUIOp>(ir.getI32Type(), starts),
               barrierOf(slot), sharedNumber(to),
               ir.create<LLVM::PtrToIntOp>(ir.getI64Type(), from),
               ir.i32(slot.bytes)});
}

void KernelEmitter::emitLaneCopies(const Slot &slot, Value predicate,
                                   Value from, Value to) {
  auto branch = ir.create<scf::IfOp>(predicate, false);
  {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(branch.thenBlock());
    Value own = ir.mul(lane, ir.i32(16));
    Value source =
        ir.create<LLVM::PtrToIntOp>(ir.getI64Type(), ir.at(from, own));
    Value sink = sharedNumber(ir.at(to, own));
    // Distances are part of the instruction: sums of them would be registers.
    for (int64_t at = 0; at < slot.bytes; at += 32 * 16) {
      Value inside = ir.i32(1);
      if (int64_t left = (slot.bytes - at) / 16; left < 32)
        inside = ir.create<arith::ExtUIOp>(
            ir.getI32Type(), ir.create<arith::CmpIOp>(arith::CmpIPredicate::ult,
                                                      lane, ir.i32(left)));
      std::string distance = std::to_string(at);
      ir.assembly("{\n .reg .pred p;\n setp.ne.b32 p, $2, 0;\n"
                  " @p cp.async.cg.shared.global [$0+" +
                      distance + "], [$1+" + distance + "], 16;\n}",
                  "r,l,r,~{memory}", {sink, source, inside});
    }
  }
  ir.assembly("cp.async.commit_group;", "~{memory}", {});
}

/// Until the copy of this parity is there, unless the barrier has said so.
void KernelEmitter::waitForBarrier(const Slot &slot, Value parity) {
  std::string loop = "WAIT_${:uid}:\n"
                     " mbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1;\n"
                     " @!p bra WAIT_${:uid};\n";
  if (together) {
    ir.assembly("{\n .reg .pred p;\n" + loop + "}", "r,r,~{memory}",
                {barrierOf(slot), parity});
    return;
  }
  ir.assembly(
      "{\n .reg .pred p;\n setp.ne.b32 p, $2, 0;\n"
      " @p bra THERE_${:uid};\n" +
          loop + "THERE_${:uid}:\n}",
      "r,r,r,~{memory}",
      {barrierOf(slot), parity, ir.load(slot.arrived, ir.getI32Type(), 4)});
  if (repeats)
    sayTogether(parity);
}

/// Behind a loop that lanes leave one by one the assembler does not know that
/// they are together, and parts the code at the first exchange between them. An
/// instruction that is for all of them says so; its result is dropped. Other
/// kernels exchange by such instructions soon enough.
void KernelEmitter::sayTogether(Value word) {
  ir.assembly("{\n .reg .b32 t;\n"
              " movmatrix.sync.aligned.m8n8.trans.b16 t, $0;\n}",
              "r,~{memory}", {word});
}

/// What `token` is where it comes from, by one step.
static SmallVector<Value> sourcesOf(Value token) {
  if (auto argument = dyn_cast<BlockArgument>(token)) {
    unsigned number = argument.getArgNumber();
    Operation *parent = argument.getOwner()->getParentOp();
    if (auto loop = dyn_cast<scf::ForOp>(parent))
      return {loop.getTiedLoopInit(argument)->get(),
              loop.getTiedLoopYieldedValue(argument)->get()};
    auto loop = cast<scf::WhileOp>(parent);
    if (argument.getOwner() == loop.getBeforeBody())
      return {loop.getInits()[number], loop.getYieldOp()->getOperand(number)};
    return {loop.getConditionOp().getArgs()[number]};
  }
  unsigned index = cast<OpResult>(token).getResultNumber();
  Operation *op = token.getDefiningOp();
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return {loop.getInits()[index], loop.getYieldedValues()[index]};
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return {loop.getConditionOp().getArgs()[index]};
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return {select.getTrueValue(), select.getFalseValue()};
  auto branch = dyn_cast<scf::IfOp>(op);
  if (!branch)
    return {};
  return {branch.thenYield().getOperand(index),
          branch.elseYield().getOperand(index)};
}

/// The slots that a token's copy may go to.
static llvm::SetVector<Value> slotsOf(Value token) {
  llvm::SetVector<Value> seen, slots;
  seen.insert(token);
  for (size_t i = 0; i < seen.size(); ++i) {
    if (auto copy = seen[i].getDefiningOp<AsyncCopyOp>())
      slots.insert(copy.getSlot());
    else
      for (Value source : sourcesOf(seen[i]))
        seen.insert(source);
  }
  return slots;
}

/// The barrier that is waited at is that of one slot.
LogicalResult KernelEmitter::checkWait(WaitOp op) {
  size_t count = slotsOf(op.getToken()).size();
  if (count == 0)
    return op.emitOpError("waits for something that is no copy");
  if (count > 1)
    return op.emitOpError("waits for copies to different slots");
  return success();
}

void KernelEmitter::emitWait(WaitOp op) {
  Value token = scalar(op.getToken());
  if (bulkCopies)
    return waitForBarrier(slots.find(slotsOf(op.getToken()).front())->second,
                          ir.both(token, ir.i32(1)));
  // Later copies may still be under way: at most one of each other slot.
  Value issued = ir.load(copies, ir.getI32Type(), 4);
  Value isLast = ir.equal(ir.add(token, ir.i32(1)), issued);
  auto branch = ir.create<scf::IfOp>(isLast, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(ir);
    ir.setInsertionPointToStart(branch.thenBlock());
    ir.assembly("cp.async.wait_group 0;", "~{memory}", {});
    ir.setInsertionPointToStart(branch.elseBlock());
    ir.assembly("cp.async.wait_group 1;", "~{memory}", {});
  }
  ir.syncWarp();
}
