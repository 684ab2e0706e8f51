//===- KVarNOps.cpp - Verifiers and folds of level 1 ----------------------===//

#include "dialect/KVarNDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace mlir::kvarn;

#define GET_OP_CLASSES
#include "dialect/KVarNOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Shared checks
//===----------------------------------------------------------------------===//

/// Every check names the operand and says what was expected.
static LogicalResult checkShape(Operation *op, StringRef name, Type type,
                                ArrayRef<int64_t> expected) {
  auto shaped = dyn_cast<RankedTensorType>(type);
  if (shaped && shaped.getRank() == int64_t(expected.size())) {
    bool same = true;
    for (auto [have, want] : llvm::zip(shaped.getShape(), expected))
      same &= have == want || ShapedType::isDynamic(have) ||
              ShapedType::isDynamic(want);
    if (same)
      return success();
  }
  InFlightDiagnostic error = op->emitOpError()
                             << name << " is " << type << ", expected shape [";
  llvm::interleaveComma(expected, error, [&](int64_t extent) {
    if (ShapedType::isDynamic(extent))
      error << "?";
    else
      error << extent;
  });
  return error << "]";
}

static LogicalResult checkHeadDim(Operation *op, StringRef name,
                                  RankedTensorType type) {
  if (type.getRank() > 0 &&
      llvm::is_contained(::kvarn::kHeadDims, type.getShape().back()))
    return success();
  return op->emitOpError() << name << " is " << type
                           << ", expected a last dimension of 64, 128 or 256";
}

static constexpr int64_t kAny = ShapedType::kDynamic;

//===----------------------------------------------------------------------===//
// Tensor ops
//===----------------------------------------------------------------------===//

LogicalResult RotateOp::verify() {
  return checkHeadDim(*this, "operand", getInput().getType());
}

OpFoldResult RotateOp::fold(FoldAdaptor) {
  // H is its own inverse.
  if (auto inner = getInput().getDefiningOp<RotateOp>())
    return inner.getInput();
  return {};
}

LogicalResult ScaleOp::verify() {
  if (getInput().getType().getRank() < 1)
    return emitOpError() << "operand is " << getInput().getType()
                         << ", expected rank 1 or more";
  return success();
}

LogicalResult NormalizeOp::verify() {
  RankedTensorType type = getInput().getType();
  if (type.getRank() < 2)
    return emitOpError() << "operand is " << type
                         << ", expected rank 2 or more";
  // A deviation needs two elements.
  for (int64_t extent : type.getShape().take_back(2))
    if (!ShapedType::isDynamic(extent) && extent < 2)
      return emitOpError() << "operand is " << type
                           << ", expected two rows and two columns or more";
  if (getIterations() > 64)
    return emitOpError() << "iterations is " << int64_t(getIterations())
                         << ", expected 0 to 64";
  SmallVector<int64_t> rows(type.getShape().drop_back());
  SmallVector<int64_t> columns(type.getShape().drop_back(2));
  columns.push_back(type.getShape().back());
  if (failed(checkShape(*this, "row scale", getRowScale().getType(), rows)))
    return failure();
  return checkShape(*this, "column scale", getColumnScale().getType(), columns);
}

LogicalResult QuantizeOp::verify() {
  RankedTensorType type = getInput().getType();
  if (type.getRank() < 1)
    return emitOpError() << "operand is " << type
                         << ", expected rank 1 or more";
  if (!llvm::is_contained(::kvarn::kBits, int64_t(getBits())))
    return emitOpError() << "bits is " << getBits() << ", expected 2, 4 or 8";
  if (failed(checkShape(*this, "codes", getCodes().getType(), type.getShape())))
    return failure();
  return checkShape(*this, "scale", getScale().getType(),
                    type.getShape().drop_back());
}

//===----------------------------------------------------------------------===//
// Cache ops
//===----------------------------------------------------------------------===//

LogicalResult CacheOp::verify() {
  ::kvarn::Format format = getCache().getType().getFormat().get();
  if (failed(checkShape(*this, "pages", getPages().getType(),
                        {kAny, kAny, kAny})) ||
      failed(checkShape(*this, "pool", getPoolK().getType(),
                        {kAny, format.group, kAny, format.headDim})) ||
      failed(checkShape(*this, "table", getBlockTable().getType(),
                        {kAny, kAny})) ||
      failed(checkShape(*this, "slots", getBlockToSlot().getType(), {kAny})) ||
      failed(checkShape(*this, "lengths", getSeqLens().getType(), {kAny})))
    return failure();
  int64_t bytes = cast<ShapedType>(getPages().getType()).getDimSize(2);
  if (!ShapedType::isDynamic(bytes) && bytes < format.recordBytes())
    return emitOpError() << "pages hold " << bytes
                         << " bytes per record, expected at least "
                         << format.recordBytes();
  return success();
}

static LogicalResult checkDense(Operation *op, CacheType cache, Type type) {
  return checkShape(op, "result", type,
                    {kAny, kAny, kAny, cache.getFormat().getHeadDim()});
}

LogicalResult DequantizeOp::verify() {
  return checkDense(*this, getCache().getType(), getK().getType());
}

LogicalResult MaterializeOp::verify() {
  return checkDense(*this, getCache().getType(), getK().getType());
}

