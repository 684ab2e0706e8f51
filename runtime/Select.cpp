//===- Select.cpp - Which variant serves a request ------------------------===//

#include "runtime/Select.h"

#include "runtime/Cpu.h"
#include "runtime/Status.h"

#include <cmath>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <tuple>

namespace kvarn::runtime {

namespace {
/// A request, parsed.
struct Wanted : RequestLists {
  explicit Wanted(const kvarn_request &request) : request(request) {}

  const kvarn_request &request;
};
} // namespace

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

/// The items of "a,b,c"; none for NULL and "". Spaces around items are fine.
static std::vector<std::string> split(const char *list) {
  std::vector<std::string> items;
  std::string text = list ? list : "";
  if (text.empty())
    return items;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    std::string item = text.substr(begin, end - begin);
    size_t first = item.find_first_not_of(' ');
    size_t last = item.find_last_not_of(' ');
    items.push_back(
        first == std::string::npos ? "" : item.substr(first, last - first + 1));
    begin = end + 1;
  }
  return items;
}

kvarn_status readRequest(const kvarn_request *from, kvarn_request &request) {
  KVARN_TRY(copyIn(from, request, "request"));
  if (request.target && request.target == std::string_view("auto"))
    request.target = cudaBackend().isPresent() ? "nvidia" : nullptr;
  return KVARN_STATUS_OK;
}

kvarn_status parseLists(const kvarn_request &request, RequestLists &lists) {
  lists.features = split(request.features);
  std::sort(lists.features.begin(), lists.features.end());
  for (size_t i = 0; i < lists.features.size(); ++i)
    if (lists.features[i].empty() ||
        (i > 0 && lists.features[i] == lists.features[i - 1]))
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "request.features: expected different names separated by "
                  "commas, got '" +
                      std::string(request.features) + "'");
  for (const std::string &item : split(request.options)) {
    size_t equals = item.find('=');
    if (equals == 0 || equals == std::string::npos ||
        !lists.options.emplace(item.substr(0, equals), item.substr(equals + 1))
             .second)
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "request.options: expected different NAME=VALUE separated by "
                  "commas, got '" +
                      std::string(request.options) + "'");
  }
  return KVARN_STATUS_OK;
}

static kvarn_status parseRequest(Wanted &wanted) {
  if (!wanted.request.kernel || !*wanted.request.kernel)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "request.kernel is not set");
  KVARN_TRY(parseLists(wanted.request, wanted));
  return checkForcedCpu();
}

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

static std::string quote(const std::string &text) { return "'" + text + "'"; }

static std::string differs(const char *what, const std::string &has,
                           const std::string &wanted) {
  return std::string(what) + " is " + has + ", requested " + wanted;
}

/// Why `variant` computes something else than the request asks for.
static std::string describeMismatch(const Wanted &wanted,
                                    const VariantEntry &entry) {
  const VariantKey &key = entry.variant.key;
  const kvarn_request &request = wanted.request;
  if (key.kernel != request.kernel)
    return differs("kernel", quote(key.kernel), quote(request.kernel));
  const std::tuple<const char *, const std::string *, const char *> texts[] = {
      {"format", &key.format, request.format},
      {"layout", &key.layout, request.layout},
      {"dtype", &key.dtype, request.dtype}};
  for (auto &[what, has, asked] : texts)
    if (asked && *has != asked)
      return differs(what, quote(*has), quote(asked));
  // A target is a family, or one member of it.
  const Requirements &device = entry.variant.requirements;
  const std::string &member = device.chip.empty() ? device.cpu : device.chip;
  if (request.target && key.target != request.target &&
      member != request.target)
    return differs("target",
                   quote(key.target) +
                       (member.empty() ? "" : " (" + member + ")"),
                   quote(request.target));
  const std::tuple<const char *, int64_t, int64_t> numbers[] = {
      {"head_dim", key.headDim, request.head_dim},
      {"ratio", key.ratio, request.ratio},
      {"query_rows", key.queryRows, request.query_rows}};
  for (auto &[what, has, asked] : numbers)
    if (asked && has != asked)
      return differs(what, std::to_string(has), std::to_string(asked));
  if (key.features != wanted.features)
    return differs("features", quote(entry.features),
                   quote(request.features ? request.features : ""));
  for (auto &[name, value] : wanted.options) {
    auto found = key.options.find(name);
    if (found == key.options.end())
      return "has no option " + quote(name);
    if (found->second != value)
      return differs(("option " + name).c_str(), quote(found->second),
                     quote(value));
  }
  return {};
}

