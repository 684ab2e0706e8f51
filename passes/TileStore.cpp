//===- TileStore.cpp - append, flush, pack, normalize, quantize -----------===//

#include "passes/Normalize.h"
#include "passes/Rows.h"
#include "passes/Tiling.h"

using namespace mlir;
using namespace mlir::kvarn;

//===----------------------------------------------------------------------===//
// append
//===----------------------------------------------------------------------===//

/// One program: a tile of rows (token, head) of K or V, to their slots.
static void buildAppend(TileBuilder &b, ArrayRef<Value> args, int64_t rows,
                        AppendOp op) {
  FormatAttr format = op.getCache().getType().getFormat();
  Value slotMapping = args[2], blockToSlot = args[5];
  Value first = b.mul(b.op<tile::ProgramIdOp>(tile::Axis::X), b.index(rows));
  RowTile at = makeRowTile(b, args[0], first, rows);
  Value token = at.indices[0], head = at.indices[1];
  Value zero64 = b.op<arith::ConstantOp>(b.getI64IntegerAttr(0));
  Value zero32 = b.op<arith::ConstantOp>(b.getI32IntegerAttr(0));
  Value place = b.gather(slotMapping, {token}, at.valid);
  Value wanted = b.both(at.valid, b.lessEqual(b.splat(zero64, {rows}), place));
  Value group = b.index(format.getGroup());
  Value position = b.toIndex(place);
  Value slot = b.gather(blockToSlot, {b.div(position, group)}, wanted);
  Value present = b.both(wanted, b.lessEqual(b.splat(zero32, {rows}), slot));
  SmallVector<Value> to = {b.toIndex(slot), b.rem(position, group), head,
                           b.index(0)};
  for (int part : {0, 1}) {
    Value x = b.toF32(
        b.load(args[part], at.indices, {rows, format.getHeadDim()}, present));
    if (op.getRotate())
      x = b.rotate(x);
    b.store(b.toFloat(x, b.getF16Type()), args[3 + part], to, present);
  }
}

LogicalResult mlir::kvarn::tileAppend(Tiling &tiling, AppendOp op) {
  CacheOp cache = tiling.cache(op.getCache());
  SmallVector<Value> arguments;
  for (Value tensor : SmallVector<Value>{
           op.getK(), op.getV(), op.getSlotMapping(), cache.getPoolK(),
           cache.getPoolV(), cache.getBlockToSlot()})
    arguments.push_back(tiling.lowered(tensor));
  tiling.markOutput(cache.getPoolK());
  tiling.markOutput(cache.getPoolV());
  TileBuilder &host = tiling.host();
  int64_t rows = tiling.schedule().getRows();
  Value one = host.index(1), heads = host.dim(arguments[0], 1);
  for (int i : {1, 3, 4})
    tiling.checkHeads(arguments[i], heads);
  tiling.launch("append", {countRowTiles(host, arguments[0], rows), one, one},
                arguments, [&](TileBuilder &b, ArrayRef<Value> args) {
                  buildAppend(b, args, rows, op);
                });
  return success();
}

//===----------------------------------------------------------------------===//
// flush, pack
//===----------------------------------------------------------------------===//

/// Quantizes one part of one block, rotated f16 `x` [token, channel], into its
/// record. The options are those of `op`, a flush or a pack.
template <typename Op>
static void buildRecordPart(TileBuilder &b, Op op, RecordPart part, Value x,
                            Value pages, Value block, Value head) {
  FormatAttr format = op.getCache().getType().getFormat();
  bool key = part == RecordPart::Key;
  // Rows of K are channels, rows of V are tokens; the tile is [token, channel].
  int64_t rowDim = key ? 1 : 0;
  Normalized n =
      normalizeTile(b, x, rowDim, op.getIterations(), op.getPrescale());
  int64_t bits = key ? format.getKeyBits() : format.getValueBits();
  // Reading multiplies a column, and its error, by its scale.
  Quantized q =
      quantizeTile(b, n.balanced, rowDim, bits, op.getRange(), n.columnScale);
  b.op<tile::StoreCodesOp>(part, q.codes, pages, block, head, format);
  auto storeVector = [&](RecordField field, Value x) {
    b.op<tile::StoreVectorOp>(field, b.toFloat(x, b.getF16Type()), pages, block,
                              head, format);
  };
  storeVector(key ? RecordField::KeyScale : RecordField::ValueScale,
              b.mul(n.rowScale, q.scale));
  storeVector(key ? RecordField::KeyZero : RecordField::ValueZero,
              b.mul(n.rowScale, q.zero));
  storeVector(key ? RecordField::KeyToken : RecordField::ValueChannel,
              n.columnScale);
}

