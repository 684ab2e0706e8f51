//===- Check.cpp - Is a candidate right? ----------------------------------===//

#include "tools/kvarn-tune/Check.h"

#include "autotune/measure/Error.h"
#include "tools/kvarn-run/Conformance/Checks.h"
#include "tools/kvarn-run/Conformance/Relayout.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cmath>
#include <list>

namespace kvarn::tune {

//===----------------------------------------------------------------------===//
// attend
//===----------------------------------------------------------------------===//

static bool hasFeature(const VariantKey &key, const char *name) {
  return std::find(key.features.begin(), key.features.end(), name) !=
         key.features.end();
}

/// Lengths around the edges of blocks; and one long request, whose blocks are
/// shared by many programs.
static std::vector<oracle::CaseSpec>
makeSpecs(const VariantKey &key, const Format &format, int64_t queryTokens) {
  oracle::CaseSpec spec;
  spec.format = run::oracleFormat(format);
  spec.kvHeads = 2;
  spec.ratio = static_cast<int>(std::max<int64_t>(key.ratio, 1));
  spec.queryType =
      key.dtype == "bf16" ? oracle::DType::BF16 : oracle::DType::F16;
  spec.causal = hasFeature(key, "causal");
  spec.window = hasFeature(key, "window") ? 300 : 0;
  spec.softcap = hasFeature(key, "softcap") ? 30 : 0;
  spec.sinks = hasFeature(key, "sinks");
  spec.newTokens = hasFeature(key, "new");
  int group = static_cast<int>(format.group);
  oracle::CaseSpec ragged = spec, longest = spec;
  ragged.lengths = {1, group - 1, 3 * group + 17, 9 * group, 0};
  longest.lengths = {40 * group + 5};
  for (oracle::CaseSpec *each : {&ragged, &longest})
    for (int length : each->lengths)
      each->queryCounts.push_back(
          std::min(length, static_cast<int>(queryTokens)));
  return {ragged, longest};
}

/// A case, and a cache of it as kernels read it.
static run::AttendCase caseFor(const oracle::RandomCase &random,
                               const Format &format) {
  run::AttendCase input = run::attendCase(random);
  run::relayout(input.cache.pages.bytes(), random.recordStride, format,
                Layout::Reference, format.layout);
  return input;
}

namespace {

/// The oracle has done its part before a kernel is checked.
class AttendChecker : public Checker {
public:
  AttendChecker(const VariantKey &key, const Format &format,
                int64_t queryTokens) {
    uint64_t seed = 1;
    for (const oracle::CaseSpec &spec : makeSpecs(key, format, queryTokens)) {
      oracle::RandomCase random = oracle::makeCase(spec, seed++);
      oracle::AttentionResult exact = oracle::attend(random.input());
      Case &each = cases.emplace_back();
      each.input = caseFor(random, format);
      each.limit = oracle::errorLimit(random.input(), exact);
      if (key.dtype == "bf16") // which rounds more coarsely by itself
        each.limit += 4e-3;
      each.want = std::move(exact.out);
      each.name = random.describe();
    }
  }

  std::string check(const run::Kernel &kernel,
                    const run::Running &running) const override {
    for (const Case &each : cases) {
      std::vector<run::HostTensor> results =
          run::launchAttend(kernel, each.input, running);
      double error =
          oracle::relativeError(run::toDoubles(results[0]), each.want);
      if (!(error <= each.limit))
        return run::formatText("the error is %.2e, the limit %.2e: ", error,
                               each.limit) +
               each.name;
    }
    return "";
  }

private:
  struct Case {
    run::AttendCase input;
    std::vector<double> want;
    double limit = 0;
    std::string name;
  };
  std::list<Case> cases;
};

//===----------------------------------------------------------------------===//
// Other kernels
//===----------------------------------------------------------------------===//

/// Runs the checks of conformance, which also want the same bytes each time.
class ConformanceChecker : public Checker {
public:
  std::string check(const run::Kernel &kernel,
                    const run::Running &running) const override {
    run::Report report(/*quiet=*/true);
    check(run::Context{report, name, running}, kernel);
    return report.firstFailure;
  }

protected:
  virtual void check(const run::Context &context,
                     const run::Kernel &kernel) const = 0;

  std::string name; // of the case
};

class MaterializeChecker : public ConformanceChecker {
public:
  MaterializeChecker(const VariantKey &key, const Format &format)
      : random(oracle::makeCase(makeSpecs(key, format, 1).front(), 1)),
        input(caseFor(random, format)) {
    name = random.describe();
  }

private:
  void check(const run::Context &context,
             const run::Kernel &kernel) const override {
    run::checkMaterialize(context, kernel, input.cache, random.input().cache);
  }

  oracle::RandomCase random;
  run::AttendCase input;
};

class StoreChecker : public ConformanceChecker {
public:
  StoreChecker(const VariantKey &key, const Format &format)
      : kernelName(key.kernel) {
    // What pack rotates by itself must be far from where rounding decides.
    std::vector<oracle::TileKind> kinds = run::allTileKinds();
    if (kernelName == "pack")
      kinds.assign(kinds.size(), oracle::TileKind::Ordinary);
    run::DType dtype = key.dtype == "bf16" ? run::DType::BF16 : run::DType::F16;
    tiles = run::randomTiles(format, dtype, kinds, 1);
    if (kernelName == "unflush")
      records = run::storeTiles(tiles);
    name = std::to_string(kinds.size()) + " tiles";
  }

private:
  void check(const run::Context &context,
             const run::Kernel &kernel) const override {
    if (kernelName == "append")
      run::checkAppend(context, kernel, tiles);
    else if (kernelName == "flush")
      run::checkFlush(context, kernel, tiles);
    else if (kernelName == "pack")
      run::checkPack(context, kernel, tiles);
    else
      run::checkUnflush(context, kernel, tiles, records);
  }

  std::string kernelName;
  run::TileSet tiles;
  run::HostTensor records; // for unflush
};

/// Any bytes are a record; padding is between them.
class RelayoutChecker : public ConformanceChecker {
public:
  RelayoutChecker(const Format &format, Layout source)
      : format(format), source(source),
        records(run::DType::U8, {4, format.recordBytes() + 64}) {
    oracle::Rng random(1);
    for (uint8_t &byte : records.bytes())
      byte = static_cast<uint8_t>(random.next());
    name = "4 records";
  }

private:
  void check(const run::Context &context,
             const run::Kernel &kernel) const override {
    run::checkRelayout(context, "relayout", kernel, records, format, source,
                       format.layout);
  }

  Format format;
  Layout source;
  run::HostTensor records;
};

} // namespace

std::unique_ptr<Checker> makeChecker(const VariantKey &key,
                                     int64_t queryTokens) {
  std::optional<Format> format = parseFormatName(key.format);
  std::optional<Layout> layout = parseLayout(key.layout);
  if (!isTunable(key.kernel) || !format || !layout)
    throw InputError("cannot be checked: " + describe(key));
  format->headDim = key.headDim;
  format->layout = *layout;
  if (key.kernel == "attend")
    return std::make_unique<AttendChecker>(key, *format, queryTokens);
  if (key.kernel == "materialize")
    return std::make_unique<MaterializeChecker>(key, *format);
  if (key.kernel != "relayout")
    return std::make_unique<StoreChecker>(key, *format);
  auto option = key.options.find("source");
  std::optional<Layout> source =
      parseLayout(option == key.options.end() ? "" : option->second);
  if (!source)
    throw InputError("cannot be checked: " + describe(key));
  return std::make_unique<RelayoutChecker>(*format, *source);
}

} // namespace kvarn::tune
