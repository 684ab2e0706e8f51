//===- CacheOrigin.h - Where a cache comes from -----------------*- C++ -*-===//

#ifndef KVARN_PASSES_CACHEORIGIN_H
#define KVARN_PASSES_CACHEORIGIN_H

#include "dialect/KVarNDialect.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mlir::kvarn {

/// The cache that `op` updates in place, or null.
inline Value updatedBy(Operation *op) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<AppendOp, FlushOp, PackOp, UnflushOp, RelayoutOp>(
          [](auto update) { return update.getCache(); })
      .Default([](Operation *) { return Value(); });
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
