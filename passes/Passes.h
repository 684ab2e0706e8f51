//===- Passes.h - Passes between the levels ---------------------*- C++ -*-===//

#ifndef KVARN_PASSES_PASSES_H
#define KVARN_PASSES_PASSES_H

#include "dialect/Targets.h"
#include "dialect/TileDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"

namespace mlir::kvarn {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

/// The stages from a level-1 program to tile kernels, in order. Each stands
/// alone on the command line of kvarn-compile (`--emit`).
void addFuseStage(OpPassManager &manager);
void addTileStage(OpPassManager &manager, StringRef target, StringRef schedule);

} // namespace mlir::kvarn

#endif // KVARN_PASSES_PASSES_H
