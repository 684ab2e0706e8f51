//===- Suite.cpp - Shapes, measured one after the other -------------------===//

#include "tools/kvarn-bench/Suite.h"

#include "format/Manifest.h"
#include "tools/kvarn-run/Text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <set>
#include <unistd.h>

namespace kvarn::bench {

namespace fs = std::filesystem;

using nlohmann::json;
using run::Error;
using run::kInput;

std::vector<Shape> Suite::shapes() const {
  checkNames(shape, "");
  if (suiteFile.empty()) {
    checkShape(shape, "");
    return {shape};
  }
  std::vector<Shape> list = readShapes(suiteFile, shape);
  for (size_t i = 0; i < list.size(); ++i)
    checkNames(list[i], suiteFile + ": [" + std::to_string(i) + "]: ");
  return list;
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

/// Of attention.
static std::string featuresFor(const Shape &shape) {
  return shape.newTokens ? "causal,new" : "causal";
}

/// The kernel for `shape` from the first library that has one, if one has.
std::optional<run::Kernel> Suite::select(const Shape &shape) const {
  run::Request wanted;
  wanted.kernel = shape.kernel;
  wanted.format = shape.format;
  wanted.layout = shape.layout;
  if (shape.has("dtype"))
    wanted.dtype = shape.dtype;
  wanted.headDim = shape.headDim;
  if (shape.kernel == "attend") {
    wanted.features = featuresFor(shape);
    wanted.ratio = shape.queryHeads / shape.kvHeads;
    wanted.maxBatch = shape.batch;
    wanted.maxQueryTokens = shape.queryTokens;
    wanted.context = shape.context;
    wanted.kvHeads = shape.kvHeads;
  }
  for (const run::Library &each : opened) {
    // Libraries for another device may be there to pack the cache.
    bool gpu = running.device.starts_with("cuda") || onGpu.value_or(false);
    if (gpu ? each.gpuTarget(shape.kernel).empty()
            : onGpu && !each.hasCpuKernel(shape.kernel))
      continue;
    wanted.target = onGpu.value_or(false) ? each.gpuTarget(shape.kernel) : "";
    try {
      return running.select(each, wanted);
    } catch (const run::RuntimeError &error) {
      if (error.status != KVARN_STATUS_NOT_FOUND)
        throw;
    }
  }
  return std::nullopt;
}

static void summarize(const std::vector<double> &times,
                      const Workload &workload, Timing &timing) {
  timing.median = median(times);
  timing.best = *std::min_element(times.begin(), times.end());
  timing.bytes = workload.bytes();
  timing.layers = workload.layers();
}

/// Of attention, where they count.
static bool countsOperations(const Shape &shape) {
  return shape.kernel == "attend" && shape.queryTokens > 1;
}

Result Suite::measure(const run::Kernel &kernel, const Shape &shape) const {
  if (!run::formatOf(kernel.info()))
    throw Error(kInput, std::string(kernel.info().id) + " has no format");
  std::vector<std::unique_ptr<Workload>> workloads;
  for (bool pool : {false, true}) {
    Shape each = shape;
    if (pool)
      each.poolFraction = 1;
    if (!pool || (shape.comparePool && shape.has("compare_pool")))
      workloads.push_back(makeWorkload(
          {*device, {opened, running}, kernel, each, memoryMiB << 20}));
  }
  for (auto &workload : workloads)
    workload->use(kernel);
  // All layers once, to have everything in its place.
  for (auto &workload : workloads) {
    for (int64_t layer = 0; layer < workload->layers(); ++layer)
      workload->run(layer);
    workload->checkOutput();
  }
  // In turn: whatever else the machine does hits both.
  std::vector<std::vector<double>> times(workloads.size());
  for (int64_t i = 0; i < repeat; ++i)
    for (size_t w = 0; w < workloads.size(); ++w)
      times[w].push_back(workloads[w]->run(i % workloads[w]->layers()));
  Result result;
  result.shape = shape;
  result.format = kernel.info().format;
  result.layout = kernel.info().layout;
  result.dtype = kernel.info().dtype;
  result.headDim = kernel.info().head_dim;
  result.variant = kernel.info().id;
  result.sha256 = kernel.info().binary_sha256;
  result.reallyPacked = workloads[0]->reallyPacked();
  summarize(times[0], *workloads[0], result.timing);
  if (workloads.size() > 1)
    summarize(times[1], *workloads[1], result.pool);
  if (countsOperations(shape))
    result.timing.operations = result.pool.operations =
        shape.operations(result.headDim);
  return result;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

static std::string rateText(double bytesPerSecond) {
  return bytesPerSecond < 1e12
             ? run::formatText("%.2f GB/s", bytesPerSecond * 1e-9)
             : run::formatText("%.3f TB/s", bytesPerSecond * 1e-12);
}

static std::string timingText(const Timing &timing, double bandwidth) {
  std::string text = run::formatText(
      "%9.1f us  %12s  %5.1f %%", timing.median * 1e6,
      rateText(timing.rate()).c_str(), 100 * timing.rate() / bandwidth);
  if (timing.operations > 0)
    text += run::formatText("  %.3g TFLOP/s", timing.operationRate() * 1e-12);
  return text;
}

void Suite::print(const Result &result) const {
  std::printf(
      "%s %s %s%sD %lld %s%s\n", result.format.c_str(), result.layout.c_str(),
      result.dtype.c_str(), result.dtype.empty() ? "" : " ",
      static_cast<long long>(result.headDim), result.shape.describe().c_str(),
      result.reallyPacked ? "" : " (random records)");
  double limit = bandwidth.of(result.shape);
  std::printf("  %-11s %s\n", result.shape.kernel.c_str(),
              timingText(result.timing, limit).c_str());
  if (result.pool.median > 0)
    std::printf("  all pool    %s\n  %.2f times as fast as with every block in "
                "the pool\n",
                timingText(result.pool, limit).c_str(),
                result.pool.median / result.timing.median);
  std::fflush(stdout);
}

static json timingJson(const Timing &timing, const Shape &shape,
                       const Bandwidth &bandwidth) {
  const char *share = shape.kernel == "attend" ? "share_of_read_bandwidth"
                                               : "share_of_copy_bandwidth";
  json object = {{"median_seconds", timing.median},
                 {"best_seconds", timing.best},
                 {"bytes", timing.bytes},
                 {"layers", timing.layers},
                 {"bytes_per_second", timing.rate()},
                 {share, timing.rate() / bandwidth.of(shape)}};
  if (timing.operations > 0) {
    object["operations"] = timing.operations;
    object["operations_per_second"] = timing.operationRate();
  }
  return object;
}

static json resultJson(const Result &result, const Bandwidth &bandwidth) {
  const Shape &shape = result.shape;
  json object = {{"kernel", shape.kernel},
                 {"format", result.format},
                 {"layout", result.layout},
                 {"dtype", result.dtype},
                 {"variant", result.variant},
                 {"sha256", result.sha256},
                 {"kv_heads", shape.kvHeads},
                 {"head_dim", result.headDim},
                 {"records", result.reallyPacked ? "flush" : "random"},
                 {shape.kernel, timingJson(result.timing, shape, bandwidth)}};
  auto add = [&](const char *member, auto value) {
    if (shape.has(member))
      object[member] = value;
  };
  add("batch", shape.batch);
  add("context", shape.context);
  add("query_heads", shape.queryHeads);
  add("query_tokens", shape.queryTokens);
  add("new", shape.newTokens);
  add("pool_fraction", shape.poolFraction);
  add("pool_ends", shape.poolEnds);
  add("pairs", shape.pairs);
  add("tokens", shape.tokens);
  if (shape.contextFrom)
    add("context_from", shape.contextFrom);
  if (result.pool.median > 0) {
    object["all_pool"] = timingJson(result.pool, shape, bandwidth);
    object["speedup_over_pool"] = result.pool.median / result.timing.median;
  }
  return object;
}

void Suite::writeJson(const Bandwidth &after) const {
  char date[32];
  std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  json document;
  document["command"] = command;
  document["date"] = date;
  document["device"] = device->name();
  if (std::string driver = device->driver(); !driver.empty())
    document["driver"] = driver;
  document["compiler"] = opened.front().compiler();
  document["repeat"] = repeat;
  auto add = [&](const std::string &name, double before, double afterwards) {
    if (before == 0)
      return;
    document[name + "_bytes_per_second"] = before;
    if (afterwards > 0)
      document[name + "_bytes_per_second_afterwards"] = afterwards;
  };
  add("read", bandwidth.read, after.read);
  add("copy", bandwidth.copy, after.copy);
  document["results"] = json::array();
  for (const Result &result : results)
    document["results"].push_back(resultJson(result, bandwidth));
  for (const Failure &failure : failures)
    document["failed"].push_back({{"kernel", failure.shape.kernel},
                                  {"shape", failure.shape.describe()},
                                  {"error", failure.message}});
  std::string text = document.dump(2) + "\n", error;
  OutputFiles files;
  if (!files.add(jsonFile, {text}, error) || !files.commit(error))
    throw Error(kInput, error);
}

/// "'attend' with the features 'causal' for ratio 8, head_dim 64": all that is
/// asked for.
static std::string describeKernel(const Shape &shape) {
  std::string text = "'" + shape.kernel + "'";
  if (shape.kernel == "attend")
    text += " with the features '" + featuresFor(shape) + "' for ratio " +
            std::to_string(shape.queryHeads / shape.kvHeads);
  auto add = [&](const char *member, const std::string &value) {
    if (!value.empty() && shape.has(member))
      text += std::string(", ") + member + " " + value;
  };
  add("format", shape.format);
  add("layout", shape.layout);
  add("dtype", shape.dtype);
  add("head_dim", shape.headDim ? std::to_string(shape.headDim) : "");
  return text;
}

/// "'attend', features causal, ratio 8, format kvarn_k4v2_g128, ..."
static std::string describeVariant(const kvarn_variant_info &info) {
  std::string text = "'" + std::string(info.kernel) + "'";
  auto add = [&](const char *name, const std::string &value) {
    if (!value.empty() && value != "0")
      text += std::string(", ") + name + " " + value;
  };
  add("features", info.features);
  add("ratio", std::to_string(info.ratio));
  add("format", info.format);
  add("layout", info.layout);
  add("dtype", info.dtype);
  add("head_dim", std::to_string(info.head_dim));
  return text + ", for " + info.target;
}

std::string Suite::describeMissing(const Shape &shape) const {
  std::set<std::string> like, others;
  for (const run::Library &library : opened)
    for (const kvarn_variant_info &info : library.variants())
      if (shape.kernel == info.kernel)
        like.insert(describeVariant(info));
      else
        others.insert("'" + std::string(info.kernel) + "'");
  std::string text, separator = like.empty() ? ", " : "; ";
  for (const std::string &each : like.empty() ? others : like)
    text += (text.empty() ? "" : separator) + each;
  return "no library has a kernel " + describeKernel(shape) +
         "; what there is: " + (text.empty() ? "nothing" : text);
}

/// What the shapes are compared with, printed.
static Bandwidth measureBandwidth(Device &device, const std::vector<Shape> &all,
                                  const char *when) {
  Bandwidth result;
  auto isAttend = [](const Shape &shape) { return shape.kernel == "attend"; };
  if (std::any_of(all.begin(), all.end(), isAttend))
    result.read = device.readBandwidth();
  if (!std::all_of(all.begin(), all.end(), isAttend))
    result.copy = device.copyBandwidth();
  for (auto [name, rate] :
       {std::pair("reads", result.read), std::pair("copies", result.copy)})
    if (rate > 0)
      std::printf("%s: %s %s%s\n", device.name().c_str(), name,
                  rateText(rate).c_str(), when);
  return result;
}

/// Whether other shapes can be measured although one ended so: not if the
/// device or a library has failed.
static bool concernsShape(const Error &error) {
  auto *failure = dynamic_cast<const run::RuntimeError *>(&error);
  if (!failure)
    return error.code == kInput;
  return failure->status != KVARN_STATUS_DEVICE &&
         failure->status != KVARN_STATUS_IO &&
         failure->status != KVARN_STATUS_CORRUPT &&
         failure->status != KVARN_STATUS_INTERNAL;
}

/// The device is made for the first shape that has a kernel.
void Suite::measureShape(const Shape &each, const std::vector<Shape> &all) {
  std::optional<run::Kernel> kernel = select(each);
  if (!kernel) {
    std::printf("%s %s: SKIP, no library has a kernel for it\n",
                each.kernel.c_str(), each.describe().c_str());
    return;
  }
  if (!device) {
    onGpu = run::isGpuKind(kernel->info().binary_kind);
    auto made = *onGpu ? makeCudaDevice(running) : makeCpuDevice(running);
    bandwidth = measureBandwidth(*made, all, "");
    device = std::move(made);
  }
  results.push_back(measure(*kernel, each));
  print(results.back());
}

int Suite::measureShapes(const std::vector<Shape> &all) {
  int code = run::kDone;
  for (const Shape &each : all)
    try {
      measureShape(each, all);
    } catch (const Error &error) {
      failures.push_back({each, error.what()});
      if (!concernsShape(error) || all.size() == 1)
        throw;
      std::fflush(stdout);
      std::fprintf(stderr, "kvarn-bench: error: %s %s: %s\n",
                   each.kernel.c_str(), each.describe().c_str(), error.what());
      code = error.code;
    }
  return code;
}

/// As far as that can be known, before hours are spent on what goes there.
static void checkWritable(const std::string &path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_regular_file(path, error))
    throw Error(kInput, path + ": cannot write: not a regular file");
  // "." at the end: what it is in must be a folder.
  fs::path folder = fs::path(path).parent_path() / ".";
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    throw Error(kInput, path + ": cannot write: " + std::strerror(errno));
}

void Suite::openLibraries() {
  for (const std::string &path : libraries)
    for (const std::string &folder : run::findLibraries(path)) {
      std::error_code error;
      if (folder == path && fs::is_directory(path, error) &&
          !fs::exists(fs::path(path) / kManifestFileName, error))
        throw Error(kInput, path + ": holds no libraries, expected a kernel "
                                   "library or folders NAME.kvlib");
      opened.emplace_back(folder);
    }
}

int Suite::run() {
  std::vector<Shape> all = shapes();
  if (!jsonFile.empty())
    checkWritable(jsonFile);
  openLibraries();
  Bandwidth after;
  auto write = [&] {
    if (!jsonFile.empty() && !results.empty())
      writeJson(after);
  };
  int code = run::kDone;
  try {
    code = measureShapes(all);
    if (results.empty() && code)
      return code;
    if (!device)
      throw Error(kInput, describeMissing(all[0]));
    // Has the machine changed meanwhile?
    after = measureBandwidth(*device, all, " afterwards");
  } catch (const Error &) {
    // What was measured before remains.
    try {
      write();
    } catch (const Error &second) {
      std::fprintf(stderr, "kvarn-bench: error: %s\n", second.what());
    }
    throw;
  }
  write();
  return code;
}

} // namespace kvarn::bench
