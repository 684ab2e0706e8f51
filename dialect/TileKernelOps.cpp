//===- TileKernelOps.cpp - Kernels, launches, warps -----------------------===//

#include "dialect/Names.h"
#include "dialect/TileDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

//===----------------------------------------------------------------------===//
// kernel
//===----------------------------------------------------------------------===//

void KernelOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                     FunctionType type, ScheduleAttr schedule) {
  state.addAttribute(getSymNameAttrName(state.name),
                     builder.getStringAttr(name));
  state.addAttribute(getFunctionTypeAttrName(state.name), TypeAttr::get(type));
  if (schedule)
    state.addAttribute(getScheduleAttrName(state.name), schedule);
  Block *body = new Block;
  state.addRegion()->push_back(body);
  for (Type input : type.getInputs())
    body->addArgument(input, state.location);
}

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto makeType = [](Builder &builder, ArrayRef<Type> arguments,
                     ArrayRef<Type> results,
                     function_interface_impl::VariadicFlag, std::string &) {
    return builder.getFunctionType(arguments, results);
  };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false,
      getFunctionTypeAttrName(result.name), makeType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void KernelOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(
      printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
      getArgAttrsAttrName(), getResAttrsAttrName());
}

/// Passes look at elements one by one.
static LogicalResult checkConstants(KernelOp kernel) {
  WalkResult result = kernel.getBody().walk([](Operation *op) -> WalkResult {
    for (NamedAttribute attribute : op->getAttrs())
      if (isa<ElementsAttr>(attribute.getValue()) &&
          !isa<DenseArrayAttr, DenseElementsAttr>(attribute.getValue()))
        return op->emitOpError("has elements that are not dense");
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult KernelOp::verify() {
  if (!isName(getSymName()))
    return emitOpError() << "is called '" << getSymName() << "', expected "
                         << kNameRule;
  if (!getFunctionType().getResults().empty())
    return emitOpError() << "returns " << getFunctionType().getResults().size()
                         << " values, expected none";
  for (auto [i, type] : llvm::enumerate(getFunctionType().getInputs())) {
    if (type.isF32() || type.isInteger(32) || type.isInteger(64))
      continue;
    auto memref = dyn_cast<MemRefType>(type);
    SmallVector<int64_t> strides;
    int64_t offset;
    if (!memref || failed(getStridesAndOffset(memref, strides, offset)) ||
        (!strides.empty() && strides.back() != 1) || offset != 0)
      return emitOpError() << "argument " << i << " is " << type
                           << ", expected f32, i32, i64 or a memref without "
                              "offset whose last stride is 1";
  }
  return checkConstants(*this);
}

/// What all warps do together cannot stand where each does something else.
static LogicalResult checkOutsideWarps(Operation *op) {
  if (op->getParentOfType<WarpsOp>())
    return op->emitOpError("stands in a region of tile.warps");
  return success();
}

LogicalResult ArriveOp::verify() { return checkOutsideWarps(*this); }

LogicalResult BeginNextOp::verify() { return checkOutsideWarps(*this); }

LogicalResult AwaitPreviousOp::verify() {
  for (Operation *before = (*this)->getPrevNode(); before;
       before = before->getPrevNode()) {
    WalkResult result = before->walk([&](Operation *op) -> WalkResult {
      if (isa<StoreOp, ScatterOp, StoreVectorOp, StoreCodesOp, ArriveOp,
              BeginNextOp, AwaitPreviousOp>(op))
        return emitOpError()
               << "stands behind '" << op->getName()
               << "', expected nothing that stores, nor that launches wait for";
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
  }
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel =
      symbols.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel)
    return emitOpError() << "no kernel is called '" << getKernel() << "'";
  if (kernel.getFunctionType().getInputs() != getArguments().getTypes())
    return emitOpError() << "argument types differ from those of kernel '"
                         << getKernel() << "': expected "
                         << kernel.getFunctionType();
  return success();
}

LogicalResult CheckShapeOp::verify() {
  int64_t rank = cast<MemRefType>(getMemory().getType()).getRank();
  if (int64_t(getExtents().size()) != rank)
    return emitOpError() << "has " << getExtents().size() << " extents for "
                         << getMemory().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// warps
//===----------------------------------------------------------------------===//

static RankedTensorType stackedType(int64_t count, Type yielded) {
  auto type = cast<RankedTensorType>(yielded);
  SmallVector<int64_t> shape = {count};
  llvm::append_range(shape, type.getShape());
  return RankedTensorType::get(shape, type.getElementType());
}

void WarpsOp::build(OpBuilder &builder, OperationState &state, int64_t count,
                    TypeRange yielded) {
  state.addAttribute(getCountAttrName(state.name),
                     builder.getI64IntegerAttr(count));
  for (Type type : yielded)
    state.addTypes(stackedType(count, type));
  Block *body = new Block;
  body->addArgument(builder.getIndexType(), state.location);
  state.addRegion()->push_back(body);
}

ParseResult WarpsOp::parse(OpAsmParser &parser, OperationState &result) {
  IntegerAttr count;
  OpAsmParser::Argument warp;
  SmallVector<Type> types;
  Builder &builder = parser.getBuilder();
  if (parser.parseAttribute(count, builder.getIntegerType(64),
                            getCountAttrName(result.name), result.attributes) ||
      parser.parseLParen() || parser.parseArgument(warp) ||
      parser.parseRParen())
    return failure();
  warp.type = builder.getIndexType();
  if (succeeded(parser.parseOptionalArrow()) &&
      (parser.parseLParen() || parser.parseTypeList(types) ||
       parser.parseRParen()))
    return failure();
  result.addTypes(types);
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, {warp}))
    return failure();
  WarpsOp::ensureTerminator(*body, builder, result.location);
  return parser.parseOptionalAttrDict(result.attributes);
}

void WarpsOp::print(OpAsmPrinter &printer) {
  printer << " " << getCount() << " (";
  printer.printRegionArgument(getWarp(), {}, /*omitType=*/true);
  printer << ")";
  if (getNumResults())
    printer << " -> (" << getResultTypes() << ")";
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false,
                      /*printBlockTerminators=*/getNumResults() != 0);
  printer.printOptionalAttrDict((*this)->getAttrs(), {getCountAttrName()});
}

LogicalResult WarpsOp::verifyRegions() {
  // After the traits have checked that the terminator is a yield.
  if (getBody().getNumArguments() != 1 || !getWarp().getType().isIndex())
    return emitOpError() << "expected one region argument of type index";
  if (failed(checkOutsideWarps(*this)))
    return failure();
  if (getCount() < 1 || getCount() > 32)
    return emitOpError() << "count is " << getCount() << ", expected 1 to 32";
  auto yield = cast<YieldOp>(getBody().front().getTerminator());
  if (yield.getNumOperands() != getNumResults())
    return emitOpError() << "yields " << yield.getNumOperands()
                         << " values for " << getNumResults() << " results";
  for (auto [value, result] : llvm::zip(yield.getValues(), getResults())) {
    auto want = stackedType(getCount(), value.getType());
    auto type = cast<RankedTensorType>(result.getType());
    if (type.getShape() != want.getShape() ||
        type.getElementType() != want.getElementType())
      return emitOpError() << "result is " << result.getType() << ", expected "
                           << want;
  }
  return success();
}
