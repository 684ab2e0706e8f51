//===- Balanced.cpp - Attention in equal shares for all programs ----------===//
//
// An item of work is one block for one row tile of one KV head; items are
// numbered request by request, head by head, row tile by row tile, block by
// block. Program p of P takes the p-th of P equal ranges. Of a row tile that
// lies in several ranges, each program leaves a partial result: the first one
// that begins before its range in place 0 of the program's two, the last one
// that begins in its range and goes on behind it in place 1. All programs find
// their ranges by themselves, from the lengths on the device.
//
//===----------------------------------------------------------------------===//

#include "passes/AttendKernel.h"

#include <cmath>

using namespace mlir;
using namespace mlir::kvarn;

/// Requests that a program looks at together, and partial results that one warp
/// sums together.
static constexpr int64_t kRequests = 128, kParts = 16;

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

RequestWork AttendKernel::workOf(Value count, Value len) {
  int64_t tokens =
      spec.format ? spec.format.getGroup() : spec.schedule.getPoolTokens();
  auto divideUp = [&](Value x, int64_t by) {
    return b.div(b.add(x, b.index(by - 1)), b.index(by));
  };
  RequestWork work;
  work.rowTiles = divideUp(b.mul(count, b.index(spec.ratio)), rows);
  Value end = b.max(len, b.index(0));
  work.blocks = divideUp(end, tokens);
  work.firstBlock = b.index(0);
  if (args.window) {
    // The first row of a causal request sees the earliest positions.
    Value firstEnd =
        spec.causal ? b.add(b.sub(len, count), b.index(1)) : len;
    Value begin =
        b.max(b.sub(firstEnd, b.toIndex(args.window)), b.index(0));
    work.firstBlock = b.min(b.div(begin, b.index(tokens)), work.blocks);
    work.blocks = b.sub(work.blocks, work.firstBlock);
  }
  return work;
}

Value AttendKernel::itemsOf(const RequestWork &work) {
  return b.mul(b.mul(work.rowTiles, kvHeads), work.blocks);
}

/// Vectors of the requests from `first` on; those from `end` on have no work.
RequestWork AttendKernel::workOfRequests(Value first, Value &valid, Value end) {
  Value index = b.range(first, kRequests);
  valid = b.less(index, end);
  auto at = [&](Value memref, Value place) {
    return b.toIndex(b.gather(memref, {place}, valid));
  };
  Value begin = at(args.queryStart, index);
  Value count = b.sub(at(args.queryStart, b.add(index, b.index(1))), begin);
  return workOf(count, at(args.seqLens, index));
}

/// Items of the requests below `end`.
Value AttendKernel::sumOverRequests(Value end) {
  return b.loop(b.index(0), end, b.index(kRequests), {b.index(0)},
                [&](Value first, ValueRange carried) -> SmallVector<Value> {
                  Value valid;
                  RequestWork work = workOfRequests(first, valid, end);
                  Value items = b.select(valid, itemsOf(work), b.index(0));
                  return {b.add(carried[0], b.sum(items, 0))};
                })[0];
}

/// Sets the share of each program.
void AttendKernel::cutWork() {
  Value batch = b.dim(args.seqLens, 0);
  programs = b.dim(args.partialOut, 0);
  kvHeads = b.div(b.dim(args.q, 1), b.index(spec.ratio));
  Value total = sumOverRequests(batch);
  share = b.max(b.div(b.add(total, b.sub(programs, b.index(1))), programs),
                b.index(1));
}

