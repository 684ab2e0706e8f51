//===- TileRowwise.cpp - rotate and scale as kernels of their own ---------===//

#include "passes/Rows.h"
#include "passes/Tiling.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;

Value mlir::kvarn::countRows(TileBuilder &b, Value memref) {
  Value rows = b.index(1);
  for (int64_t i = 0; i + 1 < cast<MemRefType>(memref.getType()).getRank(); ++i)
    rows = b.mul(rows, b.dim(memref, i));
  return rows;
}

Value mlir::kvarn::countRowTiles(TileBuilder &b, Value memref, int64_t rows) {
  return b.ceilDiv(countRows(b, memref), b.index(rows));
}

RowTile mlir::kvarn::makeRowTile(TileBuilder &b, Value memref, Value first,
                                 int64_t rows) {
  int64_t rank = cast<MemRefType>(memref.getType()).getRank();
  RowTile tile;
  Value row = b.range(first, rows);
  tile.valid = b.less(row, countRows(b, memref));
  tile.indices.assign(rank, b.index(0));
  for (int64_t i = rank - 2; i >= 0; --i) {
    Value extent = b.dim(memref, i);
    tile.indices[i] = i == 0 ? row : b.rem(row, extent);
    if (i)
      row = b.div(row, extent);
  }
  return tile;
}

LogicalResult mlir::kvarn::tileRowwise(Tiling &tiling, Operation *op) {
  Value input = tiling.lowered(op->getOperand(0));
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  TileBuilder &host = tiling.host();
  SmallVector<Value> extents;
  for (int64_t i = 0; i < type.getRank(); ++i)
    extents.push_back(host.dim(input, i));
  Value output = tiling.destination(op->getResult(0), extents);
  SmallVector<Value> arguments = {input, output};
  if (auto scale = dyn_cast<ScaleOp>(op))
    arguments.push_back(tiling.lowered(scale.getFactor()));
  if (type.isDynamicDim(type.getRank() - 1))
    return op->emitOpError()
           << "operand is " << type << ", expected a static last dimension";
  int64_t rows = tiling.schedule().getRows(), columns = type.getShape().back();
  Value one = host.index(1);
  tiling.launch(op->getName().stripDialect(),
                {countRowTiles(host, input, rows), one, one}, arguments,
                [&](TileBuilder &b, ArrayRef<Value> args) {
                  Value first = b.mul(b.op<tile::ProgramIdOp>(tile::Axis::X),
                                      b.index(rows));
                  RowTile at = makeRowTile(b, args[0], first, rows);
                  Value x = b.toF32(
                      b.load(args[0], at.indices, {rows, columns}, at.valid));
                  x = isa<RotateOp>(op) ? b.rotate(x) : b.mul(x, args[2]);
                  b.store(b.toFloat(x, type.getElementType()), args[1],
                          at.indices, at.valid);
                });
  return success();
}
