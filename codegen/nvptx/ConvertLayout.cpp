//===- ConvertLayout.cpp - Tiles held by other lanes and warps ------------===//
//
// Within a warp by shuffles, unless those are many; else through shared memory.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "codegen/nvptx/Runs.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// Each register costs 2^choices shuffles.
static constexpr size_t kMostChoices = 2;

/// The bit of a lane number that adds `vector`, or -1.
static int64_t laneBit(const Layout &layout,
                       const SmallVector<int64_t> &vector) {
  auto it = llvm::find(layout.lanes, vector);
  return it == layout.lanes.end() ? -1 : it - layout.lanes.begin();
}

/// How many bits of the receiver's number choose among the sender's registers.
static size_t countChoices(const Layout &from, const Layout &to) {
  size_t count = 0;
  auto add = [&](const Bases &bases) {
    count += llvm::count_if(bases, [&](const SmallVector<int64_t> &basis) {
      return !isCopy(basis) && laneBit(from, basis) < 0;
    });
  };
  add(to.lanes);
  if (from.warps.empty())
    add(to.warps);
  return count;
}

/// Whether lanes have all they need and only choose among their registers.
static bool staysInLanes(const Layout &from, const Layout &to) {
  if (from.warps != to.warps &&
      llvm::any_of(to.warps, [&](auto &b) { return laneBit(from, b) >= 0; }))
    return false;
  for (auto [a, b] : llvm::zip(from.lanes, to.lanes))
    if (a != b && !isCopy(a))
      return false;
  return true;
}

/// Whether `to` is `from` with the lane bits of 8x8 pieces of pairs exchanged:
/// what movmatrix does.
static bool isTransposedPieces(const Layout &from, const Layout &to) {
  if (from.rank != 2 || from.lanes.size() != 5 || from.registers.empty() ||
      from.registers.size() != to.registers.size() || from.warps != to.warps)
    return false;
  auto axes = [](const Layout &layout) {
    // The pair and two lane bits, then three lane bits.
    return std::pair(
        Bases{layout.registers[0], layout.lanes[0], layout.lanes[1]},
        Bases(ArrayRef(layout.lanes).drop_front(2)));
  };
  auto [fromInner, fromOuter] = axes(from);
  auto [toInner, toOuter] = axes(to);
  return fromInner == toOuter && fromOuter == toInner;
}

void KernelEmitter::emitPieceTransposition(ConvertLayoutOp op) {
  Layout from = layout(op.getInput()), to = layout(op.getResult());
  Values input = pairs(op.getInput()), words;
  for (int64_t i = 0; i < to.registerCount(); i += 2)
    words.push_back(ir.assembly(
        "movmatrix.sync.aligned.m8n8.trans.b16 $0, $1;", "=r,r",
        {input[from.registerAt(to.placeOf(i)) / 2]}, ir.getI32Type()));
  packed[op.getResult()] = std::move(words);
}

LogicalResult KernelEmitter::emitConvertLayout(ConvertLayoutOp op) {
  if (auto reduce = op.getInput().getDefiningOp<ReduceOp>();
      reduce && onlyConversion(reduce))
    return emitSquares(reduce, op.getResult());
  Layout from = layout(op.getInput()), to = layout(op.getResult());
  Type element = op.getType().getElementType();
  if (element.isF16() && isTransposedPieces(from, to)) {
    emitPieceTransposition(op);
    return success();
  }
  // What all warps have, each can take its part of.
  bool withinWarps = from.warps == to.warps || from.warps.empty();
  if (!withinWarps && insideWarps)
    return op.emitOpError("moves elements between warps that do not wait for "
                          "one another: ")
           << op.getInput().getType() << " to " << op.getType();
  // Where memory is to hold the tile row by row, or column by column.
  auto runBytes = [&](const Layout &a, const Layout &b) {
    std::pair lengths =
        std::minmax(Run(a, element).length(), Run(b, element).length());
    return std::pair(lengths.first * bytesOf(element),
                     lengths.second * bytesOf(element));
  };
  auto rows = runBytes(from, to), best = rows;
  if (from.rank == 2)
    best = std::max(rows, runBytes(from.transposed(), to.transposed()));
  if (withinWarps && (insideWarps || staysInLanes(from, to) ||
                      countChoices(from, to) <= kMostChoices))
    convertByShuffles(op, from, to);
  else if (bytesOf(element) < 4 && best.second >= 4)
    convertByRows(op, best != rows);
  else
    define(op.getResult(), exchange(from, to, registers(op.getInput())));
  return success();
}

