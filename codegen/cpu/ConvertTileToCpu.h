//===- ConvertTileToCpu.h - Tiles to vectors and loops ----------*- C++ -*-===//

#ifndef KVARN_CODEGEN_CPU_CONVERTTILETOCPU_H
#define KVARN_CODEGEN_CPU_CONVERTTILETOCPU_H

#include "mlir/Pass/Pass.h"

namespace mlir::kvarn {

/// `convert-tile-to-cpu`: every `tile.kernel` of a module becomes a function of
/// the C interface described in codegen/Codegen.h; functions that launch
/// kernels are removed. In: any tile program. Out: func, scf, arith, math,
/// vectors of one dimension, LLVM pointers; no tensors, no memrefs, no function
/// that needs a mathematical library.
std::unique_ptr<Pass> createConvertTileToCpuPass(StringRef target = "");

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_CPU_CONVERTTILETOCPU_H
