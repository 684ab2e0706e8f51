//===- Fuse.cpp - The pass kvarn-fuse -------------------------------------===//
//
// Each pattern replaces a composition by a kernel op that computes the same
// without its intermediate tensors. Producers with other users stay.
//
//===----------------------------------------------------------------------===//

#include "passes/CacheOrigin.h"
#include "passes/Passes.h"

#include "dialect/KVarNDialect.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace mlir::kvarn;

namespace mlir::kvarn {
#define GEN_PASS_DEF_KVARNFUSE
#include "passes/Passes.h.inc"
} // namespace mlir::kvarn

namespace {

/// attention(q, dequantize(c)) -> attend(q, c)
struct FuseDequantize : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    auto k = op.getK().getDefiningOp<DequantizeOp>();
    if (!k || op.getK() != k.getK() || op.getV() != k.getV())
      return rewriter.notifyMatchFailure(op, "k and v of no one dequantize");
    CacheOp cache = originOf(k.getCache());
    // attend takes the lengths from the cache.
    if (!cache || cache.getSeqLens() != op.getSeqLens())
      return rewriter.notifyMatchFailure(op, "lengths are not the cache's");
    // The cache is read where attention stands; updates happen in place.
    for (Operation *at = k; at != op; at = at->getNextNode())
      if (!at || updatedBy(at))
        return rewriter.notifyMatchFailure(op, "a cache is updated in between");
    rewriter.replaceOpWithNewOp<AttendOp>(
        op, op.getResultTypes(), op.getQ(), op.getQueryStart(), k.getCache(),
        op.getScale(), op.getWindow(), op.getSoftcap(), op.getSinks(),
        op.getNewK(), op.getNewV(), op.getCausal(), op.getRatio(),
        /*rotateQuery=*/false, /*rotateNew=*/false, /*rotateOutput=*/false);
    return success();
  }
};

/// attend(rotate(q)) -> attend{rotate_query}(q)
struct FuseQueryRotation : OpRewritePattern<AttendOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttendOp op,
                                PatternRewriter &rewriter) const override {
    auto rotate = op.getQ().getDefiningOp<RotateOp>();
    if (!rotate || op.getRotateQuery())
      return rewriter.notifyMatchFailure(op, "no rotation to draw in");
    rewriter.modifyOpInPlace(op, [&] {
      op.getQMutable().assign(rotate.getInput());
      op.setRotateQuery(true);
    });
    return success();
  }
};

/// attend(.. new rotate(k), rotate(v)) -> attend{rotate_new}(.. new k, v)
struct FuseNewRotation : OpRewritePattern<AttendOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttendOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getNewK() || op.getRotateNew())
      return rewriter.notifyMatchFailure(op, "nothing new to rotate");
    auto k = op.getNewK().getDefiningOp<RotateOp>();
    auto v = op.getNewV().getDefiningOp<RotateOp>();
    if (!k || !v)
      return rewriter.notifyMatchFailure(op, "k and v are not both rotated");
    rewriter.modifyOpInPlace(op, [&] {
      op.getNewKMutable().assign(k.getInput());
      op.getNewVMutable().assign(v.getInput());
      op.setRotateNew(true);
    });
    return success();
  }
};

/// rotate(attend(..)) -> attend{rotate_output}(..)
struct FuseOutputRotation : OpRewritePattern<RotateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(RotateOp op,
                                PatternRewriter &rewriter) const override {
    auto attend = op.getInput().getDefiningOp<AttendOp>();
    if (!attend || attend.getRotateOutput() || !attend.getOut().hasOneUse() ||
        op.getInput() != attend.getOut())
      return rewriter.notifyMatchFailure(op, "not the only use of an attend");
    rewriter.modifyOpInPlace(attend, [&] { attend.setRotateOutput(true); });
    rewriter.replaceOp(op, attend.getOut());
    return success();
  }
};

/// append(rotate(k), rotate(v)) -> append{rotate}(k, v), and the same for pack
template <typename StoreOp>
struct FuseStoreRotation : OpRewritePattern<StoreOp> {
  using OpRewritePattern<StoreOp>::OpRewritePattern;

  LogicalResult matchAndRewrite(StoreOp op,
                                PatternRewriter &rewriter) const override {
    auto k = op.getK().template getDefiningOp<RotateOp>();
    auto v = op.getV().template getDefiningOp<RotateOp>();
    if (!k || !v || op.getRotate())
      return rewriter.notifyMatchFailure(op, "k and v are not both rotated");
    rewriter.modifyOpInPlace(op, [&] {
      op.getKMutable().assign(k.getInput());
      op.getVMutable().assign(v.getInput());
      op.setRotate(true);
    });
    return success();
  }
};

/// rotate(dequantize(c)) for both K and V -> materialize{original}(c)
struct FuseMaterialize : OpRewritePattern<DequantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(DequantizeOp op,
                                PatternRewriter &rewriter) const override {
    auto onlyRotation = [](Value value) -> RotateOp {
      return value.hasOneUse() ? dyn_cast<RotateOp>(*value.user_begin())
                               : RotateOp();
    };
    RotateOp k = onlyRotation(op.getK()), v = onlyRotation(op.getV());
    if (!k || !v)
      return rewriter.notifyMatchFailure(op, "k and v are not only rotated");
    auto fused = rewriter.create<MaterializeOp>(
        op.getLoc(), k.getType(), v.getType(), op.getCache(), Frame::Original);
    rewriter.replaceOp(k, fused.getK());
    rewriter.replaceOp(v, fused.getV());
    rewriter.eraseOp(op);
    return success();
  }
};

struct KVarNFuse : public mlir::kvarn::impl::KVarNFuseBase<KVarNFuse> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseDequantize, FuseQueryRotation, FuseNewRotation,
                 FuseOutputRotation, FuseStoreRotation<AppendOp>,
                 FuseStoreRotation<PackOp>, FuseMaterialize>(&getContext());
    if (failed(
            applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
