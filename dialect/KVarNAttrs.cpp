//===- KVarNAttrs.cpp - Format, schedule, target --------------------------===//

#include "dialect/KVarNDialect.h"
#include "dialect/ScheduleLimits.h"
#include "dialect/Targets.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::kvarn;

//===----------------------------------------------------------------------===//
// Fields: `name = value, ...` in a fixed order
//===----------------------------------------------------------------------===//

namespace {

/// Reads `<`, `name = value` pairs and `>`; every error names the field.
class FieldReader {
public:
  explicit FieldReader(AsmParser &parser) : parser(parser) {
    hasFailed |= bool(parser.parseLess());
  }

  void integer(StringRef name, int64_t &value) {
    if (key(name))
      hasFailed |= bool(parser.parseInteger(value));
  }

  void type(StringRef name, Type &value) {
    if (key(name))
      hasFailed |= bool(parser.parseType(value));
  }

  template <typename Enum>
  void keyword(StringRef name, Enum &value, StringRef known) {
    if (key(name))
      word(name, value, known);
  }

  /// Fields that may be missing, behind the others.
  void optionalInteger(StringRef name, int64_t &value) {
    if (optionalKey(name))
      hasFailed |= bool(parser.parseInteger(value));
  }

  template <typename Enum>
  void optionalKeyword(StringRef name, Enum &value, StringRef known) {
    if (optionalKey(name))
      word(name, value, known);
  }

  bool finish() {
    if (!hasFailed && afterComma) {
      parser.emitError(parser.getCurrentLocation())
          << "expected one of " << llvm::join(optional, ", ");
      return false;
    }
    return !hasFailed && succeeded(parser.parseGreater());
  }

private:
  bool key(StringRef name) {
    if (hasFailed)
      return false;
    if (!first && parser.parseComma())
      return !(hasFailed = true);
    first = false;
    if (parser.parseKeyword(name) || parser.parseEqual())
      return !(hasFailed = true);
    return true;
  }

  bool optionalKey(StringRef name) {
    optional.push_back(name);
    if (!hasFailed && !afterComma)
      afterComma = succeeded(parser.parseOptionalComma());
    if (hasFailed || !afterComma || failed(parser.parseOptionalKeyword(name)))
      return false;
    afterComma = false;
    hasFailed |= bool(parser.parseEqual());
    return !hasFailed;
  }

  template <typename Enum>
  void word(StringRef name, Enum &value, StringRef known) {
    StringRef found;
    SMLoc at = parser.getCurrentLocation();
    if (parser.parseKeyword(&found)) {
      hasFailed = true;
      return;
    }
    if (std::optional<Enum> parsed = symbolizeEnum<Enum>(found)) {
      value = *parsed;
      return;
    }
    parser.emitError(at) << "unknown " << name << " '" << found
                         << "', expected one of " << known;
    hasFailed = true;
  }

  AsmParser &parser;
  bool hasFailed = false, first = true, afterComma = false;
  SmallVector<StringRef> optional;
};

} // namespace

//===----------------------------------------------------------------------===//
// Format
//===----------------------------------------------------------------------===//

FormatAttr FormatAttr::get(MLIRContext *context, const ::kvarn::Format &f) {
  return get(context, f.keyBits, f.valueBits, f.group, f.headDim,
             static_cast<RecordLayout>(f.layout));
}

::kvarn::Format FormatAttr::get() const {
  return {getKeyBits(), getValueBits(), getGroup(), getHeadDim(),
          static_cast<::kvarn::Layout>(getLayout())};
}

Attribute FormatAttr::parse(AsmParser &parser, Type) {
  SMLoc at = parser.getCurrentLocation();
  ::kvarn::Format f;
  RecordLayout layout = RecordLayout::Reference;
  FieldReader fields(parser);
  fields.integer("key_bits", f.keyBits);
  fields.integer("value_bits", f.valueBits);
  fields.integer("group", f.group);
  fields.integer("head_dim", f.headDim);
  fields.keyword("layout", layout, "reference, mma16816");
  if (!fields.finish())
    return {};
  return parser.getChecked<FormatAttr>(at, parser.getContext(), f.keyBits,
                                       f.valueBits, f.group, f.headDim, layout);
}

void FormatAttr::print(AsmPrinter &printer) const {
  printer << "<key_bits = " << getKeyBits()
          << ", value_bits = " << getValueBits() << ", group = " << getGroup()
          << ", head_dim = " << getHeadDim()
          << ", layout = " << stringifyRecordLayout(getLayout()) << ">";
}

LogicalResult FormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t keyBits, int64_t valueBits,
                                 int64_t group, int64_t headDim,
                                 RecordLayout layout) {
  std::string error = ::kvarn::describeFormatError(
      {keyBits, valueBits, group, headDim, ::kvarn::Layout::Reference});
  if (!error.empty())
    return emitError() << error;
  return success();
}

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

Attribute ScheduleAttr::parse(AsmParser &parser, Type) {
  SMLoc at = parser.getCurrentLocation();
  int64_t rows = 0, tokens = 0, poolTokens = 0, warps = 0, splits = 0,
          registerRows = 0, registerColumns = 0, programs = 0;
  CopyMode copy = CopyMode::Direct;
  ExpandMode expand = ExpandMode::Convert;
  Team team = Team::Warp;
  QueryPlace query = QueryPlace::Registers;
  RowEnds ends = RowEnds::Kept;
  RecordLoops loops = RecordLoops::Two;
  RecordOrder order = RecordOrder::Forward;
  Type operand;
  FieldReader fields(parser);
  fields.integer("rows", rows);
  fields.integer("tokens", tokens);
  fields.integer("pool_tokens", poolTokens);
  fields.integer("warps", warps);
  fields.integer("splits", splits);
  fields.keyword("copy", copy, "direct, async");
  fields.keyword("expand", expand, "convert, subnormal");
  fields.type("operand", operand);
  fields.integer("register_rows", registerRows);
  fields.integer("register_columns", registerColumns);
  fields.optionalInteger("programs", programs);
  fields.optionalKeyword("team", team, "warp, warpgroup");
  fields.optionalKeyword("query", query, "registers, shared");
  fields.optionalKeyword("ends", ends, "kept, again");
  fields.optionalKeyword("loops", loops, "two, one");
  fields.optionalKeyword("order", order, "forward, backward");
  if (!fields.finish())
    return {};
  return parser.getChecked<ScheduleAttr>(
      at, parser.getContext(), rows, tokens, poolTokens, warps, splits, copy,
      expand, operand, registerRows, registerColumns, programs, team, query,
      ends, loops, order);
}