/// Through shared memory, where the tile lies row by row: narrow elements are
/// moved several at a time. Rows are a vector longer than they are, so that
/// lanes that have the same columns of several rows find other banks.
/// `transposed`: column by column.
void KernelEmitter::convertByRows(ConvertLayoutOp op, bool transposed) {
  Layout from = layout(op.getInput()), to = layout(op.getResult());
  SmallVector<int64_t> shape(op.getType().getShape());
  if (transposed) {
    from = from.transposed();
    to = to.transposed();
    std::swap(shape[0], shape[1]);
  }
  Type element = registerType(op.getType().getElementType());
  int64_t bytes = bytesOf(element);
  int64_t rowBytes = shape.back() * bytes + kVectorBytes;
  scratchBytes = std::max(scratchBytes, ShapedType::getNumElements(shape) /
                                            shape.back() * rowBytes);
  auto offsetOf = [&](ArrayRef<int64_t> place) {
    int64_t row = 0;
    for (auto [index, extent] : llvm::zip(place.drop_back(), shape))
      row = row * extent + index;
    return row * rowBytes + place.back() * bytes;
  };
  auto ownPart = [&](const Layout &place) {
    Value offset = ir.i32(0);
    for (int64_t dim = 0; dim < place.rank; ++dim) {
      int64_t stride = offsetOf(Layout::unit(place.rank, dim, 1));
      offset = ir.add(offset, ir.mul(laneOffset(place, dim), ir.i32(stride)));
    }
    return ir.at(scratch, offset);
  };
  auto forEachRun = [&](const Layout &place, auto access) {
    Run run(place, element);
    Value base = ownPart(place);
    for (int64_t first = 0; first < place.registerCount(); ++first)
      if (run.startsAt(first))
        access(ir.at(base, offsetOf(place.placeOf(first))), run.from(first));
  };
  Values input = registers(op.getInput()), values(to.registerCount());
  {
    OpBuilder::InsertionGuard guard(ir);
    if (Value owner = ownsCopy(from))
      ir.setInsertionPointToStart(
          ir.create<scf::IfOp>(owner, /*withElseRegion=*/false).thenBlock());
    forEachRun(from, [&](Value at, ArrayRef<int64_t> covered) {
      Values run;
      for (int64_t index : covered)
        run.push_back(input[index]);
      storeRun(ir, run, at);
    });
  }
  ir.syncBlock();
  forEachRun(to, [&](Value at, ArrayRef<int64_t> covered) {
    Values run = loadRun(ir, at, element, covered.size());
    for (auto [index, value] : llvm::zip(covered, run))
      values[index] = value;
  });
  ir.syncBlock();
  define(op.getResult(), values);
}

/// For each register of the result: the lane that has the element, and which
/// of a few registers there, both linear in the bits of this lane's number.
void KernelEmitter::convertByShuffles(ConvertLayoutOp op, const Layout &from,
                                      const Layout &to) {
  Value sourceLane = ir.i32(0);
  SmallVector<std::pair<Value, int64_t>> choices; // a bit, its register part
  auto follow = [&](const Bases &bases, Value number) {
    SmallVector<std::pair<int64_t, int64_t>> moves;
    for (auto [bit, basis] : llvm::enumerate(bases)) {
      if (isCopy(basis))
        continue;
      if (int64_t source = laneBit(from, basis); source >= 0)
        moves.push_back({bit, source});
      else
        choices.push_back({ir.both(ir.shiftRight(number, bit), ir.i32(1)),
                           from.registerAt(basis)});
    }
    sourceLane = ir.add(sourceLane, ir.moveBits(number, moves));
  };
  follow(to.lanes, lane);
  if (from.warps != to.warps)
    follow(to.warps, warp);
  // Lanes that already have all they need only choose among registers.
  bool stays = staysInLanes(from, to);
  // Pairs travel together, if they are in one word.
  bool inWords = !stays && op.getType().getElementType().isF16() &&
                 !tiles.count(op.getInput());
  Values input = inWords ? pairs(op.getInput()) : registers(op.getInput());
  DenseMap<std::pair<int64_t, int64_t>, Value> moved;
  auto element = [&](int64_t index, int64_t laneConstant) -> Value {
    if (stays)
      return input[index];
    int64_t source = inWords ? index / 2 : index;
    Value &value = moved[{source, laneConstant}];
    if (!value)
      value =
          ir.shuffle(input[source], ir.add(sourceLane, ir.i32(laneConstant)));
    return inWords ? ir.half(ir.asPair(value), index % 2) : value;
  };
  Values values;
  for (int64_t i = 0; i < to.registerCount(); ++i) {
    int64_t base = 0, laneConstant = 0;
    for (auto [bit, basis] : llvm::enumerate(to.registers))
      if (i >> bit & 1) {
        if (int64_t source = laneBit(from, basis); source >= 0)
          laneConstant |= int64_t(1) << source;
        else
          base |= from.registerAt(basis);
      }
    Values candidates;
    for (int64_t c = 0; c < int64_t(1) << choices.size(); ++c) {
      int64_t index = base;
      for (auto [k, choice] : llvm::enumerate(choices))
        if (c >> k & 1)
          index |= choice.second;
      candidates.push_back(element(index, laneConstant));
    }
    for (auto [bit, part] : choices) {
      Values half;
      Value set = ir.equal(bit, ir.i32(1));
      for (size_t c = 0; c < candidates.size(); c += 2)
        half.push_back(
            ir.create<arith::SelectOp>(set, candidates[c + 1], candidates[c]));
      candidates = half;
    }
    values.push_back(candidates[0]);
  }
  define(op.getResult(), values);
}
