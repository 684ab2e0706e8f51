//===- Random.cpp - random: cases of the oracle ---------------------------===//
//
// A plan fixes what a kernel fixes: format, head_dim, ratio, dtype, features.
// Each plan takes one library and runs several cases, so that few libraries
// are compiled. The values of every property are dealt like cards: all of them
// come before one comes again.
//
//===----------------------------------------------------------------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/Conformance/Relayout.h"
#include "tools/kvarn-run/Conformance/Sources.h"
#include "tools/kvarn-run/OptionChecks.h"
#include "tools/kvarn-run/Text.h"

#include "test/oracle/Half.h"
#include "test/oracle/Random.h"
#include "test/oracle/RandomCase.h"
#include "test/oracle/Rotation.h"

#include <algorithm>
#include <memory>

namespace kvarn::run {

using oracle::Matrix;
using oracle::Rng;

namespace {

struct RandomCommand {
  uint64_t seed = 1;
  int64_t cases = 72, perPlan = 4, only = -1;
  int maxLength = 2000;
  LibrarySource source;

  int run();
};

/// What one library is made for.
struct Plan {
  Format format;
  int ratio = 1;
  DType dtype = DType::F16;
  std::vector<std::string> features;

  bool has(const char *feature) const {
    return std::find(features.begin(), features.end(), feature) !=
           features.end();
  }
  Need need() const;
};

/// Deals values in random order, all of them before one comes again.
template <typename T> class Deck {
public:
  Deck(Rng &rng, std::vector<T> values) : rng(rng), values(std::move(values)) {}

  const T &deal() {
    if (next == 0)
      rng.shuffle(values);
    const T &value = values[next];
    next = (next + 1) % values.size();
    return value;
  }

private:
  Rng &rng;
  std::vector<T> values;
  size_t next = 0;
};

} // namespace

Need Plan::need() const {
  Need need;
  need.format = format.name();
  need.headDim = format.headDim;
  need.queryHeads = ratio;
  need.kvHeads = 1;
  need.dtype = npy::dtypeName(dtype);
  need.features = joinList(features, ",");
  return need;
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

static std::vector<Format> allFormats() {
  std::vector<Format> formats;
  for (int64_t keyBits : kBits)
    for (int64_t valueBits : kBits)
      for (int64_t group : kGroups)
        formats.push_back({keyBits, valueBits, group, 128, Layout::Reference});
  return formats;
}

static std::vector<Plan> makePlans(uint64_t seed, int64_t count) {
  using Features = std::vector<std::string>;
  Rng rng(seed);
  Deck<Format> formats(rng, allFormats());
  Deck<int64_t> headDims(rng, {kHeadDims.begin(), kHeadDims.end()});
  Deck<int> ratios(rng, {1, 2, 4, 5, 6, 7, 8, 16});
  Deck<DType> dtypes(rng, {DType::F16, DType::BF16});
  Deck<Features> features(rng, {{"causal"},
                                {"causal"},
                                {"causal", "lse"},
                                {"causal", "window"},
                                {"causal", "softcap"},
                                {"causal", "lse", "sinks"},
                                {"causal", "lse", "softcap", "window"},
                                {},
                                {"lse", "window"},
                                {"causal", "new"},
                                {"causal", "lse", "new", "window"},
                                {"causal", "new", "sinks", "softcap"},
                                {"lse", "new"},
                                {"new", "window"}});
  std::vector<Plan> plans;
  for (int64_t i = 0; i < count; ++i) {
    Plan plan = {formats.deal(), ratios.deal(), dtypes.deal(), features.deal()};
    plan.format.headDim = headDims.deal();
    // What gpt-oss has: sinks and a window of 128 at head_dim 64.
    if (i == 0) {
      plan.format.headDim = 64;
      plan.features = {"causal", "sinks", "window"};
    }
    plans.push_back(plan);
  }
  return plans;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// More query tokens than decoding has: whole prompts, parts of some, and now
/// and then a request with more rows than tokens.
static void addPrompts(Rng &rng, oracle::CaseSpec &spec) {
  // What the oracle can do in a second.
  int most = std::max(600 / (spec.ratio * spec.kvHeads), 8);
  for (size_t b = 0; b < spec.lengths.size(); ++b) {
    int &length = spec.lengths[b], &count = spec.queryCounts[b];
    if (rng.chance(0.3))
      continue;
    count = static_cast<int>(rng.between(1, most));
    if (rng.chance(0.3))
      length = count;
    else if (rng.chance(0.1))
      length = count / 2;
    else
      count = std::min(count, std::max(length, 1));
  }
}

/// What the case looks like: the oracle's choice, except for what the plan
/// fixes.
static oracle::CaseSpec makeSpec(const Plan &plan, uint64_t seed,
                                 int maxLength) {
  Rng rng(seed ^ 0x9e3779b97f4a7c15);
  oracle::CaseSpec spec = oracle::randomSpec(seed, maxLength);
  spec.format = oracleFormat(plan.format);
  spec.ratio = plan.ratio;
  spec.queryType =
      plan.dtype == DType::BF16 ? oracle::DType::BF16 : oracle::DType::F16;
  spec.causal = plan.has("causal");
  bool large = plan.format.headDim == 64 && plan.has("sinks");
  spec.window = 0;
  if (plan.has("window"))
    spec.window =
        large ? 128 : rng.pick<int64_t>({1, 17, plan.format.group, 300});
  spec.softcap = plan.has("softcap") ? rng.pick<double>({5, 30, 50}) : 0;
  spec.sinks = plan.has("sinks");
  spec.specialTiles = rng.chance(0.4);
  spec.storedRecords = rng.chance(0.1);
  spec.pooledFirst = rng.pick<double>({0, 0.7, 1});
  spec.newTokens = plan.has("new");
  if (spec.newTokens)
    addPrompts(rng, spec);
  return spec;
}

/// The layout of the kernels.
static Format formatOfKernel(const Plan &plan, const Kernel &kernel) {
  return formatOf(kernel.info()).value_or(plan.format);
}

static void checkReading(const Context &context, const LibrarySource &source,
                         const Library &library, const Plan &plan,
                         const oracle::RandomCase &random) {
  const char *reader = source.wants("attend") ? "attend" : "materialize";
  if (!source.wants(reader))
    return;
  AttendCase input = attendCase(random);
  Kernel any = source.select(library, plan.need(), reader);
  relayout(input.cache.pages.bytes(), random.recordStride, plan.format,
           Layout::Reference, formatOfKernel(plan, any).layout);
  oracle::AttentionInput reference = random.input();
  if (source.wants("attend"))
    checkAttend(context, any, input, reference);
  // The tokens that the cache has.
  std::vector<int32_t> cached = random.cachedTokens();
  std::copy(cached.begin(), cached.end(),
            input.cache.seqLens.as<int32_t>().begin());
  reference.cache.seqLens = cached;
  if (source.wants("materialize"))
    checkMaterialize(context,
                     source.select(library, plan.need(), "materialize"),
                     input.cache, reference.cache);
}

//===----------------------------------------------------------------------===//
// Store
//===----------------------------------------------------------------------===//

static void checkStoring(const Context &context, const LibrarySource &source,
                         const Library &library, const Plan &plan,
                         uint64_t seed) {
  TileSet tiles = randomTiles(plan.format, plan.dtype, allTileKinds(), seed);
  if (source.wantsStoring()) {
    StoreKernels kernels = storeKernels(source, library, plan.need());
    tiles.format = formatOfKernel(plan, kernels.flush);
    checkStore(context, kernels, tiles);
  }
  if (source.wants("unflush")) {
    Kernel unflush = source.select(library, plan.need(), "unflush");
    tiles.format = formatOfKernel(plan, unflush);
    checkUnflush(context, unflush, tiles, storeTiles(tiles));
  }
}

/// Any bytes are a record.
static void checkBothLayouts(const Context &context,
                             const LibrarySource &source,
                             const Library &library, const Plan &plan,
                             uint64_t seed) {
  auto kernels = relayoutKernels(source, library, plan.need());
  if (!kernels)
    return;
  Rng rng(seed);
  int64_t tiles = rng.pick<int64_t>({3, 4});
  HostTensor records(DType::U8, {tiles, plan.format.recordBytes() +
                                            rng.pick<int64_t>({0, 64, 512})});
  for (uint8_t &byte : records.bytes())
    byte = static_cast<uint8_t>(rng.next());
  checkRelayouts(context, *kernels, records, plan.format);
}

//===----------------------------------------------------------------------===//
// The command
//===----------------------------------------------------------------------===//

int RandomCommand::run() {
  if (only >= cases)
    throw Error(kInput, "--only: found " + std::to_string(only) +
                            ", expected a case from 0 to " +
                            std::to_string(cases - 1) + ", as --cases says");
  source.open();
  Report report;
  std::vector<Plan> plans = makePlans(seed, (cases + perPlan - 1) / perPlan);
  if (source.onlyCompiles()) {
    std::vector<Need> needs;
    for (const Plan &plan : plans)
      needs.push_back(plan.need());
    return source.compileAll(needs);
  }
  for (int64_t i = 0; i < cases; ++i) {
    if (only >= 0 && i != only)
      continue;
    const Plan &plan = plans[static_cast<size_t>(i / perPlan)];
    uint64_t caseSeed = seed * 1000003 + static_cast<uint64_t>(i);
    oracle::CaseSpec spec = makeSpec(plan, caseSeed, maxLength);
    std::string name = "case " + std::to_string(i);
    Context context = {report, name, source.running};
    runChecks(context, source, plan.need(), [&](const Library &library) {
      oracle::RandomCase random = oracle::makeCase(spec, caseSeed);
      std::printf("%s: %s%s\n", name.c_str(), random.describe().c_str(),
                  plan.has("lse") ? " lse" : "");
      checkReading(context, source, library, plan, random);
      if (i % perPlan == 0)
        checkStoring(context, source, library, plan, caseSeed);
      if (i % perPlan == 0)
        checkBothLayouts(context, source, library, plan, caseSeed);
    });
  }
  return report.finish();
}

void addRandomCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<RandomCommand>();
  CLI::App &sub =
      *app.add_subcommand("random", "The same checks on random cases");
  const char *group = "Cases";
  sub.add_option("--seed", command->seed, "The same seed, the same cases")
      ->check(integerFrom<uint64_t>(0, UINT64_MAX))
      ->capture_default_str()
      ->group(group);
  sub.add_option("--cases", command->cases, "Number of cases")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str()
      ->group(group);
  sub.add_option("--per-library", command->perPlan,
                 "Cases with the same kernels")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str()
      ->group(group);
  sub.add_option("--only", command->only, "Only the case of this number")
      ->check(integerFrom<int64_t>(0, kMostCounted))
      ->group(group);
  sub.add_option("--max-length", command->maxLength, "Tokens of a request")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str()
      ->group(group);
  command->source.addTo(sub);
  sub.callback([=, &action] { action = [=] { return command->run(); }; });
}

} // namespace kvarn::run
