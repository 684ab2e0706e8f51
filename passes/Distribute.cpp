//===- Distribute.cpp - The pass tile-distribute -------------------------===//

#include "passes/Distributor.h"
#include "passes/Passes.h"
#include "passes/TileBuilder.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

namespace mlir::kvarn {
#define GEN_PASS_DEF_TILEDISTRIBUTE
#include "passes/Passes.h.inc"
} // namespace mlir::kvarn

/// Of a layout.
static constexpr size_t kMaxRegisterBits = 10;

/// Layouts are of one to three dimensions, each of which is a power of two.
static LogicalResult checkTiles(KernelOp kernel) {
  WalkResult walked = kernel.walk([&](Operation *op) {
    if (auto loop = dyn_cast<scf::WhileOp>(op);
        loop && failed(checkRepeat(loop)))
      return WalkResult::interrupt();
    for (Value result : op->getResults())
      if (RankedTensorType type = tileOf(result);
          type && (type.getRank() < 1 || type.getRank() > 3 ||
                   !llvm::all_of(type.getShape(), [](int64_t extent) {
                     return llvm::isPowerOf2_64(extent);
                   })))
        return WalkResult(op->emitOpError()
                          << "has the tile " << type
                          << ", expected one to three powers of two");
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

/// Whether the tile lies in memory, or its registers are alike.
static bool hasFewRegisters(Value tile) {
  return stageOf(tile) || tile.getDefiningOp<HadamardMatrixOp>();
}

LogicalResult Distributor::checkSizes() {
  auto check = [&](Operation *op, Value value, const Layout &layout) {
    if (layout.registers.size() <= kMaxRegisterBits)
      return success();
    return LogicalResult(op->emitOpError() << "has the tile " << value.getType()
                                           << ", of which a lane would hold "
                                           << layout.registerCount()
                                           << " elements, expected at most "
                                           << (int64_t(1) << kMaxRegisterBits));
  };
  WalkResult walked = kernel.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (auto it = layouts.find(result); it != layouts.end() &&
                                          !hasFewRegisters(result) &&
                                          failed(check(op, result, it->second)))
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  for (auto &[op, product] : products)
    for (auto [value, layout] : {std::pair(op->getOperand(0), product.lhs),
                                 {op->getOperand(1), product.rhs}})
      if (!hasFewRegisters(value) && failed(check(op, value, layout)))
        return failure();
  return success();
}

LogicalResult Distributor::run() {
  if (failed(planProducts(kernel, matrix, products)))
    return failure();
  // Records are the same bytes whether their tiles are rotated here or not.
  kernel.walk([&](HadamardOp) { rotates = products.empty(); });
  kernel.walk([&](StoreCodesOp) { rotates = false; });
  kernel.walk([&](WarpsOp warps) { ownWarps = warps.getCount(); });
  // The result of a product is what the instruction makes of it, also where
  // products of a loop add to it.
  onlySums = true;
  for (auto &[dot, product] : products)
    set(dot->getResult(0), product.result);
  spread();
  onlySums = false;
  // In program order: what several products reach belongs to the first.
  for (auto &[op, product] : products) {
    auto dot = cast<DotOp>(op);
    reached.push_back(dot.getResult());
    set(dot.getLhs(), product.source.value_or(product.lhs));
    set(dot.getRhs(), product.rhs);
    spread();
  }
  llvm::append_range(reached, sums);
  spread();
  setCodes();
  if (worksTogether(kernel))
    setStaged();
  if (products.empty())
    setMemory();
  // Results of warps depend on what happens inside.
  kernel.walk([&](WarpsOp warps) {
    setRest(warps);
    setStacks(warps);
  });
  setRest(kernel);
  if (failed(checkSizes()))
    return failure();
  assign();
  return success();
}

namespace {

struct TileDistribute
    : public mlir::kvarn::impl::TileDistributeBase<TileDistribute> {
  using TileDistributeBase::TileDistributeBase;

  void runOnOperation() override {
    const Target *row = bestOf(target);
    if (!row) {
      getOperation().emitError() << "unknown target '" << target
                                 << "', expected one of " << knownTargetNames();
      return signalPassFailure();
    }
    if (!row->matrix)
      return;
    for (auto kernel : getOperation().getOps<KernelOp>())
      if (worksTogether(kernel) && !row->warpgroupProducts) {
        kernel.emitOpError() << "has a schedule with team = warpgroup, which "
                             << row->name << " has no instruction for";
        return signalPassFailure();
      }
    for (auto kernel : getOperation().getOps<KernelOp>())
      if (failed(checkTiles(kernel)) ||
          failed(Distributor(kernel, *row->matrix).run()))
        return signalPassFailure();
  }
};

} // namespace
