//===- Products.cpp - Which layouts products want -------------------------===//
//
// A product whose left operand comes from another product takes the lanes in
// which that one left it.
//
//===----------------------------------------------------------------------===//

#include "passes/Products.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

bool mlir::kvarn::isElementwise(Operation *op) {
  return op->getNumResults() == 1 && tileOf(op->getResult(0)) &&
         (isa<ExpandOp, HadamardOp, ScanOp, KeepOp, SubtractTopOp>(op) ||
          OpTrait::hasElementwiseMappableTraits(op));
}

/// The first op of kind `Wanted` of whose result `value` is an elementwise
/// function, or null. `transposed`: also of its transposition.
template <typename Wanted>
static Wanted findBehind(Value value, bool transposed = false) {
  SmallVector<Value> open = {value};
  DenseSet<Value> seen;
  while (!open.empty()) {
    value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || !seen.insert(value).second)
      continue;
    if (auto wanted = dyn_cast<Wanted>(op))
      return wanted;
    if (auto branch = dyn_cast<scf::IfOp>(op)) {
      unsigned index = cast<OpResult>(value).getResultNumber();
      open.push_back(branch.thenYield().getOperand(index));
      open.push_back(branch.elseYield().getOperand(index));
    } else if (isElementwise(op) || (transposed && isa<TransposeOp>(op))) {
      for (Value operand : op->getOperands())
        if (tileOf(operand) &&
            tileOf(operand).getNumElements() == tileOf(value).getNumElements())
          open.push_back(operand);
    }
  }
  return {};
}

static DotOp productBehind(Value lhs) { return findBehind<DotOp>(lhs); }

namespace {

class Planner {
public:
  Planner(KernelOp kernel, const MatrixInstruction &matrix, Products &products)
      : kernel(kernel), matrix(matrix), products(products) {}

  LogicalResult run();

private:
  LogicalResult checkShape(DotOp dot);
  void plan(DotOp dot);
  void planVector(DotOp dot, Product product);
  void planRotation(DotOp dot);
  LogicalResult planShared(DotOp dot);

  KernelOp kernel;
  const MatrixInstruction &matrix;
  Products &products;
};

} // namespace

LogicalResult Planner::checkShape(DotOp dot) {
  ArrayRef<int64_t> a = tileOf(dot.getLhs()).getShape();
  int64_t columns = tileOf(dot.getRhs()).getRank() == 2
                        ? tileOf(dot.getRhs()).getDimSize(1)
                        : matrix.columns;
  int64_t least = int64_t(1) << matrix.outerLanes.size();
  for (auto [what, extent, multiple] : {std::tuple("rows", a[0], least),
                                        std::tuple("depth", a[1], matrix.depth),
                                        std::tuple("columns", columns, least)})
    if (extent < multiple || !llvm::isPowerOf2_64(extent))
      return dot.emitOpError() << what << " are " << extent
                               << ", expected a power of two of at least "
                               << multiple << " for " << matrix.name;
  return success();
}

/// The format and part of the codes that `value` is made from, or null.
static std::pair<FormatAttr, RecordPart> codesBehind(Value value) {
  if (auto expand = value.getDefiningOp<ExpandOp>())
    return {expand.getFormat(), expand.getPart()};
  return {};
}

/// Tokens times the Hadamard matrix. Codes of keys lie as the left operand does
/// anyway; values are transposed 8x8 pieces at a time. Columns of the matrix
/// can be in any order: lanes of the result get whole vectors of memory.
void Planner::planRotation(DotOp dot) {
  SmallVector<int64_t> shape(tileOf(dot.getLhs()).getShape());
  auto expand = findBehind<ExpandOp>(dot.getLhs(), /*transposed=*/true);
  FormatAttr format = expand ? expand.getFormat() : FormatAttr();
  // Keys become rows of tokens by a transposition.
  SmallVector<int64_t> keys = {shape[1], shape[0]};
  Product product;
  if (!expand || expand.getPart() == RecordPart::Key) {
    OperandLanes lanes = lanesOf(matrix, format, RecordPart::Key, keys);
    product.lhs = expand ? rhsLayout(matrix, keys, lanes).transposed()
                         : lhsLayout(matrix, shape, lanes);
  } else {
    product.source = rhsLayout(
        matrix, shape, lanesOf(matrix, format, RecordPart::Value, shape));
    product.lhs = transposedPieces(matrix, shape, *product.source);
  }
  product.rhs =
      hadamardLayout(matrix, tileOf(dot.getRhs()).getShape(), product.lhs);
  product.result = rowResultLayout(matrix, tileOf(dot.getResult()).getShape(),
                                   product.lhs, product.rhs);
  products.insert({dot, product});
}

