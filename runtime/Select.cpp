//===- Select.cpp - Which variant serves a request ------------------------===//

#include "runtime/Select.h"

#include "runtime/Cpu.h"
#include "runtime/Status.h"

#include <cmath>
#include <map>
#include <tuple>

namespace kvarn::runtime {

namespace {
/// A request, parsed.
struct Wanted {
  const kvarn_request &request;
  std::vector<std::string> features;
  std::map<std::string, std::string> options;
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

static kvarn_status parseRequest(Wanted &wanted) {
  const kvarn_request &request = wanted.request;
  if (!request.kernel || !*request.kernel)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "request.kernel is not set");
  wanted.features = split(request.features);
  std::sort(wanted.features.begin(), wanted.features.end());
  for (size_t i = 0; i < wanted.features.size(); ++i)
    if (wanted.features[i].empty() ||
        (i > 0 && wanted.features[i] == wanted.features[i - 1]))
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "request.features: expected different names separated by "
                  "commas, got '" +
                      std::string(request.features) + "'");
  for (const std::string &item : split(request.options)) {
    size_t equals = item.find('=');
    if (equals == 0 || equals == std::string::npos ||
        !wanted.options.emplace(item.substr(0, equals), item.substr(equals + 1))
             .second)
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "request.options: expected different NAME=VALUE separated by "
                  "commas, got '" +
                      std::string(request.options) + "'");
  }
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

/// How far a variant's query bucket is from the request: the smallest bucket
/// that holds all rows, else the largest.
static int64_t bucketCost(const kvarn_request &request, const VariantKey &key) {
  if (request.max_query_tokens <= 0 || key.queryRows == 0)
    return 0;
  int64_t ratio = std::max<int64_t>(key.ratio, 1), rows;
  if (__builtin_mul_overflow(request.max_query_tokens, ratio, &rows))
    rows = INT64_MAX;
  return key.queryRows >= rows ? key.queryRows - rows
                               : (int64_t(1) << 40) - key.queryRows;
}

/// How far what the variant was tuned for is from the request.
static double hintCost(const kvarn_request &request, const Hint &hint) {
  auto distance = [](int64_t asked, std::optional<int64_t> tuned) {
    return asked > 0 && tuned
               ? std::abs(std::log2(double(asked)) - std::log2(double(*tuned)))
               : 0.0;
  };
  return distance(request.max_batch, hint.maxBatch) +
         distance(request.max_query_tokens, hint.maxQueryTokens) +
         distance(request.context, hint.context);
}

/// Smaller is better; the reasons are in the order of the members. Of a variant
/// that runs here, so there is a backend.
static auto rank(const kvarn_request &request, const Variant &variant) {
  auto [first, second] =
      findBackend(variant.requirements.arch)->preference(variant);
  return std::tuple(-first, -second, bucketCost(request, variant.key),
                    hintCost(request, variant.hint));
}

static std::string whyWorse(const kvarn_request &request,
                            const Variant &variant, const Variant &chosen) {
  auto a = rank(request, variant), b = rank(request, chosen);
  std::string than = " than " + chosen.id;
  if (std::get<0>(a) != std::get<0>(b) || std::get<1>(a) != std::get<1>(b))
    return "matches, but uses less of the device" + than;
  if (std::get<2>(a) != std::get<2>(b))
    return "matches, but its query_rows fit less well" + than;
  if (std::get<3>(a) != std::get<3>(b))
    return "matches, but its hints fit less well" + than;
  return "matches, but stands behind " + chosen.id + " in the manifest";
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
  Wanted wanted{request, {}, {}};
  KVARN_TRY(parseRequest(wanted));
  const std::vector<Variant> &variants = library.manifest.variants;
  selection.reasons.resize(variants.size());
  std::vector<size_t> matching, runnable;
  for (size_t i = 0; i < variants.size(); ++i) {
    std::string &reason = selection.reasons[i];
    reason = describeMismatch(wanted, library.entries[i]);
    if (!reason.empty())
      continue;
    matching.push_back(i);
    reason = describeMissing(wanted, variants[i]);
    if (reason.empty())
      runnable.push_back(i);
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
  selection.chosen = *std::min_element(
      runnable.begin(), runnable.end(), [&](size_t a, size_t b) {
        return rank(request, variants[a]) < rank(request, variants[b]);
      });
  for (size_t index : runnable)
    selection.reasons[index] =
        index == selection.chosen
            ? "chosen"
            : whyWorse(request, variants[index], variants[selection.chosen]);
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

} // namespace kvarn::runtime
