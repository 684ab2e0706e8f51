//===- CpuBackend.cpp - Kernels in shared objects, grids on oneTBB --------===//

#include "runtime/Backend.h"
#include "runtime/Cpu.h"
#include "runtime/CpuName.h"
#include "runtime/Status.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <new>
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

namespace kvarn::runtime {

namespace {
using Entry = void (*)(const int64_t *params, void *scratch, int64_t x,
                       int64_t y, int64_t z);

/// An open shared object.
class SharedObject {
public:
  SharedObject(void *handle, std::string sha256)
      : handle(handle), sha256(std::move(sha256)) {}
  SharedObject(const SharedObject &) = delete;
  SharedObject &operator=(const SharedObject &) = delete;
  ~SharedObject() { dlclose(handle); }

  Entry find(const std::string &symbol) const {
    return reinterpret_cast<Entry>(dlsym(handle, symbol.c_str()));
  }
  const std::string &hash() const { return sha256; }

private:
  void *handle;
  std::string sha256;
};

/// Scratch of one thread. Kept, so that a launch does not pay for fresh pages.
class Scratch {
public:
  Scratch() = default;
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  ~Scratch() { std::free(data); }

  void *get(size_t bytes) {
    if (bytes <= size)
      return data;
    std::free(data);
    size = 0;
    data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!data)
      throw std::bad_alloc();
    size = bytes;
    return data;
  }

private:
  void *data = nullptr;
  size_t size = 0;
};

class CpuVariant : public LoadedVariant {
public:
  CpuVariant(const Variant &variant, std::shared_ptr<SharedObject> object,
             std::vector<Entry> entries)
      : variant(variant), object(std::move(object)),
        entries(std::move(entries)) {}

  kvarn_status prepare() const override { return KVARN_STATUS_OK; }
  kvarn_status run(const std::vector<LaunchCall> &calls,
                   const kvarn_launch_options &options,
                   kvarn_device device) const override;

private:
  void runCells(const LaunchCall &call, int64_t begin, int64_t end) const;
  void runGrid(const LaunchCall &call, int64_t cells, int threads) const;

  const Variant &variant;
  std::shared_ptr<SharedObject> object; // keeps the entries alive
  std::vector<Entry> entries;
};

class CpuBackend : public Backend {
public:
  std::string missing(const Variant &variant) const override;
  bool isPresent() const override { return true; }
  kvarn_status compilerTarget(std::string &name) const override;
  DeviceIdentity identity() const override {
    int threads = cpuThreads();
    return {cpuName(threads), threads};
  }
  kvarn_status load(const Variant &variant, const std::string &path,
                    std::unique_ptr<LoadedVariant> &loaded) const override;
  std::array<int64_t, 2> preference(const Variant &variant) const override {
    const Requirements &needed = variant.requirements;
    return {cpuLevel(needed.cpu),
            static_cast<int64_t>(needed.cpuFeatures.size())};
  }
  std::optional<kvarn_device> deviceFor(kvarn_device memory) const override {
    bool host = memory.type == KVARN_DEVICE_CPU ||
                memory.type == KVARN_DEVICE_CUDA_HOST;
    return host ? std::optional(currentDevice()) : std::nullopt;
  }
  kvarn_device currentDevice() const override { return {KVARN_DEVICE_CPU, 0}; }
  kvarn_status checkOptions(const kvarn_launch_options &options) const override;
  bool usesHostMemory() const override { return true; }

