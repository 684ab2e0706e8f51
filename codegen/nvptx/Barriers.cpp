//===- Barriers.cpp - Where warps wait for one another --------------------===//

#include "codegen/nvptx/Barriers.h"
#include "codegen/nvptx/KernelEmitter.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

#include <map>

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

namespace {

/// What may have happened since the last barrier, whichever way was taken.
struct Since {
  llvm::SetVector<Value> read;           // staged tiles, by products
  llvm::SetVector<Value> staged;         // by ops of their own
  llvm::SetVector<Value> loaded, stored; // memrefs
  bool used = false;                     // tiles, and with them maybe slots

  bool add(const Since &other) {
    bool grows = other.used > used;
    used |= other.used;
    for (auto values :
         {&Since::read, &Since::staged, &Since::loaded, &Since::stored})
      for (Value value : other.*values)
        grows |= (this->*values).insert(value);
    return grows;
  }
};

class Finder {
public:
  Finder(KernelOp kernel, const StagedTiles &stages) : stages(stages) {
    kernel.walk([&](ArriveOp) { arrives = true; });
  }

  Since walk(Block &block, Since since) {
    for (Operation &op : block)
      visit(op, since);
    return since;
  }

  DenseSet<Operation *> barriers;

private:
  void visit(Operation &op, Since &since);
  void visitLoop(Operation &op, Since &since);
  void visitRegions(Operation &op, Since &since);
  bool needsBarrier(Operation &op, const Since &since);
  Value memoryOf(Operation &op) const;

  const StagedTiles &stages;
  bool arrives = false;
  std::map<Operation *, Since> rounds; // before a round of each loop
};

} // namespace

static bool stores(Operation &op) { return isa<StoreOp, ScatterOp>(op); }

/// Global memory that warps find what others have stored in, or null. Those
/// that are on their own do not, and who counts arrivals keeps its own order.
Value Finder::memoryOf(Operation &op) const {
  auto memory = TypeSwitch<Operation *, Value>(&op)
                    .Case<LoadOp, GatherOp, StoreOp, ScatterOp>(
                        [](auto access) { return access.getMemory(); })
                    .Default([](Operation *) { return Value(); });
  bool alone = memory && op.getParentOfType<WarpsOp>();
  return arrives || alone ? Value() : memory;
}

bool Finder::needsBarrier(Operation &op, const Since &since) {
  if (Value memory = memoryOf(op))
    return (stores(op) ? since.loaded : since.stored).contains(memory);
  if (isa<AsyncCopyOp>(op))
    return since.used;
  if (isa<DotOp>(op))
    return !since.staged.empty();
  if (!isa<StageOp>(op))
    return false;
  Value own = op.getResult(0);
  StagedBytes bytes = stages.bytesOf(own);
  auto overlaps = [&](Value tile) {
    StagedBytes other = stages.bytesOf(tile);
    return bytes.begin < other.end && other.begin < bytes.end;
  };
  // Each warp writes over its own part of what the same op has staged before.
  return llvm::any_of(since.read, overlaps) ||
         llvm::any_of(since.staged, [&](Value tile) {
           return tile != own && overlaps(tile);
         });
}

/// A round may follow another one, or none. What is known of rounds only grows,
/// so that loops within loops are not walked again and again.
void Finder::visitLoop(Operation &op, Since &since) {
  auto [known, isNew] = rounds.try_emplace(&op);
  Since &before = known->second;
  bool grows = before.add(since) || isNew;
  while (grows)
    grows = before.add(walk(op.getRegion(0).front(), before));
  since = before;
}

void Finder::visitRegions(Operation &op, Since &since) {
  Since after;
  bool mayBeLeftOut = false;
  for (Region &region : op.getRegions()) {
    mayBeLeftOut |= region.empty();
    if (!region.empty())
      after.add(walk(region.front(), since));
  }
  if (mayBeLeftOut)
    after.add(since);
  since = std::move(after);
}

void Finder::visit(Operation &op, Since &since) {
  if (needsBarrier(op, since))
    barriers.insert(&op);
  if (barriers.contains(&op))
    since = {};
  if (isa<StageOp>(op))
    since.staged.insert(op.getResult(0));
  if (isa<DotOp>(op))
    for (Value operand : op.getOperands())
      if (stages.contains(operand))
        since.read.insert(operand);
  if (Value memory = memoryOf(op))
    (stores(op) ? since.stored : since.loaded).insert(memory);
  since.used |= hasTiles(&op);
  if (isa<scf::ForOp, scf::WhileOp>(op))
    visitLoop(op, since);
  else if (op.getNumRegions() > 0)
    visitRegions(op, since);
}

DenseSet<Operation *>
mlir::kvarn::nvptx::findBarriers(KernelOp kernel, const StagedTiles &stages) {
  Finder finder(kernel, stages);
  finder.walk(kernel.getBody().front(), {});
  return std::move(finder.barriers);
}
