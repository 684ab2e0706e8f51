//===- Programs.cpp - Level-1 programs from a format name -----------------===//

#include "passes/Programs.h"

#include "passes/Tiling.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;

static constexpr StringRef kKernels[] = {
    "attend", "append", "flush", "pack", "unflush", "materialize", "relayout"};

ArrayRef<StringRef> mlir::kvarn::knownKernels() { return kKernels; }

ArrayRef<StringRef> mlir::kvarn::servingKernels() {
  return ArrayRef(kKernels).drop_back();
}

namespace {

/// Builds one function: parameters are named and typed as they are used first.
class ProgramBuilder {
public:
  ProgramBuilder(MLIRContext *context, const Model &model, StringRef name)
      : builder(context), loc(builder.getUnknownLoc()), model(model),
        module(ModuleOp::create(loc)) {
    OpBuilder at = OpBuilder::atBlockEnd(module->getBody());
    function =
        at.create<func::FuncOp>(loc, name, builder.getFunctionType({}, {}));
    builder.setInsertionPointToStart(function.addEntryBlock());
    half = model.bfloat16 ? Type(builder.getBF16Type()) : builder.getF16Type();
  }

  void attend();
  void append();
  void flush();
  void pack();
  void unflush();
  void materialize();
  void relayout();

  OwningOpRef<ModuleOp> take() { return std::move(module); }

private:
  Value parameter(StringRef name, Type type) {
    function.insertArgument(function.getNumArguments(), type,
                            builder.getDictionaryAttr(builder.getNamedAttr(
                                kNameAttr, builder.getStringAttr(name))),
                            loc);
    return function.getArguments().back();
  }
  Type tensor(ArrayRef<int64_t> shape, Type element) {
    return RankedTensorType::get(shape, element);
  }
  Type ints(int64_t rank) {
    return tensor(SmallVector<int64_t>(rank, any), builder.getI32Type());
  }
  /// The list of a kernel that works on pairs, and its length.
  std::pair<Value, Value> pairs() {
    Value list = parameter("pairs", tensor({any, 2}, builder.getI32Type()));
    return {list, parameter("count", tensor({1}, builder.getI32Type()))};
  }
  Value cache() { return cache(model.format, ""); }
  Value cache(const ::kvarn::Format &format, const std::string &prefix);
  Value rotate(Value x) { return builder.create<RotateOp>(loc, x); }
  void finish(ValueRange results, ArrayRef<StringRef> names);

  static constexpr int64_t any = ShapedType::kDynamic;
  OpBuilder builder;
  Location loc;
  const Model &model;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  Type half;
};

} // namespace

/// `prefix` is that of the parameters' names.
Value ProgramBuilder::cache(const ::kvarn::Format &format,
                            const std::string &prefix) {
  auto type = CacheType::get(builder.getContext(),
                             FormatAttr::get(builder.getContext(), format));
  Type pool =
      tensor({any, format.group, any, format.headDim}, builder.getF16Type());
  auto named = [&](const char *name, Type type) {
    return parameter(prefix + name, type);
  };
  Value pages = named("pages", tensor({any, any, any}, builder.getI8Type()));
  Value poolK = named("pool_k", pool), poolV = named("pool_v", pool);
  Value table = named("block_table", ints(2));
  Value slots = named("block_to_slot", ints(1));
  Value lengths = named("seq_lens", ints(1));
  return builder.create<CacheOp>(loc, type, pages, poolK, poolV, table, slots,
                                 lengths);
}

void ProgramBuilder::finish(ValueRange results, ArrayRef<StringRef> names) {
  builder.create<func::ReturnOp>(loc, results);
  function.setType(builder.getFunctionType(
      function.getBody().getArgumentTypes(), results.getTypes()));
  for (auto [i, name] : llvm::enumerate(names))
    function.setResultAttr(i, kNameAttr, builder.getStringAttr(name));
}

