//===- TileMaterialize.cpp - A cache as dense K and V ---------------------===//

#include "passes/Quantized.h"
#include "passes/Tiling.h"

using namespace mlir;
using namespace mlir::kvarn;

namespace {

/// One program: the tokens of one block of one head, a tile at a time.
struct MaterializeKernel {
  TileBuilder &b;
  FormatAttr format;
  Frame frame;
  int64_t tokens; // of a tile
  Value pages, pools[2], blockTable, blockToSlot, seqLens, outputs[2];

  void build();

private:
  void store(ArrayRef<Value> dense, Value request, Value head, Value position);
};

} // namespace

/// `dense`: K and V [tokens, D] f32 in the rotated frame.
void MaterializeKernel::store(ArrayRef<Value> dense, Value request, Value head,
                              Value position) {
  SmallVector<int64_t> shape = {tokens, format.getHeadDim()};
  Value length = b.toIndex(b.loadScalar(seqLens, {request}));
  for (int part : {0, 1}) {
    Value place = b.range(position, tokens);
    Value exists = b.less(place, length);
    Value fits = b.less(place, b.dim(outputs[part], 1));
    Value x = frame == Frame::Original ? b.rotate(dense[part]) : dense[part];
    x = b.select(b.along(exists, 0, shape), x, b.f32(0));
    Type element = cast<MemRefType>(outputs[part].getType()).getElementType();
    b.store(b.toFloat(x, element), outputs[part],
            {b.splat(request, {tokens}), place, head, b.index(0)}, fits);
  }
}

void MaterializeKernel::build() {
  Value head = b.op<tile::ProgramIdOp>(tile::Axis::X);
  Value index = b.op<tile::ProgramIdOp>(tile::Axis::Y);
  Value request = b.op<tile::ProgramIdOp>(tile::Axis::Z);
  int64_t depth = format.getHeadDim();
  SmallVector<int64_t> shape = {tokens, depth};
  Value position = b.mul(index, b.index(format.getGroup()));
  Value length = b.toIndex(b.loadScalar(seqLens, {request}));
  Value zero = b.op<arith::ConstantOp>(b.getI32IntegerAttr(0));
  // Behind the last token the table may hold anything.
  Value inside = b.less(position, length);
  SmallVector<Value> places = b.branch(
      inside,
      [&]() -> SmallVector<Value> {
        Value block = b.loadScalar(blockTable, {request, index});
        return {block, b.loadScalar(blockToSlot, {b.toIndex(block)})};
      },
      [&]() -> SmallVector<Value> { return {zero, zero}; });
  Value block = b.toIndex(places[0]), slot = places[1];
  Value packed = b.less(slot, zero);
  b.loop(b.index(0), b.index(format.getGroup()), b.index(tokens), {},
         [&](Value start, ValueRange) -> SmallVector<Value> {
           Value at = b.add(position, start);
           b.when(b.both(inside, packed), [&] {
             Dequantized d =
                 dequantizeRecord(b, format, pages, block, head, start, tokens);
             store({d.k, d.v}, request, head, at);
           });
           b.when(b.both(inside, b.lessEqual(zero, slot)), [&] {
             Value exists = b.less(b.range(at, tokens), length);
             SmallVector<Value> dense;
             for (Value pool : pools)
               dense.push_back(b.toF32(b.load(
                   pool,
                   {b.toIndex(slot), b.range(start, tokens), head, b.index(0)},
                   shape, exists)));
             store(dense, request, head, at);
           });
           b.when(b.lessEqual(length, position), [&] {
             Value nothing = b.tileOf(0, shape);
             store({nothing, nothing}, request, head, at);
           });
           return {};
         });
}

LogicalResult mlir::kvarn::tileMaterialize(Tiling &tiling, Value k, Value v,
                                           Value cacheValue, Frame frame) {
  CacheOp cache = tiling.cache(cacheValue);
  FormatAttr format = cast<CacheType>(cacheValue.getType()).getFormat();
  FailureOr<int64_t> tokens = tiling.tokensOfBlock(k.getDefiningOp(), format);
  if (failed(tokens))
    return failure();
  TileBuilder &host = tiling.host();
  SmallVector<Value> arguments;
  for (Value tensor : SmallVector<Value>{
           cache.getPages(), cache.getPoolK(), cache.getPoolV(),
           cache.getBlockTable(), cache.getBlockToSlot(), cache.getSeqLens()})
    arguments.push_back(tiling.lowered(tensor));
  Value heads = host.dim(arguments[0], 1), batch = host.dim(arguments[5], 0),
        blocks = host.dim(arguments[3], 1);
  Value length = host.mul(blocks, host.index(format.getGroup()));
  SmallVector<Value> extents = {batch, length, heads,
                                host.index(format.getHeadDim())};
  for (Value result : {k, v}) {
    // The caller may pass fewer or more positions than the table has.
    SmallVector<Value> own = extents;
    if (Value passed = tiling.lowered(result))
      own[1] = host.dim(passed, 1);
    arguments.push_back(tiling.destination(result, own));
  }
  // All of what the caller passed is written, also behind the last block.
  blocks =
      host.ceilDiv(host.dim(arguments[6], 1), host.index(format.getGroup()));
  tiling.launch("materialize", {heads, blocks, batch}, arguments,
                [&](TileBuilder &b, ArrayRef<Value> a) {
                  MaterializeKernel{b,    format,       frame, *tokens,
                                    a[0], {a[1], a[2]}, a[3],  a[4],
                                    a[5], {a[6], a[7]}}
                      .build();
                });
  return success();
}
