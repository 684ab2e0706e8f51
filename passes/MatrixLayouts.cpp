//===- MatrixLayouts.cpp - Operands of matrix instructions ----------------===//

#include "passes/MatrixLayouts.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

#include <map>

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

Strides mlir::kvarn::registerStrides(const Layout &layout, int64_t dim) {
  Strides strides;
  for (const SmallVector<int64_t> &basis : layout.registers)
    if (basis[dim])
      strides.push_back(basis[dim]);
  return strides;
}

static int64_t laneBits(const MatrixInstruction &matrix) {
  return matrix.depthLanes.size() + matrix.outerLanes.size();
}

/// Registers for all of `shape` that lanes and warps do not cover, the
/// dimensions of `order` one after the other and each from its lowest bit.
static void fillRegisters(Layout &layout, ArrayRef<int64_t> shape,
                          ArrayRef<int64_t> order, int64_t first = 0) {
  SmallVector<int64_t> covered(shape.size());
  for (const Bases *bases : {&layout.lanes, &layout.warps})
    for (const SmallVector<int64_t> &basis : *bases)
      for (auto [dim, value] : llvm::enumerate(basis))
        covered[dim] |= value;
  if (first) {
    layout.registers.push_back(Layout::unit(layout.rank, order[0], first));
    covered[order[0]] |= first;
  }
  for (int64_t dim : order)
    for (int64_t bit = 1; bit < shape[dim]; bit *= 2)
      if (!(covered[dim] & bit))
        layout.registers.push_back(Layout::unit(layout.rank, dim, bit));
}

static Layout emptyLayout(const MatrixInstruction &matrix, int64_t rank) {
  Layout layout;
  layout.rank = rank;
  layout.lanes.assign(laneBits(matrix), SmallVector<int64_t>(rank));
  return layout;
}

static void setLanes(Layout &layout, ArrayRef<int64_t> bits, int64_t dim,
                     const Strides &strides) {
  for (auto [bit, stride] : llvm::zip(bits, strides))
    layout.lanes[bit][dim] = stride;
}

