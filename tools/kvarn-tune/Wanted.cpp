//===- Wanted.cpp - What is to be tuned -----------------------------------===//

#include "tools/kvarn-tune/Wanted.h"

#include "autotune/measure/Error.h"
#include "autotune/measure/LibraryFolder.h"
#include "format/Format.h"
#include "tools/kvarn-run/Compiler.h"

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
  shape.newTokens = std::find(key.features.begin(), key.features.end(),
                              "new") != key.features.end();
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
    for (const std::string &feature : options.features)
      if (!feature.empty() && feature != "none")
        key.features.push_back(feature);
    std::sort(key.features.begin(), key.features.end());
  }
  if (library.empty()) {
    if (key.format.empty())
      throw InputError(options.shapesFile + ": " + shape.describe() +
                       ": no format; name one beside --shapes or in the shape");
    return key;
  }
  for (const VariantKey &each : libraryKeys)
    if (each.kernel == key.kernel && each.ratio == key.ratio &&
        (shape.format.empty() || each.format == shape.format) &&
        (shape.layout.empty() || each.layout == shape.layout) &&
        (shape.dtype.empty() || !shape.has("dtype") ||
         each.dtype == shape.dtype) &&
        (shape.headDim == 0 || each.headDim == shape.headDim)) {
      VariantKey found = each;
      found.queryRows = 0;
      return found;
    }
  throw InputError(library + ": no kernel '" + key.kernel + "' for " +
                   shape.describe());
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