/// Pairs in x: there may be more than a GPU has programs in y.
void mlir::kvarn::forEachPair(TileBuilder &b, ArrayRef<Value> args,
                              PairBody body) {
  Value pairs = args[0], count = args[1];
  Value pair = b.op<tile::ProgramIdOp>(tile::Axis::X);
  Value head = b.op<tile::ProgramIdOp>(tile::Axis::Y);
  Value part = b.op<tile::ProgramIdOp>(tile::Axis::Z);
  Value used = b.toIndex(b.loadScalar(count, {b.index(0)}));
  b.when(b.less(pair, used), [&] {
    auto read = [&](int64_t i) {
      return b.toIndex(b.loadScalar(pairs, {pair, b.index(i)}));
    };
    Value first = read(0), second = read(1);
    for (RecordPart which : {RecordPart::Key, RecordPart::Value})
      b.when(b.equal(part, b.index(int64_t(which))),
             [&] { body(which, head, first, second); });
  });
}

static void buildFlush(TileBuilder &b, ArrayRef<Value> args, FlushOp op) {
  FormatAttr format = op.getCache().getType().getFormat();
  int64_t group = format.getGroup(), depth = format.getHeadDim();
  forEachPair(
      b, args, [&](RecordPart part, Value head, Value block, Value slot) {
        Value pool = args[part == RecordPart::Key ? 3 : 4];
        Value token = b.range(b.index(0), group);
        Value x = b.load(pool, {slot, token, head, b.index(0)}, {group, depth});
        buildRecordPart(b, op, part, x, args[2], block, head);
      });
}

void mlir::kvarn::launchOverPairs(Tiling &tiling, StringRef stem,
                                  ArrayRef<Value> tensors, Tiling::Body body) {
  TileBuilder &host = tiling.host();
  SmallVector<Value> arguments;
  for (Value tensor : tensors)
    arguments.push_back(tiling.lowered(tensor));
  Value heads = host.dim(arguments[2], 1);
  for (Value memory : ArrayRef(arguments).drop_front(3))
    tiling.checkHeads(memory, heads);
  tiling.launch(stem, {host.dim(arguments[0], 0), heads, host.index(2)},
                arguments, body);
}

LogicalResult mlir::kvarn::tileFlush(Tiling &tiling, FlushOp op) {
  CacheOp cache = tiling.cache(op.getCache());
  tiling.markOutput(cache.getPages());
  launchOverPairs(
      tiling, "flush",
      {op.getPairs(), op.getCount(), cache.getPages(), cache.getPoolK(),
       cache.getPoolV()},
      [&](TileBuilder &b, ArrayRef<Value> args) { buildFlush(b, args, op); });
  return success();
}

static void buildPack(TileBuilder &b, ArrayRef<Value> args, PackOp op) {
  FormatAttr format = op.getCache().getType().getFormat();
  int64_t group = format.getGroup(), depth = format.getHeadDim();
  forEachPair(
      b, args, [&](RecordPart part, Value head, Value block, Value first) {
        Value tokens = args[part == RecordPart::Key ? 3 : 4];
        Value x = b.load(tokens, {b.range(first, group), head, b.index(0)},
                         {group, depth});
        x = b.toF32(x);
        if (op.getRotate())
          x = b.rotate(x);
        // As in the pool.
        x = b.toFloat(x, b.getF16Type());
        buildRecordPart(b, op, part, x, args[2], block, head);
      });
}

LogicalResult mlir::kvarn::tilePack(Tiling &tiling, PackOp op) {
  CacheOp cache = tiling.cache(op.getCache());
  tiling.markOutput(cache.getPages());
  launchOverPairs(
      tiling, "pack",
      {op.getPairs(), op.getCount(), cache.getPages(), op.getK(), op.getV()},
      [&](TileBuilder &b, ArrayRef<Value> args) { buildPack(b, args, op); });
  return success();
}