/// `count` bits of an index from bit `first` on.
static Strides run(int64_t first, int64_t count) {
  Strides strides;
  for (int64_t i = 0; i < count; ++i)
    strides.push_back(int64_t(1) << (first + i));
  return strides;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// The lanes for which layout mma16816 is made: eight channels of one lane in a
/// row, and both parts alike in which tokens share a lane.
static OperandLanes chunkedLanes(const MatrixInstruction &matrix,
                                 RecordPart part, ArrayRef<int64_t> shape) {
  int64_t depth = matrix.depthLanes.size(), outer = matrix.outerLanes.size();
  auto chunk = [](int64_t extent, int64_t lanes) {
    return std::max<int64_t>(
        0, std::min<int64_t>(3, llvm::Log2_64(extent) - lanes));
  };
  OperandLanes lanes;
  lanes.depth = run(chunk(shape[0], depth), depth);
  if (part == RecordPart::Value) {
    lanes.outer = run(chunk(shape[1], outer), outer);
  } else {
    // Token bit 0, so that pairs of tokens share a register of the result.
    int64_t first = std::max<int64_t>(1, chunk(shape[1], outer - 1));
    lanes.outer = run(first, outer - 1);
    lanes.outer.insert(lanes.outer.begin(), 1);
  }
  return lanes;
}

OperandLanes mlir::kvarn::lanesOf(const MatrixInstruction &matrix,
                                  FormatAttr format, RecordPart part,
                                  ArrayRef<int64_t> shape) {
  if (!format || format.getLayout() == RecordLayout::Mma16816)
    return chunkedLanes(matrix, part, shape);
  // Codes of the reference run along the columns: each lane takes one piece.
  int64_t outer = matrix.outerLanes.size();
  OperandLanes lanes;
  lanes.depth = run(0, matrix.depthLanes.size());
  lanes.outer = run(llvm::Log2_64(shape[1]) - outer, outer);
  return lanes;
}

Layout mlir::kvarn::rhsLayout(const MatrixInstruction &matrix,
                              ArrayRef<int64_t> shape,
                              const OperandLanes &lanes) {
  Layout layout = emptyLayout(matrix, shape.size());
  setLanes(layout, matrix.depthLanes, 0, lanes.depth);
  if (shape.size() == 2)
    setLanes(layout, matrix.outerLanes, 1, lanes.outer);
  SmallVector<int64_t> order = {0, 1};
  fillRegisters(layout, shape, ArrayRef(order).take_front(shape.size()),
                lanes.pair);
  return layout;
}

Layout mlir::kvarn::lhsLayout(const MatrixInstruction &matrix,
                              ArrayRef<int64_t> shape,
                              const OperandLanes &lanes) {
  Layout layout = emptyLayout(matrix, 2);
  setLanes(layout, matrix.depthLanes, 1, lanes.depth);
  setLanes(layout, matrix.outerLanes, 0, run(0, matrix.outerLanes.size()));
  fillRegisters(layout, shape, {1, 0}, lanes.pair);
  return layout;
}

Strides mlir::kvarn::stridesOf(const Layout &layout, ArrayRef<int64_t> bits,
                               int64_t dim) {
  Strides strides;
  for (int64_t bit : bits)
    strides.push_back(layout.lanes[bit][dim]);
  return strides;
}

Layout mlir::kvarn::resultLayout(const MatrixInstruction &matrix,
                                 ArrayRef<int64_t> shape, const Layout &lhs,
                                 const Layout &rhs) {
  Layout layout = emptyLayout(matrix, shape.size());
  auto place = [&](ArrayRef<int64_t> places, const Layout &operand,
                   int64_t from, int64_t to) {
    Strides strides = stridesOf(operand, matrix.outerLanes, from);
    for (auto [bit, stride] : llvm::zip(places, strides))
      if (bit >= 0)
        layout.lanes[bit][to] = stride;
  };
  place(matrix.columnPlaces, lhs, 0, 0);
  if (shape.size() == 1) {
    fillRegisters(layout, shape, {0});
    return layout;
  }
  place(matrix.rowPlaces, rhs, 1, 1);
  // Rows that share a lane are neighbours in registers: fp16 pairs.
  fillRegisters(layout, shape, {0, 1});
  return layout;
}

int64_t mlir::kvarn::halfOfDepth(ArrayRef<int64_t> strides) {
  // Vectors are loaded eight elements at a time: lanes for the lower halves
  // have the first four of them, in a row.
  return strides.size() > 2 && strides[2] == 2 * strides[1] ? 2 : 1;
}

/// Whether two columns of the instruction are one of its rows.
static bool rowsArePairs(const MatrixInstruction &matrix) {
  return matrix.rows == 2 * matrix.columns;
}

Layout mlir::kvarn::vectorLayout(const MatrixInstruction &matrix,
                                 const Layout &rhs) {
  Layout layout = rhs.without(1);
  if (!rowsArePairs(matrix))
    return layout;
  auto half =
      layout.registers.begin() + halfOfDepth(registerStrides(layout, 0));
  layout.lanes[matrix.outerLanes[0]] = *half;
  layout.registers.erase(half);
  return layout;
}

Layout mlir::kvarn::vectorResultLayout(const MatrixInstruction &matrix,
                                       int64_t rows, const Layout &lhs,
                                       const Layout &vector) {
  if (!rowsArePairs(matrix))
    return resultLayout(matrix, {rows}, lhs, vector);
  Layout layout = emptyLayout(matrix, 1);
  setLanes(layout, matrix.outerLanes, 0, stridesOf(lhs, matrix.outerLanes, 0));
  fillRegisters(layout, {rows}, {0});
  return layout;
}

OperandLanes mlir::kvarn::transposedPieces(const MatrixInstruction &matrix,
                                           const Layout &result) {
  Strides outer = stridesOf(result, matrix.outerLanes, 1);
  OperandLanes lanes;
  lanes.pair = outer[0];
  lanes.depth.append(outer.begin() + 1, outer.end());
  lanes.depth.resize(matrix.depthLanes.size());
  return lanes;
}

Layout mlir::kvarn::transposedPieces(const MatrixInstruction &matrix,
                                     ArrayRef<int64_t> shape,
                                     const Layout &source) {
  OperandLanes lanes = transposedPieces(matrix, source);
  Layout layout = emptyLayout(matrix, 2);
  setLanes(layout, matrix.depthLanes, 1, lanes.depth);
  Strides rows = {source.registers[0][0]};
  llvm::append_range(rows, stridesOf(source, matrix.depthLanes, 0));
  setLanes(layout, matrix.outerLanes, 0, rows);
  fillRegisters(layout, shape, {1, 0}, lanes.pair);
  return layout;
}

Layout mlir::kvarn::hadamardLayout(const MatrixInstruction &matrix,
                                   ArrayRef<int64_t> shape, const Layout &lhs) {
  constexpr int64_t kVectorBits = 3; // eight elements, if there are as many
  int64_t outer = matrix.outerLanes.size();
  int64_t first =
      std::min(kVectorBits, int64_t(llvm::Log2_64(shape[1])) - outer);
  Strides columns = run(first, outer);
  Layout layout = rhsLayout(
      matrix, shape,
      {stridesOf(lhs, matrix.depthLanes, 1), columns, lhs.registers[0][1]});
  // The second register bit is the half of an instruction's depth. One that is
  // a lane's in the other dimension makes all instructions alike but for a
  // sign: then two sets of registers are enough.
  auto second = layout.registers.begin() + 1;
  auto shared = std::find_if(second, layout.registers.end(), [&](auto &basis) {
    return llvm::is_contained(columns, basis[0]);
  });
  if (shared != layout.registers.end())
    std::rotate(second, shared, shared + 1);
  return layout;
}

Layout mlir::kvarn::rowResultLayout(const MatrixInstruction &matrix,
                                    ArrayRef<int64_t> shape, const Layout &lhs,
                                    const Layout &rhs) {
  Layout layout = resultLayout(matrix, shape, lhs, rhs);
  layout.registers.clear();
  fillRegisters(layout, shape, {1, 0});
  return layout;
}

//===----------------------------------------------------------------------===//
// Products of four warps
//===----------------------------------------------------------------------===//

/// fp16 elements of a row of 128 bytes, the pieces that wgmma reads tiles in.
static constexpr int64_t kRowElements = 64;

SharedProduct mlir::kvarn::sharedProduct(ArrayRef<int64_t> lhs,
                                         int64_t columns) {
  // PTX ISA, "Asynchronous warpgroup level matrix instructions": register
  // fragments for wgmma.mma_async.m64k16 and its accumulator.
  auto fragment = [&](int64_t extent) {
    Layout layout;
    layout.rank = 2;
    layout.lanes = {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}};
    layout.registers = {{0, 1}, {8, 0}};
    for (int64_t row = 16; row < lhs[0]; row *= 2)
      layout.warps.push_back({row, 0});
    for (int64_t column = 8; column < extent; column *= 2)
      layout.registers.push_back({0, column});
    return layout;
  };
  SharedProduct product;
  product.lhs = fragment(lhs[1]);
  product.result = fragment(columns);
  // Rows of memory run along the depth.
  product.rhs.rank = 2;
  auto add = [&](int64_t dim, int64_t from, int64_t to) {
    for (int64_t bit = from; bit < to; bit *= 2)
      product.rhs.registers.push_back(Layout::unit(2, dim, bit));
  };
  int64_t depth = lhs[1];
  add(0, 1, std::min(kRowElements, depth));
  add(1, 1, columns);
  add(0, kRowElements, depth);
  return product;
}

