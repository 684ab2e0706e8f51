//===- Conformance.cpp - conformance: cases from files --------------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/Compile.h"
#include "tools/kvarn-run/Conformance/CaseFile.h"
#include "tools/kvarn-run/Conformance/Relayout.h"
#include "tools/kvarn-run/Conformance/Sources.h"

#include <algorithm>
#include <memory>
#include <numeric>

namespace kvarn::run {

namespace {

struct ConformanceCommand {
  std::vector<std::string> files;
  LibrarySource source;

  int run();
};

/// One file: which kernels its cases need, then the cases.
class FileRun {
public:
  FileRun(const std::string &path, ConformanceCommand &command, Report &report)
      : command(command), report(report), cases(readCases(path)) {}

  void run();
  std::vector<Need> needs() const;
  bool concerns(const Case &each) const;

private:
  Need needOf(const Case &each) const;
  void runCase(const Case &each);
  void checkStoreCase(const Context &context, const Library &library,
                      const Need &need, const Case &each);
  void checkDecodeCase(const Context &context, const Library &library,
                       const Need &need, const Case &each);

  ConformanceCommand &command;
  Report &report;
  std::vector<Case> cases;
};

} // namespace

static std::string dtypeName(const HostTensor &tensor) {
  return std::string(npy::dtypeName(tensor.dtype()));
}

/// A store case runs with the library of a decode case, if one fits: attend
/// kernels of any ratio are as good.
Need FileRun::needOf(const Case &each) const {
  Need need;
  need.format = each.format.name();
  need.headDim = each.format.headDim;
  bool store = each.kind == Case::Kind::Store;
  need.dtype = dtypeName(each[store ? "k" : "q"]);
  if (!store) {
    need.queryHeads = each.queryHeads;
    need.kvHeads = each.kvHeads;
    return need;
  }
  need.iterations = each.iterations;
  if (need.iterations != 8 || !command.source.compiles())
    return need;
  for (const Case &other : cases)
    if (other.kind == Case::Kind::Decode && other.format == each.format &&
        dtypeName(other["q"]) == need.dtype)
      return needOf(other);
  return need;
}

/// The format with the layout that the kernels of a library have.
static Format withLayout(Format format, const Kernel &kernel) {
  if (std::optional<Format> own = formatOf(kernel.info()))
    format.layout = own->layout;
  return format;
}

/// A copy of the records of a file, in the layout of the kernels.
static HostTensor inLayout(const HostTensor &records, const Format &format,
                           int64_t stride) {
  HostTensor copy = records.clone();
  relayout(copy.bytes(), stride, format, Layout::Reference, format.layout);
  return copy;
}

/// A cache of one request that holds the tiles of `records`, one KV head, all
/// packed.
static CacheTensors packedCache(HostTensor records, const Format &format) {
  int64_t tiles = records.extent(0), stride = records.extent(1);
  CacheTensors cache;
  cache.pages = HostTensor(DType::U8, {tiles, 1, stride});
  std::copy(records.bytes().begin(), records.bytes().end(),
            cache.pages.bytes().begin());
  cache.poolK = HostTensor(DType::F16, {1, format.group, 1, format.headDim});
  cache.poolV = cache.poolK.clone();
  cache.blockTable = HostTensor(DType::I32, {1, tiles});
  auto table = cache.blockTable.as<int32_t>();
  std::iota(table.begin(), table.end(), 0);
  cache.blockToSlot = HostTensor(DType::I32, {tiles});
  cache.blockToSlot.fill(0xff); // -1
  cache.seqLens = HostTensor(DType::I32, {1});
  cache.seqLens.as<int32_t>()[0] = static_cast<int32_t>(tiles * format.group);
  return cache;
}

void FileRun::checkStoreCase(const Context &context, const Library &library,
                             const Need &need, const Case &each) {
  const LibrarySource &source = command.source;
  TileSet tiles;
  tiles.format = each.format;
  tiles.recordStride = each.recordStride;
  tiles.iterations = each.iterations;
  tiles.k = each["k"].clone();
  tiles.v = each["v"].clone();
  tiles.kRotated = each["k_rotated"].clone();
  tiles.vRotated = each["v_rotated"].clone();
  if (source.wantsStoring()) {
    StoreKernels kernels = storeKernels(source, library, need);
    tiles.format = withLayout(each.format, kernels.flush);
    checkStore(context, kernels, tiles);
  }
  if (source.wants("unflush")) {
    Kernel unflush = source.select(library, need, "unflush");
    tiles.format = withLayout(each.format, unflush);
    checkUnflush(context, unflush, tiles, each["record"]);
  }
  if (auto kernels = relayoutKernels(source, library, need))
    checkRelayouts(context, *kernels, each["record"], each.format);
  if (!source.wants("materialize"))
    return;
  Kernel materialize = source.select(library, need, "materialize");

  // The reference's own records, read.
  CacheTensors reference = packedCache(each["record"].clone(), each.format);
  CacheTensors cache =
      packedCache(inLayout(each["record"], withLayout(each.format, materialize),
                           each.recordStride),
                  each.format);
  checkMaterialize(context, materialize, cache,
                   reference.view(each.format, reference.pages));
}

void FileRun::checkDecodeCase(const Context &context, const Library &library,
                              const Need &need, const Case &each) {
  const LibrarySource &source = command.source;
  const char *reader = source.wants("attend") ? "attend" : "materialize";
  AttendCase input;
  input.cache.pages =
      inLayout(each["cache"],
               withLayout(each.format, source.select(library, need, reader)),
               each.recordStride);
  input.cache.poolK = each["pool_k_rotated"].clone();
  input.cache.poolV = each["pool_v_rotated"].clone();
  input.cache.blockTable = each["block_table"].clone();
  input.cache.blockToSlot = each["block_to_slot"].clone();
  input.cache.seqLens = each["seq_lens"].clone();
  input.q = each["q"].clone();
  input.queryStart = HostTensor(DType::I32, {input.q.extent(0) + 1});
  auto starts = input.queryStart.as<int32_t>();
  std::iota(starts.begin(), starts.end(), 0);
  input.scale = each.scale;

  oracle::AttentionInput reference;
  reference.cache = input.cache.view(each.format, each["cache"]);
  reference.q = {input.q.bytes().data(),
                 input.q.dtype() == DType::BF16 ? oracle::DType::BF16
                                                : oracle::DType::F16,
                 {input.q.extent(0), input.q.extent(1), input.q.extent(2)}};
  reference.queryStart = starts;
  reference.scale = each.scale;
  if (source.wants("attend")) {
    Kernel attend = source.select(library, need, "attend");
    HostTensor out = checkAttend(context, attend, input, reference);
    context.add(
        "attend golden",
        below(oracle::relativeError(toDoubles(out), toDoubles(each["out"])),
              3e-3),
        attend);
  }
  if (source.wants("materialize"))
    checkMaterialize(context, source.select(library, need, "materialize"),
                     input.cache, reference.cache);
}

void FileRun::runCase(const Case &each) {
  Context context = {report, each.name, command.source.running};
  Need need = needOf(each);
  runChecks(context, command.source, need, [&](const Library &library) {
    if (each.kind == Case::Kind::Store)
      checkStoreCase(context, library, need, each);
    else
      checkDecodeCase(context, library, need, each);
  });
}

/// Whether one of the kernels that are wanted is checked with `each`.
bool FileRun::concerns(const Case &each) const {
  const LibrarySource &source = command.source;
  bool store = each.kind == Case::Kind::Store;
  return source.wants("materialize") ||
         (store ? source.wantsStoring() || source.wants("unflush") ||
                      source.wants("relayout")
                : source.wants("attend"));
}

std::vector<Need> FileRun::needs() const {
  std::vector<Need> all;
  for (const Case &each : cases)
    if (concerns(each))
      all.push_back(needOf(each));
  return all;
}

void FileRun::run() {
  for (const Case &each : cases)
    if (concerns(each))
      runCase(each);
}

int ConformanceCommand::run() {
  // All input first: bad input should not show after minutes.
  source.open();
  Report report;
  std::vector<FileRun> runs;
  for (const std::string &path : files)
    runs.emplace_back(path, *this, report);
  if (source.onlyCompiles()) {
    std::vector<Need> needs;
    for (const FileRun &each : runs)
      for (const Need &need : each.needs())
        needs.push_back(need);
    return source.compileAll(needs);
  }
  for (FileRun &each : runs)
    each.run();
  return report.finish();
}

void addConformanceCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<ConformanceCommand>();
  CLI::App &sub = *app.add_subcommand(
      "conformance", "Checks kernels on cases of the reference implementation");
  sub.add_option("cases", command->files,
                 "NAME.json, which describes NAME.bin beside it")
      ->required()
      ->type_name("CASES.json");
  command->source.addTo(sub);
  sub.callback([=, &action] { action = [=] { return command->run(); }; });
}

} // namespace kvarn::run
