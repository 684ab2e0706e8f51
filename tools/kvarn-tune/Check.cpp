//===- Check.cpp - Is a candidate right? ----------------------------------===//

#include "tools/kvarn-tune/Check.h"

#include "autotune/measure/Error.h"
#include "tools/kvarn-run/Conformance/Relayout.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cmath>

namespace kvarn::tune {

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
  spec.ratio = static_cast<int>(key.ratio);
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

Checker::Checker(const VariantKey &key, int64_t queryTokens) {
  std::optional<Format> format = parseFormatName(key.format);
  std::optional<Layout> layout = parseLayout(key.layout);
  if (key.kernel != "attend" || !format || !layout)
    throw InputError("only attend over a known format can be checked, found " +
                     describe(key));
  format->headDim = key.headDim;
  uint64_t seed = 1;
  for (const oracle::CaseSpec &spec : makeSpecs(key, *format, queryTokens)) {
    oracle::RandomCase random = oracle::makeCase(spec, seed++);
    oracle::AttentionResult exact = oracle::attend(random.input());
    Case &each = cases.emplace_back();
    each.input = run::attendCase(random);
    run::relayout(each.input.cache.pages.bytes(), random.recordStride, *format,
                  Layout::Reference, *layout);
    each.limit = oracle::errorLimit(random.input(), exact);
    if (key.dtype == "bf16") // which rounds more coarsely by itself
      each.limit += 4e-3;
    each.want = std::move(exact.out);
    each.name = random.describe();
  }
}

std::string Checker::check(const run::Kernel &kernel,
                           const run::Running &running) const {
  for (const Case &each : cases) {
    std::vector<run::HostTensor> results =
        run::launchAttend(kernel, each.input, running);
    double error = oracle::relativeError(run::toDoubles(results[0]), each.want);
    if (!(error <= each.limit))
      return run::formatText("the error is %.2e, the limit %.2e: ", error,
                             each.limit) +
             each.name;
  }
  return "";
}

} // namespace kvarn::tune
