//===- Balanced.cpp - Attention in equal shares for all programs ----------===//
//
// An item of work is one block for one row tile of one KV head, and a few more
// stand for what short row tiles take besides their blocks. Items are
// numbered request by request, head by head, row tile by row tile, block by
// block, and cut in equal ranges. Program p takes the p-th, and if row tiles of
// a few requests are ranges, each P-th from there on: heads of a request, which
// lie side by side in a page, are then read at the same time (not if tiles are
// in pairs, see `evenTile`). Of a row tile that lies in several ranges, each
// program leaves a partial result: of one that begins before its range in place
// 0 of the program's two, of one that begins in its range and goes on behind it
// in place 1. Whoever is the last of them to finish sums the parts. All
// programs find their ranges by themselves, from the lengths on the device.
//
//===----------------------------------------------------------------------===//

#include "passes/AttendKernel.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::kvarn;

/// Requests that a program looks at together.
static constexpr int64_t kRequests = 32;

/// Partial results that are summed together, if a lane has no more than so many
/// numbers of them. Where there are many parts, more would save round trips to
/// memory; where there are few, which is the rule, they are read for nothing
/// (measured on a GPU, so lanes of a warp are counted everywhere).
/// Of warps that multiply together it is so many in any case.
static constexpr int64_t kParts = 4, kPartNumbers = 64, kTeamParts = 2;

/// What the beginning and the end of a row tile take, in blocks: about 5 us.
static constexpr int64_t kShortTileItems = 5;

/// The most requests with which row tiles go round the programs: each time a
/// program looks for its range among all requests.
static constexpr int64_t kFewRequests = 64;

/// What fewer cuts are worth: of an equal share one item in so many, and not
/// more than so many items.
static constexpr int64_t kUneven = 16, kMostUneven = 16;

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

RequestWork AttendKernel::workOf(Value count, Value len) {
  int64_t tokens = blockTokens();
  auto divideUp = [&](Value x, int64_t by) {
    return b.div(b.add(x, b.index(by - 1)), b.index(by));
  };
  RequestWork work;
  work.rowTiles = divideUp(b.mul(count, b.index(spec.ratio)), rows);
  Value end = b.max(len, b.index(0)), inCache = end;
  if (args.newK)
    inCache = b.max(b.sub(len, count), b.index(0));
  work.blocks = divideUp(inCache, tokens);
  work.firstBlock = b.index(0);
  if (args.window) {
    // The first row of a causal request sees the earliest positions.
    Value firstEnd = spec.causal ? b.add(b.sub(len, count), b.index(1)) : len;
    Value begin = b.max(b.sub(firstEnd, b.toIndex(args.window)), b.index(0));
    work.firstBlock = b.min(b.div(begin, b.index(tokens)), work.blocks);
    work.blocks = b.sub(work.blocks, work.firstBlock);
  }
  if (args.newK) {
    work.newBlocks = divideUp(b.sub(end, inCache), tokens);
    work.blocks = b.add(work.blocks, work.newBlocks);
  }
  return work;
}

/// Of one row tile: those of its blocks, then those of its end. A program has
/// one or two tiles that are longer than half of what it takes, but it may have
/// many short ones.
Value AttendKernel::itemsOfTile(Value blocks) {
  Value zero = b.index(0);
  Value isShort = b.less(b.mul(blocks, b.index(2)), tileRule);
  Value end = b.select(isShort, b.index(kShortTileItems), zero);
  // No tile has more blocks than even shares have items.
  Value items = b.max(b.add(blocks, end), b.sub(zero, tileRule));
  return b.select(b.less(zero, blocks), items, zero);
}

Value AttendKernel::itemsOf(const RequestWork &work) {
  return b.mul(b.mul(work.rowTiles, kvHeads), itemsOfTile(work.blocks));
}

/// Vectors of the requests from `first` on; those behind the last are not
/// valid.
RequestWork AttendKernel::workOfRequests(Value first, Value &valid) {
  Value index = b.range(first, kRequests);
  valid = b.less(index, b.dim(args.seqLens, 0));
  auto at = [&](Value memref, Value place) {
    return b.toIndex(b.gather(memref, {place}, valid));
  };
  Value begin = at(args.queryStart, index);
  Value count = b.sub(at(args.queryStart, b.add(index, b.index(1))), begin);
  return workOf(count, at(args.seqLens, index));
}

