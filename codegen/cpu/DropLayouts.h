//===- DropLayouts.h - Tiles of one thread --------------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_CPU_DROPLAYOUTS_H
#define KVARN_CODEGEN_CPU_DROPLAYOUTS_H

#include "dialect/TileDialect.h"

namespace mlir::kvarn::cpu {

/// Takes the encodings off all tiles: one thread holds whole tiles here, so it
/// does not matter which lane of a GPU would hold an element.
void dropLayouts(tile::KernelOp kernel);

} // namespace mlir::kvarn::cpu

#endif // KVARN_CODEGEN_CPU_DROPLAYOUTS_H
