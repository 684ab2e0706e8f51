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

std::vector<Shape> Suite::shapes() const {
  if (!suiteFile.empty())
    return readShapes(suiteFile, shape);
  checkShape(shape, "");
  return {shape};
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

/// The kernel for `shape` from the first library that has one, if one has.
std::optional<run::Kernel> Suite::select(const Shape &shape) const {
  run::Request wanted;
  wanted.kernel = "attend";
  wanted.features = "causal";
  wanted.format = shape.format;
  wanted.layout = shape.layout;
  wanted.dtype = shape.dtype;
  wanted.headDim = shape.headDim;
  wanted.ratio = shape.queryHeads / shape.kvHeads;
  wanted.maxBatch = shape.batch;
  wanted.maxQueryTokens = shape.queryTokens;
  wanted.context = shape.context;
  for (const run::Library &each : opened) {
    // Libraries for another device may be there to pack the cache.
    bool gpu = running.device.starts_with("cuda") || onGpu.value_or(false);
    if (gpu ? each.gpuTarget("attend").empty()
            : onGpu && !each.hasCpuKernel("attend"))
      continue;
    wanted.target = onGpu.value_or(false) ? each.gpuTarget("attend") : "";
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

Result Suite::measure(Device &device, const run::Kernel &kernel,
                      const Shape &shape) const {
  if (!run::formatOf(kernel.info()))
    throw Error(kInput, std::string(kernel.info().id) + " has no format");
  std::vector<std::unique_ptr<Workload>> workloads;
  for (bool pool : {false, true}) {
    Shape each = shape;
    if (pool)
      each.poolFraction = 1;
    if (pool && !shape.comparePool)
      continue;
    workloads.push_back(std::make_unique<Workload>(
        device, TileSource{opened, running}, kernel, each, memoryMiB << 20));
    workloads.back()->use(kernel);
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
  result.headDim = kernel.info().head_dim;
  result.variant = kernel.info().id;
  result.sha256 = kernel.info().binary_sha256;
  result.reallyPacked = workloads[0]->reallyPacked();
  summarize(times[0], *workloads[0], result.timing);
  if (shape.comparePool)
    summarize(times[1], *workloads[1], result.pool);
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
  return run::formatText("%9.1f us  %12s  %5.1f %%", timing.median * 1e6,
                         rateText(timing.rate()).c_str(),
                         100 * timing.rate() / bandwidth);
}

void Suite::print(const Result &result, double bandwidth) const {
  std::printf("%s %s %s D %lld %s%s\n", result.format.c_str(),
              result.layout.c_str(), result.dtype.c_str(),
              static_cast<long long>(result.headDim),
              result.shape.describe().c_str(),
              result.reallyPacked ? "" : " (random records)");
  std::printf("  attend    %s\n", timingText(result.timing, bandwidth).c_str());
  if (result.shape.comparePool)
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
                 {"pool_ends", shape.poolEnds},
                 {"head_dim", result.headDim},
                 {"records", result.reallyPacked ? "flush" : "random"},
                 {"attend", timingJson(result.timing, bandwidth)}};
  if (shape.contextFrom)
    object["context_from"] = shape.contextFrom;
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
  if (std::string driver = device.driver(); !driver.empty())
    document["driver"] = driver;
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
    for (const std::string &folder : run::findLibraries(path))
      opened.emplace_back(folder);
  std::unique_ptr<Device> device;
  double bandwidth = 0;
  std::vector<Result> results;
  for (const Shape &each : all) {
    std::optional<run::Kernel> kernel = select(each);
    if (!kernel) {
      std::printf("%s: SKIP, no library has a kernel for it\n",
                  each.describe().c_str());
      continue;
    }
    if (!device) {
      onGpu = run::isGpuKind(kernel->info().binary_kind);
      device = *onGpu ? makeCudaDevice(running) : makeCpuDevice(running);
      bandwidth = device->readBandwidth();
      std::printf("%s: reads %s\n", device->name().c_str(),
                  rateText(bandwidth).c_str());
    }
    results.push_back(measure(*device, *kernel, each));
    print(results.back(), bandwidth);
  }
  if (!device)
    throw Error(kInput,
                run::formatText("no library has a kernel 'attend' with the "
                                "features 'causal' for ratio %lld",
                                static_cast<long long>(all[0].queryHeads /
                                                       all[0].kvHeads)));
  // Has the machine changed meanwhile?
  double after = device->readBandwidth();
  std::printf("%s: reads %s afterwards\n", device->name().c_str(),
              rateText(after).c_str());
  if (!jsonFile.empty())
    writeJson(*device, results, bandwidth, after);
  return run::kDone;
}

} // namespace kvarn::bench