/// Why `variant` cannot run here.
static std::string describeMissing(const Wanted &wanted,
                                   const Variant &variant) {
  // Without a target, the request is for the CPU.
  const Backend *backend = wanted.request.target
                               ? findBackend(variant.requirements.arch)
                               : &cpuBackend();
  if (!backend)
    return "is for " + variant.requirements.arch +
           ", which this runtime does not support";
  return backend->missing(variant);
}

/// In which member that changes results `a` and `b` differ; "" = in none.
static std::string describeDifference(const VariantKey &a,
                                      const VariantKey &b) {
  auto both = [](const std::string &what, const std::string &left,
                 const std::string &right) {
    return what + " (" + quote(left) + " and " + quote(right) + ")";
  };
  if (a.format != b.format)
    return both("format", a.format, b.format);
  if (a.layout != b.layout)
    return both("layout", a.layout, b.layout);
  if (a.dtype != b.dtype)
    return both("dtype", a.dtype, b.dtype);
  if (a.headDim != b.headDim)
    return both("head_dim", std::to_string(a.headDim),
                std::to_string(b.headDim));
  if (a.ratio != b.ratio)
    return both("ratio", std::to_string(a.ratio), std::to_string(b.ratio));
  auto value = [](const VariantKey &key, const std::string &name) {
    auto found = key.options.find(name);
    return found == key.options.end() ? std::string() : found->second;
  };
  std::map<std::string, std::string> all = a.options;
  all.insert(b.options.begin(), b.options.end());
  for (auto &[name, unused] : all)
    if (value(a, name) != value(b, name))
      return both("option " + name, value(a, name), value(b, name));
  return {};
}

//===----------------------------------------------------------------------===//
// Ranking
//===----------------------------------------------------------------------===//

/// The logarithm of a hint, or kNoHint.
static double logOf(int64_t hint) {
  return hint > 0 ? std::log2(double(hint)) : kNoHint;
}

static Candidate makeCandidate(size_t index, const Variant &variant) {
  const Hint &hint = variant.hint;
  return {index,
          findBackend(variant.requirements.arch)->preference(variant),
          variant.key.queryRows,
          std::max<int64_t>(variant.key.ratio, 1),
          {logOf(hint.maxBatch.value_or(0)), logOf(hint.kvHeads.value_or(0)),
           logOf(hint.maxQueryTokens.value_or(0)),
           logOf(hint.context.value_or(0))},
          followsRequests(variant)};
}

/// How far a variant's query bucket is from the request: the smallest bucket
/// that holds all rows, else the largest.
static int64_t bucketCost(int64_t queryTokens, const Candidate &candidate) {
  if (queryTokens <= 0 || candidate.queryRows == 0)
    return 0;
  int64_t rows;
  if (__builtin_mul_overflow(queryTokens, candidate.ratio, &rows))
    rows = INT64_MAX;
  return candidate.queryRows >= rows ? candidate.queryRows - rows
                                     : (int64_t(1) << 40) - candidate.queryRows;
}

namespace {
/// The hints of a request.
struct Asked {
  explicit Asked(const kvarn_request &request)
      : queryTokens(request.max_query_tokens),
        hints{logOf(request.max_batch), logOf(request.kv_heads),
              logOf(request.max_query_tokens), logOf(request.context)} {}

  int64_t queryTokens;
  HintLogs hints;
};
} // namespace

