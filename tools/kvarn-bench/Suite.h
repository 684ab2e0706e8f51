//===- Suite.h - Shapes, measured one after the other ---------------------===//

#ifndef KVARN_TOOLS_BENCH_SUITE_H
#define KVARN_TOOLS_BENCH_SUITE_H

#include "tools/kvarn-bench/Workload.h"

#include <nlohmann/json_fwd.hpp>

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvarn::bench {

/// Times of one workload.
struct Timing {
  double median = 0, best = 0; // seconds
  int64_t bytes = 0;           // moved by a launch
  double operations = 0;       // of a launch of attend
  int64_t layers = 0;

  double rate() const { return static_cast<double>(bytes) / median; }
  double operationRate() const { return operations / median; }
};

/// What the memory delivers, in bytes per second; 0 = not asked for.
struct Bandwidth {
  double read = 0, copy = 0;

  /// What a kernel is compared with: attention only reads.
  double of(const Shape &shape) const {
    return shape.kernel == "attend" ? read : copy;
  }
};

struct Result {
  Shape shape;
  std::string format, layout, dtype, variant, sha256;
  int64_t headDim = 0;
  bool reallyPacked = false;
  Timing timing;
  Timing pool; // with comparePool
};

/// A shape that could not be measured.
struct Failure {
  Shape shape;
  std::string message;
};

/// The options of a subcommand, and what it does.
class Suite {
public:
  std::string command; // line
  std::vector<std::string> libraries;
  Shape shape; // and what shapes of the suite do not say
  std::string suiteFile, jsonFile;
  run::Running running;
  int64_t repeat = 50, memoryMiB = 8192;

  int run();

private:
  std::vector<Shape> shapes() const;
  void openLibraries();
  std::string describeMissing(const Shape &shape) const;
  std::optional<run::Kernel> select(const Shape &shape) const;
  Result measure(const run::Kernel &kernel, const Shape &shape) const;
  void measureShape(const Shape &shape, const std::vector<Shape> &all);
  int measureShapes(const std::vector<Shape> &all);
  void print(const Result &result) const;
  void writeJson(const Bandwidth &after) const;

  std::list<run::Library> opened;
  std::unique_ptr<Device> device;
  std::optional<bool> onGpu; // what the first kernel needs, all must
  Bandwidth bandwidth;
  std::vector<Result> results;
  std::vector<Failure> failures;
};

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_SUITE_H
