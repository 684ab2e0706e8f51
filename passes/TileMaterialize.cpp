//===- TileMaterialize.cpp - A cache as dense K and V ---------------------===//

#include "passes/Quantized.h"
#include "passes/Tiling.h"

using namespace mlir;
using namespace mlir::kvarn;

/// Columns of the result that a rotation by matrix instructions makes at a
/// time: the more, the more sums they share.
static constexpr int64_t kColumnsAtOnce = 128;

static constexpr RecordPart kParts[] = {RecordPart::Key, RecordPart::Value};

/// Whether matrix instructions rotate.
static bool rotatesByProducts(ScheduleAttr schedule, Frame frame) {
  return frame == Frame::Original && schedule.getOperand().isF16();
}

/// Whether each warp has slots, and so blocks, of its own.
static bool hasOwnBlocks(ScheduleAttr schedule, Frame frame) {
  return rotatesByProducts(schedule, frame) &&
         schedule.getCopy() == CopyMode::Async;
}

namespace {

/// One program: the tokens of one block of one head, a tile at a time; with
/// narrow operands each warp has tiles of its own, and with slots whole blocks.
struct MaterializeKernel {
  TileBuilder &b;
  FormatAttr format;
  ScheduleAttr schedule;
  Frame frame;
  Value pages, pools[2], blockTable, blockToSlot, seqLens, outputs[2];
  // What findBlock sets.
  Value head = {}, request = {}, position = {}, length = {}, block = {},
        slot = {};
  // Of warps that read records for themselves.
  RecordReader *record = nullptr;

  void build();

private:
  void findBlock(Value index);
  void tokensAt(Value start);
  void tiles(Value from, int64_t step);
  void tilesOfWarp(Value warp);
  void storePacked(Value start, Value place);
  void storePart(RecordPart part, const PartScales &scales, Value codes,
                 Value place);
  Value pooled(RecordPart part, Value start);
  void storeWide(RecordPart part, Value x, Value place);
  void storeRotated(RecordPart part, ScaledOperand x, Value place);
  void storeColumns(RecordPart part, Value x, Value place, Value column);
  void store(RecordPart part, Value x, Value row, Value column, Value exists);
  void storeNothing(Value place);

  bool narrow() const { return rotatesByProducts(schedule, frame); }
  Type elementOf(RecordPart part) {
    auto type = outputs[part == RecordPart::Value].getType();
    return cast<MemRefType>(type).getElementType();
  }
  Value capacity(RecordPart part) {
    return b.dim(outputs[part == RecordPart::Value], 1);
  }
  int64_t tokens() const { return schedule.getTokens(); }
  int64_t depth() const { return format.getHeadDim(); }
};

} // namespace

/// Columns from `column` on, f32, of the tokens among those from `place` on
/// that exist.
void MaterializeKernel::storeColumns(RecordPart part, Value x, Value place,
                                     Value column) {
  Value row = b.range(place, tokens());
  store(part, x, row, column, b.less(row, b.min(length, capacity(part))));
}

void MaterializeKernel::store(RecordPart part, Value x, Value row, Value column,
                              Value exists) {
  b.store(b.toFloat(x, elementOf(part)), outputs[part == RecordPart::Value],
          {b.splat(request, {tokens()}), row, head, column}, exists);
}

/// Behind the last token.
void MaterializeKernel::storeNothing(Value place) {
  Value row = b.range(place, tokens()), behind = b.lessEqual(length, row);
  for (RecordPart part : kParts)
    store(part, b.tileOf(0, {tokens(), depth()}, elementOf(part)), row,
          b.index(0), b.both(behind, b.less(row, capacity(part))));
}

/// `x`: [tokens, D] f32 in the rotated frame, turned back where that is asked
/// for.
void MaterializeKernel::storeWide(RecordPart part, Value x, Value place) {
  storeColumns(part, frame == Frame::Original ? b.rotate(x) : x, place,
               b.index(0));
}

