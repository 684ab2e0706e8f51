//===- AttendKernel.cpp - Attention as a tile program ---------------------===//

#include "passes/AttendKernel.h"

#include <cmath>

using namespace mlir;
using namespace mlir::kvarn;

static constexpr double kLn2 = 0.6931471805599453;

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// Makes request `index` the one that rows belong to.
void AttendKernel::setRequest(Value index) {
  auto at = [&](Value memref, Value i) {
    return b.toIndex(b.loadScalar(memref, {i}));
  };
  request = index;
  queryBegin = at(args.queryStart, request);
  Value queryEnd = at(args.queryStart, b.add(request, b.index(1)));
  queryCount = b.sub(queryEnd, queryBegin);
  length = at(args.seqLens, request);
  cached = args.newK ? b.max(b.sub(length, queryCount), b.index(0)) : length;
}

/// The head, request and split that this program is for.
void AttendKernel::enterProgram() {
  kvHead = b.op<tile::ProgramIdOp>(tile::Axis::X);
  split = b.op<tile::ProgramIdOp>(tile::Axis::Z);
  setRequest(b.op<tile::ProgramIdOp>(tile::Axis::Y));
}

/// Query rows of the request.
Value AttendKernel::rowCount() {
  return b.mul(queryCount, b.index(spec.ratio));
}

void AttendKernel::forEachRowTile(function_ref<void(Value)> body) {
  b.loop(b.index(0), rowCount(), b.index(rows), {},
         [&](Value firstRow, ValueRange) -> SmallVector<Value> {
           body(firstRow);
           return {};
         });
}

QueryRows AttendKernel::makeRows(Value firstRow) {
  QueryRows r;
  Value ratio = b.index(spec.ratio), one = b.index(1);
  Value total = rowCount();
  Value row = b.range(firstRow, rows);
  r.valid = b.less(row, total);
  Value queryToken = b.div(row, ratio);
  r.token = b.add(queryToken, queryBegin);
  r.head = b.add(b.rem(row, ratio), b.mul(kvHead, ratio));

  // Row j of n sees positions below length - n + j + 1, or all of them.
  auto seenBy = [&](Value token) -> Value {
    Value end = length;
    if (spec.causal)
      end = b.add(b.add(b.sub(length, queryCount), token), one);
    return b.max(end, b.index(0));
  };
  r.end = seenBy(queryToken);
  Value lastRow = b.sub(b.min(b.add(firstRow, b.index(rows)), total), one);
  r.lastPosition = seenBy(b.div(lastRow, ratio));
  r.commonEnd = seenBy(b.div(firstRow, ratio));
  r.firstPosition = b.index(0);
  if (args.window) {
    Value window = b.toIndex(args.window);
    r.begin = b.sub(r.end, window);
    r.firstPosition = b.max(b.sub(r.commonEnd, window), b.index(0));
    r.commonBegin = b.sub(r.lastPosition, window);
  }
  if (shapeOf(r.end).empty())
    r.end = b.splat(r.end, {rows});
  if (r.begin && shapeOf(r.begin).empty())
    r.begin = b.splat(r.begin, {rows});
  return r;
}

Value AttendKernel::loadRows(const QueryRows &r) {
  return b.load(args.q, {r.token, r.head, b.index(0)}, tile(depth), r.valid);
}

Value AttendKernel::scoreScale() {
  return args.softcap ? b.div(args.scale, args.softcap)
                      : b.mul(args.scale, b.f32(kLog2e));
}

/// Of what loadRows has read, for the cache. Warps with records of their own
/// keep it together; that of new tokens has few registers beside it.
Query AttendKernel::makeQuery(Value raw) {
  Value q = b.toF32(raw);
  if (spec.rotateQuery)
    q = b.rotate(q);
  Query query = makeQuery(q, scoreScale());
  if (spec.schedule.getQuery() == QueryPlace::Shared)
    query.rows = b.keep(query.rows);
  return query;
}

