//===- CacheOrigin.h - Where a cache comes from -----------------*- C++ -*-===//

#ifndef KVARN_PASSES_CACHEORIGIN_H
#define KVARN_PASSES_CACHEORIGIN_H

#include "dialect/KVarNDialect.h"

namespace mlir::kvarn {

/// The op that bundled a cache, which may have been updated in place since;
/// null if it comes from elsewhere.
inline CacheOp originOf(Value cache) {
  while (Operation *op = cache.getDefiningOp()) {
    if (auto append = dyn_cast<AppendOp>(op))
      cache = append.getCache();
    else if (auto flush = dyn_cast<FlushOp>(op))
      cache = flush.getCache();
    else
      return dyn_cast<CacheOp>(op);
  }
  return {};
}

} // namespace mlir::kvarn

#endif // KVARN_PASSES_CACHEORIGIN_H
