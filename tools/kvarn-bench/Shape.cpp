//===- Shape.cpp - Shapes to be measured ----------------------------------===//

#include "tools/kvarn-bench/Shape.h"

#include "autotune/measure/Task.h"
#include "format/Format.h"
#include "tools/kvarn-bench/Workload.h"
#include "tools/kvarn-run/Error.h"
#include "tools/kvarn-run/Text.h"
#include "tools/npy/Files.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace kvarn::bench {

using nlohmann::json;
using run::Error;
using run::kInput;

std::vector<int64_t> Shape::lengths() const {
  std::vector<int64_t> result(static_cast<size_t>(batch), context);
  if (contextFrom == 0 || batch == 1)
    return result;
  double factor =
      static_cast<double>(context) / static_cast<double>(contextFrom);
  for (int64_t b = 0; b < batch; ++b) {
    double share = static_cast<double>(b) / static_cast<double>(batch - 1);
    result[static_cast<size_t>(b)] = std::llround(
        static_cast<double>(contextFrom) * std::pow(factor, share));
  }
  return result;
}

std::vector<int64_t> Shape::allLengths() const {
  std::vector<int64_t> result = lengths();
  for (int64_t &length : result)
    length += newTokens ? queryTokens : 0;
  return result;
}

double Shape::operations(int64_t headDim) const {
  double seen = 0, rows = static_cast<double>(queryTokens);
  for (int64_t length : allLengths())
    seen += rows * static_cast<double>(length - queryTokens) +
            rows * (rows + 1) / 2;
  // Two products, each of two operations.
  return 4 * static_cast<double>(queryHeads * headDim) * seen;
}

/// The members that only some kernels have, besides those of their buckets.
static constexpr struct {
  std::string_view member, kernels;
} kMembers[] = {
    {"context_from", "attend materialize"},
    {"pool_fraction", "attend materialize"},
    {"pool_ends", "attend materialize"},
    {"query_heads", "attend"},
    {"new", "attend"},
    {"compare_pool", "attend"},
    {"dtype", "attend append flush pack unflush materialize"},
};

/// Whether `word` is one of the `words`.
static bool contains(std::string_view words, std::string_view word) {
  return (" " + std::string(words) + " ").find(" " + std::string(word) + " ") !=
         std::string::npos;
}

bool Shape::has(std::string_view member) const {
  for (const tune::BucketMember &each : tune::kBucketMembers)
    if (each.name == member)
      return each.isOf(kernel);
  for (const auto &each : kMembers)
    if (each.member == member)
      return contains(each.kernels, kernel);
  return true;
}

std::string Shape::describe() const {
  std::string text;
  auto add = [&](const char *member, const char *name, int64_t value) {
    if (has(member))
      text += std::string(name) + " " + std::to_string(value) + " ";
  };
  add("pairs", "pairs", pairs);
  add("tokens", "tokens", tokens);
  add("batch", "batch", batch);
  if (has("context"))
    text += "context " +
            (contextFrom ? std::to_string(contextFrom) + "-" : std::string()) +
            std::to_string(context) + " ";
  text += "heads ";
  if (has("query_heads"))
    text += std::to_string(queryHeads) + "/";
  text += std::to_string(kvHeads);
  if (has("query_tokens") && queryTokens > 1)
    text += " query tokens " + std::to_string(queryTokens);
  if (has("new") && newTokens)
    text += " new";
  if (has("pool_fraction"))
    text += run::formatText(" pool %.2f", poolFraction);
  return text + (has("pool_ends") && poolEnds ? " and ends" : "");
}

namespace {
/// One shape of a suite file.
class ShapeReader {
public:
  ShapeReader(const json &object, std::string where)
      : object(object), where(std::move(where)) {}

