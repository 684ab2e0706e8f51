//===- Suite.cpp - Shapes, measured one after the other -------------------===//

#include "tools/kvarn-bench/Suite.h"

#include "tools/kvarn-run/Text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace kvarn::bench {

using nlohmann::json;
using run::Error;
using run::kInput;

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

namespace {
/// One shape of a suite file.
class ShapeReader {
public:
  ShapeReader(const json &object, std::string where)
      : object(object), where(std::move(where)) {}

  void read(Shape &shape) {
    if (!object.is_object())
      throw Error(kInput, where + ": expected an object");
    for (auto &[name, value] : object.items()) {
      (void)value;
      static const char *known[] = {
          "batch",        "context",       "query_heads", "kv_heads",
          "query_tokens", "pool_fraction", "compare_pool"};
      if (std::find(std::begin(known), std::end(known), name) ==
          std::end(known))
        throw Error(kInput, where + ": unknown member '" + name + "'");
    }
    integer("batch", shape.batch, kMostBatch);
    integer("context", shape.context, kMostContext);
    integer("query_heads", shape.queryHeads, kMostHeads);
    integer("kv_heads", shape.kvHeads, kMostHeads);
    integer("query_tokens", shape.queryTokens, kMostQueryTokens);
    if (object.contains("pool_fraction")) {
      const json &value = object["pool_fraction"];
      if (!value.is_number() || !(value.get<double>() >= 0) ||
          !(value.get<double>() <= 1))
        fail("pool_fraction", "a number from 0 to 1");
      shape.poolFraction = value.get<double>();
    }
    if (object.contains("compare_pool")) {
      if (!object["compare_pool"].is_boolean())
        fail("compare_pool", "true or false");
      shape.comparePool = object["compare_pool"].get<bool>();
    }
  }

private:
  [[noreturn]] void fail(const char *name, const std::string &expected) const {
    throw Error(kInput, where + "." + name + ": expected " + expected);
  }
  void integer(const char *name, int64_t &result, int64_t most) const {
    if (!object.contains(name))
      return;
    const json &value = object[name];
    if (!value.is_number_integer() || value.get<int64_t>() < 1 ||
        value.get<int64_t>() > most)
      fail(name, "an integer from 1 to " + std::to_string(most));
    result = value.get<int64_t>();
  }

  const json &object;
  std::string where;
};
} // namespace

static void checkShape(const Shape &shape, const std::string &where) {
  if (shape.queryHeads % shape.kvHeads != 0)
    throw Error(kInput, where + run::formatText(
                                    "%lld query heads are not a multiple of "
                                    "%lld KV heads",
                                    static_cast<long long>(shape.queryHeads),
                                    static_cast<long long>(shape.kvHeads)));
  if (shape.queryTokens > shape.context)
    throw Error(kInput, where + "more query tokens than tokens");
}

