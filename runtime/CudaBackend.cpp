//===- CudaBackend.cpp - Kernels in cubins and PTX, grids on a GPU --------===//
//
// Works in the primary context of each device, the one that the CUDA runtime
// and what is built on it (torch) use. Whatever a launch needs is made when a
// variant is loaded, so that a launch can be captured into a graph.
//
//===----------------------------------------------------------------------===//

#include "format/Chip.h"
#include "runtime/Backend.h"
#include "runtime/CudaDriver.h"
#include "runtime/Status.h"

#include <fstream>
#include <mutex>
#include <sstream>

namespace kvarn::runtime {

using namespace kvarn::cuda;

namespace {
/// A binary, loaded into the primary context of one device.
class DeviceModule {
public:
  DeviceModule(const Driver &driver, int device)
      : driver(driver), device(device) {}
  DeviceModule(const DeviceModule &) = delete;
  DeviceModule &operator=(const DeviceModule &) = delete;
  ~DeviceModule();

  /// `stream` is that of a launch, or nullptr.
  kvarn_status load(const Variant &variant, const std::string &image,
                    const CUstream *stream);
  /// `follows`: the launch before it in the manifest is right before it.
  kvarn_status launch(const Variant &variant, const LaunchCall &call,
                      CUstream stream, bool follows) const;

  const Driver &driver;
  const int device;
  CUcontext context = nullptr;

private:
  const DeviceInfo &info() const {
    return driver.devices()[static_cast<size_t>(device)];
  }
  kvarn_status checkNotCapturing(const Variant &variant, CUstream stream) const;
  kvarn_status loadImage(const Variant &variant, const std::string &image);
  kvarn_status loadEntry(const Variant &variant, size_t index);
  kvarn_status raiseLimits(const Launch &launch, const std::string &what,
                           CUfunction entry) const;

  CUmodule module = nullptr;
  std::vector<CUfunction> entries; // one per launch
};

class CudaVariant : public LoadedVariant {
public:
  CudaVariant(const Driver &driver, const Variant &variant, std::string image)
      : driver(driver), variant(variant), image(std::move(image)) {}

  kvarn_status prepare() const override {
    const DeviceModule *ignored;
    return get(driver.currentDevice(), nullptr, ignored);
  }
  kvarn_status run(const std::vector<LaunchCall> &calls,
                   const kvarn_launch_options &options,
                   kvarn_device device) const override;

private:
  /// The module of a device, loaded if it is not yet. `stream` is that of a
  /// launch, or nullptr.
  kvarn_status get(int device, const CUstream *stream,
                   const DeviceModule *&module) const;

