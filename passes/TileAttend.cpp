//===- TileAttend.cpp - attend and attention to launches ------------------===//
//
// What several programs have computed in parts is summed in index order: by a
// second kernel, or if the work is balanced by the last of these programs.
//
//===----------------------------------------------------------------------===//

#include "passes/AttendKernel.h"
#include "passes/Tiling.h"

using namespace mlir;
using namespace mlir::kvarn;

/// Without what only final results need.
static AttendArguments partialOnly(AttendArguments args) {
  args.out = args.lse = args.sinks = args.counters = {};
  return args;
}

static Value makeCounters(TileBuilder &host) {
  return host.op<tile::CountersOp>(
      MemRefType::get({ShapedType::kDynamic}, host.getI32Type()));
}

/// What sums partial results needs.
static AttendArguments combineOnly(const AttendArguments &args) {
  AttendArguments second;
  second.q = args.q;
  second.queryStart = args.queryStart;
  second.seqLens = args.seqLens;
  second.sinks = args.sinks;
  second.out = args.out;
  second.lse = args.lse;
  second.partialOut = args.partialOut;
  second.partialLse = args.partialLse;
  return second;
}

/// Every request in `splits` parts of its own.
static void launchFixed(Tiling &tiling, const AttendSpec &spec,
                        AttendArguments args, Value kvHeads) {
  TileBuilder &host = tiling.host();
  Value one = host.index(1);
  Value batch = host.dim(args.seqLens, 0);
  AttendArguments first = args;
  int64_t splits = spec.schedule.getSplits();
  if (splits > 1) {
    Value parts = host.index(splits), tokens = host.dim(args.q, 0),
          heads = host.dim(args.q, 1);
    Type f32 = host.getF32Type();
    args.partialOut =
        tiling.buffer(f32, {parts, tokens, heads, host.index(spec.headDim)});
    args.partialLse = tiling.buffer(f32, {parts, tokens, heads});
    first = partialOnly(args);
  }
  tiling.launch("attend", {kvHeads, batch, host.index(splits)}, first.list(),
                [&](TileBuilder &b, ArrayRef<Value> values) {
                  AttendKernel(b, spec, first.inKernel(values)).build();
                });
  if (splits == 1)
    return;
  AttendArguments second = combineOnly(args);
  tiling.launch("combine", {kvHeads, batch, one}, second.list(),
                [&](TileBuilder &b, ArrayRef<Value> values) {
                  AttendKernel(b, spec, second.inKernel(values)).buildCombine();
                });
}

/// All requests together in equal shares.
static void launchBalanced(Tiling &tiling, const AttendSpec &spec,
                           AttendArguments args) {
  TileBuilder &host = tiling.host();
  Value one = host.index(1), two = host.index(2);
  Value programs = host.mul(host.op<tile::MultiprocessorsOp>(),
                            host.index(spec.schedule.getPrograms()));
  Value rows = host.index(spec.schedule.getRows());
  Type f32 = host.getF32Type();
  args.counters = makeCounters(host);
  args.partialOut =
      tiling.buffer(f32, {programs, two, rows, host.index(spec.headDim)});
  args.partialLse = tiling.buffer(f32, {programs, two, rows});
  tiling.launch("attend", {programs, one, one}, args.list(),
                [&](TileBuilder &b, ArrayRef<Value> values) {
                  AttendKernel(b, spec, args.inKernel(values)).buildBalanced();
                });
}

static void launchAttend(Tiling &tiling, const AttendSpec &spec,
                         const AttendArguments &args, Value kvHeads) {
  if (spec.schedule.getSplits() == 0)
    launchBalanced(tiling, spec, args);
  else
    launchFixed(tiling, spec, args, kvHeads);
}

/// Kernels find the heads of all tensors by those of one.
static void checkHeads(Tiling &tiling, const AttendSpec &spec,
                       const AttendArguments &args, Value kvHeads) {
  TileBuilder &host = tiling.host();
  for (Value memory : {args.k, args.v, args.newK, args.newV})
    if (memory)
      tiling.checkHeads(memory, kvHeads);
  tiling.checkHeads(args.q, host.mul(kvHeads, host.index(spec.ratio)));
}

template <typename AttentionLike>
static AttendArguments commonArguments(Tiling &tiling, AttentionLike op) {
  TileBuilder &host = tiling.host();
  AttendArguments args;
  args.q = tiling.lowered(op.getQ());
  args.queryStart = tiling.lowered(op.getQueryStart());
  args.scale = tiling.lowered(op.getScale());
  if (op.getWindow())
    args.window = tiling.lowered(op.getWindow());
  if (op.getSoftcap())
    args.softcap = tiling.lowered(op.getSoftcap());
  if (op.getSinks())
    args.sinks = tiling.lowered(op.getSinks());
  if (op.getNewK()) {
    args.newK = tiling.lowered(op.getNewK());
    args.newV = tiling.lowered(op.getNewV());
  }
  Value tokens = host.dim(args.q, 0), heads = host.dim(args.q, 1);
  int64_t headDim = op.getQ().getType().getDimSize(2);
  args.out =
      tiling.destination(op.getOut(), {tokens, heads, host.index(headDim)});
  if (op.getLse())
    args.lse = tiling.destination(op.getLse(), {tokens, heads});
  return args;
}

template <typename AttentionLike>
static AttendSpec commonSpec(Tiling &tiling, AttentionLike op) {
  return {FormatAttr(),           op.getQ().getType().getDimSize(2),
          int64_t(op.getRatio()), op.getCausal(),
          /*rotateQuery=*/false,
          /*rotateNew=*/false,
          /*rotateOutput=*/false, tiling.schedule()};
}

LogicalResult mlir::kvarn::tileAttend(Tiling &tiling, AttendOp op) {
  CacheOp cache = tiling.cache(op.getCache());
  AttendSpec spec = commonSpec(tiling, op);
  spec.format = op.getCache().getType().getFormat();
  spec.rotateQuery = op.getRotateQuery();
  spec.rotateNew = op.getRotateNew();
  spec.rotateOutput = op.getRotateOutput();
  for (auto [name, tokens] :
       {std::pair("tokens", spec.schedule.getTokens()),
        std::pair("pool_tokens", spec.schedule.getPoolTokens())})
    if (spec.format.getGroup() % tokens)
      return op.emitOpError()
             << "schedule has " << name << " = " << tokens
             << ", expected a divisor of the group " << spec.format.getGroup();
  AttendArguments args = commonArguments(tiling, op);
  args.pages = tiling.lowered(cache.getPages());
  args.k = tiling.lowered(cache.getPoolK());
  args.v = tiling.lowered(cache.getPoolV());
  args.blockTable = tiling.lowered(cache.getBlockTable());
  args.blockToSlot = tiling.lowered(cache.getBlockToSlot());
  args.seqLens = tiling.lowered(cache.getSeqLens());
  Value kvHeads = tiling.host().dim(args.pages, 1);
  checkHeads(tiling, spec, args, kvHeads);
  launchAttend(tiling, spec, args, kvHeads);
  return success();
}

LogicalResult mlir::kvarn::tileAttention(Tiling &tiling, AttentionOp op) {
  AttendArguments args = commonArguments(tiling, op);
  args.k = tiling.lowered(op.getK());
  args.v = tiling.lowered(op.getV());
  args.seqLens = tiling.lowered(op.getSeqLens());
  AttendSpec spec = commonSpec(tiling, op);
  Value kvHeads = tiling.host().dim(args.k, 2);
  checkHeads(tiling, spec, args, kvHeads);
  launchAttend(tiling, spec, args, kvHeads);
  return success();
}
