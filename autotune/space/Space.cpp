//===- Space.cpp - The schedules worth trying -----------------------------===//

#include "autotune/space/Space.h"

#include "passes/Schedules.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::kvarn;

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

using Values = const StringRef[];
static constexpr Values kTokens = {"32", "64", "128"};
static constexpr Values kPoolTokens = {"16", "32", "64"};
static constexpr Values kWarps = {"2", "4", "8"};
static constexpr Values kStoreWarps = {"4", "8", "16"};
static constexpr Values kReadWarps = {"2", "4", "8"};
static constexpr Values kRotateWarps = {"1", "2", "4", "8"};
static constexpr Values kNoSplits = {"0"};
static constexpr Values kTogether = {"1", "2", "4", "8"};
static constexpr Values kPrograms = {"1", "2", "3", "4"};
static constexpr Values kSplits = {"0", "1", "2", "4", "8", "16", "32", "64"};
static constexpr Values kCopies = {"direct", "async"};
static constexpr Values kExpands = {"convert", "subnormal"};
static constexpr Values kQueries = {"registers", "shared"};
static constexpr Values kRows = {"4", "8", "16", "32"};
static constexpr Values kRegisterRows = {"1", "2", "4", "8"};
static constexpr Values kRegisterColumns = {"16", "32", "64", "128"};

/// Elements of a query in one register of the lanes of a warp, and how many
/// registers are worth another place.
static constexpr int64_t kQueryOfRegister = 2 * 32, kLargeRegisters = 32;

static constexpr StringLiteral kWithinGroup = "at most the group";
static constexpr StringLiteral kShared = "programs with splits = 0 only; "
                                         "together within a multiprocessor's "
                                         "threads and shared memory";
static constexpr StringLiteral kThreads = "within the threads and the shared "
                                          "memory of a program";
static constexpr StringLiteral kLargeQuery =
    "shared if a lane has 32 registers of it, with team = warp, operand = f16; "
    "within the shared memory of a program";
static constexpr StringLiteral kWithinRows = "at most rows";
static constexpr StringLiteral kOwnSplits =
    "so that programs count; 1 by default";

// `rows` of attention follows from the query tokens and the ratio, the type of
// operands and the layout of the cache are not up to the schedule.
static constexpr SpaceField kSpace[] = {
    {Backend::Nvptx, "attend", "tokens", kTokens, kWithinGroup},
    {Backend::Nvptx, "attend", "pool_tokens", kPoolTokens, kWithinGroup},
    {Backend::Nvptx, "attend", "warps", kWarps, kThreads},
    {Backend::Nvptx, "attend", "splits", kSplits, ""},
    {Backend::Nvptx, "attend", "programs", kPrograms, kShared},
    {Backend::Nvptx, "attend", "copy", kCopies, kThreads},
    {Backend::Nvptx, "attend", "expand", kExpands, ""},
    {Backend::Nvptx, "attend", "query", kQueries, kLargeQuery},
    {Backend::Nvptx, "append", "rows", kRows, ""},
    {Backend::Nvptx, "append", "warps", kStoreWarps, kThreads},
    {Backend::Nvptx, "flush", "warps", kStoreWarps, kThreads},
    {Backend::Nvptx, "pack", "warps", kStoreWarps, kThreads},
    {Backend::Nvptx, "relayout", "warps", kStoreWarps, kThreads},
    {Backend::Nvptx, "unflush", "tokens", kTokens, kWithinGroup},
    {Backend::Nvptx, "unflush", "warps", kReadWarps, kThreads},
    {Backend::Nvptx, "unflush", "splits", kNoSplits, kOwnSplits},
    {Backend::Nvptx, "unflush", "programs", kTogether, kShared},
    {Backend::Nvptx, "materialize", "tokens", kTokens, kWithinGroup},
    {Backend::Nvptx, "materialize", "warps", kRotateWarps, kThreads},
    {Backend::Nvptx, "materialize", "splits", kNoSplits, kOwnSplits},
    {Backend::Nvptx, "materialize", "programs", kTogether, kShared},
    {Backend::Nvptx, "materialize", "copy", kCopies, kThreads},
    {Backend::Cpu, "attend", "tokens", kTokens, kWithinGroup},
    {Backend::Cpu, "attend", "pool_tokens", kTokens, kWithinGroup},
    {Backend::Cpu, "attend", "splits", kSplits, ""},
    {Backend::Cpu, "attend", "programs", kPrograms, "with splits = 0 only"},
    {Backend::Cpu, "attend", "register_rows", kRegisterRows, kWithinRows},
    {Backend::Cpu, "attend", "register_columns", kRegisterColumns, ""},
    {Backend::Cpu, "append", "rows", kRows, ""},
    {Backend::Cpu, "unflush", "tokens", kTokens, kWithinGroup},
    {Backend::Cpu, "materialize", "tokens", kTokens, kWithinGroup},
};

SmallVector<const SpaceField *> mlir::kvarn::searchSpace(Backend backend) {
  SmallVector<const SpaceField *> fields;
  for (const SpaceField &field : kSpace)
    if (field.backend == backend)
      fields.push_back(&field);
  return fields;
}

//===----------------------------------------------------------------------===//
// Points
//===----------------------------------------------------------------------===//

namespace {

/// The fields of a schedule by name, in the attribute's order.
using Fields = SmallVector<std::pair<std::string, std::string>>;

} // namespace

/// What the attribute leaves out where it is as ever, in its order.
static constexpr StringRef kOptionalFields[] = {"programs", "team",  "query",
                                                "ends",     "loops", "order"};