void ProgramBuilder::attend() {
  int64_t depth = model.format.headDim;
  Type rows = tensor({any, any, depth}, half);
  Value q = parameter("q", rows);
  Value starts = parameter("query_start", ints(1));
  Value cached = cache();
  Value lengths = cached.getDefiningOp<CacheOp>().getSeqLens();
  Value scale = parameter("scale", builder.getF32Type());
  Value window, softcap, sinks;
  if (model.window)
    window = parameter("window", builder.getI32Type());
  if (model.softcap)
    softcap = parameter("softcap", builder.getF32Type());
  if (model.sinks)
    sinks = parameter("sinks", tensor({any}, builder.getF32Type()));
  Value newK, newV;
  if (model.newTokens) {
    newK = rotate(parameter("new_k", rows));
    newV = rotate(parameter("new_v", rows));
  }
  SmallVector<Type> types = {rows};
  if (model.lse)
    types.push_back(tensor({any, any}, builder.getF32Type()));

  if (model.queryTokens != 1)
    function->setAttr(kQueryTokensAttr,
                      builder.getI64IntegerAttr(model.queryTokens));
  Value rotated = rotate(q);
  Type dense = tensor({any, any, any, depth}, half);
  auto kv = builder.create<DequantizeOp>(loc, dense, dense, cached);
  auto attention = builder.create<AttentionOp>(
      loc, types, rotated, kv.getK(), kv.getV(), starts, lengths, scale, window,
      softcap, sinks, newK, newV, model.causal, model.ratio);
  SmallVector<Value> results = {rotate(attention.getOut())};
  if (model.lse)
    results.push_back(attention.getLse());
  finish(results, ArrayRef<StringRef>{"out", "lse"}.take_front(results.size()));
}

void ProgramBuilder::append() {
  Type rows = tensor({any, any, model.format.headDim}, half);
  Value k = parameter("k", rows), v = parameter("v", rows);
  Value mapping =
      parameter("slot_mapping", tensor({any}, builder.getI64Type()));
  Value cached = cache();
  Value rotatedK = rotate(k), rotatedV = rotate(v);
  Value updated = builder.create<AppendOp>(loc, rotatedK, rotatedV, mapping,
                                           cached, /*rotate=*/false);
  finish(updated, {});
}

void ProgramBuilder::flush() {
  auto [list, count] = pairs();
  Value cached = cache();
  Value updated = builder.create<FlushOp>(
      loc, list, count, cached, model.iterations, model.prescale, model.range);
  finish(updated, {});
}

void ProgramBuilder::pack() {
  Type rows = tensor({any, any, model.format.headDim}, half);
  Value k = parameter("k", rows), v = parameter("v", rows);
  auto [list, count] = pairs();
  Value cached = cache();
  Value rotatedK = rotate(k), rotatedV = rotate(v);
  Value updated = builder.create<PackOp>(
      loc, rotatedK, rotatedV, list, count, cached, /*rotate=*/false,
      model.iterations, model.prescale, model.range);
  finish(updated, {});
}

void ProgramBuilder::unflush() {
  auto [list, count] = pairs();
  Value updated = builder.create<UnflushOp>(loc, list, count, cache());
  finish(updated, {});
}

void ProgramBuilder::materialize() {
  Value cached = cache();
  Type dense = tensor({any, any, any, model.format.headDim}, half);
  auto kv = builder.create<DequantizeOp>(loc, dense, dense, cached);
  SmallVector<Value> results = {kv.getK(), kv.getV()};
  if (model.frame == Frame::Original)
    for (Value &result : results)
      result = rotate(result);
  finish(results, {"k_out", "v_out"});
}

void ProgramBuilder::relayout() {
  auto [list, count] = pairs();
  ::kvarn::Format from = model.format;
  from.layout = model.sourceLayout;
  Value source = cache(from, "source_"), target = cache();
  Value updated = builder.create<RelayoutOp>(loc, list, count, source, target);
  finish(updated, {});
}

OwningOpRef<ModuleOp> mlir::kvarn::buildProgram(MLIRContext *context,
                                                const Model &model,
                                                StringRef kernel) {
  context->loadDialect<KVarNDialect, func::FuncDialect>();
  ProgramBuilder program(context, model, kernel);
  using Build = void (ProgramBuilder::*)();
  Build build = llvm::StringSwitch<Build>(kernel)
                    .Case("attend", &ProgramBuilder::attend)
                    .Case("append", &ProgramBuilder::append)
                    .Case("flush", &ProgramBuilder::flush)
                    .Case("pack", &ProgramBuilder::pack)
                    .Case("unflush", &ProgramBuilder::unflush)
                    .Case("materialize", &ProgramBuilder::materialize)
                    .Case("relayout", &ProgramBuilder::relayout);
  (program.*build)();
  return program.take();
}
