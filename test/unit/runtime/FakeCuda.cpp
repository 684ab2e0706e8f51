//===- FakeCuda.cpp - A CUDA driver without a GPU -------------------------===//

#include "test/unit/runtime/FakeCudaState.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sstream>
#include <unistd.h>

using namespace kvarn::test;

State &kvarn::test::state() {
  static auto &result = *new State();
  return result;
}
std::vector<CUcontext> &kvarn::test::contextStack() {
  static thread_local std::vector<CUcontext> stack;
  return stack;
}

FakeCuda::FakeCuda() {
  if (const char *chip = std::getenv("KVARN_FAKE_CUDA_CHIP")) {
    devices[0].major = std::atoi(chip) / 10;
    devices[0].minor = std::atoi(chip) % 10;
  }
  if (const char *name = std::getenv("KVARN_FAKE_CUDA_NAME"))
    devices[0].name = name;
  if (const char *code = std::getenv("KVARN_FAKE_CUDA_CRASH"))
    crash = std::atoi(code);
  if (const char *bytes = std::getenv("KVARN_FAKE_CUDA_MEMORY"))
    memory = std::strtoull(bytes, nullptr, 10);
  const char *list = std::getenv("KVARN_FAKE_CUDA_FAIL");
  std::stringstream items(list ? list : "");
  for (std::string item; std::getline(items, item, ',');)
    if (size_t equals = item.find('='); equals != std::string::npos) {
      std::string name = item.substr(0, equals);
      failures[name] = std::atoi(item.c_str() + equals + 1);
      if (size_t at = item.find('@', equals); at != std::string::npos)
        firstFailure[name] = std::atoi(item.c_str() + at + 1);
    }
}

static void printCounts() {
  std::map<std::string, int> launches;
  for (const FakeLaunch &launch : fakeCuda().launches)
    ++launches["launches of " + launch.entry];
  for (const auto &counts : {fakeCuda().calls, launches})
    for (const auto &[name, count] : counts)
      std::fprintf(stderr, "fake driver: %s %d\n", name.c_str(), count);
}

FakeCuda &kvarn::test::fakeCuda() {
  static auto &fake = *[] {
    if (std::getenv("KVARN_FAKE_CUDA_COUNT"))
      std::atexit(printCounts);
    return new FakeCuda();
  }();
  return fake;
}

