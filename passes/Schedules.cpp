//===- Schedules.cpp - Default schedules ----------------------------------===//

#include "passes/Schedules.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::kvarn;

namespace {

enum class Family { Attend, Read, Materialize, Append, Store };

/// One row of the table; the first that fits is taken. `rows` of attention is a
/// limit: a program of few query rows takes no more than it has.
struct Defaults {
  Backend backend;
  std::optional<Family> family; // or kAnyFamily
  Team team;
  int64_t queryRows;                  // the fewest
  int64_t headDim;                    // the largest
  std::optional<RecordLayout> layout; // or kAnyLayout
  int64_t rows, tokens, poolTokens, warps, splits, programs;
  CopyMode copy;
  ExpandMode expand;
  bool narrow; // fp16 operands
  int64_t registerRows;
  QueryPlace query = QueryPlace::Registers; // of attention, if there is room
};

constexpr std::nullopt_t kAnyLayout = std::nullopt, kAnyFamily = std::nullopt;

/// Warps of a program that stores share its tiles, the block of a head being
/// the largest: what a lane has of it leaves room for what becomes of it.
constexpr int64_t kStoredElements = 64;

/// Warps of programs of which a multiprocessor has registers for two.
constexpr int64_t kStoreWarps = 8;

/// Of a request: more make no difference.
constexpr int64_t kManyTokens = 1024;

/// More vectors of a row than this no longer hide the latency of its sums.
constexpr int64_t kMaxRegisterVectors = 8;

} // namespace