StageOp mlir::kvarn::stageOf(Value tile) {
  if (auto argument = dyn_cast<BlockArgument>(tile)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    return loop && argument != loop.getInductionVar()
               ? stageOf(loop.getTiedLoopInit(argument)->get())
               : StageOp();
  }
  Operation *op = tile.getDefiningOp();
  unsigned index = cast<OpResult>(tile).getResultNumber();
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return stageOf(loop.getInits()[index]);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return stageOf(branch.thenYield().getOperand(index));
  return dyn_cast<StageOp>(op);
}

Layout mlir::kvarn::stagedCodes(const MatrixInstruction &matrix,
                                FormatAttr format, RecordPart part,
                                ArrayRef<int64_t> shape, int64_t warps) {
  bool key = part == RecordPart::Key;
  Layout layout =
      codesLayout(matrix, format, part, shape, /*tokenDim=*/key, warps);
  // A pair lies 16 bits apart, or at one place of two words.
  auto isPair = [&](const SmallVector<int64_t> &basis) {
    auto at = format.get().position(toFormat(part), basis[key], basis[!key]);
    return at.bit == 16 || at.word > 0;
  };
  auto first = llvm::find_if(layout.registers, isPair);
  if (first != layout.registers.end())
    std::rotate(layout.registers.begin(), first, first + 1);
  // Lanes that store at the same time find pieces of 8 elements in different
  // banks. The pair stays where it is.
  for (int64_t bit : {0, 1, 2}) {
    SmallVector<int64_t> wanted = Layout::unit(2, /*dim=*/0, 8 << bit);
    if (layout.registers.front() == wanted)
      continue;
    for (Bases *bases : {&layout.registers, &layout.warps, &layout.lanes})
      for (SmallVector<int64_t> &basis : *bases)
        if (basis == wanted)
          std::swap(basis, layout.lanes[bit]);
  }
  return layout;
}