CUresult kvarn::test::enter(const std::string &name, bool early) {
  int call = ++fakeCuda().calls[name];
  auto failure = fakeCuda().failures.find(name);
  if (failure != fakeCuda().failures.end() && failure->second != 0 &&
      call >= fakeCuda().firstFailure[name])
    return failure->second;
  return early || state().initialized ? CUDA_SUCCESS : kNotInitialized;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

static CUresult runGrid(const FakeLaunch &launch, Entry entry) {
  Unlocked unlocked;
  std::vector<std::max_align_t> scratch(
      (launch.sharedBytes + 64) / sizeof(std::max_align_t) + 4);
  auto start = reinterpret_cast<uintptr_t>(scratch.data());
  void *aligned = reinterpret_cast<void *>((start + 63) / 64 * 64);
  for (unsigned z = 0; z < launch.grid[2]; ++z)
    for (unsigned y = 0; y < launch.grid[1]; ++y)
      for (unsigned x = 0; x < launch.grid[0]; ++x)
        entry(launch.params.data(), aligned, x, y, z);
  return CUDA_SUCCESS;
}

/// The packed parameters, as `extra` of a launch describes them.
static bool readParams(void **extra, std::vector<int64_t> &params) {
  const void *buffer = nullptr;
  size_t bytes = 0;
  for (; extra && *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (extra[0] == CU_LAUNCH_PARAM_BUFFER_POINTER)
      buffer = extra[1];
    else if (extra[0] == CU_LAUNCH_PARAM_BUFFER_SIZE)
      bytes = *static_cast<size_t *>(extra[1]);
    else
      return false;
  }
  params.resize(bytes / sizeof(int64_t));
  if (bytes % sizeof(int64_t) || (bytes && !buffer))
    return false;
  if (bytes)
    std::memcpy(params.data(), buffer, bytes);
  return true;
}

/// A word as large as an address is one, and must be of the device.
static bool hasForeignAddress(const std::vector<int64_t> &params) {
  for (int64_t word : params)
    if (word >= int64_t(1) << 40 && word < int64_t(1) << 47 &&
        !isDeviceMemory(static_cast<uintptr_t>(word), 0))
      return true;
  return false;
}

static CUresult launch(const CUlaunchConfig &config, CUfunction function,
                       void **extra) {
  const FakeDevice &device =
      fakeCuda()
          .devices[static_cast<size_t>(function->module->context->device)];
  FakeLaunch record = {function->module->context->device,
                       function->name,
                       {config.gridDimX, config.gridDimY, config.gridDimZ},
                       {config.blockDimX, config.blockDimY, config.blockDimZ},
                       config.sharedMemBytes,
                       0,
                       false,
                       {},
                       config.hStream,
                       streamOf(config.hStream)->capture != nullptr};
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const CUlaunchAttribute &attribute = config.attrs[i];
    if (attribute.id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
      record.clusterX = attribute.value.clusterDim.x;
    if (attribute.id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)
      record.early = attribute.value.programmaticStreamSerializationAllowed;
  }
  if (contextStack().empty() ||
      contextStack().back() != function->module->context)
    return kInvalidHandle;
  unsigned cluster = std::max(record.clusterX, 1u);
  unsigned limit = static_cast<unsigned>(function->dynamicShared);
  bool fits = record.grid[0] > 0 && record.grid[1] > 0 && record.grid[2] > 0 &&
              record.grid[1] <= 65535 && record.grid[2] <= 65535 &&
              record.grid[0] % cluster == 0 && record.block[0] > 0 &&
              record.block[0] <= unsigned(device.threads) &&
              (cluster == 1 || device.major >= 9) &&
              (cluster <= 8 || function->largeClusters) &&
              (!record.early || device.major >= 9) &&
              record.sharedBytes <= limit;
  if (!fits || !readParams(extra, record.params))
    return CUDA_ERROR_INVALID_VALUE;
  if (record.early && record.captured && fakeCuda().version < 12030)
    return kCaptureUnsupported;
  if (hasForeignAddress(record.params))
    return kIllegalAddress;
  fakeCuda().launches.push_back(record);
  Entry entry = function->entry;
  return submit(config.hStream, [=] { return runGrid(record, entry); });
}

/// Opens an image that is a shared object; nullptr if it is none.
static void *openImage(const char *image) {
  if (std::memcmp(image, "\177ELF", 4) != 0)
    return nullptr;
  // Nobody says how large it is: to the end of the section headers.
  uint64_t sections;
  uint16_t entry, count;
  std::memcpy(&sections, image + 0x28, sizeof sections);
  std::memcpy(&entry, image + 0x3a, sizeof entry);
  std::memcpy(&count, image + 0x3c, sizeof count);
  // A name of its own: the loader knows files by their names.
  char path[] = "/tmp/fake-cubin-XXXXXX";
  int file = mkstemp(path);
  if (file < 0)
    return nullptr;
  size_t bytes = sections + size_t(entry) * count;
  void *object = nullptr;
  if (write(file, image, bytes) == static_cast<ssize_t>(bytes))
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  close(file);
  unlink(path);
  return object;
}

//===----------------------------------------------------------------------===//
// The API
//===----------------------------------------------------------------------===//

FAKE(cuInit, unsigned) {
  std::lock_guard lock(fakeCuda().mutex);
  if (CUresult entered = enter("cuInit", /*early=*/true))
    return entered;
  state().initialized = true;
  return CUDA_SUCCESS;
}
FAKE(cuDriverGetVersion, int *version) {
  ENTER("cuDriverGetVersion")
  *version = fakeCuda().version;
  return CUDA_SUCCESS;
}

static const char *errorName(CUresult error) {
  switch (error) {
  case CUDA_ERROR_INVALID_VALUE:
    return "CUDA_ERROR_INVALID_VALUE";
  case CUDA_ERROR_OUT_OF_MEMORY:
    return "CUDA_ERROR_OUT_OF_MEMORY";
  case CUDA_ERROR_INVALID_IMAGE:
    return "CUDA_ERROR_INVALID_IMAGE";
  case CUDA_ERROR_NO_BINARY_FOR_GPU:
    return "CUDA_ERROR_NO_BINARY_FOR_GPU";
  case kInvalidHandle:
    return "CUDA_ERROR_INVALID_HANDLE";
  case kIllegalAddress:
    return "CUDA_ERROR_ILLEGAL_ADDRESS";
  case kCaptureUnsupported:
    return "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
  case 719:
    return "CUDA_ERROR_LAUNCH_FAILED";
  default:
    return nullptr;
  }
}
FAKE(cuGetErrorName, CUresult error, const char **text) {
  *text = errorName(error);
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
FAKE(cuGetErrorString, CUresult error, const char **text) {
  *text = error == 719 ? "unspecified launch failure" : nullptr;
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Handles of devices are not their numbers, so that mixing them up shows.
static constexpr int kFirstHandle = 70;

FAKE(cuDeviceGetCount, int *count) {
  ENTER("cuDeviceGetCount")
  *count = static_cast<int>(fakeCuda().devices.size());
  return CUDA_SUCCESS;
}
FAKE(cuDeviceGet, CUdevice *device, int ordinal) {
  ENTER("cuDeviceGet")
  *device = ordinal + kFirstHandle;
  return CUDA_SUCCESS;
}
static const FakeDevice *findDevice(CUdevice handle) {
  size_t index = static_cast<size_t>(handle - kFirstHandle);
  return index < fakeCuda().devices.size() ? &fakeCuda().devices[index]
                                           : nullptr;
}
FAKE(cuDeviceGetName, char *name, int size, CUdevice handle) {
  ENTER("cuDeviceGetName")
  const FakeDevice *device = findDevice(handle);
  if (!device)
    return kInvalidDevice;
  std::strncpy(name, device->name.c_str(), static_cast<size_t>(size));
  return CUDA_SUCCESS;
}
FAKE(cuDeviceGetAttribute, int *value, int attribute, CUdevice handle) {
  ENTER("cuDeviceGetAttribute")
  const FakeDevice *device = findDevice(handle);
  if (!device)
    return kInvalidDevice;
  const std::map<int, int> values = {
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, device->threads},
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device->multiprocessors},
      {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, device->cacheBytes},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device->major},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device->minor},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
       device->sharedBytes}};
  auto found = values.find(attribute);
  if (found == values.end())
    return CUDA_ERROR_INVALID_VALUE;
  *value = found->second;
  return CUDA_SUCCESS;
}

