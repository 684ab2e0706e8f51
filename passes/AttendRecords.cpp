//===- AttendRecords.cpp - Attention over records that are copied ---------===//
//
// The copy of a record starts as soon as the one before it is used up.
//
// Where all tokens of a record are worked on at once, there are two loops. The
// inner one is for records that are seen by all rows and whose weights fit the
// maximum so far: that they do is known when their values are multiplied
// already, and only then decides whether all of that counts. So nothing waits
// for it, scores need not be kept, and no code that is hardly ever needed
// stands between the instructions of the loop. All other blocks, and the record
// that the inner loop has given up, are for the outer one, the keys of that
// record once more: in their place is the next one by then. It has little to do
// and is short: of every block it finds the maximum.
//
//===----------------------------------------------------------------------===//

#include "passes/AttendKernel.h"

using namespace mlir;
using namespace mlir::kvarn;

/// As `blockLoop`, with copies: that of a block starts as soon as the one
/// before it is used up. Its entry in the block table is read three blocks
/// ahead and its slot two, because nothing else hides what these loads take.
Softmax AttendKernel::copiedBlocks(const QueryRows &r,
                                   std::optional<Query> query, Value from,
                                   Value to, Value step, const Softmax &state) {
  RecordReader record(b, spec.format, spec.schedule, args.pages);
  // Behind the last block: block 0 in a slot of the pool, so nothing is copied.
  auto loadBefore = [&](Value index, Value memref, ValueRange place) {
    return b.branch(
        b.less(index, to),
        [&]() -> SmallVector<Value> { return {b.loadScalar(memref, place)}; },
        [&]() -> SmallVector<Value> { return {b.i32(0)}; })[0];
  };
  auto blockAt = [&](Value index) {
    return loadBefore(index, args.blockTable, {request, index});
  };
  auto slotAt = [&](Value index, Value block) {
    return loadBefore(index, args.blockToSlot, {b.toIndex(block)});
  };
  // None of these loads waits for another but where it has to.
  Value rawQuery = query ? Value() : loadRows(r);
  Value second = b.add(from, step), third = b.add(second, step);
  Value firstBlock = blockAt(from), secondBlock = blockAt(second);
  Value thirdBlock = blockAt(third);
  Value firstSlot = slotAt(from, firstBlock);
  Value secondSlot = slotAt(second, secondBlock);
  record.begin(b.toIndex(firstBlock), kvHead, isPacked(firstSlot));
  Query q = query ? *query : makeQuery(rawQuery);
  if (walksSteadily())
    return steadyBlocks(r, q, record, {from, to, step},
                        {state, firstSlot, secondBlock, secondSlot, thirdBlock,
                         record.tokens(), from});
  SmallVector<Value> initial = state.list();
  llvm::append_range(
      initial, ArrayRef<Value>{firstSlot, secondBlock, secondSlot, thirdBlock});
  llvm::append_range(initial, record.tokens());
  size_t tokenCount = record.tokens().size();
  KeysAhead keys;
  if (stagesAhead())
    llvm::append_range(initial, keysAhead(record, isPacked(firstSlot), {}));
  Value twoAhead = b.mul(step, b.index(2)), threeAhead = b.add(twoAhead, step);
  auto loop =
      b.loop(from, to, step, initial, [&](Value index, ValueRange carried) {
        Softmax before = Softmax::from(carried);
        Value slot = carried[3], nextBlock = carried[4], nextSlot = carried[5],
              laterBlock = carried[6];
        carried = carried.drop_front(7);
        record.setTokens(carried.take_front(tokenCount));
        Value nextPacked = isPacked(nextSlot);
        keys = {SmallVector<Value>(carried.drop_front(tokenCount)), nextPacked};
        record.setNext(b.toIndex(nextBlock), kvHead, nextPacked);
        Value laterSlot = slotAt(b.add(index, twoAhead), laterBlock);
        Value lastBlock = blockAt(b.add(index, threeAhead));
        SmallVector<Value> next = oneBlock(r, q, index, slot, before, &record,
                                           stagesAhead() ? &keys : nullptr)
                                      .list();
        llvm::append_range(
            next, ArrayRef<Value>{nextSlot, laterBlock, laterSlot, lastBlock});
        llvm::append_range(next, record.nextTokens());
        llvm::append_range(next, keys.staged);
        return next;
      });
  return Softmax::from(loop);
}

//===----------------------------------------------------------------------===//
// Two loops
//===----------------------------------------------------------------------===//

/// Whether there is a loop for records alone. Sums in f32 take other ways.
bool AttendKernel::walksSteadily() const {
  return spec.format && spec.schedule.getLoops() == RecordLoops::Two &&
         spec.schedule.getCopy() == CopyMode::Async && !together() &&
         spec.schedule.getOperand().isF16() &&
         spec.schedule.getTokens() == spec.format.getGroup();
}

Value AttendKernel::isSteady(const QueryRows &r, const BlockRange &range,
                             Value index, Value slot) {
  int64_t group = spec.format.getGroup();
  Value packed = b.both(b.less(index, range.to), isPacked(slot));
  return b.both(packed, seenByAll(r, b.mul(index, b.index(group)), group));
}

