//===- TileDialect.cpp - Registration of level 2 --------------------------===//

#include "dialect/TileDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

#include "dialect/TileOpsDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/TileOpsAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/TileOpsTypes.cpp.inc"

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/TileOpsAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/TileOpsTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/TileOps.cpp.inc"
      >();
}

LogicalResult FragmentAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   ArrayRef<int64_t> warps,
                                   ArrayRef<int64_t> lanes,
                                   ArrayRef<int64_t> elements,
                                   ArrayRef<int64_t> order) {
  size_t rank = order.size();
  if (warps.size() != rank || lanes.size() != rank || elements.size() != rank)
    return emitError() << "warps, lanes, elements and order differ in length";
  for (ArrayRef<int64_t> list : {warps, lanes, elements})
    if (llvm::any_of(list, [](int64_t value) { return value < 1; }))
      return emitError() << "warps, lanes and elements must be positive";
  SmallVector<bool> seen(rank);
  for (int64_t dim : order) {
    if (dim < 0 || dim >= int64_t(rank) || seen[dim])
      return emitError() << "order must be a permutation of the dimensions";
    seen[dim] = true;
  }
  return success();
}

static std::optional<int64_t> rankOf(Attribute encoding) {
  if (auto fragment = dyn_cast<FragmentAttr>(encoding))
    return fragment.getOrder().size();
  if (auto slice = dyn_cast<SliceAttr>(encoding))
    if (std::optional<int64_t> rank = rankOf(slice.getParent()))
      return *rank - 1;
  return std::nullopt;
}

LogicalResult SliceAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                int64_t dim, Attribute parent) {
  std::optional<int64_t> rank = rankOf(parent);
  if (!rank)
    return emitError() << "parent must be a fragment or a slice of one";
  if (dim < 0 || dim >= *rank)
    return emitError() << "dim is " << dim << ", expected 0 to " << *rank - 1;
  return success();
}
