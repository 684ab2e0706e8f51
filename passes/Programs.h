//===- Programs.h - Level-1 programs from a format name ---------*- C++ -*-===//

#ifndef KVARN_PASSES_PROGRAMS_H
#define KVARN_PASSES_PROGRAMS_H

#include "dialect/KVarNDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::kvarn {

/// What a serving engine knows about its model.
struct Model {
  ::kvarn::Format format;
  int64_t ratio = 1;     // query heads per KV head
  bool bfloat16 = false; // type of q, k, v and out
  // Attention.
  bool causal = true, window = false, softcap = false, sinks = false,
       lse = false, newTokens = false;
  int64_t queryTokens = 1; // of one request, that schedules are for
  // Quantizing.
  int64_t iterations = 8;
  bool prescale = false;
  QuantRange range = QuantRange::MinMax;
  // Changing the layout, to that of `format`.
  ::kvarn::Layout sourceLayout = ::kvarn::Layout::Reference;
  // Materializing.
  Frame frame = Frame::Original;
};

/// The kernels that can be asked for by name, in this order.
ArrayRef<StringRef> knownKernels();
/// Those that serving takes: all but relayout.
ArrayRef<StringRef> servingKernels();

/// A module with the level-1 program of one kernel, unfused, as a user would
/// write it. `kernel` is one of knownKernels().
OwningOpRef<ModuleOp> buildProgram(MLIRContext *context, const Model &model,
                                   StringRef kernel);

} // namespace mlir::kvarn

#endif // KVARN_PASSES_PROGRAMS_H
