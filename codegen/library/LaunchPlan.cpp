//===- LaunchPlan.cpp - A host function as data ---------------------------===//

#include "codegen/library/LaunchPlan.h"

#include "dialect/ScheduleLimits.h"
#include "dialect/TileDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;
using ::kvarn::DType;
using ::kvarn::Rule;
using ::kvarn::Variant;

namespace {

class Planner {
public:
  explicit Planner(func::FuncOp host) : host(host) {}
  FailureOr<Variant> run();

private:
  LogicalResult addParameter(BlockArgument argument);
  void addCounters();
  LogicalResult addBuffer(memref::AllocOp alloc);
  LogicalResult addCheck(tile::CheckShapeOp check);
  LogicalResult addLaunch(tile::LaunchOp launch);
  FailureOr<Rule> rule(Value value);
  FailureOr<Rule> binaryRule(Operation *op);
  FailureOr<Rule> dimRule(memref::DimOp op);

  func::FuncOp host;
  Variant variant;
  DenseMap<Value, std::string> names;
  int64_t terms = 0;
};

constexpr int64_t kMaxTerms = 4096;
constexpr const char *kCounters = "buffer0";

} // namespace

static std::optional<DType> dtypeOf(Type type) {
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (type.isF32())
    return DType::F32;
  if (type.isInteger(8))
    return DType::I8;
  if (type.isInteger(32))
    return DType::I32;
  if (type.isInteger(64))
    return DType::I64;
  return std::nullopt;
}

