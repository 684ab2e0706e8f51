//===- TileDialect.cpp - Registration of level 2 --------------------------===//

#include "dialect/TileDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::tile;

#include "dialect/TileOpsDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/TileOpsAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/TileOpsTypes.cpp.inc"

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/TileOpsAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/TileOpsTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/TileOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Layouts as text
//===----------------------------------------------------------------------===//

static LogicalResult checkRank(function_ref<InFlightDiagnostic()> emitError,
                               int64_t rank) {
  if (rank >= 1 && rank <= 8)
    return success();
  return emitError() << "rank is " << rank << ", expected 1 to 8";
}

static void printBases(AsmPrinter &printer, StringRef name, int64_t rank,
                       ArrayRef<int64_t> flat) {
  printer << ", " << name << " = [";
  for (size_t i = 0; i < flat.size(); i += rank) {
    printer << (i ? ", (" : "(");
    llvm::interleaveComma(flat.slice(i, rank), printer);
    printer << ")";
  }
  printer << "]";
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << "<rank = " << getRank();
  printBases(printer, "registers", getRank(), getRegisters());
  printBases(printer, "lanes", getRank(), getLanes());
  printBases(printer, "warps", getRank(), getWarps());
  printer << ">";
}

static ParseResult parseBases(AsmParser &parser, StringRef name, int64_t rank,
                              SmallVector<int64_t> &flat) {
  auto vector = [&]() -> ParseResult {
    llvm::SMLoc place = parser.getCurrentLocation();
    size_t before = flat.size();
    auto coordinate = [&] { return parser.parseInteger(flat.emplace_back()); };
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, coordinate))
      return failure();
    if (int64_t(flat.size() - before) != rank)
      return parser.emitError(place)
             << "expected " << rank << " coordinates, got "
             << flat.size() - before;
    return success();
  };
  return failure(
      parser.parseComma() || parser.parseKeyword(name) || parser.parseEqual() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, vector));
}

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  int64_t rank;
  SmallVector<int64_t> registers, lanes, warps;
  llvm::SMLoc place = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeyword("rank") ||
      parser.parseEqual() || parser.parseInteger(rank))
    return {};
  if (failed(checkRank([&] { return parser.emitError(place); }, rank)))
    return {};
  if (parseBases(parser, "registers", rank, registers) ||
      parseBases(parser, "lanes", rank, lanes) ||
      parseBases(parser, "warps", rank, warps) || parser.parseGreater())
    return {};
  return parser.getChecked<LayoutAttr>(place, parser.getContext(), rank,
                                       registers, lanes, warps);
}

//===----------------------------------------------------------------------===//
// Verification of layouts
//===----------------------------------------------------------------------===//

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t rank, ArrayRef<int64_t> registers,
                                 ArrayRef<int64_t> lanes,
                                 ArrayRef<int64_t> warps) {
  if (failed(checkRank(emitError, rank)))
    return failure();
  SmallVector<int64_t> seen(rank);
  auto check = [&](ArrayRef<int64_t> flat, bool copies) -> LogicalResult {
    if (flat.size() % rank)
      return emitError() << "expected vectors of " << rank << " coordinates";
    if (flat.size() / rank > 16)
      return emitError() << "more than 16 vectors of one kind";
    for (size_t i = 0; i < flat.size(); i += rank) {
      int64_t set = 0;
      for (int64_t dim = 0; dim < rank; ++dim) {
        int64_t value = flat[i + dim];
        if (value == 0)
          continue;
        if (value < 0 || !llvm::isPowerOf2_64(value) || ++set > 1)
          return emitError()
                 << "expected vectors of zeros and at most one power of two";
        if (seen[dim] & value)
          return emitError()
                 << "two vectors add " << value << " to dimension " << dim;
        seen[dim] |= value;
      }
      if (!set && !copies)
        return emitError() << "a register bit must add something";
    }
    return success();
  };
  return failure(failed(check(registers, false)) ||
                 failed(check(lanes, true)) || failed(check(warps, true)));
}

LogicalResult
LayoutAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                           function_ref<InFlightDiagnostic()> emitError) const {
  if (int64_t(shape.size()) != getRank())
    return emitError() << "layout of rank " << getRank()
                       << " on a tile of rank " << shape.size();
  SmallVector<int64_t> sum(shape.size(), 1);
  for (ArrayRef<int64_t> flat : {getRegisters(), getLanes(), getWarps()})
    for (auto [i, value] : llvm::enumerate(flat))
      sum[i % shape.size()] += value;
  if (ArrayRef(sum) != shape)
    return emitError() << "layout covers [" << sum << "], expected the shape ["
                       << shape << "]";
  return success();
}
