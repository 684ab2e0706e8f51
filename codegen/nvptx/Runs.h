//===- Runs.h - Registers whose elements follow one another -----*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_RUNS_H
#define KVARN_CODEGEN_NVPTX_RUNS_H

#include "codegen/nvptx/Ir.h"
#include "dialect/Layout.h"

namespace mlir::kvarn::nvptx {

/// Bytes of one element in memory.
int64_t bytesOf(Type element);

/// What one instruction loads or stores at most.
inline constexpr int64_t kVectorBytes = 16;

/// Registers that follow one another along the last dimension: what one
/// instruction loads or stores.
struct Run {
  SmallVector<int64_t> bits; // of the register number, lowest element first

  Run(const tile::Layout &layout, Type element);

  int64_t length() const { return int64_t(1) << bits.size(); }
  /// The registers of the run that starts at register `first`.
  SmallVector<int64_t> from(int64_t first) const;
  bool startsAt(int64_t index) const {
    return llvm::none_of(bits, [&](int64_t bit) { return index >> bit & 1; });
  }
};

/// `count` elements that lie at `pointer`, and the way back; `exists`: only if
/// it is so, in global memory.
Values loadRun(Ir &ir, Value pointer, Type element, int64_t count);
void storeRun(Ir &ir, ValueRange values, Value pointer, Value exists = {});

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_RUNS_H