  void read(Shape &shape) {
    if (!object.is_object())
      throw Error(kInput, where + ": expected an object");
    text("kernel", shape.kernel);
    std::vector<std::string> names;
    for (const MeasuredKernel &each : kMeasuredKernels)
      names.emplace_back(each.name);
    if (std::find(names.begin(), names.end(), shape.kernel) == names.end())
      fail("kernel", "one of " + run::joinList(names, ", "));
    kernel = &shape;
    integer("pairs", shape.pairs, kMostPairs);
    integer("tokens", shape.tokens, kMostContext);
    integer("batch", shape.batch, kMostBatch);
    flag("new", shape.newTokens);
    integer("context", shape.context, kMostContext, shape.newTokens ? 0 : 1);
    integer("context_from", shape.contextFrom, kMostContext);
    integer("query_heads", shape.queryHeads, kMostHeads);
    integer("kv_heads", shape.kvHeads, kMostHeads);
    integer("query_tokens", shape.queryTokens, kMostQueryTokens);
    integer("head_dim", shape.headDim, kMostHeadDim);
    if (const json *value = find("pool_fraction")) {
      if (!value->is_number() || !(value->get<double>() >= 0) ||
          !(value->get<double>() <= 1))
        fail("pool_fraction", "a number from 0 to 1");
      shape.poolFraction = value->get<double>();
    }
    flag("pool_ends", shape.poolEnds);
    flag("compare_pool", shape.comparePool);
    text("format", shape.format);
    text("layout", shape.layout);
    text("dtype", shape.dtype);
    for (auto &[name, value] : object.items()) {
      (void)value;
      if (std::find(known.begin(), known.end(), name) == known.end())
        throw Error(kInput, where + ": unknown member '" + name + "' of " +
                                shape.kernel);
    }
  }

private:
  [[noreturn]] void fail(const char *name, const std::string &expected) const {
    throw Error(kInput, where + "." + name + ": expected " + expected);
  }
  /// NULL if it is not given. A name asked for is a known one, if the kernel
  /// has it.
  const json *find(const char *name) {
    if (!kernel || kernel->has(name))
      known.emplace_back(name);
    return object.contains(name) ? &object[name] : nullptr;
  }
  void integer(const char *name, int64_t &result, int64_t most,
               int64_t least = 1) {
    const json *value = find(name);
    if (!value)
      return;
    if (!value->is_number_integer() || value->get<int64_t>() < least ||
        value->get<int64_t>() > most)
      fail(name, "an integer from " + std::to_string(least) + " to " +
                     std::to_string(most));
    result = value->get<int64_t>();
  }
  void flag(const char *name, bool &result) {
    const json *value = find(name);
    if (value && !value->is_boolean())
      fail(name, "true or false");
    result = value ? value->get<bool>() : result;
  }
  void text(const char *name, std::string &result) {
    const json *value = find(name);
    if (value && !value->is_string())
      fail(name, "a string");
    result = value ? value->get<std::string>() : result;
  }

  const json &object;
  const Shape *kernel = nullptr; // once it is known
  std::string where;
  std::vector<std::string> known;
};
} // namespace

void checkNames(const Shape &shape, const std::string &where) {
  auto check = [&](const char *what, const std::string &name, bool known,
                   const std::string &expected) {
    if (!name.empty() && !known)
      throw Error(kInput, where + "unknown " + what + " '" + name +
                              "', expected " + expected);
  };
  check("format", shape.format, parseFormatName(shape.format).has_value(),
        "one of " + knownFormatNames());
  check("layout", shape.layout, parseLayout(shape.layout).has_value(),
        "reference or mma16816");
  check("dtype", shape.dtype, shape.dtype == "f16" || shape.dtype == "bf16",
        "f16 or bf16");
}

void checkShape(const Shape &shape, const std::string &where) {
  if (shape.has("query_heads") && shape.queryHeads % shape.kvHeads != 0)
    throw Error(kInput, where + run::formatText(
                                    "%lld query heads are not a multiple of "
                                    "%lld KV heads",
                                    static_cast<long long>(shape.queryHeads),
                                    static_cast<long long>(shape.kvHeads)));
  if (shape.has("context") && shape.contextFrom > shape.context)
    throw Error(kInput, where + "the shortest context is longer than the "
                                "longest");
  if (shape.context < 1 && !shape.newTokens)
    throw Error(kInput, where + "no context, and no new tokens");
  if (!shape.has("query_tokens"))
    return;
  std::vector<int64_t> lengths = shape.allLengths();
  if (shape.queryTokens > *std::min_element(lengths.begin(), lengths.end()))
    throw Error(kInput, where + "more query tokens than tokens");
}

std::vector<Shape> readShapes(const std::string &path, const Shape &base) {
  std::string error;
  std::optional<std::string> text = readFile(path, error);
  if (!text)
    throw Error(kInput, error);
  json list = json::parse(*text, nullptr, false);
  if (!list.is_array() || list.empty())
    throw Error(kInput, path + ": expected a JSON list of shapes");
  std::vector<Shape> result(list.size(), base);
  for (size_t i = 0; i < list.size(); ++i) {
    std::string where = path + ": [" + std::to_string(i) + "]";
    ShapeReader(list[i], where).read(result[i]);
    checkShape(result[i], where + ": ");
  }
  return result;
}

} // namespace kvarn::bench
