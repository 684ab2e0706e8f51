//===- TileUnflush.cpp - Records back to the pool -------------------------===//

#include "passes/Quantized.h"
#include "passes/Tiling.h"

using namespace mlir;
using namespace mlir::kvarn;

/// One program: one part of one record, a tile of tokens at a time.
static void buildUnflush(TileBuilder &b, ArrayRef<Value> args,
                         FormatAttr format, int64_t tokens) {
  forEachPair(
      b, args, [&](RecordPart part, Value head, Value block, Value slot) {
        Value pool = args[part == RecordPart::Key ? 3 : 4];
        b.loop(b.index(0), b.index(format.getGroup()), b.index(tokens), {},
               [&](Value start, ValueRange) -> SmallVector<Value> {
                 Value x = dequantizePart(b, format, part, args[2], block, head,
                                          start, tokens);
                 b.store(b.toFloat(x, b.getF16Type()), pool,
                         {slot, b.range(start, tokens), head, b.index(0)});
                 return {};
               });
      });
}

LogicalResult mlir::kvarn::tileUnflush(Tiling &tiling, UnflushOp op) {
  CacheOp cache = tiling.cache(op.getCache());
  FormatAttr format = op.getCache().getType().getFormat();
  FailureOr<int64_t> tokens = tiling.tokensOfBlock(op, format);
  if (failed(tokens))
    return failure();
  tiling.markOutput(cache.getPoolK());
  tiling.markOutput(cache.getPoolV());
  launchOverPairs(tiling, "unflush",
                  {op.getPairs(), op.getCount(), cache.getPages(),
                   cache.getPoolK(), cache.getPoolV()},
                  [&](TileBuilder &b, ArrayRef<Value> args) {
                    buildUnflush(b, args, format, *tokens);
                  });
  return success();
}
