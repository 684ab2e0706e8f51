//===- CacheOrigin.h - Where a cache comes from -----------------*- C++ -*-===//

#ifndef KVARN_PASSES_CACHEORIGIN_H
#define KVARN_PASSES_CACHEORIGIN_H

#include "dialect/KVarNDialect.h"

namespace mlir::kvarn {

/// The cache that `op` updates in place, or null.
inline Value updatedBy(Operation *op) {
  if (auto append = dyn_cast<AppendOp>(op))
    return append.getCache();
  if (auto flush = dyn_cast<FlushOp>(op))
    return flush.getCache();
  if (auto relayout = dyn_cast<RelayoutOp>(op))
    return relayout.getCache();
  return {};
}

/// The op that bundled a cache, which may have been updated in place since;
/// null if it comes from elsewhere.
inline CacheOp originOf(Value cache) {
  while (Operation *op = cache.getDefiningOp()) {
    if (Value before = updatedBy(op))
      cache = before;
    else
      return dyn_cast<CacheOp>(op);
  }
  return {};
}

} // namespace mlir::kvarn

#endif // KVARN_PASSES_CACHEORIGIN_H
