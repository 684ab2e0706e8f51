//===- AttendKernel.h - Attention as a tile program -------------*- C++ -*-===//
//
// One program takes the query rows of one KV head of one request (row = query
// token x ratio + head within the group) over its share of the blocks: online
// softmax in base 2, scales folded as Quantized.h says.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_PASSES_ATTENDKERNEL_H
#define KVARN_PASSES_ATTENDKERNEL_H

#include "passes/Quantized.h"
#include "passes/TileBuilder.h"

#include <cmath>

namespace mlir::kvarn {

/// The base of rows that have seen nothing. Finite, so that what is masked
/// (-inf) weighs 0 beside it.
inline constexpr double kNoScore = -0x1p120;

/// Scores are in units of log2: exponentials of base 2 are one instruction.
inline constexpr double kLog2e = 1.4426950408889634;

/// Running softmax of a tile of query rows: what weights are relative to (about
/// the maximum, less log2(kUnitWeight)), their sum, weighted sum.
struct Softmax {
  Value base, sum, out;

  SmallVector<Value> list() const { return {base, sum, out}; }
  static Softmax from(ValueRange values) {
    return {values[0], values[1], values[2]};
  }
};

/// What distinguishes one attention from another.
struct AttendSpec {
  FormatAttr format; // null: dense K and V
  int64_t headDim, ratio;
  bool causal, rotateQuery, rotateNew, rotateOutput;
  ScheduleAttr schedule;
};

/// The arguments of a kernel by role; those that a program lacks are null.
struct AttendArguments {
  Value q, queryStart, seqLens;
  Value pages, blockTable, blockToSlot; // paged
  Value k, v; // the pool, or the dense tensors [B, L, Hk, D]
  Value scale, window, softcap, sinks;
  Value newK, newV; // of the query tokens, if the cache lacks them
  Value out, lse;   // final results
  // Of each split [splits, T, Hq, D], or of balanced programs: the first and
  // the last segment, if others share it [programs, 2, rows, D]. Logarithms are
  // binary.
  Value partialOut, partialLse;
  Value counters; // [programs]: parts that are there, by the first program
  template <typename Visit> void forEach(Visit visit) {
    for (Value *value :
         {&q, &queryStart, &seqLens, &pages, &blockTable, &blockToSlot, &k, &v,
          &scale, &window, &softcap, &sinks, &newK, &newV, &out, &lse,
          &partialOut, &partialLse, &counters})
      if (*value)
        visit(*value);
  }
  SmallVector<Value> list() {
    SmallVector<Value> all;
    forEach([&](Value &value) { all.push_back(value); });
    return all;
  }
  /// The same roles with a kernel's block arguments.
  AttendArguments inKernel(ArrayRef<Value> blockArguments) {
    AttendArguments inner = *this;
    inner.forEach([&](Value &value) {
      value = blockArguments.front();
      blockArguments = blockArguments.drop_front();
    });
    return inner;
  }
};

/// Query rows and what products with keys are to be multiplied with (null = 1)
/// to be scores in units of log2, or before a softcap of the cap.
struct Query {
  Value rows, factor;
};

/// Scores of a tile in units of log2, to be multiplied with `factor`: null = 1,
/// a number, or one for each column.
struct Scores {
  Value tile, factor;
};

/// The query rows of one tile and what each may see.
struct QueryRows {
  Value valid;       // rows that exist
  Value token, head; // where each row lies in q and out
  Value end, begin;  // visible positions [begin, end); begin null: no window
  Value firstPosition, lastPosition; // of all rows together
  Value commonEnd, commonBegin;      // all rows see [commonBegin, commonEnd)
};

/// K and V in memory, and the position behind the last token.
struct DenseTokens {
  Value k, v, end;
};

/// Blocks [first, last) of the cache, and of new tokens, if there are any,
/// tiles [firstNew, lastNew).
struct Blocks {
  Value first, last, firstNew, lastNew;
};

/// The work of one request; `Value`s are numbers or vectors of them.
struct RequestWork {
  Value rowTiles; // of one KV head
  // That some row of a tile may see: those of the cache from `firstBlock` on,
  // then those of new tokens (null: none).
  Value firstBlock, blocks, newBlocks;
};

/// A request, a KV head and a row tile: `blocks` items of work, and those of
/// its end.
struct WorkUnit {
  Value firstItem, blocks; // among the items of the whole call
};

/// Blocks [from, to) of a row tile of query rows, counted from its first one.
struct Segment {
  RequestWork work;
  WorkUnit unit;
  Value firstRow, from, to;
};

/// The blocks of a row tile that a warp takes: `from`, from + step, .. below
/// `to`.
struct BlockRange {
  Value from, to, step;
};

/// What is carried from block to block: its slot, what is known of the ones
/// behind it (as in the block table and in `block_to_slot`), the copies of its
/// parts and its index.
struct BlockWalk {
  Softmax state;
  Value slot, nextBlock, nextSlot, laterBlock;
  SmallVector<Value> tokens;
  Value index;

