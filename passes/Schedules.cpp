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
  bool olderChips = false;                  // only those before sm_90
  bool newTokens = false;                   // only with new K and V
};

constexpr std::nullopt_t kAnyLayout = std::nullopt, kAnyFamily = std::nullopt;
constexpr bool kOlderChips = true, kNewTokens = true;

/// Warps of a program that stores share its tiles, the block of a head being
/// the largest: what a lane has of it leaves room for what becomes of it. Codes
/// that only move remain bytes.
constexpr int64_t kStoredElements = 64, kMovedElements = 128;

/// Warps of programs of which a multiprocessor has registers for two.
constexpr int64_t kStoreWarps = 8;

/// Of a request: more make no difference.
constexpr int64_t kManyTokens = 1024;

/// More vectors of a row than this no longer hide the latency of its sums.
constexpr int64_t kMaxRegisterVectors = 8;

} // namespace

/// For NVIDIA, tiles of the pool, and on older chips some of records, are as
/// small as registers need: where nothing spills otherwise, 32 and 128 tokens.
static constexpr Defaults kDefaults[] = {
    {Backend::Cpu, Family::Attend, Team::Warp, 0, 256, kAnyLayout, 8, 128, 128,
     1, 1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
    {Backend::Cpu, kAnyFamily, Team::Warp, 0, 256, kAnyLayout, 16, 128, 128, 1,
     1, 0, CopyMode::Direct, ExpandMode::Convert, false, 8},
    {Backend::Nvptx, Family::Attend, Team::Warpgroup, 128, 128, kAnyLayout, 128,
     128, 64, 8, 0, 1, CopyMode::Async, ExpandMode::Convert, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warpgroup, 64, 128, kAnyLayout, 64,
     128, 64, 4, 0, 2, CopyMode::Async, ExpandMode::Convert, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warp, 9, 128,
     RecordLayout::Reference, 16, 32, 32, 4, 0, 2, CopyMode::Async,
     ExpandMode::Subnormal, true, 8, QueryPlace::Shared, kOlderChips},
    {Backend::Nvptx, Family::Attend, Team::Warp, 9, 128,
     RecordLayout::Reference, 16, 128, 16, 4, 0, 2, CopyMode::Async,
     ExpandMode::Subnormal, true, 8, QueryPlace::Shared, !kOlderChips,
     kNewTokens},
    {Backend::Nvptx, Family::Attend, Team::Warp, 9, 64, kAnyLayout, 16, 128, 16,
     4, 0, 2, CopyMode::Async, ExpandMode::Subnormal, true, 8,
     QueryPlace::Shared, kOlderChips},
    {Backend::Nvptx, Family::Attend, Team::Warp, 9, 128, kAnyLayout, 16, 128,
     32, 4, 0, 2, CopyMode::Async, ExpandMode::Subnormal, true, 8,
     QueryPlace::Shared},
    {Backend::Nvptx, Family::Attend, Team::Warp, 0, 64, RecordLayout::Mma16816,
     16, 128, 32, 4, 0, 3, CopyMode::Async, ExpandMode::Subnormal, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warp, 0, 128, RecordLayout::Mma16816,
     16, 128, 32, 4, 0, 2, CopyMode::Async, ExpandMode::Subnormal, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warp, 0, 128, kAnyLayout, 16, 128,
     16, 4, 0, 2, CopyMode::Async, ExpandMode::Subnormal, true, 8},
    {Backend::Nvptx, Family::Attend, Team::Warp, 0, 256,
     RecordLayout::Reference, 8, 64, 16, 4, 0, 2, CopyMode::Async,
     ExpandMode::Subnormal, true, 8, QueryPlace::Shared, kOlderChips},
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

namespace {
/// What a program says of the kernel that it becomes.
struct Facts {
  Family family = Family::Store;
  int64_t group = ::kvarn::kGroups.back(), queryRows = 0;
  int64_t headDim = 0, blockElements = 0, recordBytes = 0;
  int64_t keyBits = 0, valueBits = 0;
  int64_t queryTokens = 1;                // of a request
  bool newTokens = false;                 // K and V that no cache holds
  int64_t laneElements = kStoredElements; // of a block, when storing
  RecordLayout layout = RecordLayout::Mma16816;
};
} // namespace

static Facts factsOf(func::FuncOp program) {
  Facts facts;
  auto isOver = [&](FormatAttr format) {
    facts.group = std::min(facts.group, format.getGroup());
    facts.layout = format.getLayout();
    facts.keyBits = std::max(facts.keyBits, format.getKeyBits());
    facts.valueBits = std::max(facts.valueBits, format.getValueBits());
    facts.headDim = std::max(facts.headDim, format.getHeadDim());
    facts.blockElements =
        std::max(facts.blockElements, format.getGroup() * format.getHeadDim());
    facts.recordBytes = std::max(facts.recordBytes, format.get().recordBytes());
  };
  auto isAttention = [&](auto attention) {
    facts.family = Family::Attend;
    facts.queryRows = attention.getRatio();
    facts.newTokens = bool(attention.getNewK());
    facts.headDim = attention.getQ().getType().getDimSize(2);
  };
  program.walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (auto cache = dyn_cast<CacheType>(operand.getType()))
        isOver(cache.getFormat());
    // What fusion makes of it is no other family.
    if (isa<DequantizeOp, MaterializeOp, UnflushOp>(op))
      facts.family = Family::Read;
    if (rotatesBack(op))
      facts.family = Family::Materialize;
    if (isa<AppendOp>(op))
      facts.family = Family::Append;
    if (isa<RelayoutOp>(op))
      facts.laneElements = kMovedElements;
    if (auto attend = dyn_cast<AttendOp>(op))
      isAttention(attend);
    else if (auto attention = dyn_cast<AttentionOp>(op))
      isAttention(attention);
  });
  if (auto tokens = program->getAttrOfType<IntegerAttr>(kQueryTokensAttr))
    facts.queryTokens = std::clamp<int64_t>(tokens.getInt(), 1, kManyTokens);
  facts.queryRows *= facts.queryTokens;
  return facts;
}