static std::string &valueOf(Fields &fields, StringRef name) {
  auto field = llvm::find_if(
      fields, [&](const auto &each) { return each.first == name; });
  assert(field != fields.end());
  return field->second;
}

/// Those that the attribute leaves out have no value.
static Fields fieldsOf(ScheduleAttr schedule) {
  std::string text;
  llvm::raw_string_ostream(text) << Attribute(schedule);
  StringRef inside = StringRef(text).split('<').second.rsplit('>').first;
  SmallVector<StringRef> items;
  inside.split(items, ", ");
  Fields fields;
  llvm::StringMap<std::string> given;
  for (StringRef item : items) {
    auto [name, value] = item.split(" = ");
    if (llvm::is_contained(kOptionalFields, name))
      given[name] = value.str();
    else
      fields.emplace_back(name.str(), value.str());
  }
  for (StringRef name : kOptionalFields)
    fields.emplace_back(name.str(), given.lookup(name));
  return fields;
}

/// The schedule of these fields, or null if there is none.
static ScheduleAttr scheduleOf(MLIRContext *context, Fields fields) {
  bool balanced = valueOf(fields, "splits") == "0";
  std::string text;
  for (auto &[name, value] : fields)
    if (!value.empty() && (balanced || (name != "programs" && name != "ends")))
      text += (text.empty() ? "<" : ", ") + name + " = " + value;
  // What the verifier refuses is no point of the space.
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) {});
  return parseSchedule(context, text + ">");
}

/// Whether what cannot be written as a range of one field holds.
static bool isWithin(Fields &fields, StringRef family, FormatAttr format) {
  auto number = [&](StringRef name) {
    int64_t value = 0;
    StringRef(valueOf(fields, name)).getAsInteger(10, value);
    return value;
  };
  // One point of those that differ in what is not looked at.
  if (number("splits") != 0 && number("programs") > 1)
    return false;
  // Only what is rotated by matrix instructions comes from slots.
  if (family == "materialize" && valueOf(fields, "copy") == "async" &&
      valueOf(fields, "operand") != "f16")
    return false;
  // What takes few registers is no worse in them: a schedule less to try.
  if (valueOf(fields, "query") == "shared" && format &&
      number("rows") * format.getHeadDim() / kQueryOfRegister < kLargeRegisters)
    return false;
  return (family != "attend" || number("register_rows") <= number("rows")) &&
         (!format || (number("tokens") <= format.getGroup() &&
                      number("pool_tokens") <= format.getGroup()));
}

//===----------------------------------------------------------------------===//
// Limits of the chip
//===----------------------------------------------------------------------===//

/// Slots of a warp for asynchronous copies hold one record; beside them there
/// may be the query.
static int64_t leastMemory(const Target &target, ScheduleAttr schedule,
                           FormatAttr format) {
  if (target.backend == Backend::Cpu || !format)
    return 0;
  int64_t slot =
      schedule.getCopy() == CopyMode::Async ? format.get().recordBytes() : 0;
  int64_t query = schedule.getQuery() == QueryPlace::Shared
                      ? schedule.getRows() * format.getHeadDim() * 2
                      : 0;
  return schedule.getWarps() * slot + query;
}

static std::string breaks(const Target &target, ScheduleAttr schedule,
                          int64_t sharedBytes) {
  const Chip &chip = *target.chip;
  auto above = [](int64_t value, int64_t limit, StringRef what) {
    return value <= limit
               ? std::string()
               : (Twine(value) + " " + what + ", the chip has " + Twine(limit))
                     .str();
  };
  if (target.backend == Backend::Cpu)
    return {};
  int64_t threads = schedule.getWarps() * target.vectorBits / 32;
  int64_t together = std::max<int64_t>(schedule.getPrograms(), 1);
  std::string broken =
      above(threads, chip.programThreads, "threads of a program");
  if (broken.empty())
    broken = above(sharedBytes, chip.programSharedBytes,
                   "bytes of shared memory of a program");
  if (broken.empty())
    broken =
        above(threads * together, chip.threads, "threads of a multiprocessor");
  if (broken.empty())
    broken = above(sharedBytes * together, chip.sharedBytes,
                   "bytes of shared memory of a multiprocessor");
  return broken;
}

SmallVector<SchedulePoint> mlir::kvarn::enumerateSchedules(const Target &target,
                                                           StringRef family,
                                                           func::FuncOp program,
                                                           FormatAttr format) {
  MLIRContext *context = program.getContext();
  std::vector<HintedSchedule> defaults =
      defaultSchedules(context, target, program);
  SmallVector<Fields> all = {fieldsOf(defaults.front().schedule)};
  for (const SpaceField *field : searchSpace(target.backend)) {
    if (field->family != family)
      continue;
    SmallVector<Fields> longer;
    for (const Fields &fields : all)
      for (StringRef value : field->values) {
        longer.push_back(fields);
        valueOf(longer.back(), field->name) = value.str();
      }
    all = std::move(longer);
  }
  SmallVector<SchedulePoint> points;
  DenseSet<Attribute> known;
  auto add = [&](ScheduleAttr schedule) {
    if (!schedule || !known.insert(schedule).second)
      return;
    int64_t bytes = leastMemory(target, schedule, format);
    points.push_back({schedule, bytes, breaks(target, schedule, bytes)});
  };
  for (const HintedSchedule &each : defaults)
    add(each.schedule);
  for (Fields &fields : all)
    if (isWithin(fields, family, format))
      add(scheduleOf(context, fields));
  return points;
}