Query AttendKernel::makeQuery(Value q, Value scale) {
  if (!spec.schedule.getOperand().isF16())
    return {b.mul(q, scale), {}};
  // In the middle of what fp16 can hold; a power of two rounds nothing.
  Value largest =
      b.reduce(tile::ReduceKind::Max,
               b.reduce(tile::ReduceKind::Max, b.op<math::AbsFOp>(q), 1), 0);
  largest = b.clamp(largest, std::ldexp(1.0, -60), std::ldexp(1.0, 60));
  Value exponent = b.sub(b.op<math::CeilOp>(b.log2(largest)),
                         b.f32(std::log2(kLargestQuery)));
  q = b.mul(q, b.exp2(b.sub(b.f32(0), exponent)));
  return {b.truncate(q, spec.schedule.getOperand()),
          b.mul(b.exp2(exponent), scale)};
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

Softmax AttendKernel::packedBlock(const QueryRows &r, const Query &q,
                                  Value firstPosition, const Softmax &initial,
                                  RecordReader &record) {
  int64_t tokens = spec.schedule.getTokens();
  RoundedOperand query = record.scaleQuery(q.rows, q.factor);
  auto step = [&](Value start, Softmax state) {
    auto [raw, factor] = record.scores(query, start, tokens);
    if (tokens == spec.format.getGroup())
      record.keysDone();
    Value p = weigh(r, state, {raw, factor}, b.add(firstPosition, start),
                    [&] { record.waitFor(RecordPart::Value); });
    state.out = b.add(state.out, record.weightedValues(p, start));
    return state;
  };
  Softmax state;
  if (tokens == spec.format.getGroup()) {
    state = step(b.index(0), initial);
  } else {
    state = Softmax::from(
        b.loop(b.index(0), b.index(spec.format.getGroup()), b.index(tokens),
               initial.list(), [&](Value start, ValueRange carried) {
                 return step(start, Softmax::from(carried)).list();
               }));
    record.keysDone();
  }
  record.valuesDone();
  return state;
}

/// `tokens` tokens of K and V in memory, `step` at a time; `place` gives the
/// indices of some of them at an offset.
Softmax AttendKernel::denseBlock(const QueryRows &r, const Query &q,
                                 const DenseTokens &source, Value firstPosition,
                                 const Softmax &initial, PlaceOf place,
                                 int64_t tokens, int64_t step) {
  auto load = [&](Value memory, Value start, int64_t count) {
    // What lies behind the last token may be anything, so it is not loaded.
    Value position = b.range(b.add(firstPosition, start), count);
    Value exists = b.less(position, source.end);
    return b.toFloat(
        b.load(memory, place(start, count), {count, depth}, exists),
        spec.schedule.getOperand());
  };
  auto one = [&](Value start, Softmax state) {
    if (together()) {
      auto keys = [&](Value from, int64_t count) {
        return ScaledOperand{b.transpose(load(source.k, from, count)), {}};
      };
      auto values = [&](Value from, int64_t count) {
        return ScaledOperand{load(source.v, from, count), {}};
      };
      return sharedStep(r, q, firstPosition, start, step, state,
                        stageParts(start, step, keys), values, [] {});
    }
    Value k = load(source.k, start, step), v = load(source.v, start, step);
    Value raw = b.dot(q.rows, b.transpose(k));
    Value p =
        weigh(r, state, {raw, q.factor}, b.add(firstPosition, start), [] {});
    state.out = b.add(state.out, b.dot(p, v));
    return state;
  };
  if (tokens == step)
    return one(b.index(0), initial);
  return Softmax::from(
      b.loop(b.index(0), b.index(tokens), b.index(step), initial.list(),
             [&](Value start, ValueRange carried) {
               return one(start, Softmax::from(carried)).list();
             }));
}

Softmax AttendKernel::oneBlock(const QueryRows &r, const Query &q, Value index,
                               Value slot, const Softmax &state,
                               RecordReader *record, KeysAhead *ahead) {
  int64_t step = spec.schedule.getPoolTokens(), tokens = blockTokens();
  Value firstPosition = b.mul(index, b.index(tokens));
  DenseTokens source = {args.k, args.v, cached};
  if (!spec.format) {
    auto place = [&](Value start, int64_t count) -> SmallVector<Value> {
      return {request, b.range(b.add(firstPosition, start), count), kvHead,
              b.index(0)};
    };
    return denseBlock(r, q, source, firstPosition, state, place, tokens, step);
  }
  size_t tokenCount = record->tokens().size();
  ValueRange keys;
  if (ahead)
    keys = ahead->staged;
  auto withNext = [&](const Softmax &softmax) {
    SmallVector<Value> all = softmax.list();
    llvm::append_range(all, record->nextTokens());
    if (ahead)
      llvm::append_range(all, keysAhead(*record, ahead->nextPacked, keys));
    return all;
  };
  SmallVector<Value> results = b.branch(
      isPacked(slot),
      [&] {
        return withNext(
            together() ? sharedBlock(r, q, firstPosition, state, *record, keys)
                       : packedBlock(r, q, firstPosition, state, *record));
      },
      [&] {
        record->keysDone();
        record->valuesDone();
        Value place = b.toIndex(slot);
        auto indices = [&](Value start, int64_t count) -> SmallVector<Value> {
          return {place, b.range(start, count), kvHead, b.index(0)};
        };
        return withNext(denseBlock(r, q, source, firstPosition, state, indices,
                                   tokens, step));
      });
  ArrayRef<Value> next = ArrayRef(results).drop_front(3);
  record->setNextTokens(next.take_front(tokenCount));
  if (ahead)
    ahead->staged.assign(next.begin() + tokenCount, next.end());
  return Softmax::from(results);
}

/// Blocks from, from + step, .. below `to`, added to `state`; with `query` if
/// it has been made before.
Softmax AttendKernel::blockLoop(const QueryRows &r, std::optional<Query> query,
                                Value from, Value to, Value step,
                                const Softmax &state) {
  if (spec.format && spec.schedule.getCopy() == CopyMode::Async)
    return copiedBlocks(r, query, from, to, step, state);
  Query q = query ? *query : makeQuery(loadRows(r));
  if (!spec.format)
    return Softmax::from(b.loop(
        from, to, step, state.list(), [&](Value index, ValueRange carried) {
          return oneBlock(r, q, index, {}, Softmax::from(carried), nullptr)
              .list();
        }));
  RecordReader record(b, spec.format, spec.schedule, args.pages);
  return Softmax::from(b.loop(
      from, to, step, state.list(), [&](Value index, ValueRange carried) {
        Value block =
            b.toIndex(b.loadScalar(args.blockTable, {request, index}));
        record.enter(block, kvHead);
        Value slot = b.loadScalar(args.blockToSlot, {block});
        return oneBlock(r, q, index, slot, Softmax::from(carried), &record)
            .list();
      }));
}

Value AttendKernel::isPacked(Value slot) { return b.less(slot, b.i32(0)); }

Softmax AttendKernel::overBlocks(const QueryRows &r) {
  Blocks seen = seenBlocks(r);
  int64_t splits = spec.schedule.getSplits();
  if (splits == 1)
    return overRange(r, seen);
  // Equal shares of this request's blocks, whatever else is in the batch.
  Value zero = b.index(0);
  Value inCache = b.max(b.sub(seen.last, seen.first), zero), count = inCache;
  if (args.newK) {
    Value tiles = b.max(b.sub(seen.lastNew, seen.firstNew), zero);
    count = b.add(count, b.ceilDiv(tiles, b.index(tilesOfBlock())));
  }
  Value share = b.ceilDiv(count, b.index(splits));
  Value from = b.mul(split, share);
  return overRange(r, both(cut(seen, inCache, from, b.add(from, share)), seen));
}

/// Shared among the warps.
Softmax AttendKernel::overRange(const QueryRows &r, const Blocks &range) {
  int64_t warps = blocksAtOnce();
  if (warps == 1)
    return everyBlock(r, range, {});

  Softmax like = empty();
  auto each = b.OpBuilder::create<tile::WarpsOp>(
      b.getLoc(), warps, TypeRange(ValueRange(like.list())));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&each.getBody().front());
    b.op<tile::YieldOp>(everyBlock(r, range, each.getWarp()).list());
  }
  return merge(SmallVector<Value>(each.getResults()));
}