FAKE(cuDevicePrimaryCtxRetain, CUcontext *context, CUdevice handle) {
  ENTER("cuDevicePrimaryCtxRetain")
  if (!findDevice(handle))
    return kInvalidDevice;
  CUcontext &primary = state().primary[handle];
  if (!primary)
    primary = new CUctx_st{handle - kFirstHandle};
  fakeCuda().contexts += primary->users++ == 0;
  *context = primary;
  return CUDA_SUCCESS;
}
FAKE(cuDevicePrimaryCtxRelease_v2, CUdevice handle) {
  ENTER("cuDevicePrimaryCtxRelease")
  CUcontext primary = state().primary[handle];
  if (!primary || primary->users == 0)
    return kInvalidContext;
  fakeCuda().contexts -= --primary->users == 0;
  return CUDA_SUCCESS;
}
FAKE(cuCtxGetCurrent, CUcontext *context) {
  ENTER("cuCtxGetCurrent")
  *context = contextStack().empty() ? nullptr : contextStack().back();
  return CUDA_SUCCESS;
}
FAKE(cuCtxGetDevice, CUdevice *handle) {
  ENTER("cuCtxGetDevice")
  if (contextStack().empty())
    return kInvalidContext;
  *handle = contextStack().back()->device + kFirstHandle;
  return CUDA_SUCCESS;
}
FAKE(cuCtxPushCurrent_v2, CUcontext context) {
  ENTER("cuCtxPushCurrent")
  if (!context || context->users == 0)
    return kInvalidContext;
  contextStack().push_back(context);
  return CUDA_SUCCESS;
}
FAKE(cuCtxPopCurrent_v2, CUcontext *context) {
  ENTER("cuCtxPopCurrent")
  if (contextStack().empty())
    return kInvalidContext;
  *context = contextStack().back();
  contextStack().pop_back();
  return CUDA_SUCCESS;
}

