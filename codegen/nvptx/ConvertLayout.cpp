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

/// Warps beyond the last one that matters hold copies.
static bool sameWarps(const Layout &a, const Layout &b) {
  auto basis = [](const Layout &layout, size_t bit) {
    return bit < layout.warps.size() ? layout.warps[bit]
                                     : SmallVector<int64_t>(layout.rank);
  };
  for (size_t bit = 0; bit < std::max(a.warps.size(), b.warps.size()); ++bit)
    if (basis(a, bit) != basis(b, bit))
      return false;
  return true;
}

/// The bit of a lane number that adds `vector`, or -1.
static int64_t laneBit(const Layout &layout,
                       const SmallVector<int64_t> &vector) {
  auto it = llvm::find(layout.lanes, vector);
  return it == layout.lanes.end() ? -1 : it - layout.lanes.begin();
}

/// How many bits of the receiving lane's number choose the sender's register.
static size_t countChoices(const Layout &from, const Layout &to) {
  return llvm::count_if(to.lanes, [&](const SmallVector<int64_t> &basis) {
    return llvm::any_of(basis, [](int64_t c) { return c != 0; }) &&
           laneBit(from, basis) < 0;
  });
}

/// Whether lanes have all they need and only choose among their registers.
static bool staysInLanes(const Layout &from, const Layout &to) {
  for (auto [a, b] : llvm::zip(from.lanes, to.lanes))
    if (a != b && llvm::any_of(a, [](int64_t c) { return c != 0; }))
      return false;
  return true;
}

LogicalResult KernelEmitter::emitConvertLayout(ConvertLayoutOp op) {
  Layout from = layout(op.getInput()), to = layout(op.getResult());
  bool same = sameWarps(from, to);
  if (same && (insideWarps || staysInLanes(from, to) ||
               countChoices(from, to) <= kMostChoices))
    convertByShuffles(op, from, to);
  else if (insideWarps)
    return op.emitOpError("moves elements between warps that run apart: ")
           << op.getInput().getType() << " to " << op.getType();
  else
    convertThroughMemory(op, from, to);
  return success();
}

/// The tile lies there in row-major order.
void KernelEmitter::convertThroughMemory(ConvertLayoutOp op, const Layout &from,
                                         const Layout &to) {
  ArrayRef<int64_t> shape = op.getType().getShape();
  Type element = registerType(op.getType().getElementType());
  int64_t bytes = bytesOf(element);
  scratchBytes =
      std::max(scratchBytes, ShapedType::getNumElements(shape) * bytes);
  auto offsetOf = [&](ArrayRef<int64_t> place) {
    int64_t offset = 0;
    for (auto [index, extent] : llvm::zip(place, shape))
      offset = offset * extent + index;
    return offset * bytes;
  };
  auto ownPart = [&](const Layout &place) {
    Value offset = ir.i32(0);
    for (int64_t dim = 0; dim < place.rank; ++dim) {
      int64_t stride = offsetOf(Layout::unit(place.rank, dim, 1));
      offset = ir.add(offset, ir.mul(laneOffset(place, dim), ir.i32(stride)));
    }
    return ir.at(shared, offset);
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
  SmallVector<std::pair<int64_t, int64_t>> choices; // lane bit, register part
  for (auto [bit, basis] : llvm::enumerate(to.lanes)) {
    if (llvm::all_of(basis, [](int64_t c) { return c == 0; }))
      continue;
    if (int64_t source = laneBit(from, basis); source >= 0) {
      Value set = ir.both(ir.shiftRight(lane, bit), ir.i32(1));
      sourceLane = ir.add(sourceLane, ir.shiftLeft(set, source));
    } else {
      choices.push_back({int64_t(bit), from.registerAt(basis)});
    }
  }
  bool stays = staysInLanes(from, to);
  Values input = registers(op.getInput()), values;
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
    Value place = ir.add(sourceLane, ir.i32(laneConstant));
    for (int64_t c = 0; c < int64_t(1) << choices.size(); ++c) {
      int64_t index = base;
      for (auto [k, choice] : llvm::enumerate(choices))
        if (c >> k & 1)
          index |= choice.second;
      Value value = input[index];
      candidates.push_back(stays ? value : ir.shuffle(value, place));
    }
    for (auto [bit, part] : choices) {
      Values half;
      Value set =
          ir.equal(ir.both(ir.shiftRight(lane, bit), ir.i32(1)), ir.i32(1));
      for (size_t c = 0; c < candidates.size(); c += 2)
        half.push_back(
            ir.create<arith::SelectOp>(set, candidates[c + 1], candidates[c]));
      candidates = half;
    }
    values.push_back(candidates[0]);
  }
  define(op.getResult(), values);
}
