//===- TileOps.cpp - Verifiers and effects of level 2 ---------------------===//

#include "dialect/ProgramOrder.h"
#include "dialect/TileDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

#define GET_OP_CLASSES
#include "dialect/TileOps.cpp.inc"

static RankedTensorType tileType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

LogicalResult IotaOp::verify() {
  if (getDim() >= uint64_t(getResult().getType().getRank()))
    return emitOpError() << "dim is " << int64_t(getDim())
                         << ", expected less than "
                         << getResult().getType().getRank();
  return success();
}

LogicalResult BroadcastOp::verify() {
  RankedTensorType from = tileType(getInput()), to = tileType(getResult());
  if (int64_t(getDims().size()) != from.getRank())
    return emitOpError() << "has " << getDims().size()
                         << " dims for an operand of rank " << from.getRank();
  int64_t last = -1;
  for (auto [i, dim] : llvm::enumerate(getDims())) {
    if (dim <= last || dim >= to.getRank())
      return emitOpError() << "dims must rise and be less than "
                           << to.getRank();
    if (from.getDimSize(i) != to.getDimSize(dim))
      return emitOpError() << "dimension " << i << " of " << from
                           << " does not match dimension " << dim << " of "
                           << to;
    last = dim;
  }
  if (from.getElementType() != to.getElementType())
    return emitOpError() << "changes the element type from "
                         << from.getElementType() << " to "
                         << to.getElementType();
  return success();
}

LogicalResult TransposeOp::verify() {
  RankedTensorType from = tileType(getInput()), to = tileType(getResult());
  if (from.getRank() != 2 || to.getRank() != 2 ||
      from.getDimSize(0) != to.getDimSize(1) ||
      from.getDimSize(1) != to.getDimSize(0) ||
      from.getElementType() != to.getElementType())
    return emitOpError() << "cannot transpose " << from << " into " << to;
  return success();
}

/// Of an op that changes the encoding of a tile.
static LogicalResult checkSameTile(Operation *op, RankedTensorType from,
                                   RankedTensorType to) {
  if (from.getShape() != to.getShape() ||
      from.getElementType() != to.getElementType())
    return op->emitOpError()
           << "changes more than the encoding: " << from << " to " << to;
  return success();
}

LogicalResult ConvertLayoutOp::verify() {
  return checkSameTile(*this, tileType(getInput()), tileType(getResult()));
}

LogicalResult StageOp::verify() {
  if (tileType(getInput()).getRank() != 2)
    return emitOpError() << "operand is " << tileType(getInput())
                         << ", expected a matrix";
  return checkSameTile(*this, tileType(getInput()), tileType(getResult()));
}

OpFoldResult ConvertLayoutOp::fold(FoldAdaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  return {};
}

LogicalResult ReduceOp::verify() {
  RankedTensorType from = tileType(getInput());
  if (getDim() >= uint64_t(from.getRank()))
    return emitOpError() << "dim is " << int64_t(getDim())
                         << ", expected less than " << from.getRank();
  SmallVector<int64_t> shape(from.getShape());
  shape.erase(shape.begin() + getDim());
  auto to = dyn_cast<RankedTensorType>(getResult().getType());
  bool matches =
      to ? to.getShape() == ArrayRef(shape) &&
               to.getElementType() == from.getElementType()
         : shape.empty() && getResult().getType() == from.getElementType();
  if (!matches)
    return emitOpError() << "cannot reduce dimension " << getDim() << " of "
                         << from << " to " << getResult().getType();
  if (getKind() == ReduceKind::Squares && !from.getElementType().isF32())
    return emitOpError() << "squares need f32, got " << from;
  return success();
}