void ScheduleAttr::print(AsmPrinter &printer) const {
  printer << "<rows = " << getRows() << ", tokens = " << getTokens()
          << ", pool_tokens = " << getPoolTokens() << ", warps = " << getWarps()
          << ", splits = " << getSplits()
          << ", copy = " << stringifyCopyMode(getCopy())
          << ", expand = " << stringifyExpandMode(getExpand())
          << ", operand = " << getOperand()
          << ", register_rows = " << getRegisterRows()
          << ", register_columns = " << getRegisterColumns();
  if (getPrograms())
    printer << ", programs = " << getPrograms();
  if (getTeam() != Team::Warp)
    printer << ", team = " << stringifyTeam(getTeam());
  if (getQuery() != QueryPlace::Registers)
    printer << ", query = " << stringifyQueryPlace(getQuery());
  if (getEnds() != RowEnds::Kept)
    printer << ", ends = " << stringifyRowEnds(getEnds());
  if (getLoops() != RecordLoops::Two)
    printer << ", loops = " << stringifyRecordLoops(getLoops());
  if (getOrder() != RecordOrder::Forward)
    printer << ", order = " << stringifyRecordOrder(getOrder());
  printer << ">";
}

/// The instruction multiplies 64 rows, 16 of each warp, from tiles whose rows
/// are 128 bytes or more.
static LogicalResult
checkWarpgroup(function_ref<InFlightDiagnostic()> emitError, int64_t rows,
               int64_t tokens, int64_t poolTokens, int64_t warps,
               ExpandMode expand, Type operand) {
  if (warps != 4 && warps != 8)
    return emitError() << "warps is " << warps
                       << ", expected 4 or 8 with team = warpgroup";
  if (rows != 16 * warps)
    return emitError() << "rows is " << rows << ", expected 16 for each of the "
                       << warps << " warps with team = warpgroup";
  for (auto [name, value] :
       {std::pair("tokens", tokens), std::pair("pool_tokens", poolTokens)})
    if (value % 64)
      return emitError() << name << " is " << value
                         << ", expected a multiple of 64 with team = warpgroup";
  if (expand != ExpandMode::Convert || !operand.isF16())
    return emitError()
           << "team = warpgroup needs expand = convert and operand = f16";
  return success();
}

LogicalResult ScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t rows, int64_t tokens,
                                   int64_t poolTokens, int64_t warps,
                                   int64_t splits, CopyMode, ExpandMode expand,
                                   Type operand, int64_t registerRows,
                                   int64_t registerColumns, int64_t programs,
                                   Team team, QueryPlace query, RowEnds ends,
                                   RecordLoops, RecordOrder) {
  auto within = [&](StringRef name, int64_t value, int64_t limit,
                    int64_t least = 1) {
    if (value >= least && value <= limit)
      return success();
    return LogicalResult(emitError() << name << " is " << value << ", expected "
                                     << least << " to " << limit);
  };
  if (failed(within("rows", rows, 128)) ||
      failed(within("tokens", tokens, 128)) ||
      failed(within("pool_tokens", poolTokens, 128)) ||
      failed(within("warps", warps, 32)) ||
      failed(within("splits", splits, 1024, 0)) ||
      failed(within("programs", programs, kMaxPrograms, splits == 0 ? 1 : 0)) ||
      failed(within("register_rows", registerRows, 32)) ||
      failed(within("register_columns", registerColumns, 256)))
    return failure();
  if (!llvm::isPowerOf2_64(warps))
    return emitError() << "warps is " << warps << ", expected a power of two";
  // The order of codes repeats after 32 tokens at most; a step of a matrix
  // product is 16 deep. All groups are powers of two.
  for (auto [name, value, unit] : {std::tuple("tokens", tokens, 32),
                                   std::tuple("pool_tokens", poolTokens, 16)})
    if (value % unit || !llvm::isPowerOf2_64(value))
      return emitError() << name << " is " << value
                         << ", expected a power of two from " << unit << " on";
  if (!operand.isF16() && !operand.isF32())
    return emitError() << "operand is " << operand << ", expected f16 or f32";
  if (expand == ExpandMode::Subnormal && !operand.isF16())
    return emitError() << "expand = subnormal needs operand = f16";
  if (query == QueryPlace::Shared && (team != Team::Warp || !operand.isF16()))
    return emitError() << "query = shared needs team = warp and operand = f16";
  if (ends == RowEnds::Again && splits != 0)
    return emitError() << "ends = again needs splits = 0";
  if (team == Team::Warpgroup)
    return checkWarpgroup(emitError, rows, tokens, poolTokens, warps, expand,
                          operand);
  return success();
}

//===----------------------------------------------------------------------===//
// Target
//===----------------------------------------------------------------------===//

LogicalResult TargetAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 StringRef name) {
  if (findTarget(name))
    return success();
  return emitError() << "unknown target '" << name << "', expected one of "
                     << knownTargetNames();
}