/// The block behind this one, but for what it adds and its copies. Behind the
/// last block the last one is read again.
BlockWalk AttendKernel::stepOn(const BlockWalk &walk, const BlockRange &range) {
  BlockWalk next = walk;
  next.slot = walk.nextSlot;
  next.nextBlock = walk.laterBlock;
  next.nextSlot = b.loadScalar(args.blockToSlot, {b.toIndex(walk.laterBlock)});
  Value last = b.sub(range.to, b.index(1));
  Value ahead = b.add(walk.index, b.mul(range.step, b.index(3)));
  next.laterBlock =
      b.loadScalar(args.blockTable, {request, b.min(ahead, last)});
  next.index = b.add(walk.index, range.step);
  return next;
}

/// Whether the block behind this one is there and has a record to copy.
Value AttendKernel::nextIsPacked(const BlockWalk &walk,
                                 const BlockRange &range) {
  Value next = b.add(walk.index, range.step);
  return b.both(b.less(next, range.to), isPacked(walk.nextSlot));
}

/// Takes a record in if its weights fit. Returns whether the next block is for
/// this loop, too, then that block or this one.
SmallVector<Value> AttendKernel::steadyRecord(const QueryRows &r,
                                              const Query &q,
                                              RecordReader &record,
                                              const BlockRange &range,
                                              const BlockWalk &walk) {
  int64_t group = spec.format.getGroup();
  record.setTokens(walk.tokens);
  Value nextPacked = nextIsPacked(walk, range);
  record.setNext(b.toIndex(walk.nextBlock), kvHead, nextPacked);
  BlockWalk next = stepOn(walk, range);
  RoundedOperand query = record.scaleQuery(q.rows, q.factor);
  auto [raw, factor] = record.scores(query, b.index(0), group);
  record.keysDone();
  // Nothing then parts products and exponentials, which take registers.
  bool waitsFirst = rows > 8 && depth > 64;
  if (waitsFirst)
    record.waitFor(RecordPart::Value);
  Scores scores = capped({raw, factor});
  Value p = weightsOf(scaled(scores.tile, scores), walk.state.base);
  if (!waitsFirst)
    record.waitFor(RecordPart::Value);
  Value sum = plusWeights(b.tileOf(0, {rows}), p);
  Value fits = weightsFit(sum);
  Value out = record.weightedValues(p, b.index(0));
  record.setNext(b.toIndex(walk.nextBlock), kvHead, b.both(nextPacked, fits));
  record.valuesDone();
  Value again = b.both(fits, isSteady(r, range, next.index, next.slot));
  next.state.sum = b.add(walk.state.sum, sum);
  next.state.out = b.add(walk.state.out, out);
  next.tokens = record.nextTokens();
  BlockWalk same = walk;
  same.tokens[0] = next.tokens[0];
  SmallVector<Value> results = {again};
  for (auto [behind, here] : llvm::zip(next.withoutBase(), same.withoutBase()))
    results.push_back(b.select(fits, behind, here));
  return results;
}

/// Takes any block in. `missed`: the inner loop has had it, so that the keys of
/// the next one are where its own were.
BlockWalk AttendKernel::anyBlock(const QueryRows &r, const Query &q,
                                 RecordReader &record, const BlockRange &range,
                                 const BlockWalk &walk, Value missed) {
  record.setTokens(walk.tokens);
  Value nextPacked = nextIsPacked(walk, range);
  Value block = b.branch(
      missed,
      [&]() -> SmallVector<Value> {
        return {b.loadScalar(args.blockTable, {request, walk.index})};
      },
      [&]() -> SmallVector<Value> { return {b.i32(0)}; })[0];
  record.setNext(b.toIndex(block), kvHead, missed);
  record.keysAgain(missed, nextPacked);
  record.setNext(b.toIndex(walk.nextBlock), kvHead, nextPacked);
  BlockWalk next = stepOn(walk, range);
  next.state = oneBlock(r, q, walk.index, walk.slot, walk.state, &record);
  next.tokens = record.nextTokens();
  return next;
}

Softmax AttendKernel::steadyBlocks(const QueryRows &r, const Query &q,
                                   RecordReader &record,
                                   const BlockRange &range,
                                   const BlockWalk &first) {
  auto inner = [&](const BlockWalk &walk) {
    SmallVector<Value> results = {walk.state.base};
    llvm::append_range(
        results, b.repeat(walk.withoutBase(), [&](ValueRange carried) {
          SmallVector<Value> all = {walk.state.base};
          llvm::append_range(all, carried);
          return steadyRecord(r, q, record, range, BlockWalk::from(all));
        }));
    return results;
  };
  auto outer = [&](ValueRange carried) {
    BlockWalk walk = BlockWalk::from(carried);
    // The first block has no maximum yet.
    Value begun = b.less(range.from, walk.index);
    Value goes = b.both(begun, isSteady(r, range, walk.index, walk.slot));
    walk = BlockWalk::from(b.branch(
        goes, [&] { return inner(walk); }, [&] { return walk.list(); }));
    // Else the inner loop would have gone on.
    Value missed = b.both(goes, isSteady(r, range, walk.index, walk.slot));
    SmallVector<Value> results = b.branch(
        b.less(walk.index, range.to),
        [&] { return anyBlock(r, q, record, range, walk, missed).list(); },
        [&] { return walk.list(); });
    Value again = b.less(results.back(), range.to);
    results.insert(results.begin(), again);
    return results;
  };
  return Softmax::from(b.branch(
      b.less(range.from, range.to),
      [&] { return b.repeat(first.list(), outer); },
      [&] { return first.list(); }));
}
