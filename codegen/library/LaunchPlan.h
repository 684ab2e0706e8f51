//===- LaunchPlan.h - A host function as data -------------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_LIBRARY_LAUNCHPLAN_H
#define KVARN_CODEGEN_LIBRARY_LAUNCHPLAN_H

#include "format/Manifest.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::kvarn {

/// Parameters, buffers and launches of a level-2 host function: memrefs and
/// scalars in, nothing out, and a body of extents, integer arithmetic,
/// `memref.alloc`, `tile.check_shape` and `tile.launch`. Anything else is an
/// error at its place. Scratch sizes are not known yet and stay 0.
FailureOr<::kvarn::Variant> planLaunches(func::FuncOp host);

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_LIBRARY_LAUNCHPLAN_H