FAKE(cuModuleLoadDataEx, CUmodule *module, const void *image, unsigned count,
     int *options, void **values) {
  ENTER("cuModuleLoadDataEx")
  if (CUresult unsafe = checkUnsafe())
    return unsafe;
  if (contextStack().empty())
    return kInvalidContext;
  const char *text = static_cast<const char *>(image);
  bool ptx = std::string_view(text, 8) == ".version" ||
             std::string_view(text, 2) == "//"; // as LLVM begins
  void *object = ptx ? nullptr : openImage(text);
  if (!ptx && !object) {
    for (unsigned i = 0; i < count; ++i)
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
        std::strcpy(static_cast<char *>(values[i]), "line 1: not a kernel");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  ++fakeCuda().modules;
  *module = new CUmod_st{contextStack().back(), object, ptx ? text : "", {}};
  return CUDA_SUCCESS;
}
FAKE(cuModuleUnload, CUmodule module) {
  ENTER("cuModuleUnload")
  if (CUresult unsafe = checkUnsafe())
    return unsafe;
  if (contextStack().empty() || contextStack().back() != module->context)
    return kInvalidContext;
  for (CUfunction function : module->functions)
    delete function;
  if (module->object)
    dlclose(module->object);
  delete module;
  --fakeCuda().modules;
  return CUDA_SUCCESS;
}
FAKE(cuModuleGetFunction, CUfunction *function, CUmodule module,
     const char *name) {
  ENTER("cuModuleGetFunction")
  Entry nothing = [](const int64_t *, void *, int64_t, int64_t, int64_t) {};
  bool known = module->text.find(".entry " + std::string(name) + "(") !=
               std::string::npos;
  Entry entry = module->object
                    ? reinterpret_cast<Entry>(dlsym(module->object, name))
                    : (known ? nothing : nullptr);
  if (!entry)
    return CUDA_ERROR_NOT_FOUND;
  *function = new CUfunc_st{module, name, entry};
  module->functions.push_back(*function);
  return CUDA_SUCCESS;
}
FAKE(cuFuncGetAttribute, int *value, int attribute, CUfunction) {
  ENTER("cuFuncGetAttribute")
  *value = attribute == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES
               ? fakeCuda().staticShared
               : fakeCuda().threadsOfKernel;
  return CUDA_SUCCESS;
}
FAKE(cuFuncSetAttribute, CUfunction function, int attribute, int value) {
  ENTER("cuFuncSetAttribute")
  fakeCuda().attributes.push_back(function->name + " " +
                                  std::to_string(attribute) + "=" +
                                  std::to_string(value));
  if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
    function->dynamicShared = value;
  if (attribute == CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED)
    function->largeClusters = value != 0;
  return CUDA_SUCCESS;
}
FAKE(cuLaunchKernelEx, const CUlaunchConfig *config, CUfunction function,
     void **, void **extra) {
  ENTER("cuLaunchKernelEx")
  return launch(*config, function, extra);
}
