//===- Wanted.cpp - What is to be tuned -----------------------------------===//

#include "tools/kvarn-tune/Wanted.h"

#include "autotune/measure/Error.h"
#include "autotune/measure/LibraryFolder.h"
#include "format/Format.h"
#include "tools/kvarn-run/Compiler.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <filesystem>

namespace kvarn::tune {

bool isFor(const Variant &variant, const std::string &target) {
  const Requirements &needs = variant.requirements;
  return needs.chip == target || needs.cpu == target || needs.arch == target;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

Bucket bucketOf(const bench::Shape &shape) {
  auto of = [&](const char *member, int64_t value) {
    return shape.has(member) ? value : 0;
  };
  return {of("batch", shape.batch),
          of("context", shape.context),
          of("query_tokens", shape.queryTokens),
          shape.kvHeads,
          of("pairs", shape.pairs),
          of("tokens", shape.tokens)};
}

static bool readsNewTokens(const VariantKey &key) {
  return std::find(key.features.begin(), key.features.end(), "new") !=
         key.features.end();
}

bench::Shape shapeOf(const VariantKey &key, const Bucket &bucket) {
  bench::Shape shape;
  shape.kernel = key.kernel;
  shape.batch = bucket.batch;
  shape.context = bucket.context;
  shape.queryTokens = bucket.queryTokens;
  shape.pairs = bucket.pairs;
  shape.tokens = bucket.tokens;
  shape.kvHeads = bucket.kvHeads;
  shape.queryHeads = bucket.kvHeads * key.ratio;
  shape.newTokens = readsNewTokens(key);
  return shape;
}

/// What a bucket does not name cannot be tuned for.
static void checkPlain(const bench::Shape &shape, const std::string &where) {
  if (shape.contextFrom || shape.poolFraction != 0 || shape.poolEnds ||
      shape.comparePool)
    throw InputError(where +
                     "tuning takes packed caches of even length; remove "
                     "context_from, pool_fraction, pool_ends and "
                     "compare_pool");
  if (shape.has("context") && shape.context < 1)
    throw InputError(where + "context: found 0, expected 1 or more; tuning "
                             "measures reading a cache, and there is none");
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

void Wanted::readLibraryKeys() {
  for (const Variant &variant : readLibrary(library).variants)
    if (isTunable(variant.key.kernel) && isFor(variant, options.target))
      libraryKeys.push_back(variant.key);
  if (libraryKeys.empty())
    throw InputError(library + ": has no kernel for " + options.target);
}

Wanted::Wanted(const BuildStep &options)
    : options(options), compiler(run::findCompiler()) {
  bench::Shape base = options.shape;
  std::error_code ignored;
  if (std::filesystem::is_directory(options.input, ignored)) {
    library = options.input;
    readLibraryKeys();
  } else if (options.input.ends_with(".mlir")) {
    throw InputError(options.input +
                     ": programs of your own cannot be tuned, "
                     "expected a format name (" +
                     "kvarn_k4v2_g128) or a library");
  } else {
    base.format = options.input;
  }
  shapes = bench::readShapes(options.shapesFile, base);
  for (size_t i = 0; i < shapes.size(); ++i)
    checkPlain(shapes[i],
               options.shapesFile + ": [" + std::to_string(i) + "]: ");
}

/// Sorted, as in keys.
static std::vector<std::string>
featuresOf(const std::vector<std::string> &given) {
  std::vector<std::string> features;
  for (const std::string &feature : given)
    if (!feature.empty() && feature != "none")
      features.push_back(feature);
  std::sort(features.begin(), features.end());
  return features;
}

/// Whether they agree on where the newest tokens are: the context of a shape
/// has them or not.
static bool agree(const bench::Shape &shape, const VariantKey &key) {
  return !shape.has("new") || shape.newTokens == readsNewTokens(key);
}

VariantKey Wanted::keyFor(const bench::Shape &shape) const {
  VariantKey key;
  key.kernel = shape.kernel;
  key.format = shape.format;
  key.layout = shape.layout.empty() ? "reference" : shape.layout;
  key.headDim = shape.headDim ? shape.headDim : 128;
  if (shape.has("dtype"))
    key.dtype = shape.dtype.empty() ? "f16" : shape.dtype;
  if (key.kernel == "relayout") // from the other layout
    key.options["source"] = layoutName(
        key.layout == layoutName(Layout::Reference) ? Layout::Mma16816
                                                    : Layout::Reference);
  if (key.kernel == "attend") {
    key.ratio = shape.queryHeads / shape.kvHeads;
    key.features = options.features.empty() ? std::vector<std::string>{"causal"}
                                            : featuresOf(options.features);
  }
  if (!library.empty())
    return keyInLibrary(key, shape);
  std::string where = options.shapesFile + ": " + shape.describe() + ": ";
  if (key.format.empty())
    throw InputError(where +
                     "no format; name one beside --shapes or in the shape");
  if (!agree(shape, key))
    throw InputError(
        where + "found --features=" +
        (key.features.empty() ? "none" : run::joinList(key.features, ",")) +
        ", expected them to have 'new' if and only if the shape has \"new\": "
        "true");
  return key;
}

/// "attend ... (causal)", "flush ... iterations 3, prescale on, range mse"
static std::string describeWithOptions(const VariantKey &key) {
  std::vector<std::string> words;
  for (auto &[name, value] : key.options)
    words.push_back(name + " " + value);
  return describe(key) +
         (words.empty() ? "" : " " + run::joinList(words, ", "));
}

/// What tells `keys` apart, and how to choose.
static std::string waysToChoose(const std::vector<VariantKey> &keys) {
  std::vector<std::string> ways;
  auto add = [&](auto member, const char *way) {
    for (const VariantKey &key : keys)
      if (key.*member != keys.front().*member) {
        ways.emplace_back(way);
        return;
      }
  };
  add(&VariantKey::format, "\"format\" in the shape");
  add(&VariantKey::layout, "--layout");
  add(&VariantKey::headDim, "--head-dim");
  add(&VariantKey::dtype, "--dtype");
  add(&VariantKey::features, "--features");
  add(&VariantKey::options, "a library with one of these options");
  return run::joinList(ways, " and ");
}

/// The kernel of the library for `shape`. What was not said may be as it is
/// there, but it must be the same in all that fit.
VariantKey Wanted::keyInLibrary(const VariantKey &wanted,
                                const bench::Shape &shape) const {
  std::vector<VariantKey> found;
  for (VariantKey each : libraryKeys) {
    each.queryRows = 0;
    if (each.kernel == wanted.kernel && each.ratio == wanted.ratio &&
        (shape.format.empty() || each.format == shape.format) &&
        (shape.layout.empty() || each.layout == shape.layout) &&
        (shape.dtype.empty() || !shape.has("dtype") ||
         each.dtype == shape.dtype) &&
        (shape.headDim == 0 || each.headDim == shape.headDim) &&
        (options.features.empty() || each.features == wanted.features) &&
        agree(shape, each) &&
        std::find(found.begin(), found.end(), each) == found.end())
      found.push_back(each);
  }
  std::string what = "kernel '" + wanted.kernel + "' for " + shape.describe();
  if (found.empty())
    throw InputError(
        library + ": no " + what +
        (options.features.empty() || wanted.kernel != "attend"
             ? ""
             : " with --features=" + run::joinList(options.features, ",")));
  if (found.size() == 1)
    return found.front();
  std::vector<std::string> names;
  for (const VariantKey &each : found)
    names.push_back(describeWithOptions(each));
  throw InputError(library + ": more than one " + what + ": " +
                   run::joinList(names, "; ") + "; choose by " +
                   waysToChoose(found));
}

//===----------------------------------------------------------------------===//
// Command lines
//===----------------------------------------------------------------------===//

std::vector<std::string> Wanted::commandForAll(const VariantKey &key) const {
  return {compiler,
          "--format=" + key.format,
          "--layout=" + key.layout,
          "--head-dim=" + std::to_string(key.headDim),
          "--dtype=" + (key.dtype.empty() ? "f16" : key.dtype),
          "--query-heads=" + std::to_string(std::max<int64_t>(key.ratio, 1)),
          "--kv-heads=1",
          "--target=" + options.target};
}

std::vector<std::string> Wanted::command(const VariantKey &key,
                                         int64_t queryTokens) const {
  std::vector<std::string> words = commandForAll(key);
  words.push_back("--kernels=" + key.kernel);
  if (key.kernel == "attend") {
    std::string features;
    for (const std::string &feature : key.features)
      features += (features.empty() ? "" : ",") + feature;
    words.push_back("--features=" + (features.empty() ? "none" : features));
    words.push_back("--query-tokens=" + std::to_string(queryTokens));
  }
  // As kvarn-compile writes its options into keys.
  for (auto &[name, value] : key.options)
    if (name == "source")
      words.push_back("--source-layout=" + value);
    else if (name != "prescale")
      words.push_back("--" + name + "=" + value);
    else if (value == "on")
      words.push_back("--prescale");
  return words;
}

} // namespace kvarn::tune