/// For NVIDIA, tiles of the pool are as small as registers need: where nothing
/// spills otherwise, 32 tokens.
static constexpr Defaults kDefaults[] = {
    {Backend::Cpu, Family::Attend, Team::Warp, 0, 256, kAnyLayout, 8, 128, 128,
     1, 1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
    {Backend::Cpu, kAnyFamily, Team::Warp, 0, 256, kAnyLayout, 16, 128, 128, 1,
     1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
    {Backend::Nvptx, Family::Attend, Team::Warpgroup, 128, 128, kAnyLayout, 128,
     128, 64, 8, 0, 1, CopyMode::Async, ExpandMode::Convert, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warpgroup, 64, 128, kAnyLayout, 64,
     128, 64, 4, 0, 2, CopyMode::Async, ExpandMode::Convert, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warp, 9, 128, kAnyLayout, 16, 128,
     16, 4, 0, 2, CopyMode::Async, ExpandMode::Subnormal, true, 8,
     QueryPlace::Shared},
    {Backend::Nvptx, Family::Attend, Team::Warp, 0, 64, RecordLayout::Mma16816,
     16, 128, 32, 4, 0, 3, CopyMode::Async, ExpandMode::Subnormal, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warp, 0, 128, RecordLayout::Mma16816,
     16, 128, 32, 4, 0, 2, CopyMode::Async, ExpandMode::Subnormal, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warp, 0, 128, kAnyLayout, 16, 128,
     16, 4, 0, 2, CopyMode::Async, ExpandMode::Subnormal, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warp, 0, 256, kAnyLayout, 8, 128, 16,
     4, 0, 2, CopyMode::Async, ExpandMode::Subnormal, true, 8,
     QueryPlace::Shared},
    {Backend::Nvptx, Family::Materialize, Team::Warp, 0, 128,
     RecordLayout::Mma16816, 16, 32, 32, 1, 1, 0, CopyMode::Async,
     ExpandMode::Convert, true, 8},
    {Backend::Nvptx, Family::Materialize, Team::Warp, 0, 256, kAnyLayout, 16,
     32, 32, 4, 1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
    {Backend::Nvptx, Family::Read, Team::Warp, 0, 128, RecordLayout::Mma16816,
     16, 32, 32, 4, 1, 0, CopyMode::Direct, ExpandMode::Convert, true, 8},
    {Backend::Nvptx, Family::Read, Team::Warp, 0, 256, kAnyLayout, 16, 32, 32,
     4, 1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
    {Backend::Nvptx, Family::Append, Team::Warp, 0, 256, kAnyLayout, 16, 32,
     128, 4, 1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
    {Backend::Nvptx, Family::Store, Team::Warp, 0, 256, kAnyLayout, 16, 32, 128,
     8, 1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
    {Backend::Amdgpu, Family::Attend, Team::Warp, 0, 256, kAnyLayout, 16, 64,
     64, 4, 4, 0, CopyMode::Direct, ExpandMode::Convert, true, 8},
    {Backend::Amdgpu, kAnyFamily, Team::Warp, 0, 256, kAnyLayout, 16, 128, 128,
     4, 1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
};

/// Whether K and V leave the rotated frame, before fusion or after.
static bool rotatesBack(Operation *op) {
  if (auto materialize = dyn_cast<MaterializeOp>(op))
    return materialize.getFrame() == Frame::Original;
  return isa<DequantizeOp>(op) && llvm::all_of(op->getResults(), [](Value x) {
           return x.hasOneUse() && isa<RotateOp>(*x.user_begin());
         });
}

/// Shared memory for barriers, and what the driver takes.
constexpr int64_t kReserved = 2048;

/// Of those of the table, the warps whose slots of `recordBytes` fit a program.
static int64_t warpsWithSlots(const Target &target, const Defaults &row,
                              int64_t recordBytes) {
  int64_t warps = row.warps;
  if (row.team == Team::Warp && row.copy == CopyMode::Async)
    while (warps > 1 &&
           warps * recordBytes + kReserved > target.chip->programSharedBytes)
      warps /= 2;
  return warps;
}

/// Whether each warp has room for `queryBytes` beside a slot of `recordBytes`,
/// so that a multiprocessor still holds as many programs. PTX for older chips
/// also runs on some that have less memory than its own.
static bool hasRoomForQuery(const Target &target, const Defaults &row,
                            int64_t warps, int64_t recordBytes,
                            int64_t queryBytes) {
  auto bytesWith = [&](int64_t query) {
    return warps * (recordBytes + query) + kReserved;
  };
  auto together = [&](int64_t bytes) {
    return std::min(row.programs, target.chip->sharedBytes / bytes);
  };
  int64_t bytes = bytesWith(queryBytes);
  return target.warpgroupProducts && bytes <= target.chip->programSharedBytes &&
         together(bytes) == together(bytesWith(0));
}

ScheduleAttr mlir::kvarn::defaultSchedule(MLIRContext *context,
                                          const Target &target,
                                          func::FuncOp program) {
  Family family = Family::Store;
  int64_t group = ::kvarn::kGroups.back(), ratio = 0, block = 0, headDim = 0,
          recordBytes = 0, queries = 1;
  auto layout = RecordLayout::Mma16816;
  program.walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (auto cache = dyn_cast<CacheType>(operand.getType())) {
        FormatAttr format = cache.getFormat();
        group = std::min(group, format.getGroup());
        layout = format.getLayout();
        headDim = std::max(headDim, format.getHeadDim());
        block = std::max(block, format.getGroup() * format.getHeadDim());
        recordBytes = std::max(recordBytes, format.get().recordBytes());
      }
    auto isAttention = [&](auto attention) {
      ratio = attention.getRatio();
      headDim = attention.getQ().getType().getDimSize(2);
      family = Family::Attend;
      // New tokens have the query in a frame of their own.
      queries = attention.getNewK() ? 2 : 1;
    };
    // What fusion makes of it is no other family.
    if (isa<DequantizeOp, MaterializeOp, UnflushOp>(op))
      family = Family::Read;
    if (rotatesBack(op))
      family = Family::Materialize;
    if (isa<AppendOp>(op))
      family = Family::Append;
    if (auto attend = dyn_cast<AttendOp>(op))
      isAttention(attend);
    else if (auto attention = dyn_cast<AttentionOp>(op))
      isAttention(attention);
  });
  int64_t queryRows = ratio;
  if (auto tokens = program->getAttrOfType<IntegerAttr>(kQueryTokensAttr))
    queryRows *= std::clamp<int64_t>(tokens.getInt(), 1, kManyTokens);
  const Defaults *row = llvm::find_if(kDefaults, [&](const Defaults &d) {
    return d.backend == target.backend && (!d.family || *d.family == family) &&
           (d.team == Team::Warp || target.warpgroupProducts) &&
           queryRows >= d.queryRows && headDim <= d.headDim &&
           (!d.layout || *d.layout == layout);
  });
  int64_t rows = row->rows;
  // Empty rows cost time; matrix instructions have a few at least.
  if (family == Family::Attend && target.backend == Backend::Cpu)
    rows = std::min(rows, queryRows);
  else if (family == Family::Attend)
    rows = std::min<int64_t>(
        rows, std::max<int64_t>(int64_t(1) << target.matrix->outerLanes.size(),
                                llvm::PowerOf2Ceil(queryRows)));
  int64_t warps = warpsWithSlots(target, *row, recordBytes);
  if (family == Family::Store && block && target.backend == Backend::Nvptx)
    warps = std::clamp<int64_t>(
        block / (target.vectorBits / 32 * kStoredElements), 1, 32);
  // Two programs of more warps would leave a lane less than its share needs.
  int64_t programs = row->programs;
  if (family == Family::Store && warps > kStoreWarps)
    programs = std::min<int64_t>(programs, 1);
  QueryPlace query = row->query;
  if (query == QueryPlace::Shared &&
      !hasRoomForQuery(target, *row, warps, recordBytes,
                       queries * rows * headDim * 2))
    query = QueryPlace::Registers;
  Builder builder(context);
  Type operand =
      row->narrow ? Type(builder.getF16Type()) : builder.getF32Type();
  int64_t registerRows = std::min(row->registerRows, rows);
  // Sums fill half the vector registers: AVX-512 has 32 of 16 lanes, AVX2 16 of
  // 8.
  int64_t lanes = target.vectorBits / 32;
  int64_t vectors =
      std::clamp<int64_t>(lanes / registerRows, 1, kMaxRegisterVectors);
  return ScheduleAttr::get(context, rows, std::min(row->tokens, group),
                           std::min(row->poolTokens, group), warps, row->splits,
                           row->copy, row->expand, operand, registerRows,
                           std::min<int64_t>(vectors * lanes, 128), programs,
                           row->team, query);
}

ScheduleAttr mlir::kvarn::parseSchedule(MLIRContext *context, StringRef text) {
  std::string full = text.trim().str();
  if (StringRef(full).starts_with("<"))
    full = "#kvarn.schedule" + full;
  auto schedule = dyn_cast_or_null<ScheduleAttr>(parseAttribute(full, context));
  if (!schedule)
    emitError(UnknownLoc::get(context))
        << "'" << text << "' is no schedule, expected <rows = ...>";
  return schedule;
}