namespace {
/// Attention by single warps of work that is near one of the hints: what
/// differs from its row of the table.
struct Special {
  int64_t warps, warpsOf; // warps / warpsOf times as many
  int64_t splits, programs, poolTokens;
  std::vector<::kvarn::Hint> hints;
};
} // namespace

/// So many requests of 8 KV heads, with each of the contexts.
static std::vector<::kvarn::Hint> workLike(int64_t batch,
                                           ArrayRef<int64_t> contexts) {
  std::vector<::kvarn::Hint> hints;
  for (int64_t context : contexts) {
    ::kvarn::Hint &hint = hints.emplace_back();
    hint.maxBatch = batch;
    hint.kvHeads = 8;
    hint.context = context;
  }
  return hints;
}

/// Of one request, a fixed number of splits whose sum is a kernel of its own
/// takes less time than to find equal shares and to wait for the last of them;
/// several may differ in length. Of many short row tiles half as many warps let
/// all programs run at once. Measured on an H200: docs/performance.md.
static const Special kSpecial[] = {
    {1, 1, 8, 0, 32, workLike(1, {1024, 2048, 4096})},
    {2, 1, 16, 0, 16, workLike(1, {8192, 16384, 32768, 65536, 131072})},
    {1, 2, 0, 2, 32, workLike(64, {4096, 8192})},
};

/// Chips like the one that they were measured on, and kernels that have the
/// registers for all of them.
static bool hasSpecials(const Target &target, const Defaults &row,
                        const Facts &facts) {
  return target.warpgroupProducts && facts.family == Family::Attend &&
         row.team == Team::Warp && facts.queryRows <= 8 &&
         facts.headDim <= 128 && facts.layout == RecordLayout::Mma16816;
}

/// Empty rows cost time; matrix instructions have a few at least.
static int64_t rowsOf(const Target &target, const Defaults &row,
                      const Facts &facts) {
  if (facts.family != Family::Attend)
    return row.rows;
  if (target.backend == Backend::Cpu)
    return std::min(row.rows, facts.queryRows);
  int64_t fewest = int64_t(1) << target.matrix->outerLanes.size();
  int64_t wanted = llvm::PowerOf2Ceil(facts.queryRows);
  return std::min(row.rows, std::max(fewest, wanted));
}

/// Shared memory for barriers, and what the driver takes.
static constexpr int64_t kReserved = 2048;

static int64_t warpsOf(const Target &target, const Defaults &row,
                       const Facts &facts) {
  if (facts.family == Family::Store && facts.blockElements &&
      target.backend == Backend::Nvptx)
    return std::clamp<int64_t>(
        facts.blockElements / (target.vectorBits / 32 * facts.laneElements), 1,
        32);
  int64_t warps = row.warps;
  // As many as have slots in the memory of a program.
  if (row.team == Team::Warp && row.copy == CopyMode::Async)
    while (warps > 1 && warps * facts.recordBytes + kReserved >
                            target.chip->programSharedBytes)
      warps /= 2;
  return warps;
}

/// Whether there is room for the query beside the slots, so that a
/// multiprocessor still holds as many programs.
static bool hasRoomForQuery(const Target &target, const Defaults &row,
                            const Facts &facts, int64_t rows, int64_t warps) {
  int64_t slots = warps * facts.recordBytes + kReserved;
  int64_t all = slots + rows * facts.headDim * 2;
  auto together = [&](int64_t bytes) {
    return std::min(row.programs, target.chip->sharedBytes / bytes);
  };
  return all <= target.chip->programSharedBytes &&
         together(all) == together(slots);
}

