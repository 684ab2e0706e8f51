//===- TileRelayout.cpp - Records in another order of codes ---------------===//

#include "passes/Tiling.h"

using namespace mlir;
using namespace mlir::kvarn;

namespace {

/// One program: one part of one record.
struct RelayoutKernel {
  TileBuilder &b;
  FormatAttr from, to;
  Value source, pages;

  void copy(RecordPart part, Value fromBlock, Value toBlock, Value head);
};

} // namespace

void RelayoutKernel::copy(RecordPart part, Value fromBlock, Value toBlock,
                          Value head) {
  bool key = part == RecordPart::Key;
  int64_t group = to.getGroup(), depth = to.getHeadDim();
  SmallVector<Value> place = {fromBlock, head};
  Value zero = b.index(0);
  SmallVector<int64_t> shape = {group, depth};
  if (key)
    std::swap(shape[0], shape[1]);
  Value codes =
      b.op<tile::LoadCodesOp>(RankedTensorType::get(shape, b.getI8Type()), part,
                              source, ValueRange(place), zero, from);
  b.op<tile::StoreCodesOp>(part, key ? b.transpose(codes) : codes, pages,
                           toBlock, head, to);
  auto fields =
      key ? std::array{RecordField::KeyScale, RecordField::KeyZero,
                       RecordField::KeyToken}
          : std::array{RecordField::ValueChannel, RecordField::ValueScale,
                       RecordField::ValueZero};
  for (RecordField field : fields) {
    int64_t length = to.get().vectorLength(toFormat(field));
    Value vector = b.op<tile::LoadVectorOp>(
        RankedTensorType::get({length}, b.getF16Type()), field, source,
        ValueRange(place), zero, from);
    b.op<tile::StoreVectorOp>(field, vector, pages, toBlock, head, to);
  }
}

LogicalResult mlir::kvarn::tileRelayout(Tiling &tiling, RelayoutOp op) {
  CacheOp source = tiling.cache(op.getSource()),
          cache = tiling.cache(op.getCache());
  tiling.markOutput(cache.getPages());
  launchOverPairs(
      tiling, "relayout",
      {op.getPairs(), op.getCount(), source.getPages(), cache.getPages()},
      [&](TileBuilder &b, ArrayRef<Value> args) {
        RelayoutKernel kernel{b, op.getSource().getType().getFormat(),
                              op.getCache().getType().getFormat(), args[2],
                              args[3]};
        forEachPair(b, args,
                    [&](RecordPart part, Value head, Value from, Value to) {
                      kernel.copy(part, from, to, head);
                    });
      });
  return success();
}