  SmallVector<Value> withoutBase() const {
    SmallVector<Value> all = {state.sum, state.out, slot,
                              nextBlock, nextSlot,  laterBlock};
    llvm::append_range(all, tokens);
    all.push_back(index);
    return all;
  }
  SmallVector<Value> list() const {
    SmallVector<Value> all = withoutBase();
    all.insert(all.begin(), state.base);
    return all;
  }
  static BlockWalk from(ValueRange values) {
    return {Softmax::from(values),
            values[3],
            values[4],
            values[5],
            values[6],
            SmallVector<Value>(values.drop_front(7).drop_back()),
            values.back()};
  }
};

/// Keys of a record that were staged while the one before it was worked on.
struct KeysAhead {
  SmallVector<Value> staged; // parts of the tokens, then their unit
  Value nextPacked;          // whether the next record has any
};

class AttendKernel {
public:
  AttendKernel(TileBuilder &b, const AttendSpec &spec,
               const AttendArguments &args)
      : b(b), spec(spec), args(args), rows(spec.schedule.getRows()),
        depth(spec.headDim) {}

  void build();
  void buildCombine();
  // Balanced.cpp
  void buildBalanced();

private:
  void setRequest(Value index);
  RequestWork workOf(Value queryCount, Value length);
  Value itemsOfTile(Value blocks);
  Value itemsOf(const RequestWork &work);
  SmallVector<Value>
  overRequests(ArrayRef<tile::ReduceKind> kinds,
               function_ref<SmallVector<Value>(const RequestWork &)> count);
  Value cutWork();
  Value shareOf(Value items);
  /// Ranges of whole row tiles or equal parts of one: the items of each, what
  /// each tile counts for, how many there are, and whether a program then takes
  /// little more than an equal share.
  struct EvenCut {
    Value share, items, ranges, fits;
  };
  EvenCut cutEvenly(Value blocks, Value tiles, Value mostBlocks);
  RequestWork workOfRequests(Value first, Value &valid);
  /// The requests that have items `first` and `last`, and the items of those
  /// before the first one.
  struct Range {
    Value first, last, before;
  };
  Range findRequests(Value firstItem, Value lastItem);
  void walkRange(Value number);
  bool pairsTiles() const { return spec.causal && args.newK; }
  Value evenTile(Value index, Value rowTiles);
  void requestSegments(Value index, Value itemsBefore, Value from, Value to);
  void finishSegment(Segment part, function_ref<Segment()> lookAgain);
  void finishEmptyRequests();
  SmallVector<Value> combineParts(const WorkUnit &unit);
  Softmax sumParts(Value firstProgram, Value endProgram, const WorkUnit &unit);
  void enterProgram();
  Value rowCount();
  void forEachRowTile(function_ref<void(Value firstRow)> body);
  QueryRows makeRows(Value firstRow);
  Value loadRows(const QueryRows &r);
  Query makeQuery(Value raw);
  Query makeQuery(Value q, Value scale);
  Value scoreScale();
  Softmax overBlocks(const QueryRows &r);
  Softmax overRange(const QueryRows &r, const Blocks &range);
  Softmax everyBlock(const QueryRows &r, const Blocks &range, Value warp);
  Softmax blockLoop(const QueryRows &r, std::optional<Query> query, Value from,
                    Value to, Value step, const Softmax &state);
  Value isPacked(Value slot);
  /// `slot`: of the block in the pool, negative if it is packed. `ahead`: what
  /// was done for this block before, in the end for the next one.
  Softmax oneBlock(const QueryRows &r, const Query &q, Value index, Value slot,
                   const Softmax &state, RecordReader *record,
                   KeysAhead *ahead = nullptr);
  Softmax packedBlock(const QueryRows &r, const Query &q, Value firstPosition,
                      const Softmax &state, RecordReader &record);
  /// The indices of some tokens in memory.
  using PlaceOf = function_ref<SmallVector<Value>(Value start, int64_t count)>;
  Softmax denseBlock(const QueryRows &r, const Query &q,
                     const DenseTokens &source, Value firstPosition,
                     const Softmax &state, PlaceOf place, int64_t tokens,
                     int64_t step);
  // AttendRecords.cpp
  Softmax copiedBlocks(const QueryRows &r, std::optional<Query> query,
                       Value from, Value to, Value step, const Softmax &state);
  bool walksSteadily() const;
  Value isSteady(const QueryRows &r, const BlockRange &range, Value index,
                 Value slot);
  BlockWalk stepOn(const BlockWalk &walk, const BlockRange &range);
  Value nextIsPacked(const BlockWalk &walk, const BlockRange &range);
  SmallVector<Value> steadyRecord(const QueryRows &r, const Query &q,
                                  RecordReader &record, const BlockRange &range,
                                  const BlockWalk &walk);
  BlockWalk anyBlock(const QueryRows &r, const Query &q, RecordReader &record,
                     const BlockRange &range, const BlockWalk &walk,
                     Value missed);
  Softmax steadyBlocks(const QueryRows &r, const Query &q, RecordReader &record,
                       const BlockRange &range, const BlockWalk &first);
  void finish(const QueryRows &r, Softmax state);
  void finishPartial(const QueryRows &r, const Softmax &state,
                     ArrayRef<Value> place);
  Value normalizeBy(Value out, Value sum);
  // AttendSoftmax.cpp
  Scores capped(Scores s);
  Value scaled(Value x, const Scores &s);
  Value seenByAll(const QueryRows &r, Value firstPosition, int64_t tokens);
  Value onlySeen(const QueryRows &r, Value x, Value firstPosition);
  Value masked(const QueryRows &r, Value x, Value firstPosition);
  Value weigh(const QueryRows &r, Softmax &state, Scores s, Value firstPosition,
              function_ref<void()> waitForValues);
  Value weighAnew(const QueryRows &r, Softmax &state, Scores s,
                  Value firstPosition);
  Value weightsOf(Value x, Value base);
  Value plusWeights(Value sum, Value weights);
  Value weightsFit(Value sum);
  Softmax merge(ArrayRef<Value> stacked);
  Softmax addParts(const Softmax &state, ArrayRef<Value> lses,
                   ArrayRef<Value> outs);
  // AttendShared.cpp
  Softmax addTogether(const Softmax &state, ArrayRef<Scores> scores,
                      ArrayRef<ScaledOperand> values);
  /// Makes operands of some tokens.
  using MakeOperand = function_ref<ScaledOperand(Value start, int64_t tokens)>;
  Softmax sharedStep(const QueryRows &r, const Query &q, Value firstPosition,
                     Value start, int64_t tokens, const Softmax &state,
                     ArrayRef<ScaledOperand> keys, MakeOperand values,
                     function_ref<void()> staged);
  SmallVector<ScaledOperand> stageParts(Value start, int64_t tokens,
                                        MakeOperand make);
  bool stagesAhead() const;
  SmallVector<Value> keysAhead(RecordReader &record, Value packed,
                               ValueRange last);
  Softmax sharedBlock(const QueryRows &r, const Query &q, Value firstPosition,
                      const Softmax &state, RecordReader &record,
                      ValueRange keys);
  // AttendNew.cpp
  QueryRows rowsOfCache(const QueryRows &r);
  Query queryOfNew(const QueryRows &r, std::optional<Query> query);
  Value newBefore(Value position);
  Blocks seenBlocks(const QueryRows &r);
  Blocks cut(const Blocks &range, Value inCache, Value from, Value to);
  Blocks both(const Blocks &x, const Blocks &y);
  Softmax newTiles(const QueryRows &r, std::optional<Query> query, Value from,
                   Value to, Value step);