/// What `count` says of the work of all requests, each number added up or at
/// most as `kinds` say.
SmallVector<Value> AttendKernel::overRequests(
    ArrayRef<tile::ReduceKind> kinds,
    function_ref<SmallVector<Value>(const RequestWork &)> count) {
  SmallVector<Value> zeros(kinds.size(), b.index(0));
  return b.loop(b.index(0), b.dim(args.seqLens, 0), b.index(kRequests), zeros,
                [&](Value first, ValueRange carried) {
                  Value valid;
                  RequestWork work = workOfRequests(first, valid);
                  SmallVector<Value> next;
                  for (auto [kind, before, each] :
                       llvm::zip(kinds, carried, count(work))) {
                    Value counts = b.select(valid, each, b.index(0));
                    Value here = b.reduce(kind, counts, 0);
                    next.push_back(kind == tile::ReduceKind::Add
                                       ? b.add(before, here)
                                       : b.max(before, here));
                  }
                  return next;
                });
}

/// Sets the ranges and their length. True if some requests have query rows but
/// nothing to see.
Value AttendKernel::cutWork() {
  programs = b.dim(args.partialOut, 0);
  kvHeads = b.div(b.dim(args.q, 1), b.index(spec.ratio));
  Value zero = b.index(0), one = b.index(1);
  constexpr auto kSum = tile::ReduceKind::Add, kMost = tile::ReduceKind::Max;
  auto totals =
      overRequests({kSum, kSum, kSum, kMost}, [&](const RequestWork &work) {
        Value tiles = b.mul(work.rowTiles, kvHeads);
        Value some = b.less(zero, work.blocks);
        Value blind =
            b.both(b.less(zero, work.rowTiles), b.equal(work.blocks, zero));
        return SmallVector<Value>{b.mul(tiles, work.blocks),
                                  b.select(some, tiles, zero),
                                  b.select(blind, one, zero), work.blocks};
      });
  Value blocks = totals[0], tiles = totals[1];
  tileRule = b.div(blocks, programs);
  EvenCut even = cutEvenly(blocks, tiles, totals[3]);
  share = b.branch(
      even.fits, [&] { return SmallVector<Value>{even.share}; },
      [&] {
        auto items = overRequests({kSum}, [&](const RequestWork &work) {
          return SmallVector<Value>{itemsOf(work)};
        });
        return SmallVector<Value>{shareOf(items[0])};
      })[0];
  tileRule = b.select(even.fits, b.sub(zero, even.items), tileRule);
  ranges = b.select(even.fits, even.ranges, programs);
  return b.less(zero, totals[2]);
}

/// Of each range, at least one block for each warp.
Value AttendKernel::shareOf(Value items) {
  return b.max(b.ceilDiv(items, programs), b.index(blocksAtOnce()));
}

/// If all `tiles` row tiles are about as long as the longest of them, they are
/// best cut alike: into so many ranges each, or a range is one or more of them.
/// That saves most of the cuts, and parts of one row tile are ready at the same
/// time.
AttendKernel::EvenCut AttendKernel::cutEvenly(Value blocks, Value tiles,
                                              Value mostBlocks) {
  Value one = b.index(1);
  Value longest = b.max(itemsOfTile(mostBlocks), one);
  Value ends = b.mul(tiles, b.sub(longest, mostBlocks));
  Value needed = shareOf(b.add(blocks, ends));
  Value padded = shareOf(b.mul(tiles, longest));
  Value parts = b.max(b.div(longest, padded), one);
  Value part = b.ceilDiv(longest, parts);
  EvenCut cut;
  Value most = b.mul(part, b.ceilDiv(padded, part)); // of a program
  // Going round, a program would get the longer ones of all pairs, or the
  // shorter.
  Value few = pairsTiles()
                  ? b.i1(false)
                  : b.lessEqual(b.dim(args.seqLens, 0), b.index(kFewRequests));
  cut.share = b.select(few, part, most);
  cut.items = b.mul(part, parts);
  cut.ranges = b.select(few, b.mul(tiles, parts), programs);
  Value worth = b.min(b.div(needed, b.index(kUneven)), b.index(kMostUneven));
  // With 32 bits for an index, tiles as long as the longest may be too many
  // items to count; then they are not alike either.
  Value countableItems =
      b.div(b.index(std::numeric_limits<int32_t>::max()), b.max(tiles, one));
  Value countable = b.lessEqual(longest, countableItems);
  Value close = b.lessEqual(most, b.add(needed, worth));
  cut.fits = b.both(countable, close);
  return cut;
}