  const Driver &driver;
  const Variant &variant;
  const std::string image; // for devices that come later
  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<DeviceModule>> modules;
};

class CudaBackend : public Backend {
public:
  std::string missing(const Variant &variant) const override;
  bool isPresent() const override {
    std::string error;
    return Driver::get(error) != nullptr;
  }
  kvarn_status compilerTarget(std::string &name) const override;
  DeviceIdentity identity() const override;
  std::array<int64_t, 2> preference(const Variant &variant) const override;
  kvarn_status load(const Variant &variant, const std::string &path,
                    std::unique_ptr<LoadedVariant> &loaded) const override;
  std::optional<kvarn_device> deviceFor(kvarn_device memory) const override;
  kvarn_device currentDevice() const override;
  /// Any stream will do; `threads` is for CPUs.
  kvarn_status checkOptions(const kvarn_launch_options &) const override {
    return KVARN_STATUS_OK;
  }
  bool usesHostMemory() const override { return false; }
  std::optional<int64_t> fact(std::string_view name,
                              kvarn_device device) const override;
};

/// Loading allocates and unloading frees, which a capture in this or another
/// thread may forbid.
class RelaxedCapture {
public:
  explicit RelaxedCapture(const Driver &driver) : driver(driver) {
    driver.cuThreadExchangeStreamCaptureMode(&mode);
  }
  ~RelaxedCapture() { driver.cuThreadExchangeStreamCaptureMode(&mode); }

private:
  const Driver &driver;
  int mode = CU_STREAM_CAPTURE_MODE_RELAXED;
};
} // namespace

//===----------------------------------------------------------------------===//
// What runs where
//===----------------------------------------------------------------------===//

static std::string printCapability(int major, int minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

/// Whether code for `chip` runs on `info`. PTX runs on later chips too, a cubin
/// only on those of the same major number.
static bool runsOn(const Chip &chip, BinaryKind kind, const DeviceInfo &info) {
  if (chip.exact)
    return info.major == chip.major && info.minor == chip.minor;
  if (info.major != chip.major)
    return kind == BinaryKind::Ptx && info.major > chip.major;
  return info.minor >= chip.minor;
}

static std::string describeDevice(const Driver &driver, int device) {
  return "CUDA device " + std::to_string(device) + " (" +
         driver.devices()[static_cast<size_t>(device)].name + ")";
}

/// "launch 0 (entry)"
static std::string describeLaunch(const Variant &variant, size_t index) {
  return "launch " + std::to_string(index) + " (" +
         variant.launches[index].entry + ")";
}

static std::string describeRange(const Chip &chip, BinaryKind kind) {
  std::string lowest = printCapability(chip.major, chip.minor);
  if (chip.exact)
    return "exactly " + lowest;
  return kind == BinaryKind::Ptx
             ? lowest + " or later"
             : lowest + " to " + std::to_string(chip.major) + ".x";
}

/// Why `variant` does not run on `device`, or "".
static std::string missingOn(const Driver &driver, int device,
                             const Variant &variant) {
  const DeviceInfo &info = driver.devices()[static_cast<size_t>(device)];
  std::string has = describeDevice(driver, device) + " has ";
  std::optional<Chip> chip = parseChip(variant.requirements.chip);
  if (!chip)
    return "needs the chip '" + variant.requirements.chip +
           "', which this runtime does not know";
  BinaryKind kind = variant.binary.kind;
  if (!runsOn(*chip, kind, info))
    return "is a " + std::string(binaryKindName(kind)) + " for " +
           variant.requirements.chip + ", which needs compute capability " +
           describeRange(*chip, kind) + ", but " + has +
           printCapability(info.major, info.minor);
  for (size_t i = 0; i < variant.launches.size(); ++i) {
    const Launch &launch = variant.launches[i];
    std::string needs = describeLaunch(variant, i) + " needs ";
    if (launch.sharedBytes > info.sharedBytes)
      return needs + std::to_string(launch.sharedBytes) +
             " bytes of shared memory, but " + has +
             std::to_string(info.sharedBytes) + " for a block";
    if (launch.block > info.threadsPerBlock)
      return needs + std::to_string(launch.block) + " threads, but " + has +
             std::to_string(info.threadsPerBlock) + " for a block";
    if (launch.cluster > 1 && info.major < 9)
      return needs + "clusters, which come with compute capability 9.0, but " +
             has + printCapability(info.major, info.minor);
  }
  return {};
}

std::string CudaBackend::missing(const Variant &variant) const {
  std::string error;
  const Driver *driver = Driver::get(error);
  return driver ? missingOn(*driver, driver->currentDevice(), variant) : error;
}

/// The chips that the compiler makes machine code for. For others it makes all
/// of the family, of which the driver takes PTX.
kvarn_status CudaBackend::compilerTarget(std::string &name) const {
  static constexpr std::array<std::string_view, 4> kChips = {"sm_80", "sm_86",
                                                             "sm_89", "sm_90a"};
  std::string error;
  const Driver *driver = Driver::get(error);
  if (!driver)
    return fail(KVARN_STATUS_UNSUPPORTED,
                "a kernel for an NVIDIA GPU " + error);
  const DeviceInfo &info =
      driver->devices()[static_cast<size_t>(driver->currentDevice())];
  name = "nvidia";
  for (std::string_view chip : kChips) {
    Chip parsed = *parseChip(chip);
    if (parsed.major == info.major && parsed.minor == info.minor)
      name = chip;
  }
  return KVARN_STATUS_OK;
}

DeviceIdentity CudaBackend::identity() const {
  std::string error;
  const Driver *driver = Driver::get(error);
  if (!driver)
    return {};
  const DeviceInfo &info =
      driver->devices()[static_cast<size_t>(driver->currentDevice())];
  return {info.name, info.multiprocessors};
}

/// The chip first: code for a later one may use more of it. A cubin before PTX
/// for the same chip: nothing is left to the driver.
std::array<int64_t, 2> CudaBackend::preference(const Variant &variant) const {
  Chip chip = parseChip(variant.requirements.chip).value_or(Chip{0, 0, false});
  return {20 * chip.major + 2 * chip.minor + (chip.exact ? 1 : 0),
          variant.binary.kind == BinaryKind::Cubin ? 1 : 0};
}

std::optional<kvarn_device> CudaBackend::deviceFor(kvarn_device memory) const {
  std::string error;
  const Driver *driver = Driver::get(error);
  bool known = driver && memory.type == KVARN_DEVICE_CUDA && memory.id >= 0 &&
               static_cast<size_t>(memory.id) < driver->devices().size();
  return known ? std::optional(memory) : std::nullopt;
}

kvarn_device CudaBackend::currentDevice() const {
  std::string error;
  const Driver *driver = Driver::get(error);
  return {KVARN_DEVICE_CUDA, driver ? driver->currentDevice() : 0};
}

std::optional<int64_t> CudaBackend::fact(std::string_view name,
                                         kvarn_device device) const {
  std::string error;
  const Driver *driver = Driver::get(error);
  if (!driver || name != "sm_count")
    return std::nullopt;
  return driver->devices()[static_cast<size_t>(device.id)].multiprocessors;
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// The status for a call of the driver that failed; `more` ends the message.
static kvarn_status failedCall(const Driver &driver, CUresult result,
                               const std::string &what,
                               const std::string &more = "") {
  kvarn_status status = KVARN_STATUS_DEVICE;
  if (result == CUDA_ERROR_OUT_OF_MEMORY)
    status = KVARN_STATUS_OUT_OF_MEMORY;
  else if (result == CUDA_ERROR_NO_BINARY_FOR_GPU ||
           result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
    status = KVARN_STATUS_UNSUPPORTED;
  else if (result == CUDA_ERROR_INVALID_IMAGE ||
           result == CUDA_ERROR_INVALID_PTX || result == CUDA_ERROR_NOT_FOUND)
    status = KVARN_STATUS_CORRUPT;
  return fail(status, what + ": " + driver.describe(result) + more);
}

DeviceModule::~DeviceModule() {
  // Results do not matter: at the end of a process the driver may be gone.
  if (!context)
    return;
  if (module) {
    ScopedContext scope(driver, context);
    RelaxedCapture relaxed(driver);
    driver.cuModuleUnload(module);
  }
  driver.cuDevicePrimaryCtxRelease(info().handle);
}

kvarn_status DeviceModule::loadImage(const Variant &variant,
                                     const std::string &image) {
  char log[4096] = {};
  int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log - 1)};
  CUresult result =
      driver.cuModuleLoadDataEx(&module, image.data(), 2, options, values);
  if (result == CUDA_SUCCESS)
    return KVARN_STATUS_OK;
  module = nullptr;
  return failedCall(driver, result,
                    variant.id + ": cannot load " + variant.binary.file +
                        " on " + describeDevice(driver, device),
                    *log ? std::string("\n") + log : "");
}

/// Shared memory beyond 48 KiB must be asked for, and so must large clusters.
kvarn_status DeviceModule::raiseLimits(const Launch &launch,
                                       const std::string &what,
                                       CUfunction entry) const {
  constexpr int64_t freeBytes = 48 << 10, freeCluster = 8;
  int fixed = 0;
  if (CUresult result = driver.cuFuncGetAttribute(
          &fixed, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, entry))
    return failedCall(driver, result, what);
  int64_t bytes = launch.sharedBytes + fixed;
  if (bytes > info().sharedBytes)
    return fail(KVARN_STATUS_UNSUPPORTED,
                what + ": needs " + std::to_string(bytes) +
                    " bytes of shared memory, but " +
                    describeDevice(driver, device) + " has " +
                    std::to_string(info().sharedBytes) + " for a block");
  if (bytes > freeBytes)
    if (CUresult result = driver.cuFuncSetAttribute(
            entry, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
            static_cast<int>(launch.sharedBytes)))
      return failedCall(driver, result,
                        what + ": cannot have " + std::to_string(bytes) +
                            " bytes of shared memory");
  if (launch.cluster > freeCluster)
    if (CUresult result = driver.cuFuncSetAttribute(
            entry, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1))
      return failedCall(driver, result,
                        what + ": cannot have clusters of " +
                            std::to_string(launch.cluster));
  return KVARN_STATUS_OK;
}

kvarn_status DeviceModule::loadEntry(const Variant &variant, size_t index) {
  const Launch &launch = variant.launches[index];
  std::string what = variant.id + ": " + describeLaunch(variant, index);
  CUfunction entry = nullptr;
  CUresult result =
      driver.cuModuleGetFunction(&entry, module, launch.entry.c_str());
  if (result == CUDA_ERROR_NOT_FOUND)
    return fail(KVARN_STATUS_CORRUPT, variant.id + ": " + variant.binary.file +
                                          " has no kernel '" + launch.entry +
                                          "'");
  // Asking for an attribute also makes a driver that loads lazily load now.
  int threads = 0;
  if (result == CUDA_SUCCESS)
    result = driver.cuFuncGetAttribute(
        &threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, entry);
  if (result != CUDA_SUCCESS)
    return failedCall(driver, result, what);
  if (launch.block > threads)
    return fail(KVARN_STATUS_UNSUPPORTED,
                what + ": needs " + std::to_string(launch.block) +
                    " threads, but its registers leave room for " +
                    std::to_string(threads));
  KVARN_TRY(raiseLimits(launch, what, entry));
  entries.push_back(entry);
  return KVARN_STATUS_OK;
}

/// Loading allocates and may wait for the device, which a graph cannot hold.
/// Needs the device's context: the default stream is that of the current one.
kvarn_status DeviceModule::checkNotCapturing(const Variant &variant,
                                             CUstream stream) const {
  int status = CU_STREAM_CAPTURE_STATUS_NONE;
  CUresult result = driver.cuStreamIsCapturing(stream, &status);
  if (result != CUDA_SUCCESS)
    return failedCall(driver, result, variant.id + ": options.stream");
  if (status == CU_STREAM_CAPTURE_STATUS_NONE)
    return KVARN_STATUS_OK;
  return fail(KVARN_STATUS_INVALID_ARGUMENT,
              variant.id + ": is not loaded on " +
                  describeDevice(driver, device) +
                  " yet, and options.stream is being captured; select or "
                  "launch the kernel there before the capture");
}

kvarn_status DeviceModule::load(const Variant &variant,
                                const std::string &image,
                                const CUstream *stream) {
  std::string where = variant.id + ": " + describeDevice(driver, device);
  if (CUresult result =
          driver.cuDevicePrimaryCtxRetain(&context, info().handle)) {
    context = nullptr;
    return failedCall(driver, result, where);
  }
  ScopedContext scope(driver, context);
  if (scope.result != CUDA_SUCCESS)
    return failedCall(driver, scope.result, where);
  if (stream)
    KVARN_TRY(checkNotCapturing(variant, *stream));
  RelaxedCapture relaxed(driver);
  KVARN_TRY(loadImage(variant, image));
  for (size_t i = 0; i < variant.launches.size(); ++i)
    KVARN_TRY(loadEntry(variant, i));
  return KVARN_STATUS_OK;
}

kvarn_status CudaVariant::get(int device, const CUstream *stream,
                              const DeviceModule *&module) const {
  std::lock_guard lock(mutex);
  for (const std::unique_ptr<DeviceModule> &loaded : modules)
    if (loaded->device == device) {
      module = loaded.get();
      return KVARN_STATUS_OK;
    }
  if (std::string missing = missingOn(driver, device, variant);
      !missing.empty())
    return fail(KVARN_STATUS_UNSUPPORTED, variant.id + ": " + missing);
  auto loading = std::make_unique<DeviceModule>(driver, device);
  KVARN_TRY(loading->load(variant, image, stream));
  module = modules.emplace_back(std::move(loading)).get();
  return KVARN_STATUS_OK;
}

kvarn_status CudaBackend::load(const Variant &variant, const std::string &path,
                               std::unique_ptr<LoadedVariant> &loaded) const {
  std::string error;
  const Driver *driver = Driver::get(error);
  if (!driver)
    return fail(KVARN_STATUS_UNSUPPORTED, variant.id + ": " + error);
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream image; // a PTX text must end with a 0, as a string does
  if (!stream || !(image << stream.rdbuf()))
    return fail(KVARN_STATUS_IO, path + ": cannot be read");
  auto result = std::make_unique<CudaVariant>(*driver, variant, image.str());
  KVARN_TRY(result->prepare());
  loaded = std::move(result);
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// The first driver that can capture launches which begin early, and the chips
/// where that was tried. On others they follow one another.
static constexpr int kFirstEarlyLaunches = 12030, kEarlyMajor = 9;

static kvarn_status checkGrid(const Variant &variant, const LaunchCall &call) {
  const Launch &launch = variant.launches[call.index];
  const std::array<int64_t, 3> &grid = call.grid;
  std::string what = variant.id + ": " + describeLaunch(variant, call.index);
  constexpr std::array<int64_t, 3> most = {INT32_MAX, 65535, 65535};
  for (size_t axis = 0; axis < 3; ++axis)
    if (grid[axis] > most[axis])
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  what + ": the grid has " + std::to_string(grid[axis]) +
                      " cells in " + "xyz"[axis] + ", expected at most " +
                      std::to_string(most[axis]));
  if (grid[0] % launch.cluster != 0)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                what + ": the grid has " + std::to_string(grid[0]) +
                    " cells in x, expected a multiple of the cluster, " +
                    std::to_string(launch.cluster));
  return KVARN_STATUS_OK;
}

static bool hasNoCells(const LaunchCall &call) {
  return std::find(call.grid.begin(), call.grid.end(), 0) != call.grid.end();
}

kvarn_status DeviceModule::launch(const Variant &variant,
                                  const LaunchCall &call, CUstream stream,
                                  bool follows) const {
  const Launch &launch = variant.launches[call.index];
  std::string what = variant.id + ": " + describeLaunch(variant, call.index);
  CUlaunchAttribute attributes[2] = {};
  CUlaunchConfig config = {};
  config.gridDimX = static_cast<unsigned>(call.grid[0]);
  config.gridDimY = static_cast<unsigned>(call.grid[1]);
  config.gridDimZ = static_cast<unsigned>(call.grid[2]);
  config.blockDimX = static_cast<unsigned>(launch.block);
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = static_cast<unsigned>(launch.sharedBytes);
  config.hStream = stream;
  config.attrs = attributes;
  if (launch.cluster > 1) {
    CUlaunchAttribute &cluster = attributes[config.numAttrs++];
    cluster.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    cluster.value.clusterDim = {static_cast<unsigned>(launch.cluster), 1, 1};
  }
  // A kernel that waits by itself need not be waited for.
  if (launch.early && follows && info().major == kEarlyMajor &&
      driver.version() >= kFirstEarlyLaunches) {
    CUlaunchAttribute &early = attributes[config.numAttrs++];
    early.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    early.value.programmaticStreamSerializationAllowed = 1;
  }
  size_t bytes = call.params.size() * sizeof(int64_t);
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER,
                   const_cast<int64_t *>(call.params.data()),
                   CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
  CUresult result = driver.cuLaunchKernelEx(&config, entries[call.index],
                                            /*parameters=*/nullptr, extra);
  if (result != CUDA_SUCCESS)
    return failedCall(driver, result,
                      what + " on " + describeDevice(driver, device));
  return KVARN_STATUS_OK;
}

kvarn_status CudaVariant::run(const std::vector<LaunchCall> &calls,
                              const kvarn_launch_options &options,
                              kvarn_device device) const {
  for (const LaunchCall &call : calls) // all of them before anything runs
    KVARN_TRY(checkGrid(variant, call));
  auto stream = static_cast<CUstream>(options.stream);
  const DeviceModule *module = nullptr;
  KVARN_TRY(get(device.id, &stream, module));
  ScopedContext scope(driver, module->context);
  if (scope.result != CUDA_SUCCESS)
    return failedCall(driver, scope.result,
                      variant.id + ": " + describeDevice(driver, device.id));
  bool follows = false;
  for (const LaunchCall &call : calls) {
    bool empty = hasNoCells(call);
    if (!empty)
      KVARN_TRY(module->launch(variant, call, stream, follows));
    follows = !empty;
  }
  return KVARN_STATUS_OK;
}

const Backend &cudaBackend() {
  static const CudaBackend backend;
  return backend;
}

} // namespace kvarn::runtime
