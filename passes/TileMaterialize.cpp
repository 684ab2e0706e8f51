//===- TileMaterialize.cpp - A cache as dense K and V ---------------------===//

#include "passes/Quantized.h"
#include "passes/Tiling.h"

using namespace mlir;
using namespace mlir::kvarn;

/// Columns of the result that a rotation by matrix instructions makes at a
/// time: what lanes have registers for.
static constexpr int64_t kColumnsAtOnce = 64;

static constexpr RecordPart kParts[] = {RecordPart::Key, RecordPart::Value};

namespace {

/// One program: the tokens of one block of one head, a tile at a time; with
/// narrow operands each warp has tiles of its own.
struct MaterializeKernel {
  TileBuilder &b;
  FormatAttr format;
  ScheduleAttr schedule;
  Frame frame;
  Value pages, pools[2], blockTable, blockToSlot, seqLens, outputs[2];
  // What findBlock sets.
  Value head = {}, request = {}, position = {}, length = {}, block = {},
        slot = {};

  void build();

private:
  void findBlock();
  void tokensAt(Value start);
  void storePacked(Value start, Value place);
  Value pooled(RecordPart part, Value start);
  void storeWide(RecordPart part, Value x, Value place);
  void storeRotated(RecordPart part, ScaledOperand x, Value place);
  void storeColumns(RecordPart part, Value x, Value place, Value column);

  /// Whether matrix instructions rotate.
  bool narrow() const {
    return frame == Frame::Original && schedule.getOperand().isF16();
  }
  int64_t tokens() const { return schedule.getTokens(); }
  int64_t depth() const { return format.getHeadDim(); }
};

} // namespace

/// Columns from `column` on, f32, of tokens that begin at `place`.
void MaterializeKernel::storeColumns(RecordPart part, Value x, Value place,
                                     Value column) {
  Value output = outputs[part == RecordPart::Value];
  SmallVector<int64_t> shape(shapeOf(x));
  Value row = b.range(place, tokens());
  Type element = cast<MemRefType>(output.getType()).getElementType();
  auto write = [&](Value what) {
    b.store(b.toFloat(what, element), output,
            {b.splat(request, {tokens()}), row, head, column},
            b.less(row, b.dim(output, 1)));
  };
  // Only the last tile is worth looking at row by row.
  Value end = b.add(place, b.index(tokens()));
  b.when(b.lessEqual(end, length), [&] { write(x); });
  b.when(b.less(length, end), [&] {
    Value exists = b.along(b.less(row, length), 0, shape);
    write(b.select(exists, x, b.f32(0)));
  });
}

/// `x`: [tokens, D] f32 in the rotated frame.
void MaterializeKernel::storeWide(RecordPart part, Value x, Value place) {
  storeColumns(part, frame == Frame::Original ? b.rotate(x) : x, place,
               b.index(0));
}

/// The same with operands.
void MaterializeKernel::storeRotated(RecordPart part, ScaledOperand x,
                                     Value place) {
  Value scale = b.mul(x.unit, b.f32(hadamardEntry(depth())));
  int64_t columns = std::min(depth(), kColumnsAtOnce);
  for (int64_t first = 0; first < depth(); first += columns) {
    Value column = b.index(first);
    Value rotated = b.dot(x.tile, b.hadamardMatrix(depth(), column, columns));
    storeColumns(part, b.mul(rotated, scale), place, column);
  }
}

/// Everything is loaded before the first of it is needed.
void MaterializeKernel::storePacked(Value start, Value place) {
  RecordReader record(b, format, schedule, pages);
  record.enter(block, head);
  std::pair<Value, PartScales> loaded[2];
  for (auto [i, part] : llvm::enumerate(kParts))
    loaded[i].first = record.codes(part, start, tokens());
  for (auto [i, part] : llvm::enumerate(kParts))
    loaded[i].second = record.scalesOf(part, start, tokens());
  for (auto [i, part] : llvm::enumerate(kParts)) {
    auto &[codes, scales] = loaded[i];
    ScaledOperand x = record.dequantized(part, scales, codes);
    if (part == RecordPart::Key)
      x.tile = b.transpose(x.tile);
    storeRotated(part, x, place);
  }
}

Value MaterializeKernel::pooled(RecordPart part, Value start) {
  Value exists = b.less(b.range(b.add(position, start), tokens()), length);
  return b.load(pools[part == RecordPart::Value],
                {b.toIndex(slot), b.range(start, tokens()), head, b.index(0)},
                {tokens(), depth()}, exists);
}

void MaterializeKernel::tokensAt(Value start) {
  Value zero = b.op<arith::ConstantOp>(b.getI32IntegerAttr(0));
  Value place = b.add(position, start), inside = b.less(position, length);
  b.when(b.both(inside, b.less(slot, zero)), [&] {
    if (narrow())
      return storePacked(start, place);
    for (RecordPart part : kParts)
      storeWide(
          part,
          dequantizePart(b, format, part, pages, block, head, start, tokens()),
          place);
  });
  b.when(b.both(inside, b.lessEqual(zero, slot)), [&] {
    for (RecordPart part : kParts) {
      Value x = pooled(part, start);
      if (narrow())
        storeRotated(part, {x, b.f32(1)}, place);
      else
        storeWide(part, b.toF32(x), place);
    }
  });
  b.when(b.lessEqual(length, position), [&] {
    Value nothing = b.tileOf(0, {tokens(), depth()});
    for (RecordPart part : kParts)
      storeColumns(part, nothing, place, b.index(0));
  });
}

void MaterializeKernel::findBlock() {
  head = b.op<tile::ProgramIdOp>(tile::Axis::X);
  Value index = b.op<tile::ProgramIdOp>(tile::Axis::Y);
  request = b.op<tile::ProgramIdOp>(tile::Axis::Z);
  position = b.mul(index, b.index(format.getGroup()));
  length = b.toIndex(b.loadScalar(seqLens, {request}));
  // Behind the last token the table may hold anything.
  Value inside = b.less(position, length);
  SmallVector<Value> places = b.branch(
      inside,
      [&]() -> SmallVector<Value> {
        Value number = b.loadScalar(blockTable, {request, index});
        return {number, b.loadScalar(blockToSlot, {b.toIndex(number)})};
      },
      [&]() -> SmallVector<Value> {
        Value zero = b.op<arith::ConstantOp>(b.getI32IntegerAttr(0));
        return {zero, zero};
      });
  block = b.toIndex(places[0]);
  slot = places[1];
}

void MaterializeKernel::build() {
  findBlock();
  Value group = b.index(format.getGroup());
  auto tiles = [&](Value from, Value step) {
    b.loop(from, group, step, {},
           [&](Value start, ValueRange) -> SmallVector<Value> {
             tokensAt(start);
             return {};
           });
  };
  if (!narrow())
    return tiles(b.index(0), b.index(tokens()));
  int64_t warps = schedule.getWarps();
  auto each =
      b.OpBuilder::create<tile::WarpsOp>(b.getLoc(), warps, TypeRange());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&each.getBody().front());
  tiles(b.mul(each.getWarp(), b.index(tokens())), b.index(warps * tokens()));
  b.op<tile::YieldOp>(ValueRange());
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
                  MaterializeKernel{.b = b,
                                    .format = format,
                                    .schedule = tiling.schedule(),
                                    .frame = frame,
                                    .pages = a[0],
                                    .pools = {a[1], a[2]},
                                    .blockTable = a[3],
                                    .blockToSlot = a[4],
                                    .seqLens = a[5],
                                    .outputs = {a[6], a[7]}}
                      .build();
                });
  return success();
}