/// Whether the hints of a variant say nothing of the request: who does not say
/// how much there is to do is not near to what says it, and more requests are
/// not near where each has programs of its own.
static bool isFar(const HintLogs &asked, const Candidate &candidate) {
  const HintLogs &own = candidate.hints;
  if ((own.batch != kNoHint && asked.batch == kNoHint) ||
      (own.context != kNoHint && asked.context == kNoHint))
    return true;
  return candidate.followsRequests && own.batch != kNoHint &&
         asked.batch > own.batch;
}

/// How far what the variant was tuned for is from the request. To a kernel, a
/// request with n KV heads is n times the work of one: where both sides know
/// them, batches are compared as batch times KV heads.
static double hintCost(const HintLogs &asked, const HintLogs &own) {
  bool isGeneral = own.batch == kNoHint && own.kvHeads == kNoHint &&
                   own.queryTokens == kNoHint && own.context == kNoHint;
  if (isGeneral)
    return kNearHint;
  auto differ = [](double a, double b) {
    return a != kNoHint && b != kNoHint ? a - b : 0;
  };
  double work = differ(asked.batch, own.batch);
  if (asked.batch != kNoHint && own.batch != kNoHint)
    work += differ(asked.kvHeads, own.kvHeads);
  return std::abs(work) + std::abs(differ(asked.queryTokens, own.queryTokens)) +
         std::abs(differ(asked.context, own.context));
}

/// Smaller is better; the reasons are in the order of the members.
static auto rank(const Asked &asked, const Candidate &candidate) {
  return std::tuple(-candidate.preference[0], -candidate.preference[1],
                    bucketCost(asked.queryTokens, candidate),
                    std::pair(isFar(asked.hints, candidate),
                              hintCost(asked.hints, candidate.hints)));
}

/// The best of `candidates`, which are not none.
static const Candidate &findBest(const kvarn_request &request,
                                 const std::vector<Candidate> &candidates) {
  Asked asked(request);
  const Candidate *best = &candidates[0];
  auto least = rank(asked, *best);
  for (const Candidate &candidate : candidates) {
    auto own = rank(asked, candidate);
    if (own < least) {
      best = &candidate;
      least = own;
    }
  }
  return *best;
}

static std::string whyWorse(const kvarn_request &request,
                            const Candidate &candidate, const Candidate &chosen,
                            const std::string &chosenId) {
  Asked asked(request);
  auto a = rank(asked, candidate), b = rank(asked, chosen);
  std::string than = " than " + chosenId;
  if (std::get<0>(a) != std::get<0>(b) || std::get<1>(a) != std::get<1>(b))
    return "matches, but uses less of the device" + than;
  if (std::get<2>(a) != std::get<2>(b))
    return "matches, but its query_rows fit less well" + than;
  if (std::get<3>(a) != std::get<3>(b))
    return "matches, but its hints fit less well" + than;
  return "matches, but stands behind " + chosenId + " in the manifest";
}

//===----------------------------------------------------------------------===//
// Selecting
//===----------------------------------------------------------------------===//

static void failSelection(Selection &selection, kvarn_status status,
                          const std::string &message) {
  selection.status = status;
  selection.message = message;
}

/// Sets status and message if the variants `matching` are not one program.
static bool isAmbiguous(const kvarn_library &library,
                        const std::vector<size_t> &matching,
                        Selection &selection) {
  const Variant &first = library.manifest.variants[matching[0]];
  for (size_t index : matching) {
    const Variant &other = library.manifest.variants[index];
    std::string difference = describeDifference(first.key, other.key);
    if (difference.empty())
      continue;
    failSelection(selection, KVARN_STATUS_INVALID_ARGUMENT,
                  "the request is ambiguous: " + first.id + " and " + other.id +
                      " differ in " + difference);
    return true;
  }
  return false;
}