std::vector<Shape> Suite::shapes() const {
  if (suiteFile.empty()) {
    checkShape(shape, "");
    return {shape};
  }
  std::string error;
  std::optional<std::string> text = readFile(suiteFile, error);
  if (!text)
    throw Error(kInput, error);
  json list = json::parse(*text, nullptr, false);
  if (!list.is_array() || list.empty())
    throw Error(kInput, suiteFile + ": expected a JSON list of shapes");
  std::vector<Shape> result(list.size(), shape);
  for (size_t i = 0; i < list.size(); ++i) {
    std::string where = suiteFile + ": [" + std::to_string(i) + "]";
    ShapeReader(list[i], where).read(result[i]);
    checkShape(result[i], where + ": ");
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

/// The kernel for `shape` from the first library that has one.
run::Kernel Suite::select(const Shape &shape,
                          const run::Library *&library) const {
  run::Request wanted = request;
  wanted.kernel = "attend";
  wanted.features = "causal";
  wanted.ratio = shape.queryHeads / shape.kvHeads;
  wanted.maxBatch = shape.batch;
  wanted.maxQueryTokens = shape.queryTokens;
  wanted.context = shape.context;
  for (const run::Library &each : opened) {
    library = &each;
    try {
      return each.select(wanted);
    } catch (const run::RuntimeError &error) {
      if (error.status != KVARN_STATUS_NOT_FOUND)
        throw;
    }
  }
  throw Error(kInput, run::formatText("no library has a kernel 'attend' with "
                                      "the features 'causal' for ratio %lld",
                                      static_cast<long long>(wanted.ratio)));
}

static void summarize(const std::vector<double> &times,
                      const Workload &workload, Timing &timing) {
  timing.median = median(times);
  timing.best = *std::min_element(times.begin(), times.end());
  timing.bytes = workload.bytes();
  timing.layers = workload.layers();
}

Result Suite::measure(Device &device, const Shape &shape) const {
  const run::Library *library = nullptr;
  run::Kernel kernel = select(shape, library);
  if (!run::formatOf(kernel.info()))
    throw Error(kInput, std::string(kernel.info().id) + " has no format");
  std::vector<std::unique_ptr<Workload>> workloads;
  for (bool pool : {false, true}) {
    Shape each = shape;
    if (pool)
      each.poolFraction = 1;
    if (!pool || shape.comparePool)
      workloads.push_back(std::make_unique<Workload>(device, *library, kernel,
                                                     each, memoryMiB << 20));
  }
  // All layers once, to have everything in its place.
  for (auto &workload : workloads) {
    for (int64_t layer = 0; layer < workload->layers(); ++layer)
      workload->attend(layer);
    workload->checkOutput();
  }
  // In turn: whatever else the machine does hits both.
  std::vector<std::vector<double>> times(workloads.size());
  for (int64_t i = 0; i < repeat; ++i)
    for (size_t w = 0; w < workloads.size(); ++w)
      times[w].push_back(workloads[w]->attend(i % workloads[w]->layers()));
  Result result;
  result.shape = shape;
  result.format = kernel.info().format;
  result.layout = kernel.info().layout;
  result.dtype = kernel.info().dtype;
  result.variant = kernel.info().id;
  result.sha256 = kernel.info().binary_sha256;
  summarize(times[0], *workloads[0], result.timing);
  if (shape.comparePool)
    summarize(times[1], *workloads[1], result.pool);
  return result;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

static std::string timingText(const Timing &timing, double bandwidth) {
  return run::formatText("%9.1f us  %7.2f GB/s  %5.1f %%", timing.median * 1e6,
                         timing.rate() * 1e-9, 100 * timing.rate() / bandwidth);
}

void Suite::print(const Result &result, double bandwidth) const {
  const Shape &shape = result.shape;
  std::printf("%s %s %s batch %lld context %lld heads %lld/%lld pool %.2f\n",
              result.format.c_str(), result.layout.c_str(),
              result.dtype.c_str(), static_cast<long long>(shape.batch),
              static_cast<long long>(shape.context),
              static_cast<long long>(shape.queryHeads),
              static_cast<long long>(shape.kvHeads), shape.poolFraction);
  std::printf("  attend    %s\n", timingText(result.timing, bandwidth).c_str());
  if (shape.comparePool)
    std::printf("  all pool  %s\n  %.2f times as fast as with every block in "
                "the pool\n",
                timingText(result.pool, bandwidth).c_str(),
                result.pool.median / result.timing.median);
  std::fflush(stdout);
}

static json timingJson(const Timing &timing, double bandwidth) {
  return {{"median_seconds", timing.median},
          {"best_seconds", timing.best},
          {"bytes", timing.bytes},
          {"layers", timing.layers},
          {"bytes_per_second", timing.rate()},
          {"share_of_read_bandwidth", timing.rate() / bandwidth}};
}

static json resultJson(const Result &result, double bandwidth) {
  const Shape &shape = result.shape;
  json object = {{"format", result.format},
                 {"layout", result.layout},
                 {"dtype", result.dtype},
                 {"variant", result.variant},
                 {"sha256", result.sha256},
                 {"batch", shape.batch},
                 {"context", shape.context},
                 {"query_heads", shape.queryHeads},
                 {"kv_heads", shape.kvHeads},
                 {"query_tokens", shape.queryTokens},
                 {"pool_fraction", shape.poolFraction},
                 {"attend", timingJson(result.timing, bandwidth)}};
  if (shape.comparePool) {
    object["all_pool"] = timingJson(result.pool, bandwidth);
    object["speedup_over_pool"] = result.pool.median / result.timing.median;
  }
  return object;
}

void Suite::writeJson(const Device &device, const std::vector<Result> &results,
                      double bandwidth, double after) const {
  char date[32];
  std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  json document;
  document["command"] = command;
  document["date"] = date;
  document["device"] = device.name();
  document["compiler"] = opened.front().compiler();
  document["repeat"] = repeat;
  document["read_bytes_per_second"] = bandwidth;
  document["read_bytes_per_second_afterwards"] = after;
  document["results"] = json::array();
  for (const Result &result : results)
    document["results"].push_back(resultJson(result, bandwidth));
  std::string text = document.dump(2) + "\n", error;
  OutputFiles files;
  if (!files.add(jsonFile, {text}, error) || !files.commit(error))
    throw Error(kInput, error);
}

int Suite::run() {
  std::vector<Shape> all = shapes();
  for (const std::string &path : libraries)
    opened.emplace_back(path);
  std::unique_ptr<Device> device = makeCpuDevice(threads);
  double bandwidth = device->readBandwidth();
  std::printf("%s: reads %.2f GB/s\n", device->name().c_str(),
              bandwidth * 1e-9);
  std::vector<Result> results;
  for (const Shape &each : all) {
    results.push_back(measure(*device, each));
    print(results.back(), bandwidth);
  }
  // Has the machine changed meanwhile?
  double after = device->readBandwidth();
  std::printf("%s: reads %.2f GB/s afterwards\n", device->name().c_str(),
              after * 1e-9);
  if (!jsonFile.empty())
    writeJson(*device, results, bandwidth, after);
  return run::kDone;
}

} // namespace kvarn::bench
