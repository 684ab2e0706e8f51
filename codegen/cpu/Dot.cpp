//===- Dot.cpp - Matrix products in register tiles ------------------------===//
//
// Two forms. By columns: rows of the right operand are vectors along N, each
// multiplied with scalars of the left operand. By rows, if the right operand is
// the transpose of a tile whose rows are contiguous: vectors along K, summed
// horizontally at the end.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/KernelEmitter.h"

#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

/// Sums that can be under way at once without waiting for one another.
static constexpr int64_t kIndependentSums = 8;

RegisterTile KernelEmitter::registerTile(DotOp op) {
  int64_t rows = 4, columns = 2 * lanes;
  if (ScheduleAttr schedule = kernel.getScheduleAttr()) {
    rows = schedule.getRegisterRows();
    columns = schedule.getRegisterColumns();
  }
  return {std::min(rows, op.getType().getShape().front()),
          std::max<int64_t>(columns / lanes, 1)};
}

void KernelEmitter::emitDot(DotOp op) {
  Buffer to = destination(op.getResult());
  Buffer lhs = inMemoryAsF32(op.getLhs());
  if (Value rows = transposedRows(op.getRhs());
      rows && placement.isInline(op.getRhs()))
    return dotRows(op, rows, lhs, to);
  dotColumns(op, lhs, to);
}

//===----------------------------------------------------------------------===//
// By columns
//===----------------------------------------------------------------------===//

void KernelEmitter::dotColumns(DotOp op, Buffer lhs, Buffer to) {
  int64_t columns = columnsOf(to.type), vectors = registerTile(op).vectors;
  vectors = std::min(vectors, columns / lanes);
  int64_t done = 0;
  // Whole register tiles, then single vectors, then parts of one.
  for (int64_t count : {vectors, int64_t(1)}) {
    int64_t step = count * lanes;
    if (!step || columns - done < step)
      continue;
    int64_t length = (columns - done) / step * step;
    ir.loop(length, step, [&](Value column) {
      dotColumnBlock(op, lhs, to, ir.add(column, done), count, lanes);
    });
    done += length;
  }
  ir.pieces(columns - done, lanes, [&](Value column, int64_t width) {
    dotColumnBlock(op, lhs, to, ir.add(column, done), 1, width);
  });
}

/// All rows of the result in `vectors` vectors of columns.
void KernelEmitter::dotColumnBlock(DotOp op, Buffer lhs, Buffer to,
                                   Value column, int64_t vectors,
                                   int64_t width) {
  int64_t rows = to.type.getDimSize(0), step = registerTile(op).rows;
  int64_t depth = lhs.type.getDimSize(1), group = 1;
  Buffer panel;
  auto known = buffers.find(op.getRhs());
  bool isF32 =
      known != buffers.end() && known->second.type.getElementType().isF32();
  // What several blocks of rows use is converted once.
  bool packs = rows > step && !isF32;
  if (packs) {
    panel = allocate(
        RankedTensorType::get({depth, vectors * width}, ir.getF32Type()));
    ir.loop(depth, 1, [&](Value k) {
      ColumnBlock block = columnBlock(op.getRhs(), k, column, vectors, width);
      group = block.group;
      for (auto [i, vector] : llvm::enumerate(block.vectors))
        storeTo(panel, vector, k, ir.index(i * width));
    });
  }
  auto emitRows = [&](Value row, int64_t count) {
    dotRowBlock(op, lhs, to, row, count, column, vectors, width,
                packs ? &panel : nullptr, group);
  };
  int64_t full = rows / step * step;
  ir.loop(full, step, [&](Value row) { emitRows(row, step); });
  if (full < rows)
    emitRows(ir.index(full), rows - full);
}