  /// Dense tensors are walked in blocks of one tile.
  int64_t blockTokens() const {
    return spec.format ? spec.format.getGroup() : spec.schedule.getPoolTokens();
  }
  /// New tokens are walked in tiles of as many as those of the pool.
  int64_t tilesOfBlock() const {
    return blockTokens() / spec.schedule.getPoolTokens();
  }
  /// Whether all warps work on the same rows and records.
  bool together() const { return spec.schedule.getTeam() != Team::Warp; }
  /// How many blocks of a row tile are worked on side by side.
  int64_t blocksAtOnce() const {
    return together() ? 1 : spec.schedule.getWarps();
  }
  SmallVector<int64_t> tile(int64_t columns) const { return {rows, columns}; }
  Softmax empty() {
    return {b.tileOf(kNoScore, {rows}), b.tileOf(0.0, {rows}),
            b.tileOf(0.0, tile(depth))};
  }

  TileBuilder &b;
  const AttendSpec &spec;
  AttendArguments args;
  int64_t rows, depth;
  // Of this program.
  Value kvHead, request, split, queryBegin, queryCount, length;
  Value cached; // tokens of the request in the cache, or in k and v
  // Of a balanced call: the programs, and the ranges with so many items each.
  Value program, programs, ranges, share, kvHeads;
  // Negative: every row tile counts for so many items. Else what a program
  // would take if blocks were all there is to do.
  Value tileRule;
};

} // namespace mlir::kvarn

#endif // KVARN_PASSES_ATTENDKERNEL_H