/// The same with operands, whose unit is a factor of the matrix.
void MaterializeKernel::storeRotated(RecordPart part, ScaledOperand x,
                                     Value place) {
  Value entry = b.f32(hadamardEntry(depth()));
  if (x.unit)
    entry = b.mul(entry, x.unit);
  entry = b.truncate(entry, schedule.getOperand());
  int64_t columns = std::min(depth(), kColumnsAtOnce);
  for (int64_t first = 0; first < depth(); first += columns) {
    Value column = b.index(first);
    Value matrix = b.hadamardMatrix(depth(), column, columns);
    matrix = b.mul(matrix, b.splat(entry, shapeOf(matrix)));
    storeColumns(part, b.dot(x.tile, matrix), place, column);
  }
}

void MaterializeKernel::storePart(RecordPart part, const PartScales &scales,
                                  Value codes, Value place) {
  ScaledOperand x = record->dequantized(part, scales, codes);
  if (part == RecordPart::Key)
    x.tile = b.transpose(x.tile);
  storeRotated(part, x, place);
}

void MaterializeKernel::storePacked(Value start, Value place) {
  // A slot is waited for when its part is needed.
  if (record->async()) {
    for (RecordPart part : kParts) {
      PartScales scales = record->scalesOf(part, start, tokens());
      storePart(part, scales, record->codes(part, start, tokens()), place);
    }
    return;
  }
  // From memory everything is loaded before the first of it is needed.
  std::pair<Value, PartScales> loaded[2];
  for (auto [i, part] : llvm::enumerate(kParts))
    loaded[i].first = record->codes(part, start, tokens());
  for (auto [i, part] : llvm::enumerate(kParts))
    loaded[i].second = record->scalesOf(part, start, tokens());
  for (auto [i, part] : llvm::enumerate(kParts))
    storePart(part, loaded[i].second, loaded[i].first, place);
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
        storeRotated(part, {x, {}}, place);
      else
        storeWide(part, b.toF32(x), place);
    }
  });
  b.when(b.less(length, b.add(place, b.index(tokens()))),
         [&] { storeNothing(place); });
}

void MaterializeKernel::findBlock(Value index) {
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

void MaterializeKernel::tiles(Value from, int64_t step) {
  b.loop(from, b.index(format.getGroup()), b.index(step), {},
         [&](Value start, ValueRange) -> SmallVector<Value> {
           tokensAt(start);
           return {};
         });
}

void MaterializeKernel::tilesOfWarp(Value warp) {
  RecordReader reader(b, format, schedule, pages);
  record = &reader;
  Value first = b.op<tile::ProgramIdOp>(tile::Axis::X);
  int64_t warps = schedule.getWarps();
  if (!hasOwnBlocks(schedule, frame)) {
    head = first;
    findBlock(b.op<tile::ProgramIdOp>(tile::Axis::Y));
    reader.enter(block, head);
    return tiles(b.mul(warp, b.index(tokens())), warps * tokens());
  }
  // Heads of one block are written at the same time: they are neighbours.
  Value item = b.add(b.mul(first, b.index(warps)), warp);
  Value heads = b.dim(pages, 1);
  head = b.rem(item, heads);
  findBlock(b.div(item, heads));
  reader.enter(block, head);
  Value packed = b.both(b.less(position, length), b.less(slot, b.i32(0)));
  reader.begin(block, head, packed);
  tiles(b.index(0), tokens());
}

void MaterializeKernel::build() {
  if (!narrow()) {
    head = b.op<tile::ProgramIdOp>(tile::Axis::X);
    findBlock(b.op<tile::ProgramIdOp>(tile::Axis::Y));
    return tiles(b.index(0), tokens());
  }
  auto each = b.OpBuilder::create<tile::WarpsOp>(
      b.getLoc(), schedule.getWarps(), TypeRange());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&each.getBody().front());
  tilesOfWarp(each.getWarp());
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
  for (Value pool : {arguments[1], arguments[2]})
    tiling.checkHeads(pool, heads);
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
  ScheduleAttr schedule = tiling.schedule();
  SmallVector<Value> grid = {heads, blocks, batch};
  if (hasOwnBlocks(schedule, frame))
    grid = {
        host.ceilDiv(host.mul(heads, blocks), host.index(schedule.getWarps())),
        host.index(1), batch};
  tiling.launch("materialize", grid, arguments,
                [&](TileBuilder &b, ArrayRef<Value> a) {
                  MaterializeKernel{.b = b,
                                    .format = format,
                                    .schedule = schedule,
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
