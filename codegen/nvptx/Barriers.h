//===- Barriers.h - Where warps wait for one another ------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_BARRIERS_H
#define KVARN_CODEGEN_NVPTX_BARRIERS_H

#include "codegen/nvptx/StagedTiles.h"

namespace mlir::kvarn::nvptx {

/// The ops before which those that share memory wait for one another (threads
/// of a warp, or all warps of a program): copies over what may still be read,
/// tiles staged over what products may still read, and products of what was
/// staged. At these places warps also wait for their products, and a fence is
/// between what was read or staged and what copies and products do, so that one
/// settles whatever came before it.
DenseSet<Operation *> findBarriers(tile::KernelOp kernel,
                                   const StagedTiles &stages);

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_BARRIERS_H