/// The request that has item `item`, and the items of those before it.
void AttendKernel::findStart(Value item, Value &index, Value &itemsBefore) {
  Value batch = b.dim(args.seqLens, 0), zero = b.index(0);
  auto found = b.loop(
      zero, batch, b.index(kRequests), {zero, zero, zero},
      [&](Value first, ValueRange carried) -> SmallVector<Value> {
        Value valid;
        RequestWork work = workOfRequests(first, valid, batch);
        Value items = b.select(valid, itemsOf(work), zero);
        Value ends = b.add(b.scan(items), carried[2]);
        Value over = b.both(valid, b.lessEqual(ends, item));
        Value count = b.sum(b.select(over, b.index(1), zero), 0);
        Value last = b.reduce(tile::ReduceKind::Max,
                              b.select(over, ends, zero), 0);
        Value all = b.reduce(tile::ReduceKind::Max, ends, 0);
        return {b.add(carried[0], count), b.max(carried[1], last), all};
      });
  index = found[0];
  itemsBefore = found[1];
}

//===----------------------------------------------------------------------===//
// The programs
//===----------------------------------------------------------------------===//

void AttendKernel::buildBalanced() {
  program = b.op<tile::ProgramIdOp>(tile::Axis::X);
  cutWork();
  Value from = b.mul(program, share), to = b.add(from, share);
  Value batch = b.dim(args.seqLens, 0), first, before;
  findStart(from, first, before);
  // Requests until the end of the range; later ones have no items in it.
  Value stop, ignored;
  findStart(b.sub(to, b.index(1)), stop, ignored);
  stop = b.min(b.add(stop, b.index(1)), batch);
  b.loop(first, stop, b.index(1), {before},
         [&](Value index, ValueRange carried) -> SmallVector<Value> {
           setRequest(index);
           Value items = itemsOf(workOf(queryCount, length));
           requestSegments(carried[0], from, to);
           return {b.add(carried[0], items)};
         });
}

/// The row tiles of the request that have items in [from, to).
void AttendKernel::requestSegments(Value itemsBefore, Value from, Value to) {
  RequestWork work = workOf(queryCount, length);
  Value items = itemsOf(work), zero = b.index(0);
  Value begin = b.max(b.sub(from, itemsBefore), zero);
  Value end = b.min(b.sub(to, itemsBefore), items);
  Value blocks = b.max(work.blocks, b.index(1));
  Value lastUnit = b.ceilDiv(end, blocks);
  b.loop(b.div(begin, blocks), lastUnit, b.index(1), {},
         [&](Value unit, ValueRange) -> SmallVector<Value> {
           kvHead = b.div(unit, work.rowTiles);
           Value firstRow = b.mul(b.rem(unit, work.rowTiles), b.index(rows));
           Value offset = b.mul(unit, blocks);
           segment({b.add(itemsBefore, offset), blocks}, firstRow,
                   work.firstBlock, b.max(b.sub(begin, offset), zero),
                   b.min(b.sub(end, offset), blocks));
           return {};
         });
}

/// Blocks [from, to) of a row tile, counted from its first one.
void AttendKernel::segment(const WorkUnit &unit, Value firstRow,
                           Value firstBlock, Value from, Value to) {
  int64_t tokens =
      spec.format ? spec.format.getGroup() : spec.schedule.getPoolTokens();
  QueryRows r = makeRows(firstRow);
  // What this tile sees may be less than what all tiles of the request see.
  Value least = b.div(r.firstPosition, b.index(tokens));
  Value most = b.ceilDiv(r.lastPosition, b.index(tokens));
  Softmax state =
      overRange(r, loadQuery(r), b.max(b.add(firstBlock, from), least),
                b.min(b.add(firstBlock, to), most));
  Value startsHere = b.equal(from, b.index(0));
  Value whole = b.both(startsHere, b.equal(to, unit.blocks));
  b.branch(
      whole,
      [&]() -> SmallVector<Value> {
        finish(r, state);
        return {};
      },
      [&]() -> SmallVector<Value> {
        Value place = b.select(startsHere, b.index(1), b.index(0));
        finishPartial(r, state, {program, place, b.iota(0, {rows})});
        return {};
      });
}

//===----------------------------------------------------------------------===//
// The sum of the parts
//===----------------------------------------------------------------------===//

