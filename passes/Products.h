//===- Products.h - Which layouts products want -----------------*- C++ -*-===//

#ifndef KVARN_PASSES_PRODUCTS_H
#define KVARN_PASSES_PRODUCTS_H

#include "passes/MatrixLayouts.h"
#include "passes/Schedules.h"

#include "llvm/ADT/MapVector.h"

namespace mlir::kvarn {

inline RankedTensorType tileOf(Value value) {
  return dyn_cast<RankedTensorType>(value.getType());
}

/// Whether each element of the result comes from those at its place.
bool isElementwise(Operation *op);

/// The layouts of one product.
struct Product {
  tile::Layout lhs, rhs, result;
  /// The one that the left operand is made in, if it is then converted.
  std::optional<tile::Layout> source = std::nullopt;
};
using Products = llvm::MapVector<Operation *, Product>;

/// Of all products of a kernel. Fails, with an error, if the instruction cannot
/// compute one.
LogicalResult planProducts(tile::KernelOp kernel,
                           const MatrixInstruction &matrix, Products &products);

} // namespace mlir::kvarn

#endif // KVARN_PASSES_PRODUCTS_H
