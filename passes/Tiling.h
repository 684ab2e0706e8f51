//===- Tiling.h - From level-1 ops to launches of tile kernels --*- C++ -*-===//
//
// Each level-1 op becomes one or more kernels and their launches in the host
// function, which takes memrefs instead of tensors. One file per family.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_PASSES_TILING_H
#define KVARN_PASSES_TILING_H

#include "passes/TileBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::kvarn {

/// The tiling of one function.
class Tiling {
public:
  Tiling(func::FuncOp host, ScheduleAttr schedule);

  /// Builds in the host function.
  TileBuilder &host() { return builder; }
  ScheduleAttr schedule() const { return scheduleAttr; }

  /// Tokens of a tile by the schedule; an error of `op` if blocks of `format`
  /// do not consist of such.
  FailureOr<int64_t> tokensOfBlock(Operation *op, FormatAttr format) const;

  /// What stands for a level-1 tensor or scalar in the host function.
  Value lowered(Value value) { return values.lookupOrNull(value); }
  /// The tensors of a cache.
  CacheOp cache(Value value);

  /// A result of an op: what the caller passed for it if it is returned, else
  /// memory of these extents that lives while the program runs.
  Value destination(Value result, ArrayRef<Value> extents);
  Value buffer(Type element, ArrayRef<Value> extents);
  /// That `memory` has so many heads: the last dimension but one, wherever
  /// there are any. Only callers can pass something else.
  void checkHeads(Value memory, Value heads);

  using Body = function_ref<void(TileBuilder &, ArrayRef<Value> arguments)>;
  /// Makes the kernel `<host>_<stem>` and launches it over `grid`.
  void launch(StringRef stem, ArrayRef<Value> grid, ArrayRef<Value> arguments,
              Body body);

  /// Notes that the program writes what was passed for `tensor`.
  void markOutput(Value tensor);

  LogicalResult run();

private:
  LogicalResult lowerArguments();
  LogicalResult lowerResults();
  LogicalResult lowerOp(Operation *op);

  func::FuncOp hostFunc;
  ScheduleAttr scheduleAttr;
  TileBuilder builder;
  SymbolTable symbols;
  IRMapping values;
  SmallVector<Operation *> levelOne;
};

// The families. Each reads its decisions from `tiling.schedule()`.
LogicalResult tileAttend(Tiling &tiling, AttendOp op);
LogicalResult tileAttention(Tiling &tiling, AttentionOp op);
LogicalResult tileAppend(Tiling &tiling, AppendOp op);
LogicalResult tileFlush(Tiling &tiling, FlushOp op);
LogicalResult tilePack(Tiling &tiling, PackOp op);
LogicalResult tileUnflush(Tiling &tiling, UnflushOp op);
LogicalResult tileRelayout(Tiling &tiling, RelayoutOp op);
LogicalResult tileMaterialize(Tiling &tiling, Value k, Value v, Value cache,
                              Frame frame);
LogicalResult tileRowwise(Tiling &tiling, Operation *op); // rotate, scale
LogicalResult tileNormalize(Tiling &tiling, NormalizeOp op);
LogicalResult tileQuantize(Tiling &tiling, QuantizeOp op);

/// For a kernel over pairs, heads and the two parts of records, with the
/// arguments that `launchOverPairs` gives it: runs `body` for a pair that is
/// among the first `count`.
using PairBody =
    function_ref<void(RecordPart part, Value head, Value first, Value second)>;
void forEachPair(TileBuilder &b, ArrayRef<Value> args, PairBody body);

/// Launches such a kernel with `tensors`: pairs, count, pages and others with
/// as many heads.
void launchOverPairs(Tiling &tiling, StringRef stem, ArrayRef<Value> tensors,
                     Tiling::Body body);

} // namespace mlir::kvarn

#endif // KVARN_PASSES_TILING_H