/// One program for each query head of each request; a tile is one row.
void AttendKernel::buildBalancedCombine() {
  cutWork();
  Value queryHead = b.op<tile::ProgramIdOp>(tile::Axis::X);
  setRequest(b.op<tile::ProgramIdOp>(tile::Axis::Y));
  kvHead = b.div(queryHead, b.index(spec.ratio));
  Value before = sumOverRequests(request);
  RequestWork work = workOf(queryCount, length);
  b.loop(b.index(0), queryCount, b.index(1), {},
         [&](Value token, ValueRange) -> SmallVector<Value> {
           combineRow(queryHead, token, work, before);
           return {};
         });
}

void AttendKernel::combineRow(Value queryHead, Value token,
                              const RequestWork &work, Value itemsBefore) {
  Value row = b.add(b.mul(token, b.index(spec.ratio)),
                    b.rem(queryHead, b.index(spec.ratio)));
  Value tileRows = b.index(rows), one = b.index(1);
  Value number = b.add(b.mul(kvHead, work.rowTiles), b.div(row, tileRows));
  WorkUnit unit{b.add(itemsBefore, b.mul(number, work.blocks)), work.blocks};
  Value last = b.sub(b.add(unit.firstItem, unit.blocks), one);
  Value empty = b.equal(unit.blocks, b.index(0));
  Value split = b.less(b.div(unit.firstItem, share), b.div(last, share));
  // What one program has seen whole is done.
  b.when(b.either(empty, split), [&] {
    int64_t whole = std::exchange(rows, 1);
    Softmax state = sumParts(unit, b.rem(row, tileRows));
    QueryRows r;
    r.valid = b.splat(b.i1(true), {1});
    r.token = b.splat(b.add(token, queryBegin), {1});
    r.head = b.splat(queryHead, {1});
    finish(r, state);
    rows = whole;
  });
}

/// The partial results of one row; none if it has no blocks.
Softmax AttendKernel::sumParts(const WorkUnit &unit, Value row) {
  Value first = b.div(unit.firstItem, share);
  Value end = b.select(b.equal(unit.blocks, b.index(0)), first,
                       b.ceilDiv(b.add(unit.firstItem, unit.blocks), share));
  Softmax like = empty();
  int64_t warps = spec.schedule.getWarps();
  auto partsFrom = [&](Value start, int64_t step) {
    return Softmax::from(b.loop(
        start, end, b.index(step), like.list(),
        [&](Value part, ValueRange carried) -> SmallVector<Value> {
          Softmax state = Softmax::from(carried);
          Value index = b.range(part, kParts);
          Value valid = b.less(index, end);
          Value starts = b.lessEqual(b.mul(index, share), unit.firstItem);
          Value place = b.select(starts, b.index(1), b.index(0));
          Value lse = b.gather(args.partialLse, {index, place, row}, valid);
          lse = b.select(valid, lse, b.f32(-INFINITY));
          Value alpha;
          Value wide = b.along(lse, 1, {1, kParts});
          Value weights = b.mul(update(state, {wide, {}}, alpha),
                                b.f32(1 / kLargestWeight));
          Value outs = b.load(args.partialOut, {index, place, row, b.index(0)},
                              {kParts, depth}, valid);
          Value flat = b.reduce(tile::ReduceKind::Max, weights, 0);
          Value sum = b.sum(b.mul(outs, b.along(flat, 0, {kParts, depth})), 0);
          state.out = b.add(b.mul(state.out, b.along(alpha, 0, tile(depth))),
                            b.along(sum, 1, tile(depth)));
          return state.list();
        }));
  };
  if (warps == 1)
    return partsFrom(first, kParts);
  auto each = b.OpBuilder::create<tile::WarpsOp>(
      b.getLoc(), warps, TypeRange(ValueRange(like.list())));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&each.getBody().front());
    Value start = b.add(first, b.mul(each.getWarp(), b.index(kParts)));
    b.op<tile::YieldOp>(partsFrom(start, kParts * warps).list());
  }
  return merge(SmallVector<Value>(each.getResults()));
}