/// The K and V of new tokens, one row beside each of q.
template <typename AttentionLike>
static LogicalResult checkNew(AttentionLike op) {
  if (!op.getNewK() && !op.getNewV())
    return success();
  if (!op.getNewK() || !op.getNewV())
    return op.emitOpError() << "has new " << (op.getNewK() ? "k" : "v")
                            << " alone, expected new k and v or none of them";
  RankedTensorType q = op.getQ().getType();
  int64_t heads = q.getDimSize(1);
  if (!ShapedType::isDynamic(heads))
    heads /= int64_t(op.getRatio());
  for (auto [name, tensor] :
       {std::pair("new k", op.getNewK()), std::pair("new v", op.getNewV())}) {
    if (failed(checkShape(op, name, tensor.getType(),
                          {q.getDimSize(0), heads, q.getDimSize(2)})))
      return failure();
    if (tensor.getType().getElementType() != q.getElementType())
      return op.emitOpError() << name << " is " << tensor.getType()
                              << ", expected the element type of q";
  }
  return checkShape(op, "new v", op.getNewV().getType(),
                    op.getNewK().getType().getShape());
}

/// What `attention` and `attend` have in common.
template <typename AttentionLike>
static LogicalResult checkAttention(AttentionLike op) {
  RankedTensorType q = op.getQ().getType();
  if (q.getRank() != 3)
    return op.emitOpError() << "q is " << q << ", expected shape [T, Hq, D]";
  if (op.getRatio() < 1 || op.getRatio() > 64)
    return op.emitOpError()
           << "ratio is " << int64_t(op.getRatio()) << ", expected 1 to 64";
  if (!ShapedType::isDynamic(q.getDimSize(1)) &&
      q.getDimSize(1) % op.getRatio())
    return op.emitOpError()
           << "q has " << q.getDimSize(1)
           << " heads, expected a multiple of the ratio " << op.getRatio();
  if (failed(checkHeadDim(op, "q", q)) ||
      failed(checkShape(op, "result", op.getOut().getType(), q.getShape())) ||
      failed(
          checkShape(op, "query_start", op.getQueryStart().getType(), {kAny})))
    return failure();
  if (op.getOut().getType().getElementType() != q.getElementType())
    return op.emitOpError() << "result is " << op.getOut().getType()
                            << ", expected the element type of q";
  if (op.getLse() && failed(checkShape(op, "lse", op.getLse().getType(),
                                       q.getShape().drop_back())))
    return failure();
  if (op.getSinks() && failed(checkShape(op, "sinks", op.getSinks().getType(),
                                         {q.getDimSize(1)})))
    return failure();
  return checkNew(op);
}

LogicalResult AttentionOp::verify() {
  int64_t headDim = getQ().getType().getShape().back();
  if (failed(checkAttention(*this)) ||
      failed(checkShape(*this, "k", getK().getType(),
                        {kAny, kAny, kAny, headDim})) ||
      failed(checkShape(*this, "v", getV().getType(),
                        {kAny, kAny, kAny, headDim})))
    return failure();
  if (failed(checkShape(*this, "v", getV().getType(),
                        getK().getType().getShape())))
    return failure();
  int64_t queryHeads = getQ().getType().getDimSize(1);
  int64_t heads = getK().getType().getDimSize(2);
  if (!ShapedType::isDynamic(queryHeads) && !ShapedType::isDynamic(heads) &&
      queryHeads != heads * int64_t(getRatio()))
    return emitOpError() << "q has " << queryHeads << " heads and k " << heads
                         << ", expected the ratio " << getRatio();
  if (getNewK() && failed(checkShape(*this, "new k", getNewK().getType(),
                                     {kAny, heads, headDim})))
    return failure();
  return checkShape(*this, "lengths", getSeqLens().getType(), {kAny});
}

LogicalResult AttendOp::verify() {
  if (failed(checkAttention(*this)))
    return failure();
  if (getRotateNew() && !getNewK())
    return emitOpError() << "rotates new k and v but has none";
  return checkShape(
      *this, "q", getQ().getType(),
      {kAny, kAny, getCache().getType().getFormat().getHeadDim()});
}

static LogicalResult checkTokens(Operation *op, CacheType cache, Type k) {
  return checkShape(op, "k", k, {kAny, kAny, cache.getFormat().getHeadDim()});
}

/// A list on the device.
template <typename Op> static LogicalResult checkPairs(Op op) {
  if (failed(checkShape(op, "pairs", op.getPairs().getType(), {kAny, 2})))
    return failure();
  return checkShape(op, "count", op.getCount().getType(), {1});
}

template <typename Op> static LogicalResult checkIterations(Op op) {
  if (op.getIterations() > 64)
    return op.emitOpError() << "iterations is " << int64_t(op.getIterations())
                            << ", expected 0 to 64";
  return success();
}

LogicalResult AppendOp::verify() {
  if (failed(checkTokens(*this, getCache().getType(), getK().getType())))
    return failure();
  return checkShape(*this, "slot_mapping", getSlotMapping().getType(), {kAny});
}

LogicalResult FlushOp::verify() {
  return failed(checkIterations(*this)) ? failure() : checkPairs(*this);
}

LogicalResult PackOp::verify() {
  if (failed(checkTokens(*this, getCache().getType(), getK().getType())) ||
      failed(checkIterations(*this)))
    return failure();
  return checkPairs(*this);
}

LogicalResult UnflushOp::verify() { return checkPairs(*this); }

LogicalResult RelayoutOp::verify() {
  ::kvarn::Format from = getSource().getType().getFormat().get();
  ::kvarn::Format to = getCache().getType().getFormat().get();
  from.layout = to.layout;
  if (from != to)
    return emitOpError() << "copies records of "
                         << getSource().getType().getFormat() << " to "
                         << getCache().getType().getFormat()
                         << ", expected formats that differ in their layout";
  return checkPairs(*this);
}