LogicalResult Planner::addParameter(BlockArgument argument) {
  unsigned number = argument.getArgNumber();
  ::kvarn::Parameter parameter;
  parameter.name = "arg" + std::to_string(number);
  if (auto name = host.getArgAttrOfType<StringAttr>(number, kNameAttr))
    parameter.name = name.str();
  parameter.output = bool(host.getArgAttr(number, kOutputAttr));
  Type element = argument.getType();
  if (auto memref = dyn_cast<MemRefType>(element)) {
    element = memref.getElementType();
    for (int64_t extent : memref.getShape())
      parameter.shape.push_back(ShapedType::isDynamic(extent) ? -1 : extent);
  } else {
    parameter.kind = ::kvarn::Parameter::Kind::Scalar;
  }
  std::optional<DType> dtype = dtypeOf(element);
  if (!dtype)
    return host.emitError()
           << "argument " << number << " is " << argument.getType()
           << ", expected f16, bf16, f32, i8, i32 or i64 "
              "elements";
  parameter.dtype = *dtype;
  auto isTaken = [&](const ::kvarn::Parameter &other) {
    return other.name == parameter.name;
  };
  if (llvm::any_of(variant.parameters, isTaken))
    return host.emitError()
           << "has two arguments called '" << parameter.name << "'";
  names[argument] = parameter.name;
  variant.parameters.push_back(std::move(parameter));
  return success();
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

FailureOr<Rule> Planner::dimRule(memref::DimOp op) {
  std::optional<int64_t> dimension = op.getConstantIndex();
  if (!dimension)
    return op.emitError() << "expected a constant dimension";
  Value source = op.getSource();
  while (auto cast = source.getDefiningOp<memref::CastOp>())
    source = cast.getSource();
  if (auto alloc = source.getDefiningOp<memref::AllocOp>()) {
    MemRefType type = alloc.getType();
    if (!type.isDynamicDim(*dimension))
      return Rule(type.getDimSize(*dimension));
    return rule(alloc.getDynamicSizes()[type.getDynamicDimIndex(*dimension)]);
  }
  auto name = names.find(source);
  if (name == names.end())
    return op.emitError() << "expected the extent of an argument";
  return Rule::dim(name->second, *dimension);
}

FailureOr<Rule> Planner::binaryRule(Operation *op) {
  auto kind = TypeSwitch<Operation *, std::optional<Rule::Kind>>(op)
                  .Case([](arith::AddIOp) { return Rule::Kind::Add; })
                  .Case([](arith::MulIOp) { return Rule::Kind::Mul; })
                  .Case<arith::MaxSIOp, arith::MaxUIOp>(
                      [](auto) { return Rule::Kind::Max; })
                  .Case<arith::MinSIOp, arith::MinUIOp>(
                      [](auto) { return Rule::Kind::Min; })
                  .Case<arith::CeilDivSIOp, arith::CeilDivUIOp>(
                      [](auto) { return Rule::Kind::CeilDiv; })
                  .Case<arith::FloorDivSIOp, arith::DivUIOp, arith::DivSIOp>(
                      [](auto) { return Rule::Kind::FloorDiv; })
                  .Default([](Operation *) { return std::nullopt; });
  if (!kind)
    return op->emitError()
           << "'" << op->getName()
           << "' cannot be a launch rule, expected extents, constants, +, *, "
              "min, max or a division";
  FailureOr<Rule> a = rule(op->getOperand(0)), b = rule(op->getOperand(1));
  if (failed(a) || failed(b))
    return failure();
  return Rule::binary(*kind, *a, *b);
}

FailureOr<Rule> Planner::rule(Value value) {
  // A value that is used twice is written twice.
  if (++terms > kMaxTerms)
    return host.emitError()
           << "has launch rules of more than " << kMaxTerms << " terms";
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return Rule(constant.getSExtValue());
  if (auto argument = dyn_cast<BlockArgument>(value))
    return Rule::param(names.lookup(argument));
  Operation *op = value.getDefiningOp();
  if (auto dim = dyn_cast<memref::DimOp>(op))
    return dimRule(dim);
  if (isa<tile::MultiprocessorsOp>(op))
    return Rule::device("sm_count");
  if (auto cast = dyn_cast<arith::IndexCastOp>(op))
    return rule(cast.getIn());
  return binaryRule(op);
}

//===----------------------------------------------------------------------===//
// Buffers and launches
//===----------------------------------------------------------------------===//

/// A workspace may serve several programs by turns, and its first bytes stay 0
/// for those that count: whoever has a buffer keeps away from there.
void Planner::addCounters() {
  bool any = false;
  host.walk([&](Operation *op) {
    any |= isa<memref::AllocOp, tile::CountersOp>(op);
    if (isa<tile::CountersOp>(op))
      names[op->getResult(0)] = kCounters;
  });
  if (any)
    variant.buffers.push_back(
        {kCounters,
         DType::I32,
         {Rule::binary(Rule::Kind::Mul, Rule::device("sm_count"),
                       Rule(kMaxPrograms))}});
}

LogicalResult Planner::addBuffer(memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  std::optional<DType> dtype = dtypeOf(type.getElementType());
  if (!dtype || !type.getLayout().isIdentity())
    return alloc.emitError() << "cannot allocate " << type;
  ::kvarn::Buffer buffer;
  buffer.name = "buffer" + std::to_string(variant.buffers.size());
  buffer.dtype = *dtype;
  auto dynamic = alloc.getDynamicSizes().begin();
  for (int64_t extent : type.getShape()) {
    FailureOr<Rule> size = Rule(extent);
    if (ShapedType::isDynamic(extent))
      size = rule(*dynamic++);
    if (failed(size))
      return failure();
    buffer.shape.push_back(*size);
  }
  names[alloc] = buffer.name;
  variant.buffers.push_back(std::move(buffer));
  return success();
}

LogicalResult Planner::addCheck(tile::CheckShapeOp op) {
  if (!isa<BlockArgument>(op.getMemory()))
    return op.emitOpError() << "expected an argument of the function";
  const std::string &name = names[op.getMemory()];
  MemRefType type = cast<MemRefType>(op.getMemory().getType());
  for (auto [i, extent] : llvm::enumerate(op.getExtents())) {
    FailureOr<Rule> expected = rule(extent);
    if (failed(expected))
      return failure();
    // Static extents are part of the parameter's type.
    if (type.isDynamicDim(i) && *expected != Rule::dim(name, i))
      variant.checks.push_back({name, int64_t(i), *expected});
  }
  return success();
}

LogicalResult Planner::addLaunch(tile::LaunchOp op) {
  ::kvarn::Launch launch;
  launch.entry = op.getKernel().str();
  Value grid[] = {op.getGridX(), op.getGridY(), op.getGridZ()};
  for (auto [extent, value] : llvm::zip(launch.grid, grid)) {
    FailureOr<Rule> size = rule(value);
    if (failed(size))
      return failure();
    extent = *size;
  }
  for (Value argument : op.getArguments()) {
    auto name = names.find(argument);
    if (name == names.end())
      return op.emitError()
             << "expected arguments of the function or buffers to launch with";
    launch.arguments.push_back(name->second);
  }
  variant.launches.push_back(std::move(launch));
  return success();
}

FailureOr<Variant> Planner::run() {
  if (!llvm::hasSingleElement(host.getBody()) || host.getNumResults())
    return host.emitError()
           << "expected a function of one block that returns nothing";
  for (BlockArgument argument : host.getArguments())
    if (failed(addParameter(argument)))
      return failure();
  addCounters();
  for (Operation &op : host.getBody().front().without_terminator()) {
    if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
      if (failed(addBuffer(alloc)))
        return failure();
    } else if (auto cast = dyn_cast<memref::CastOp>(op);
               cast && names.count(cast.getSource())) {
      names[cast] = names[cast.getSource()];
    } else if (auto check = dyn_cast<tile::CheckShapeOp>(op)) {
      if (failed(addCheck(check)))
        return failure();
    } else if (auto launch = dyn_cast<tile::LaunchOp>(op)) {
      if (failed(addLaunch(launch)))
        return failure();
    } else if (!isa<memref::DimOp, tile::MultiprocessorsOp, tile::CountersOp>(
                   op) &&
               !isa<arith::ArithDialect>(op.getDialect())) {
      return op.emitError() << "'" << op.getName()
                            << "' cannot stand in a host function, expected "
                               "extents, integer arithmetic, memref.alloc, "
                               "tile.counters, tile.check_shape or "
                               "tile.launch";
    }
  }
  if (variant.launches.empty())
    return host.emitError() << "launches nothing";
  return std::move(variant);
}

FailureOr<Variant> mlir::kvarn::planLaunches(func::FuncOp host) {
  return Planner(host).run();
}