Layout mlir::kvarn::stagedColumns(const MatrixInstruction &matrix,
                                  ArrayRef<int64_t> shape, int64_t warps) {
  constexpr int64_t kPiece = 8;
  Layout layout = emptyLayout(matrix, 2);
  auto bits = [&](int64_t dim, int64_t from, int64_t to) {
    Bases all;
    for (int64_t bit = from; bit < std::min(to, shape[dim]); bit *= 2)
      all.push_back(Layout::unit(2, dim, bit));
    return all;
  };
  for (int64_t dim : {0, 1})
    llvm::append_range(layout.registers, bits(dim, 1, kPiece));
  // The pieces of a row of shared memory have a bank each.
  Bases rest = bits(0, kPiece, kRowElements);
  llvm::append_range(rest, bits(1, kPiece, shape[1]));
  llvm::append_range(rest, bits(0, kRowElements, shape[0]));
  for (auto [number, basis] : llvm::enumerate(rest))
    if (int64_t(number) < laneBits(matrix))
      layout.lanes[number] = basis;
    else if ((int64_t(1) << layout.warps.size()) < warps)
      layout.warps.push_back(basis);
    else
      layout.registers.push_back(basis);
  return layout;
}

//===----------------------------------------------------------------------===//
// Other tiles
//===----------------------------------------------------------------------===//

/// Lanes of 16 bytes that fill whole sectors of memory, twice over.
static constexpr int64_t kShortRowLanes = 4;