/// The vectors of one row of the right operand.
ColumnBlock KernelEmitter::columnBlock(Value tile, Value row, Value column,
                                       int64_t vectors, int64_t width) {
  ColumnBlock block;
  Value source = tile;
  if (auto extend = tile.getDefiningOp<arith::ExtFOp>();
      extend && placement.isInline(tile))
    source = extend.getIn();
  auto expand = source.getDefiningOp<ExpandOp>();
  auto codes =
      expand ? expand.getCodes().getDefiningOp<LoadCodesOp>() : nullptr;
  if (codes && placement.isInline(source) &&
      placement.isInline(expand.getCodes()) && hasPackedRows(codes)) {
    // One load for all the codes that share bytes.
    int64_t group = 8 / codes.getFormat().get().bits(toFormat(codes.getPart()));
    if (vectors % group == 0) {
      block.group = group;
      for (int64_t i = 0; i < vectors; i += group)
        llvm::append_range(
            block.vectors,
            groupedCodesAt(codes, row, ir.add(column, i * width), group, width,
                           expand.getMode() == ExpandMode::Subnormal));
      return block;
    }
  }
  for (int64_t i = 0; i < vectors; ++i)
    block.vectors.push_back(
        floatsAt(tile, row, ir.add(column, i * width), width));
  return block;
}

/// Vectors that hold columns j, j + n, j + 2n, ... as vectors of consecutive
/// columns.
Values KernelEmitter::interleave(ArrayRef<Value> vectors) {
  if (vectors.size() == 1)
    return Values(vectors);
  Values parts[2];
  for (auto [i, vector] : llvm::enumerate(vectors))
    parts[i % 2].push_back(vector);
  parts[0] = interleave(parts[0]);
  parts[1] = interleave(parts[1]);
  int64_t width = cast<VectorType>(vectors[0].getType()).getDimSize(0);
  Values result;
  for (auto [even, odd] : llvm::zip(parts[0], parts[1]))
    for (int64_t half : {0, 1}) {
      SmallVector<int64_t> mask;
      for (int64_t lane = 0; lane < width; ++lane)
        mask.push_back((half * width + lane) / 2 + (lane % 2) * width);
      result.push_back(ir.shuffle(even, odd, mask));
    }
  return result;
}

/// One register tile.
void KernelEmitter::dotRowBlock(DotOp op, Buffer lhs, Buffer to, Value row,
                                int64_t rows, Value column, int64_t vectors,
                                int64_t width, const Buffer *panel,
                                int64_t group) {
  int64_t depth = lhs.type.getDimSize(1), tile = rows * vectors, chains = 1;
  while (tile * chains < kIndependentSums && depth % (2 * chains) == 0)
    chains *= 2;
  auto vectorType = VectorType::get(width, ir.getF32Type());
  Values zeros(tile * chains, ir.zero(vectorType));
  Values sums = ir.loop(depth, chains, zeros, [&](Value k, ValueRange carried) {
    Values next(carried);
    for (int64_t chain = 0; chain < chains; ++chain) {
      Value at = ir.add(k, chain);
      ColumnBlock block;
      if (panel)
        for (int64_t i = 0; i < vectors; ++i)
          block.vectors.push_back(
              ir.load(bufferAddress(*panel, at, ir.index(i * width)),
                      ir.getF32Type(), width));
      else
        block = columnBlock(op.getRhs(), at, column, vectors, width);
      if (!panel)
        group = block.group;
      for (int64_t r = 0; r < rows; ++r) {
        Value place = bufferAddress(lhs, ir.add(row, r), at);
        Value a = ir.splat(ir.load(place, ir.getF32Type(), 0), width);
        for (int64_t i = 0; i < vectors; ++i) {
          Value &sum = next[chain * tile + r * vectors + i];
          sum = ir.fma(a, block.vectors[i], sum);
        }
      }
    }
    return next;
  });
  for (int64_t chain = 1; chain < chains; ++chain)
    for (int64_t i = 0; i < tile; ++i)
      sums[i] = ir.create<arith::AddFOp>(sums[i], sums[chain * tile + i]);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < vectors; i += group) {
      Values ordered = interleave(ArrayRef(sums).slice(r * vectors + i, group));
      for (auto [j, sum] : llvm::enumerate(ordered)) {
        Value m = ir.add(row, r), n = ir.add(column, (i + j) * width);
        Value start = vectorAt(op.getAccumulator(), m, n, width);
        storeTo(to, ir.create<arith::AddFOp>(start, sum), m, n);
      }
    }
}

//===----------------------------------------------------------------------===//
// By rows
//===----------------------------------------------------------------------===//