LogicalResult DotOp::verify() {
  RankedTensorType a = tileType(getLhs()), b = tileType(getRhs()),
                   c = tileType(getAccumulator());
  SmallVector<int64_t> product;
  if (a.getRank() == 2 && (b.getRank() == 1 || b.getRank() == 2) &&
      a.getDimSize(1) == b.getDimSize(0)) {
    product.push_back(a.getDimSize(0));
    llvm::append_range(product, b.getShape().drop_front());
  }
  if (product.empty() || c.getShape() != ArrayRef(product))
    return emitOpError() << "cannot multiply " << a << " by " << b << " into "
                         << c;
  ArrayRef<int64_t> order = getDescending();
  for (auto [i, dim] : llvm::enumerate(order))
    if (b.getRank() != 2 || dim < 0 || dim > 1 ||
        llvm::is_contained(order.take_front(i), dim))
      return emitOpError() << "descending is [" << order
                           << "], expected dimensions of a matrix " << b;
  return success();
}

LogicalResult HadamardOp::verify() {
  RankedTensorType type = getInput().getType();
  if (type.getRank() < 1 || !llvm::isPowerOf2_64(type.getShape().back()))
    return emitOpError() << "operand is " << type
                         << ", expected a power of two as last dimension";
  return success();
}

/// Signs on a CPU come from 16 bits of an index.
static constexpr int64_t kMostHadamardRows = 65536;

LogicalResult HadamardMatrixOp::verify() {
  RankedTensorType type = getType();
  if (type.getRank() != 2 || !llvm::isPowerOf2_64(type.getDimSize(0)) ||
      !llvm::isPowerOf2_64(type.getDimSize(1)) ||
      type.getDimSize(1) > type.getDimSize(0) ||
      type.getDimSize(0) > kMostHadamardRows)
    return emitOpError() << "result is " << type
                         << ", expected powers of two, at most "
                         << kMostHadamardRows
                         << " rows and no more columns than rows";
  return success();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// `rows` is the extent that row indices and masks must have. `lastScalar`:
/// the last index is the first element of a contiguous row.
static LogicalResult checkAccess(Operation *op, MemRefType memory,
                                 OperandRange indices, Value mask, Type element,
                                 std::optional<int64_t> rows, bool lastScalar) {
  if (memory.getElementType() != element)
    return op->emitOpError()
           << "accesses " << memory << " with elements of " << element;
  if (int64_t(indices.size()) != memory.getRank())
    return op->emitOpError()
           << "has " << indices.size() << " indices for " << memory;
  auto checkRows = [&](StringRef what, Type type) -> LogicalResult {
    auto tile = dyn_cast<RankedTensorType>(type);
    if (!tile || (rows && tile.getDimSize(0) == *rows))
      return success();
    return op->emitOpError()
           << what << " is " << type << ", expected "
           << (rows ? std::to_string(*rows) : std::string("no row index"))
           << (rows ? " elements" : "");
  };
  for (Value index : indices)
    if (failed(checkRows("index", index.getType())))
      return failure();
  if (mask && failed(checkRows("mask", mask.getType())))
    return failure();
  if (lastScalar && !indices.empty() && !indices.back().getType().isIndex())
    return op->emitOpError() << "last index is " << indices.back().getType()
                             << ", expected index";
  return success();
}

static LogicalResult checkRowAccess(Operation *op, MemRefType memory,
                                    OperandRange indices, Value mask,
                                    RankedTensorType tile) {
  if (tile.getRank() != 1 && tile.getRank() != 2)
    return op->emitOpError() << "accesses a tile of rank " << tile.getRank()
                             << ", expected 1 or 2";
  std::optional<int64_t> rows;
  if (tile.getRank() == 2)
    rows = tile.getDimSize(0);
  return checkAccess(op, memory, indices, mask, tile.getElementType(), rows,
                     /*lastScalar=*/true);
}

LogicalResult LoadOp::verify() {
  return checkRowAccess(*this, cast<MemRefType>(getMemory().getType()),
                        getIndices(), getMask(), tileType(getResult()));
}

LogicalResult StoreOp::verify() {
  return checkRowAccess(*this, cast<MemRefType>(getMemory().getType()),
                        getIndices(), getMask(), tileType(getValue()));
}

LogicalResult GatherOp::verify() {
  RankedTensorType tile = tileType(getResult());
  return checkAccess(*this, cast<MemRefType>(getMemory().getType()),
                     getIndices(), getMask(), tile.getElementType(),
                     tile.getDimSize(0), /*lastScalar=*/false);
}

LogicalResult ScatterOp::verify() {
  RankedTensorType tile = tileType(getValue());
  return checkAccess(*this, cast<MemRefType>(getMemory().getType()),
                     getIndices(), getMask(), tile.getElementType(),
                     tile.getDimSize(0), /*lastScalar=*/false);
}

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

void LoadOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getMemoryMutable());
}

void GatherOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getMemoryMutable());
}

void StoreOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), &getMemoryMutable());
}

void ScatterOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), &getMemoryMutable());
}

//===----------------------------------------------------------------------===//
// Records
//===----------------------------------------------------------------------===//

/// A record is read from pages at [block, head] or from a slot of its part.
static LogicalResult checkSource(Operation *op, Type source, size_t indices,
                                 FormatAttr format, RecordPart part) {
  if (auto slot = dyn_cast<SlotType>(source)) {
    if (indices)
      return op->emitOpError() << "has " << indices << " indices for a slot";
    if (slot.getFormat() != format || slot.getPart() != part)
      return op->emitOpError() << "reads the " << stringifyRecordPart(part)
                               << " part of " << format << " from " << slot;
    return success();
  }
  if (cast<MemRefType>(source).getRank() != 3 || indices != 2)
    return op->emitOpError()
           << "expected pages of rank 3 with the indices [block, head]";
  return success();
}

static RecordPart partOf(RecordField field) {
  return field < RecordField::ValueChannel ? RecordPart::Key
                                           : RecordPart::Value;
}

LogicalResult LoadVectorOp::verify() {
  int64_t length = getFormat().get().vectorLength(toFormat(getField()));
  if (getResult().getType().getDimSize(0) > length)
    return emitOpError() << "loads " << getResult().getType().getDimSize(0)
                         << " elements of a vector of " << length;
  return checkSource(*this, getSource().getType(), getIndices().size(),
                     getFormat(), partOf(getField()));
}

/// Codes of a slot are read where they are used.
static LogicalResult checkUses(LoadCodesOp load) {
  SmallVector<Operation *> uses(load->getUsers());
  for (Operation *user : load->getUsers())
    if (isa<ExpandOp>(user))
      llvm::append_range(uses, user->getUsers());
  for (Operation *user : load.getSource().getUsers()) {
    auto copy = dyn_cast<AsyncCopyOp>(user);
    if (!copy || copy.getSlot() != load.getSource() || !comesBefore(load, copy))
      continue;
    for (Operation *use : uses)
      if (comesBefore(copy, use) ||
          shareLoopOutside(load->getParentRegion(), copy, use)) {
        InFlightDiagnostic error =
            load.emitOpError()
            << "is used by '" << use->getName()
            << "' behind a copy into its slot, expected all uses before";
        error.attachNote(copy.getLoc()) << "the copy";
        return error;
      }
  }
  return success();
}

LogicalResult LoadCodesOp::verify() {
  RankedTensorType type = tileType(getResult());
  bool key = getPart() == RecordPart::Key;
  if (type.getRank() != 2 ||
      type.getDimSize(key ? 0 : 1) != getFormat().getHeadDim() ||
      type.getDimSize(key ? 1 : 0) > getFormat().getGroup())
    return emitOpError() << "result is " << type << ", expected "
                         << (key ? "[head_dim, tokens]" : "[tokens, head_dim]");
  if (failed(checkUses(*this)))
    return failure();
  return checkSource(*this, getSource().getType(), getIndices().size(),
                     getFormat(), getPart());
}

