//===- CudaDriver.cpp - NVIDIA's driver, opened at run time ---------------===//

#include "runtime/CudaDriver.h"

#include "format/Environment.h"

#include <array>
#include <dlfcn.h>
#include <utility>

namespace kvarn::cuda {

/// The first driver with everything above: launches with attributes came with
/// 11.8, and the compiler's PTX is of ISA 8.1.
static constexpr int kOldestDriver = 12010;

static std::string printVersion(int version) {
  return std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

const Driver *Driver::get(std::string &error) {
  // Never closed: at the end of a process the driver may be gone before us.
  static const std::pair<const Driver *, std::string> loaded = [] {
    auto *driver = new Driver();
    std::string failure = driver->load();
    return std::pair<const Driver *, std::string>(driver, failure);
  }();
  error = loaded.second;
  return error.empty() ? loaded.first : nullptr;
}

std::string Driver::loadSymbols() {
  const char *named = environment(Variable::CudaDriver);
  const char *path = named ? named : "libcuda.so.1";
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return "needs the NVIDIA driver: " + std::string(reason ? reason : path);
  }
#define KVARN_CUDA_LOAD(name, symbol, parameters)                              \
  name = reinterpret_cast<CUresult(*) parameters>(dlsym(library, symbol));     \
  if (!name)                                                                   \
    return "needs a newer NVIDIA driver: " + std::string(path) +               \
           " has no " symbol;
  KVARN_CUDA_FUNCTIONS(KVARN_CUDA_LOAD)
#undef KVARN_CUDA_LOAD
  return {};
}

CUresult Driver::readDevice(int ordinal, DeviceInfo &device) const {
  if (CUresult result = cuDeviceGet(&device.handle, ordinal))
    return result;
  char name[256] = {};
  if (CUresult result = cuDeviceGetName(name, sizeof name - 1, device.handle))
    return result;
  device.name = name;
  const std::pair<int, int *> attributes[] = {
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, &device.major},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &device.minor},
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &device.multiprocessors},
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, &device.threadsPerBlock},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
       &device.sharedBytes},
      {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, &device.cacheBytes}};
  for (auto [attribute, value] : attributes)
    if (CUresult result = cuDeviceGetAttribute(value, attribute, device.handle))
      return result;
  return CUDA_SUCCESS;
}

std::string Driver::load() {
  if (std::string error = loadSymbols(); !error.empty())
    return error;
  if (CUresult result = cuInit(0))
    return result == CUDA_ERROR_NO_DEVICE
               ? "needs an NVIDIA GPU, but the driver finds none"
               : "the NVIDIA driver does not start: " + describe(result);
  if (CUresult result = cuDriverGetVersion(&number))
    return "the NVIDIA driver has no version: " + describe(result);
  if (number < kOldestDriver)
    return "needs an NVIDIA driver for CUDA " + printVersion(kOldestDriver) +
           ", but this one is for " + printVersion(number);
  int count = 0;
  if (CUresult result = cuDeviceGetCount(&count))
    return "the NVIDIA driver does not list its GPUs: " + describe(result);
  if (count == 0)
    return "needs an NVIDIA GPU, but the driver finds none";
  list.resize(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i)
    if (CUresult result = readDevice(i, list[static_cast<size_t>(i)]))
      return "the NVIDIA driver does not describe CUDA device " +
             std::to_string(i) + ": " + describe(result);
  return {};
}

int Driver::currentDevice() const {
  CUcontext context = nullptr;
  CUdevice device = 0;
  if (cuCtxGetCurrent(&context) != CUDA_SUCCESS || !context ||
      cuCtxGetDevice(&device) != CUDA_SUCCESS)
    return 0;
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i].handle == device)
      return static_cast<int>(i);
  return 0;
}

std::string Driver::describe(CUresult result) const {
  const char *name = nullptr, *text = nullptr;
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS || !name)
    return "error " + std::to_string(result);
  if (cuGetErrorString(result, &text) != CUDA_SUCCESS || !text)
    return name;
  return std::string(name) + " (" + text + ")";
}

} // namespace kvarn::cuda
