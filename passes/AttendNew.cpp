//===- AttendNew.cpp - Attention over tokens that no cache holds ----------===//
//
// New K and V come as they left the model, the cache is in the rotated frame.
// Their rotation by H moves to where it is cheap:
//
//   scores  (q H) . (k H) = q . k, times gain^2
//   values  sum_t p[t] (v[t] H) = (sum_t p[t] v[t]) H
//
// So new tokens come first, with the query in their frame; then the weighted
// sum of a row tile, instead of every K and V, is rotated, and the cache adds
// to it. The gain is what the entries of H, rounded to fp16, are off
// 1 / sqrt(D): the scores are those of K and V rotated as they are loaded.
//
//===----------------------------------------------------------------------===//

#include "passes/AttendKernel.h"

using namespace mlir;
using namespace mlir::kvarn;

//===----------------------------------------------------------------------===//
// Which blocks and tiles
//===----------------------------------------------------------------------===//

/// The same rows, which see nothing but the cache.
QueryRows AttendKernel::rowsOfCache(const QueryRows &r) {
  if (!args.newK)
    return r;
  QueryRows clipped = r;
  for (Value *end : {&clipped.end, &clipped.commonEnd, &clipped.lastPosition})
    *end = b.min(*end, cached);
  return clipped;
}

/// New tokens before a position of the request.
Value AttendKernel::newBefore(Value position) {
  return b.max(b.sub(position, cached), b.index(0));
}

/// What some row of a tile sees.
Blocks AttendKernel::seenBlocks(const QueryRows &r) {
  QueryRows cache = rowsOfCache(r);
  int64_t tokens = blockTokens(), newTokens = spec.schedule.getPoolTokens();
  Blocks seen;
  seen.first = b.div(cache.firstPosition, b.index(tokens));
  seen.last = b.ceilDiv(cache.lastPosition, b.index(tokens));
  if (args.newK) {
    seen.firstNew = b.div(newBefore(r.firstPosition), b.index(newTokens));
    seen.lastNew = b.ceilDiv(newBefore(r.lastPosition), b.index(newTokens));
  }
  return seen;
}

/// Numbers `from` to `to` of the blocks of `range`, of which the first
/// `inCache` are those of the cache. It may reach beyond the range.
Blocks AttendKernel::cut(const Blocks &range, Value inCache, Value from,
                         Value to) {
  Blocks part;
  part.first = b.add(range.first, from);
  part.last = b.add(range.first, to);
  if (!args.newK)
    return part;
  auto place = [&](Value number) {
    Value block = b.max(b.sub(number, inCache), b.index(0));
    return b.add(range.firstNew, b.mul(block, b.index(tilesOfBlock())));
  };
  part.firstNew = place(from);
  part.lastNew = place(to);
  return part;
}

Blocks AttendKernel::both(const Blocks &x, const Blocks &y) {
  Blocks range;
  range.first = b.max(x.first, y.first);
  range.last = b.min(x.last, y.last);
  if (args.newK) {
    range.firstNew = b.max(x.firstNew, y.firstNew);
    range.lastNew = b.min(x.lastNew, y.lastNew);
  }
  return range;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

/// In the frame of the new tokens; `query` is that for the cache, if it has
/// been made before.
Query AttendKernel::queryOfNew(const QueryRows &r, std::optional<Query> query) {
  if (!spec.rotateNew)
    return query ? *query : makeQuery(loadRows(r));
  Value q = b.toF32(loadRows(r)), scale = scoreScale();
  if (!spec.rotateQuery)
    return makeQuery(b.rotate(q), scale);
  double entry = hadamardEntry(depth);
  return makeQuery(q, b.mul(scale, b.f32(entry * entry * double(depth))));
}

/// Tiles from, from + step, .. below `to`, in the frame of the cache.
Softmax AttendKernel::newTiles(const QueryRows &r, std::optional<Query> query,
                               Value from, Value to, Value step) {
  int64_t tokens = spec.schedule.getPoolTokens();
  // The last one of all is beside the last query row.
  Value firstRow = b.sub(b.add(queryBegin, queryCount), b.sub(length, cached));
  DenseTokens source = {args.newK, args.newV, length};
  auto all = [&] {
    Query q = queryOfNew(r, query);
    auto add = [&](Value index, ValueRange carried) {
      Value offset = b.mul(index, b.index(tokens));
      auto place = [&](Value start, int64_t count) -> SmallVector<Value> {
        Value row = b.add(b.add(firstRow, offset), start);
        return {b.range(row, count), kvHead, b.index(0)};
      };
      return denseBlock(r, q, source, b.add(cached, offset),
                        Softmax::from(carried), place, tokens, tokens)
          .list();
    };
    Softmax state = Softmax::from(b.loop(from, to, step, empty().list(), add));
    if (spec.rotateNew)
      state.out = b.rotate(state.out);
    return state.list();
  };
  // Most programs of a long context have none, and nothing to rotate.
  return Softmax::from(
      b.branch(b.less(from, to), all, [&] { return empty().list(); }));
}