Layout mlir::kvarn::plainLayout(const MatrixInstruction &matrix,
                                RankedTensorType type, int64_t warps,
                                bool shortRows) {
  ArrayRef<int64_t> shape = type.getShape();
  if (shape.size() == 1)
    return spreadLayout(matrix, shape[0]);
  int64_t rank = shape.size(), lane = 0;
  Layout layout = emptyLayout(matrix, rank);
  Type element = type.getElementType();
  int64_t bits = element.isIntOrFloat()
                     ? std::max(8u, element.getIntOrFloatBitWidth())
                     : 64;
  // All lanes and warps shall have elements of their own.
  int64_t rowLanes = int64_t(1) << laneBits(matrix);
  if (shortRows)
    rowLanes =
        std::max(kShortRowLanes, (warps << laneBits(matrix)) * shape.back() /
                                     type.getNumElements());
  for (int64_t dim = rank - 1; dim >= 0; --dim) {
    bool isRow = dim == rank - 1 && rank > 1;
    int64_t first = isRow ? 128 / bits : 1;
    int64_t end = isRow ? std::min(shape[dim], first * rowLanes) : shape[dim];
    for (int64_t bit = std::min(first, shape[dim]); bit < end; bit *= 2)
      if (lane < laneBits(matrix))
        layout.lanes[lane++][dim] = bit;
  }
  // Warps take whole rows.
  SmallVector<int64_t> covered(rank);
  for (const SmallVector<int64_t> &basis : layout.lanes)
    for (int64_t dim = 0; dim < rank; ++dim)
      covered[dim] |= basis[dim];
  for (int64_t bit = 1; bit < shape[0] && warps > 1; bit *= 2)
    if (!(covered[0] & bit) && rank > 1) {
      layout.warps.push_back(Layout::unit(rank, 0, bit));
      warps /= 2;
    }
  SmallVector<int64_t> order;
  for (int64_t dim = rank - 1; dim >= 0; --dim)
    order.push_back(dim);
  fillRegisters(layout, shape, order);
  return layout;
}

Layout mlir::kvarn::codesLayout(const MatrixInstruction &matrix,
                                FormatAttr format, RecordPart part,
                                ArrayRef<int64_t> shape, int64_t tokenDim,
                                int64_t warps) {
  // The order of codes permutes the bits of token and channel: each of them
  // has a place in the record.
  std::map<int64_t, SmallVector<int64_t>> places;
  for (int64_t dim : {0, 1})
    for (int64_t bit = 1; bit < shape[dim]; bit *= 2) {
      auto at = format.get().position(toFormat(part), dim == tokenDim ? bit : 0,
                                      dim == tokenDim ? 0 : bit);
      places[32 * at.word + at.bit] = Layout::unit(2, dim, bit);
    }
  // Up to 16 bytes for a lane, but all lanes shall have some.
  int64_t bits = shape[0] * shape[1] * format.get().bits(toFormat(part));
  int64_t run =
      std::clamp<int64_t>(bits / (warps << laneBits(matrix)), 32, 128);
  Layout layout = emptyLayout(matrix, 2);
  int64_t lane = 0;
  for (auto &[place, basis] : places)
    if (place < run)
      layout.registers.push_back(basis);
    else if (lane < laneBits(matrix))
      layout.lanes[lane++] = basis;
    else if ((int64_t(1) << layout.warps.size()) < warps)
      layout.warps.push_back(basis);
    else
      layout.registers.push_back(basis);
  return layout;
}

Layout mlir::kvarn::withoutCopies(Layout layout) {
  for (SmallVector<int64_t> &basis : layout.lanes)
    if (!layout.registers.empty() &&
        llvm::all_of(basis, [](int64_t c) { return c == 0; }))
      basis = layout.registers.pop_back_val();
  return layout;
}

Layout mlir::kvarn::spreadLayout(const MatrixInstruction &matrix,
                                 int64_t length) {
  Layout layout = emptyLayout(matrix, 1);
  int64_t bits = llvm::Log2_64(length), lanes = laneBits(matrix);
  int64_t first = std::max<int64_t>(0, bits - lanes);
  for (int64_t i = first; i < bits; ++i)
    layout.lanes[i - first][0] = int64_t(1) << i;
  fillRegisters(layout, {length}, {0});
  return layout;
}