AttendKernel::Range AttendKernel::findRequests(Value firstItem,
                                               Value lastItem) {
  Value batch = b.dim(args.seqLens, 0), zero = b.index(0), one = b.index(1);
  auto found =
      b.loop(zero, batch, b.index(kRequests), {zero, zero, zero, zero},
             [&](Value start, ValueRange carried) -> SmallVector<Value> {
               Value valid;
               RequestWork work = workOfRequests(start, valid);
               Value items = b.select(valid, itemsOf(work), zero);
               Value ends = b.add(b.scan(items), carried[3]);
               // Requests that end before an item.
               auto over = [&](Value item) {
                 return b.both(valid, b.lessEqual(ends, item));
               };
               auto count = [&](Value item) {
                 return b.sum(b.select(over(item), one, zero), 0);
               };
               auto largest = [&](Value x) {
                 return b.reduce(tile::ReduceKind::Max, x, 0);
               };
               Value before = largest(b.select(over(firstItem), ends, zero));
               return {b.add(carried[0], count(firstItem)),
                       b.add(carried[1], count(lastItem)),
                       b.max(carried[2], before), largest(ends)};
             });
  return {found[0], found[1], found[2]};
}

//===----------------------------------------------------------------------===//
// The programs
//===----------------------------------------------------------------------===//

void AttendKernel::buildBalanced() {
  program = b.op<tile::ProgramIdOp>(tile::Axis::X);
  Value someAreEmpty = cutWork();
  // First, so that nothing has to be kept for it.
  b.when(someAreEmpty, [&] { finishEmptyRequests(); });
  b.loop(program, ranges, programs, {},
         [&](Value number, ValueRange) -> SmallVector<Value> {
           walkRange(number);
           return {};
         });
}

/// The row tiles that have items in range `number`.
void AttendKernel::walkRange(Value number) {
  Value from = b.mul(number, share), to = b.add(from, share);
  Range range = findRequests(from, b.sub(to, b.index(1)));
  // Later requests have no items in the range.
  Value stop = b.min(b.add(range.last, b.index(1)), b.dim(args.seqLens, 0));
  b.loop(range.first, stop, b.index(1), {range.before},
         [&](Value index, ValueRange carried) -> SmallVector<Value> {
           setRequest(index);
           Value items = itemsOf(workOf(queryCount, length));
           requestSegments(index, carried[0], from, to);
           return {b.add(carried[0], items)};
         });
}

/// Every program takes some of the requests without blocks.
void AttendKernel::finishEmptyRequests() {
  Value zero = b.index(0), one = b.index(1);
  b.loop(program, b.dim(args.seqLens, 0), programs, {},
         [&](Value index, ValueRange) -> SmallVector<Value> {
           setRequest(index);
           RequestWork work = workOf(queryCount, length);
           Value units = b.mul(work.rowTiles, kvHeads);
           Value count = b.select(b.equal(work.blocks, zero), units, zero);
           b.loop(zero, count, one, {},
                  [&](Value unit, ValueRange) -> SmallVector<Value> {
                    kvHead = b.div(unit, work.rowTiles);
                    Value tile = b.rem(unit, work.rowTiles);
                    finish(makeRows(b.mul(tile, b.index(rows))), empty());
                    return {};
                  });
           return {};
         });
}

/// Which row tile is number `index`. If causal, the first ones see the least of
/// the new tokens: one from the end follows each, so that tiles that follow
/// each other have as much to do wherever they are.
Value AttendKernel::evenTile(Value index, Value rowTiles) {
  if (!pairsTiles())
    return index;
  Value half = b.div(index, b.index(2));
  Value isFirst = b.equal(b.rem(index, b.index(2)), b.index(0));
  return b.select(isFirst, half, b.sub(b.sub(rowTiles, b.index(1)), half));
}

/// The row tiles of request `index` that have items in [from, to).
void AttendKernel::requestSegments(Value index, Value itemsBefore, Value from,
                                   Value to) {
  Value zero = b.index(0), one = b.index(1);
  RequestWork work;
  Value begin, end, each;
  auto look = [&] {
    work = workOf(queryCount, length);
    begin = b.max(b.sub(from, itemsBefore), zero);
    end = b.min(b.sub(to, itemsBefore), itemsOf(work));
    each = b.max(itemsOfTile(work.blocks), one);
  };
  auto segmentOf = [&](Value unit) {
    kvHead = b.div(unit, work.rowTiles);
    Value rowTile = evenTile(b.rem(unit, work.rowTiles), work.rowTiles);
    Value offset = b.mul(unit, each);
    Segment part;
    part.work = work;
    part.unit = {b.add(itemsBefore, offset), work.blocks};
    part.firstRow = b.mul(rowTile, b.index(rows));
    part.from = b.max(b.sub(begin, offset), zero);
    part.to = b.min(b.sub(end, offset), work.blocks);
    return part;
  };
  look();
  b.loop(b.div(begin, each), b.ceilDiv(end, each), one, {},
         [&](Value unit, ValueRange) -> SmallVector<Value> {
           auto lookAgain = [&] {
             setRequest(index);
             look();
             return segmentOf(unit);
           };
           Segment part = together() ? lookAgain() : segmentOf(unit);
           // Not if nothing but the end of the row tile lies in the range.
           b.when(b.less(part.from, part.work.blocks),
                  [&] { finishSegment(part, lookAgain); });
           return {};
         });
}

