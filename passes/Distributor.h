//===- Distributor.h - The layouts of a kernel's tiles ----------*- C++ -*-===//
//
// Layouts spread from products: to what their operands are made from and to
// what becomes of their results. The first layout that reaches a tile is its
// own; where a user needs another one, the tile is made again if that is cheap,
// and else converted.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_PASSES_DISTRIBUTOR_H
#define KVARN_PASSES_DISTRIBUTOR_H

#include "passes/MatrixLayouts.h"
#include "passes/Products.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <deque>

namespace mlir::kvarn {

/// Whether the reduction is over the results of warps.
bool overWarps(tile::ReduceOp reduce);

class Distributor {
public:
  Distributor(tile::KernelOp kernel, const MatrixInstruction &matrix)
      : kernel(kernel), matrix(matrix), context(kernel.getContext()),
        builder(context) {}

  LogicalResult run();

private:
  // SpreadLayouts.cpp
  void set(Value value, const tile::Layout &layout);
  void setAlways(Value value, const tile::Layout &layout);
  void spread();
  void spreadToOperands(Operation *op, Value result,
                        const tile::Layout &layout);
  void setSums(tile::ReduceOp reduce, const tile::Layout &layout);
  void spreadToUser(OpOperand &use, const tile::Layout &layout);
  void spreadAlongLoop(Operation *loop, unsigned index,
                       const tile::Layout &layout);
  void setRows(Operation *op, Value tile, const tile::Layout &layout);
  tile::Layout sharedOut(Value vector, const tile::Layout &layout);
  int64_t warpsAt(Operation *op);
  tile::Layout codesLayoutOf(Operation *op, Value codes, int64_t tokenDim);
  void setPlain(Operation *op, Value value);
  void setCodes();
  void setStaged();
  void setMemory();
  void setRest(Operation *root);
  void setStacks(tile::WarpsOp warps);

  LogicalResult checkSizes();

  // AssignLayouts.cpp
  void assign();
  void require(OpOperand &operand, const tile::Layout &layout);
  Value remake(Value value, tile::LayoutAttr layout);
  void narrowFirst(Operation *op);
  void convertOperands(Operation *op);
  void convertRows(Operation *op, Value tile);

  const tile::Layout &at(Value value) { return layouts.find(value)->second; }

  tile::KernelOp kernel;
  const MatrixInstruction &matrix;
  MLIRContext *context;
  OpBuilder builder;
  Products products;
  bool rotates = false;  // and does nothing else
  bool onlySums = false; // spreads from products to what they add to
  SmallVector<Value> sums;
  int64_t ownWarps = 0; // of regions of warps, 0 = there are none
  DenseMap<Value, tile::Layout> layouts;
  DenseMap<std::pair<Value, Attribute>, Value> copies;
  std::deque<Value> reached;
};

} // namespace mlir::kvarn

#endif // KVARN_PASSES_DISTRIBUTOR_H