//===----------------------------------------------------------------------===//
// The steps of flush on dense tensors
//===----------------------------------------------------------------------===//

namespace {

/// A program per tile: the last two dimensions of tensors with the same leading
/// dimensions.
class TileOfTensor {
public:
  TileOfTensor(TileBuilder &b, Value memref) : b(b) {
    auto type = cast<MemRefType>(memref.getType());
    rows = type.getDimSize(type.getRank() - 2);
    columns = type.getShape().back();
    Value index = b.op<tile::ProgramIdOp>(tile::Axis::X);
    leading.resize(type.getRank() - 2);
    for (int64_t i = leading.size() - 1; i >= 0; --i) {
      Value extent = b.dim(memref, i);
      leading[i] = b.rem(index, extent);
      index = b.div(index, extent);
    }
  }

  Value load(Value memref) { return b.load(memref, matrix(), {rows, columns}); }
  void storeMatrix(Value x, Value memref) { b.store(x, memref, matrix()); }
  void storeVector(Value x, Value memref) {
    SmallVector<Value> at = leading;
    at.push_back(b.index(0));
    b.store(x, memref, at);
  }

private:
  SmallVector<Value> matrix() {
    SmallVector<Value> at = leading;
    at.push_back(b.range(b.index(0), rows));
    at.push_back(b.index(0));
    return at;
  }

  TileBuilder &b;
  int64_t rows, columns;
  SmallVector<Value> leading;
};

} // namespace

using TileBody = function_ref<void(TileBuilder &, TileOfTensor &, Value input,
                                   ArrayRef<Value> outputs)>;

static LogicalResult tilePerMatrix(Tiling &tiling, Operation *op,
                                   TileBody body) {
  auto type = cast<RankedTensorType>(op->getOperand(0).getType());
  int64_t rank = type.getRank();
  if (rank < 2 || type.isDynamicDim(rank - 1) || type.isDynamicDim(rank - 2))
    return op->emitOpError()
           << "operand is " << type << ", expected two static last dimensions";
  TileBuilder &host = tiling.host();
  Value input = tiling.lowered(op->getOperand(0));
  SmallVector<Value> arguments = {input}, extents;
  Value tiles = host.index(1);
  for (int64_t i = 0; i < rank; ++i) {
    extents.push_back(host.dim(input, i));
    if (i < rank - 2)
      tiles = host.mul(tiles, extents.back());
  }
  SmallVector<Value> rows = extents, columns = extents;
  rows.pop_back();
  columns.erase(columns.end() - 2);
  for (Value result : op->getResults()) {
    // normalize gives [R] and [C]; quantize two times [R].
    bool matrix = cast<RankedTensorType>(result.getType()).getRank() == rank;
    bool column = isa<NormalizeOp>(op) && result == op->getResult(2);
    arguments.push_back(tiling.destination(result, matrix   ? extents
                                                   : column ? columns
                                                            : rows));
  }
  Value one = host.index(1);
  tiling.launch(op->getName().stripDialect(), {tiles, one, one}, arguments,
                [&](TileBuilder &b, ArrayRef<Value> args) {
                  TileOfTensor at(b, args[0]);
                  body(b, at, at.load(args[0]), args.drop_front());
                });
  return success();
}

LogicalResult mlir::kvarn::tileNormalize(Tiling &tiling, NormalizeOp op) {
  return tilePerMatrix(
      tiling, op,
      [&](TileBuilder &b, TileOfTensor &at, Value x, ArrayRef<Value> outputs) {
        Normalized n =
            normalizeTile(b, x, 0, op.getIterations(), op.getPrescale());
        at.storeMatrix(n.balanced, outputs[0]);
        at.storeVector(n.rowScale, outputs[1]);
        at.storeVector(n.columnScale, outputs[2]);
      });
}

LogicalResult mlir::kvarn::tileQuantize(Tiling &tiling, QuantizeOp op) {
  return tilePerMatrix(
      tiling, op,
      [&](TileBuilder &b, TileOfTensor &at, Value x, ArrayRef<Value> outputs) {
        Quantized q = quantizeTile(b, x, 0, op.getBits(), op.getRange());
        at.storeMatrix(q.codes, outputs[0]);
        at.storeVector(q.scale, outputs[1]);
        at.storeVector(q.zero, outputs[2]);
      });
}