void KernelEmitter::dotRows(DotOp op, Value rows, Buffer lhs, Buffer to) {
  RegisterTile tile = registerTile(op);
  int64_t m = to.type.getDimSize(0), n = to.type.getDimSize(1);
  int64_t depth = lhs.type.getDimSize(1);
  int64_t step = llvm::bit_floor(uint64_t(std::clamp<int64_t>(
      std::max(tile.vectors * tile.rows, kIndependentSums) / tile.rows, 1,
      lanes)));
  ir.pieces(n, step, [&](Value column, int64_t ns) {
    Buffer packed;
    bool packs = m > tile.rows;
    if (packs) {
      packed = allocate(RankedTensorType::get({ns, depth}, ir.getF32Type()));
      fill(packed, [&](ValueRange lead, Value k, int64_t width) {
        return floatsAt(rows, ir.add(column, lead[0]), k, width);
      });
    }
    auto emitRows = [&](Value row, int64_t ms) {
      dotRowsBlock(op, rows, packs ? &packed : nullptr, lhs, to, row, ms,
                   column, ns);
    };
    int64_t full = m / tile.rows * tile.rows;
    ir.loop(full, tile.rows, [&](Value row) { emitRows(row, tile.rows); });
    if (full < m)
      emitRows(ir.index(full), m - full);
  });
}

/// `ms` x `ns` elements of the result at (m, n).
void KernelEmitter::dotRowsBlock(DotOp op, Value rows, const Buffer *packed,
                                 Buffer lhs, Buffer to, Value m, int64_t ms,
                                 Value n, int64_t ns) {
  auto vectorType = VectorType::get(lanes, ir.getF32Type());
  Values zeros(ms * ns, ir.zero(vectorType));
  int64_t depth = lhs.type.getDimSize(1);
  Values sums = ir.loop(depth, lanes, zeros, [&](Value k, ValueRange carried) {
    Values next(carried), right;
    for (int64_t j = 0; j < ns; ++j)
      right.push_back(packed ? ir.load(bufferAddress(*packed, ir.index(j), k),
                                       ir.getF32Type(), lanes)
                             : floatsAt(rows, ir.add(n, j), k, lanes));
    for (int64_t i = 0; i < ms; ++i) {
      Value left =
          ir.load(bufferAddress(lhs, ir.add(m, i), k), ir.getF32Type(), lanes);
      for (int64_t j = 0; j < ns; ++j)
        next[i * ns + j] = ir.fma(left, right[j], next[i * ns + j]);
    }
    return next;
  });
  // As many rows at a time as there are lanes for their sums.
  for (int64_t i = 0, count; i < ms; i += count) {
    count = llvm::bit_floor(uint64_t(std::min(lanes / ns, ms - i)));
    Value all =
        horizontalSums(Values(ArrayRef(sums).slice(i * ns, count * ns)));
    for (int64_t r = 0; r < count; ++r) {
      Value row = ir.add(m, i + r);
      auto mine = llvm::to_vector(llvm::seq<int64_t>(r * ns, (r + 1) * ns));
      Value sum = count == 1 ? all : ir.shuffle(all, all, mine);
      Value start = vectorAt(op.getAccumulator(), row, n, ns);
      storeTo(to, ir.create<arith::AddFOp>(start, sum), row, n);
    }
  }
}

/// The sum of the lanes of each of 2^i vectors, as one vector.
Value KernelEmitter::horizontalSums(Values vectors) {
  int64_t count = vectors.size();
  // Even plus odd lanes of `low` and `high`, one after the other.
  auto addPairs = [&](Value low, Value high, int64_t width) -> Value {
    SmallVector<int64_t> even, odd;
    for (int64_t lane = 0; lane < width; lane += 2) {
      even.push_back(lane);
      odd.push_back(lane + 1);
    }
    return ir.create<arith::AddFOp>(ir.shuffle(low, high, even),
                                    ir.shuffle(low, high, odd));
  };
  while (vectors.size() > 1) {
    Values next;
    for (size_t i = 0; i < vectors.size(); i += 2)
      next.push_back(addPairs(vectors[i], vectors[i + 1], 2 * lanes));
    vectors = next;
  }
  for (int64_t width = lanes; width > count; width /= 2)
    vectors[0] = addPairs(vectors[0], vectors[0], width);
  return vectors[0];
}