static const Defaults &rowFor(const Target &target, const Facts &facts) {
  return *llvm::find_if(kDefaults, [&](const Defaults &d) {
    return d.backend == target.backend &&
           (!d.family || *d.family == facts.family) &&
           (d.team == Team::Warp || target.warpgroupProducts) &&
           !(d.olderChips && target.bulkCopies) &&
           (!d.newTokens || facts.newTokens) &&
           facts.queryRows >= d.queryRows && facts.headDim <= d.headDim &&
           (!d.layout || *d.layout == facts.layout);
  });
}

/// Single warps have registers enough at head_dim 128 without new tokens, and
/// with few rows.
static RowEnds endsOf(const Defaults &row, const Facts &facts, int64_t rows) {
  bool isShort = row.team == Team::Warpgroup ||
                 (rows > 8 && (facts.headDim <= 64 || facts.newTokens));
  return facts.family == Family::Attend && row.splits == 0 && isShort
             ? RowEnds::Again
             : RowEnds::Kept;
}

/// Two loops are faster on the chips that they were measured on, where a warp
/// has registers for both.
static RecordLoops loopsOf(const Target &target, const Defaults &row,
                           const Facts &facts, int64_t rows) {
  bool whole = row.team == Team::Warp && row.copy == CopyMode::Async &&
               row.narrow && row.tokens >= facts.group;
  if (facts.family != Family::Attend || !whole)
    return RecordLoops::Two; // there is but one
  bool spills = facts.layout == RecordLayout::Reference &&
                (facts.newTokens || facts.valueBits >= 4);
  bool fits = facts.headDim <= 128 && !(rows > 8 && spills);
  return target.bulkCopies && fits ? RecordLoops::Two : RecordLoops::One;
}

/// What was faster on the chips that it was measured on: docs/performance.md.
static RecordOrder orderOf(const Target &target, const Defaults &row,
                           const Facts &facts, int64_t rows) {
  bool backward = facts.family == Family::Attend && target.bulkCopies &&
                  row.team == Team::Warp && rows > 8 && facts.keyBits >= 4 &&
                  facts.layout == RecordLayout::Mma16816;
  return backward ? RecordOrder::Backward : RecordOrder::Forward;
}

/// `row` for the format and the shape of a program.
static ScheduleAttr fit(MLIRContext *context, const Target &target,
                        const Defaults &row, const Facts &facts) {
  int64_t rows = rowsOf(target, row, facts);
  int64_t warps = warpsOf(target, row, facts);
  // Two programs of more warps would leave a lane less than its share needs.
  int64_t programs = row.programs;
  if (facts.family == Family::Store && warps > kStoreWarps)
    programs = std::min<int64_t>(programs, 1);
  QueryPlace query = row.query;
  if (query == QueryPlace::Shared &&
      !hasRoomForQuery(target, row, facts, rows, warps))
    query = QueryPlace::Registers;
  Builder builder(context);
  Type operand = row.narrow ? Type(builder.getF16Type()) : builder.getF32Type();
  int64_t registerRows = std::min(row.registerRows, rows);
  // Sums fill half the vector registers: AVX-512 has 32 of 16 lanes, AVX2 16 of
  // 8.
  int64_t lanes = target.vectorBits / 32;
  int64_t vectors =
      std::clamp<int64_t>(lanes / registerRows, 1, kMaxRegisterVectors);
  return ScheduleAttr::get(
      context, rows, std::min(row.tokens, facts.group),
      std::min(row.poolTokens, facts.group), warps, row.splits, row.copy,
      row.expand, operand, registerRows,
      std::min<int64_t>(vectors * lanes, 128), programs, row.team, query,
      endsOf(row, facts, rows), loopsOf(target, row, facts, rows),
      orderOf(target, row, facts, rows));
}

ScheduleAttr mlir::kvarn::defaultSchedule(MLIRContext *context,
                                          const Target &target,
                                          func::FuncOp program) {
  Facts facts = factsOf(program);
  return fit(context, target, rowFor(target, facts), facts);
}

std::vector<HintedSchedule>
mlir::kvarn::defaultSchedules(MLIRContext *context, const Target &target,
                              func::FuncOp program) {
  Facts facts = factsOf(program);
  const Defaults &row = rowFor(target, facts);
  ScheduleAttr general = fit(context, target, row, facts);
  std::vector<HintedSchedule> all = {{general, {}}};
  if (!hasSpecials(target, row, facts))
    return all;
  for (const Special &special : kSpecial) {
    Defaults own = row;
    own.poolTokens = std::min(row.poolTokens, special.poolTokens);
    own.splits = special.splits;
    own.programs = row.programs * special.programs;
    own.warps = general.getWarps() * special.warps / special.warpsOf;
    if (own.warps == 0)
      continue;
    HintedSchedule &added = all.emplace_back();
    added.schedule = fit(context, target, own, facts);
    added.hints = special.hints;
    for (::kvarn::Hint &hint : added.hints)
      hint.maxQueryTokens = facts.queryTokens;
  }
  return all;
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

std::string mlir::kvarn::scheduleText(ScheduleAttr schedule) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (schedule)
    os << Attribute(schedule);
  return text;
}
