//===- ConvertTileToNvptx.h - Tiles to registers of lanes -------*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_CONVERTTILETONVPTX_H
#define KVARN_CODEGEN_NVPTX_CONVERTTILETONVPTX_H

#include "mlir/Pass/Pass.h"

namespace mlir::kvarn {

/// Every tile kernel becomes an `llvm.func` that is a PTX kernel; tiles must
/// have layouts (pass tile-distribute). Drops host functions.
std::unique_ptr<Pass> createConvertTileToNvptxPass(StringRef target = {});

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_NVPTX_CONVERTTILETONVPTX_H