kvarn_status selectVariant(const kvarn_library &library,
                           const kvarn_request &request, Selection &selection) {
  Wanted wanted(request);
  KVARN_TRY(parseRequest(wanted));
  const std::vector<Variant> &variants = library.manifest.variants;
  selection.reasons.resize(variants.size());
  std::vector<size_t> matching;
  std::vector<Candidate> &runnable = selection.candidates;
  for (size_t i = 0; i < variants.size(); ++i) {
    std::string &reason = selection.reasons[i];
    reason = describeMismatch(wanted, library.entries[i]);
    if (!reason.empty())
      continue;
    matching.push_back(i);
    reason = describeMissing(wanted, variants[i]);
    if (reason.empty())
      runnable.push_back(makeCandidate(i, variants[i]));
  }
  if (matching.empty()) {
    failSelection(selection, KVARN_STATUS_NOT_FOUND,
                  library.folder + ": none of the " +
                      std::to_string(variants.size()) +
                      " variants matches the request for kernel '" +
                      request.kernel + "'; kvarn_library_explain says why");
    return KVARN_STATUS_OK;
  }
  if (isAmbiguous(library, matching, selection))
    return KVARN_STATUS_OK;
  if (runnable.empty()) {
    std::string message;
    for (size_t index : matching)
      message += (message.empty() ? "" : "; ") + variants[index].id + ": " +
                 selection.reasons[index];
    failSelection(selection, KVARN_STATUS_UNSUPPORTED, message);
    return KVARN_STATUS_OK;
  }
  const Candidate &best = findBest(request, runnable);
  selection.chosen = best.index;
  for (const Candidate &candidate : runnable)
    selection.reasons[candidate.index] =
        candidate.index == best.index
            ? "chosen"
            : whyWorse(request, candidate, best, variants[best.index].id);
  return KVARN_STATUS_OK;
}

std::string explainSelection(const kvarn_library &library,
                             const Selection &selection) {
  std::string text =
      selection.status == KVARN_STATUS_OK
          ? "chosen: " + library.manifest.variants[selection.chosen].id + "\n"
          : "nothing chosen: " + selection.message + "\n";
  for (size_t i = 0; i < library.manifest.variants.size(); ++i)
    text += "  " + library.manifest.variants[i].id + ": " +
            (selection.reasons[i].empty() ? "matches" : selection.reasons[i]) +
            "\n";
  return text;
}

//===----------------------------------------------------------------------===//
// Selecting again
//===----------------------------------------------------------------------===//

/// More than any program asks for; then it starts anew.
static constexpr size_t kMaxRemembered = 4096;

static void appendText(std::string &key, const char *text) {
  key += text ? '+' : '-'; // "" is not NULL
  key += text ? text : "";
  key += '\0';
}

void makeRequestKey(const kvarn_request &request, std::string &key) {
  key.clear();
  for (const char *text :
       {request.kernel, request.format, request.layout, request.dtype,
        request.features, request.options, request.target, forcedCpu()})
    appendText(key, text);
  const Backend *backend = backendOfTarget(request.target);
  int32_t device = backend ? backend->currentDevice().id : 0;
  for (int64_t number : {request.head_dim, request.ratio, request.query_rows,
                         static_cast<int64_t>(device)})
    key.append(reinterpret_cast<const char *>(&number), sizeof number);
}

/// Only those that leave the most of the device to use can win.
static void keepPreferred(std::vector<Candidate> &candidates) {
  auto best = candidates[0].preference;
  for (const Candidate &candidate : candidates)
    best = std::max(best, candidate.preference);
  std::erase_if(candidates,
                [&](const Candidate &c) { return c.preference != best; });
}

kvarn_status selectKernel(kvarn_library &library, const kvarn_request &request,
                          const std::string &key, kvarn_kernel *&kernel) {
  {
    std::shared_lock lock(library.selectionMutex);
    auto found = library.remembered.find(key);
    if (found != library.remembered.end())
      return library.load(findBest(request, found->second).index, kernel);
  }
  Selection selection;
  KVARN_TRY(selectVariant(library, request, selection));
  if (selection.status != KVARN_STATUS_OK)
    return fail(selection.status, selection.message);
  KVARN_TRY(library.load(selection.chosen, kernel));
  keepPreferred(selection.candidates);
  std::lock_guard lock(library.selectionMutex);
  if (library.remembered.size() >= kMaxRemembered)
    library.remembered.clear();
  library.remembered.emplace(key, std::move(selection.candidates));
  return KVARN_STATUS_OK;
}

} // namespace kvarn::runtime