/// What the blocks of `part` add up to, and the result if they are the last
/// ones of their row tile.
void AttendKernel::finishSegment(Segment part,
                                 function_ref<Segment()> lookAgain) {
  QueryRows r = makeRows(part.firstRow);
  Blocks all;
  all.first = part.work.firstBlock;
  all.firstNew = b.index(0);
  Value inCache = part.work.blocks;
  if (part.work.newBlocks)
    inCache = b.sub(part.work.blocks, part.work.newBlocks);
  // What this tile sees may be less than what all tiles of the request see.
  Blocks seen = seenBlocks(r);
  Softmax state =
      overRange(r, both(cut(all, inCache, part.from, part.to), seen));
  if (spec.schedule.getEnds() == RowEnds::Again) {
    part = lookAgain();
    r = makeRows(part.firstRow);
  }
  Value startsHere = b.equal(part.from, b.index(0));
  Value whole = b.both(startsHere, b.equal(part.to, part.unit.blocks));
  SmallVector<Value> result = b.branch(
      whole,
      [&]() -> SmallVector<Value> {
        SmallVector<Value> all = {b.i1(true)};
        llvm::append_range(all, state.list());
        return all;
      },
      [&] {
        Value place = b.select(startsHere, b.index(1), b.index(0));
        finishPartial(r, state, {program, place, b.iota(0, {rows})});
        return combineParts(part.unit);
      });
  b.when(result[0],
         [&] { finish(r, Softmax::from(ArrayRef(result).drop_front())); });
}

//===----------------------------------------------------------------------===//
// The sum of the parts
//===----------------------------------------------------------------------===//

/// Whether all parts of the row tile are there, and if so their sum.
SmallVector<Value> AttendKernel::combineParts(const WorkUnit &unit) {
  Value first = b.div(unit.firstItem, share);
  Value end = b.ceilDiv(b.add(unit.firstItem, unit.blocks), share);
  Value last = b.op<tile::ArriveOp>(args.counters, first, b.sub(end, first));
  SmallVector<Value> result = {last};
  llvm::append_range(
      result, b.branch(
                  last, [&] { return sumParts(first, end, unit).list(); },
                  [&] { return empty().list(); }));
  return result;
}

/// What the programs `first` to `end` have left of one row tile. All loads are
/// on their way before anything waits for one of them.
Softmax AttendKernel::sumParts(Value first, Value end, const WorkUnit &unit) {
  int64_t ofLane =
      std::max<int64_t>(rows * depth / (32 * spec.schedule.getWarps()), 1);
  int64_t atOnce = together()
                       ? kTeamParts
                       : std::clamp<int64_t>(kPartNumbers / ofLane, 1, kParts);
  return Softmax::from(
      b.loop(first, end, b.index(atOnce), empty().list(),
             [&](Value start, ValueRange carried) -> SmallVector<Value> {
               SmallVector<Value> lses, outs, numbers;
               SmallVector<SmallVector<Value>> places;
               for (int64_t i = 0; i < atOnce; ++i) {
                 // Behind the last part it is read again and weighs nothing: no
                 // load waits for a branch.
                 numbers.push_back(b.add(start, b.index(i)));
                 Value part = b.min(numbers.back(), b.sub(end, b.index(1)));
                 Value starts = b.lessEqual(b.mul(part, share), unit.firstItem);
                 Value place = b.select(starts, b.index(1), b.index(0));
                 places.push_back({part, place, b.iota(0, {rows})});
                 SmallVector<Value> at = places.back();
                 at.push_back(b.index(0));
                 outs.push_back(b.load(args.partialOut, at, tile(depth)));
               }
               for (auto [number, at] : llvm::zip(numbers, places))
                 lses.push_back(b.select(b.less(number, end),
                                         b.gather(args.partialLse, at),
                                         b.tileOf(-INFINITY, {rows})));
               return addParts(Softmax::from(carried), lses, outs).list();
             }));
}