  /// A constant: results must not depend on the number of threads.
  std::optional<int64_t> fact(std::string_view name,
                              kvarn_device) const override {
    return name == "sm_count" ? std::optional<int64_t>(1) : std::nullopt;
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// Opens `path`, or takes it over from another library that has it open. The
/// loader knows files by name: if a file was replaced while it is open, it
/// would silently return the old one.
static kvarn_status openObject(const std::string &path,
                               const std::string &sha256,
                               std::shared_ptr<SharedObject> &object) {
  static std::mutex mutex;
  static auto &opened =
      *new std::map<std::string, std::weak_ptr<SharedObject>>();
  std::lock_guard lock(mutex);
  object = opened[path].lock();
  if (object && object->hash() == sha256)
    return KVARN_STATUS_OK;
  if (object)
    return fail(KVARN_STATUS_CORRUPT,
                path + ": replaced while it is in use; close the libraries "
                       "that use it first");
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return fail(KVARN_STATUS_CORRUPT, std::string("cannot load: ") + dlerror());
  object = std::make_shared<SharedObject>(handle, sha256);
  opened[path] = object;
  return KVARN_STATUS_OK;
}

std::string CpuBackend::missing(const Variant &variant) const {
  if (variant.requirements.arch != hostArch())
    return "is for " + variant.requirements.arch + ", but this CPU is " +
           std::string(hostArch());
  if (variant.binary.kind != BinaryKind::SharedObject)
    return "is of kind " + std::string(binaryKindName(variant.binary.kind)) +
           ", which must be linked first";
  return missingOnCpu(variant.requirements);
}

kvarn_status CpuBackend::compilerTarget(std::string &name) const {
  if (hostArch() != "x86_64") {
    name = hostArch();
    return KVARN_STATUS_OK;
  }
  std::string missing;
  for (const char *level : {"x86-64-v4", "x86-64-v3"}) {
    Requirements needed;
    needed.cpu = name = level;
    missing = missingOnCpu(needed);
    if (missing.empty())
      return KVARN_STATUS_OK;
  }
  return fail(KVARN_STATUS_UNSUPPORTED, "a compiled kernel " + missing);
}

kvarn_status CpuBackend::load(const Variant &variant, const std::string &path,
                              std::unique_ptr<LoadedVariant> &loaded) const {
  std::shared_ptr<SharedObject> object;
  KVARN_TRY(openObject(path, variant.binary.sha256, object));
  std::vector<Entry> entries;
  for (const Launch &launch : variant.launches) {
    entries.push_back(object->find(launch.entry));
    if (!entries.back())
      return fail(KVARN_STATUS_CORRUPT,
                  path + ": has no symbol '" + launch.entry + "'");
  }
  loaded = std::make_unique<CpuVariant>(variant, std::move(object),
                                        std::move(entries));
  return KVARN_STATUS_OK;
}

kvarn_status
CpuBackend::checkOptions(const kvarn_launch_options &options) const {
  if (options.stream)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "options.stream: expected NULL, the kernel runs on the CPU");
  if (options.threads < 0)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "options.threads: expected at least 0, got " +
                    std::to_string(options.threads));
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

void CpuVariant::runCells(const LaunchCall &call, int64_t begin,
                          int64_t end) const {
  thread_local Scratch scratch;
  void *memory = scratch.get(variant.launches[call.index].sharedBytes);
  Entry entry = entries[call.index];
  auto [width, height, depth] = call.grid;
  for (int64_t cell = begin; cell < end; ++cell)
    entry(call.params.data(), memory, cell % width, cell / width % height,
          cell / width / height);
}

void CpuVariant::runGrid(const LaunchCall &call, int64_t cells,
                         int threads) const {
  using Range = tbb::blocked_range<int64_t>;
  if (threads == 1 || cells == 1)
    return runCells(call, 0, cells);
  auto body = [&] {
    tbb::parallel_for(Range(0, cells), [&](const Range &range) {
      runCells(call, range.begin(), range.end());
    });
  };
  // Isolated: a thread that waits must not start work of the caller's. Without
  // a number, the arena of the caller says how many threads there are.
  if (threads == 0)
    return tbb::this_task_arena::isolate(body);
  // TBB has no more threads than this, and would warn.
  tbb::task_arena arena(std::min(threads, tbb::info::default_concurrency()));
  arena.execute(body);
}

kvarn_status CpuVariant::run(const std::vector<LaunchCall> &calls,
                             const kvarn_launch_options &options,
                             kvarn_device) const {
  for (const LaunchCall &call : calls) {
    int64_t cells = 1;
    for (int64_t extent : call.grid)
      if (__builtin_mul_overflow(cells, extent, &cells))
        return fail(KVARN_STATUS_INVALID_ARGUMENT,
                    "launch " + std::to_string(call.index) +
                        ": the grid has more than 2^63 cells");
    if (cells > 0)
      runGrid(call, cells, options.threads);
  }
  return KVARN_STATUS_OK;
}

const Backend &cpuBackend() {
  static const CpuBackend backend;
  return backend;
}

const Backend *findBackend(std::string_view arch) {
  if (arch == "x86_64" || arch == "aarch64")
    return &cpuBackend();
  return arch == "nvptx" ? &cudaBackend() : nullptr;
}

const Backend *backendOfTarget(const char *target) {
  std::string_view name = target ? target : hostArch();
  if (name == "x86_64" || name.starts_with("x86-64") || name == "aarch64")
    return &cpuBackend();
  bool nvidia = name == "nvidia" || name.starts_with("sm_");
  return nvidia ? &cudaBackend() : nullptr;
}

} // namespace kvarn::runtime