/// That dimension `depthDim` of a matrix has whole bytes of one part's codes.
static LogicalResult checkBytes(Operation *op, RankedTensorType type,
                                int64_t depthDim, FormatAttr attr,
                                RecordPart recordPart) {
  ::kvarn::Format format = attr.get();
  ::kvarn::Part part = toFormat(recordPart);
  // The depth of a product with keys is channels, that with values tokens.
  bool key = recordPart == RecordPart::Key;
  if ((format.bitAxis(part) == ::kvarn::Axis::Channel) != key)
    return op->emitOpError()
           << "needs bytes whose codes a product sums, which those of " << attr
           << " are not";
  int64_t length = format.bitLength(part);
  int64_t unit = llvm::PowerOf2Ceil(format.topOfByte(part) + 1);
  if (type.getRank() != 2 || type.getDimSize(depthDim) > length ||
      type.getDimSize(depthDim) % unit)
    return op->emitOpError()
           << "has the tile " << type << ", expected a matrix whose dimension "
           << depthDim << " is a multiple of " << unit << ", at most "
           << length;
  return success();
}

LogicalResult ExpandOp::verify() {
  if (getResult().getType().getShape() != getCodes().getType().getShape())
    return emitOpError() << "changes the shape of " << getCodes().getType();
  if (auto load = getCodes().getDefiningOp<LoadCodesOp>();
      load && (load.getFormat() != getFormat() || load.getPart() != getPart()))
    return emitOpError() << "is for codes of part "
                         << stringifyRecordPart(getPart()) << " of "
                         << getFormat() << ", these are of part "
                         << stringifyRecordPart(load.getPart()) << " of "
                         << load.getFormat();
  if (getMode() == ExpandMode::Subnormal &&
      !getResult().getType().getElementType().isF16())
    return emitOpError() << "subnormal gives f16, not "
                         << getResult().getType();
  if (!getWholeBytes())
    return success();
  if (getMode() != ExpandMode::Subnormal)
    return emitOpError("whole_bytes is for subnormal");
  return checkBytes(*this, getResult().getType(), /*depthDim=*/0, getFormat(),
                    getPart());
}

LogicalResult SubtractTopOp::verify() {
  return checkBytes(*this, getResult().getType(), /*depthDim=*/1, getFormat(),
                    getPart());
}

LogicalResult ExpandScaleOp::verify() {
  int64_t length = getFormat().get().bitLength(toFormat(getPart()));
  if (getResult().getType().getDimSize(0) > length)
    return emitOpError() << "result is " << getResult().getType()
                         << ", expected at most " << length << " elements";
  return success();
}

static LogicalResult checkPages(Operation *op, Type pages) {
  if (cast<MemRefType>(pages).getRank() != 3)
    return op->emitOpError() << "expected pages of rank 3";
  return success();
}

LogicalResult StoreVectorOp::verify() {
  int64_t length = getFormat().get().vectorLength(toFormat(getField()));
  if (tileType(getValue()).getDimSize(0) != length)
    return emitOpError() << "stores " << tileType(getValue())
                         << " to a vector of " << length;
  return checkPages(*this, getPages().getType());
}

LogicalResult StoreCodesOp::verify() {
  int64_t expected[] = {getFormat().getGroup(), getFormat().getHeadDim()};
  if (tileType(getCodes()).getShape() != ArrayRef(expected))
    return emitOpError() << "stores " << tileType(getCodes())
                         << ", expected [group, head_dim]";
  return checkPages(*this, getPages().getType());
}

LogicalResult AsyncCopyOp::verify() {
  return checkPages(*this, getPages().getType());
}

void LoadVectorOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getSourceMutable());
}

void LoadCodesOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getSourceMutable());
}

void StoreVectorOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), &getPagesMutable());
}

void StoreCodesOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), &getPagesMutable());
}

void AsyncCopyOp::getEffects(Effects &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getPagesMutable());
  effects.emplace_back(MemoryEffects::Write::get(), &getSlotMutable());
}