void Planner::plan(DotOp dot) {
  if (findBehind<HadamardMatrixOp>(dot.getRhs()))
    return planRotation(dot);
  RankedTensorType rhs = tileOf(dot.getRhs());
  DotOp before = productBehind(dot.getLhs());
  auto [format, part] = codesBehind(dot.getRhs());
  if (!format)
    part = before ? RecordPart::Value : RecordPart::Key;
  // Results of one shape meet in a sum, whether from codes or not.
  FormatAttr columnsOf = format;
  if (!format && part == RecordPart::Value)
    kernel.walk([&](ExpandOp op) { columnsOf = op.getFormat(); });
  SmallVector<int64_t> shape(rhs.getShape());
  if (shape.size() == 1)
    shape.push_back(matrix.columns);
  OperandLanes lanes = lanesOf(matrix, columnsOf, part, shape);
  if (before) {
    Strides outer = lanes.outer;
    lanes = transposedPieces(matrix, products.find(before)->second.result);
    lanes.outer = outer;
  }
  Product product;
  product.lhs = lhsLayout(matrix, tileOf(dot.getLhs()).getShape(), lanes);
  product.rhs = rhsLayout(matrix, shape, lanes);
  if (rhs.getRank() == 1)
    return planVector(dot, product);
  product.result = resultLayout(matrix, tileOf(dot.getResult()).getShape(),
                                product.lhs, product.rhs);
  products.insert({dot, product});
}

/// With a vector in place of the matrix of `product`.
void Planner::planVector(DotOp dot, Product product) {
  product.rhs = vectorLayout(matrix, product.rhs);
  product.result = vectorResultLayout(
      matrix, tileOf(dot.getResult()).getDimSize(0), product.lhs, product.rhs);
  products.insert({dot, product});
}

LogicalResult Planner::planShared(DotOp dot) {
  RankedTensorType lhs = tileOf(dot.getLhs()), rhs = tileOf(dot.getRhs());
  if (!stageOf(dot.getRhs()))
    return dot.emitOpError("has a right operand that is not staged, expected "
                           "the result of tile.stage with team = warpgroup");
  int64_t rows = 16 * kernel.getScheduleAttr().getWarps();
  int64_t depth = lhs.getDimSize(1), columns = rhs.getDimSize(1);
  if (lhs.getDimSize(0) != rows || depth % 64 || columns > 256)
    return dot.emitOpError()
           << "multiplies " << lhs << " by " << rhs << ", expected " << rows
           << " rows, a depth of 64 or more and at most 256 columns with team "
              "= warpgroup";
  SharedProduct shared = sharedProduct(lhs.getShape(), columns);
  products.insert({dot, {shared.lhs, shared.rhs, shared.result}});
  return success();
}

LogicalResult Planner::run() {
  SmallVector<DotOp> dots, vectors;
  WalkResult walked = kernel.walk([&](DotOp dot) {
    (tileOf(dot.getRhs()).getRank() == 2 ? dots : vectors).push_back(dot);
    return WalkResult(checkShape(dot));
  });
  if (walked.wasInterrupted())
    return failure();
  if (worksTogether(kernel)) {
    llvm::append_range(dots, vectors);
    for (DotOp dot : dots)
      if (failed(planShared(dot)))
        return failure();
    return success();
  }
  for (DotOp dot : dots)
    plan(dot);
  // The product with a vector has the lanes of a matrix of the same depth.
  for (DotOp dot : vectors) {
    // Best one beside it: what others do with its operand counts less.
    DotOp like;
    int64_t best = 0;
    for (DotOp other : dots) {
      bool beside = other->getBlock() == dot->getBlock();
      int64_t fit = 0;
      if (other.getLhs() == dot.getLhs())
        fit = beside ? 3 : 1;
      else if (beside && other.getLhs().getType() == dot.getLhs().getType() &&
               productBehind(other.getLhs()) == productBehind(dot.getLhs()))
        fit = 2;
      if (fit > best)
        like = other;
      best = std::max(best, fit);
    }
    if (like)
      planVector(dot, products.find(like)->second);
    else
      plan(dot);
  }
  return success();
}

LogicalResult mlir::kvarn::planProducts(KernelOp kernel,
                                        const MatrixInstruction &matrix,
                                        Products &products) {
  return Planner(kernel, matrix, products).run();
}
