//===- KVarNAttrs.cpp - Format, schedule, target --------------------------===//

#include "dialect/KVarNDialect.h"
#include "dialect/Targets.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

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
    failed |= bool(parser.parseLess());
  }

  void integer(StringRef name, int64_t &value) {
    if (key(name))
      failed |= bool(parser.parseInteger(value));
  }

  /// The last field, which may be missing.
  void lastInteger(StringRef name, int64_t &value) {
    if (!failed && succeeded(parser.parseOptionalComma()))
      failed |= parser.parseKeyword(name) || parser.parseEqual() ||
                parser.parseInteger(value);
  }

  void type(StringRef name, Type &value) {
    if (key(name))
      failed |= bool(parser.parseType(value));
  }

  template <typename Enum>
  void keyword(StringRef name, Enum &value, StringRef known) {
    StringRef word;
    SMLoc at;
    if (!key(name))
      return;
    at = parser.getCurrentLocation();
    if (parser.parseKeyword(&word)) {
      failed = true;
      return;
    }
    if (std::optional<Enum> parsed = symbolizeEnum<Enum>(word)) {
      value = *parsed;
      return;
    }
    parser.emitError(at) << "unknown " << name << " '" << word
                         << "', expected one of " << known;
    failed = true;
  }

  bool finish() { return !failed && succeeded(parser.parseGreater()); }

private:
  bool key(StringRef name) {
    if (failed)
      return false;
    if (!first && parser.parseComma())
      return !(failed = true);
    first = false;
    if (parser.parseKeyword(name) || parser.parseEqual())
      return !(failed = true);
    return true;
  }

  AsmParser &parser;
  bool failed = false, first = true;
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
  fields.lastInteger("programs", programs);
  if (!fields.finish())
    return {};
  return parser.getChecked<ScheduleAttr>(
      at, parser.getContext(), rows, tokens, poolTokens, warps, splits, copy,
      expand, operand, registerRows, registerColumns, programs);
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
  printer << ">";
}

LogicalResult ScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t rows, int64_t tokens,
                                   int64_t poolTokens, int64_t warps,
                                   int64_t splits, CopyMode, ExpandMode expand,
                                   Type operand, int64_t registerRows,
                                   int64_t registerColumns, int64_t programs) {
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
      failed(within("programs", programs, 32, splits == 0 ? 1 : 0)) ||
      failed(within("register_rows", registerRows, 32)) ||
      failed(within("register_columns", registerColumns, 256)))
    return failure();
  // The order of codes repeats after 32 tokens at most; a step of a matrix
  // product is 16 deep.
  for (auto [name, value, unit] : {std::tuple("tokens", tokens, 32),
                                   std::tuple("pool_tokens", poolTokens, 16)})
    if (value % unit)
      return emitError() << name << " is " << value
                         << ", expected a multiple of " << unit;
  if (!operand.isF16() && !operand.isF32())
    return emitError() << "operand is " << operand << ", expected f16 or f32";
  if (expand == ExpandMode::Subnormal && !operand.isF16())
    return emitError() << "expand = subnormal needs operand = f16";
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