/// Those of the warp (null: there is one).
Softmax AttendKernel::everyBlock(const QueryRows &r, const Blocks &range,
                                 Value warp) {
  auto start = [&](Value first) { return warp ? b.add(first, warp) : first; };
  Value step = b.index(blocksAtOnce());
  Softmax state = empty();
  std::optional<Query> query;
  if (args.newK) {
    // What is kept in memory takes no registers beside the sum of new tokens.
    if (spec.schedule.getQuery() == QueryPlace::Shared)
      query = makeQuery(loadRows(r));
    state = newTiles(r, query, start(range.firstNew), range.lastNew, step);
  }
  return blockLoop(rowsOfCache(r), query, start(range.first), range.last, step,
                   state);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// out / sum, 0 where nothing was seen.
Value AttendKernel::normalizeBy(Value out, Value sum) {
  Value seen = b.less(b.f32(0), sum);
  Value divisor = b.select(seen, sum, b.f32(1));
  return b.mul(out, b.along(b.quotient(b.f32(1), divisor), 0, tile(depth)));
}

void AttendKernel::finish(const QueryRows &r, Softmax state) {
  Value seen = b.less(b.f32(0), state.sum);
  if (args.sinks) {
    // A sink takes weight and adds nothing; it counts only beside something.
    Value sink = b.mul(b.gather(args.sinks, {r.head}, r.valid), b.f32(kLog2e));
    Value highest = b.select(seen, b.max(state.base, sink), b.f32(0));
    Value shrink = b.exp2(b.sub(state.base, highest));
    Value own = b.select(seen, b.exp2(b.sub(sink, highest)), b.f32(0));
    state.sum = b.add(b.mul(state.sum, shrink), own);
    state.out = b.mul(state.out, b.along(shrink, 0, tile(depth)));
    state.base = highest;
  }
  Value out = normalizeBy(state.out, state.sum);
  if (spec.rotateOutput)
    out = b.rotate(out);
  Type element = cast<MemRefType>(args.out.getType()).getElementType();
  b.store(b.toFloat(out, element), args.out, {r.token, r.head, b.index(0)},
          r.valid);
  if (args.lse) {
    Value sum = b.select(seen, state.sum, b.f32(1));
    Value lse = b.mul(b.add(state.base, b.log2(sum)), b.f32(kLn2));
    b.scatter(b.select(seen, lse, b.f32(-INFINITY)), args.lse,
              {r.token, r.head}, r.valid);
  }
}

/// `place` says where the rows of the tile lie in the partial results.
void AttendKernel::finishPartial(const QueryRows &r, const Softmax &state,
                                 ArrayRef<Value> place) {
  SmallVector<Value> indices(place);
  indices.push_back(b.index(0));
  b.store(normalizeBy(state.out, state.sum), args.partialOut, indices, r.valid);
  Value seen = b.less(b.f32(0), state.sum);
  Value sum = b.select(seen, state.sum, b.f32(1));
  Value lse = b.add(state.base, b.log2(sum));
  b.scatter(b.select(seen, lse, b.f32(-INFINITY)), args.partialLse, place,
            r.valid);
}

void AttendKernel::build() {
  enterProgram();
  forEachRowTile([&](Value firstRow) {
    QueryRows r = makeRows(firstRow);
    Softmax state = overBlocks(r);
    if (!args.partialOut)
      return finish(r, state);
    Value last = b.lessEqual(rowCount(), b.add(firstRow, b.index(rows)));
    b.when(last, [&] { b.op<tile::BeginNextOp>(); });
    finishPartial(r, state, {b.splat(split, {rows}), r.token, r.head});
  });
}

void AttendKernel::buildCombine() {
  enterProgram();
  b.op<tile::AwaitPreviousOp>();
  forEachRowTile([&](Value firstRow) {
    QueryRows r = makeRows(firstRow);
    auto sum = b.loop(
        b.index(0), b.index(spec.schedule.getSplits()), b.index(1),
        empty().list(), [&](Value part, ValueRange carried) {
          Softmax state = Softmax::from(carried);
          Value at = b.splat(part, {rows});
          Value lse = b.gather(args.partialLse, {at, r.token, r.head}, r.valid);
          Value out = b.load(args.partialOut, {at, r.token, r.head, b.index(0)},
                             tile(depth), r.valid);
          return addParts(state, lse, out).list();
        });
    finish(r, Softmax::from(sum));
  });
}
