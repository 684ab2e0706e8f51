//===- CudaDriver.h - NVIDIA's driver, opened at run time -------*- C++ -*-===//
//
// The part of the CUDA driver API that this project uses, without the toolkit:
// neither its headers at build time nor its libraries at run time. The driver
// is libcuda.so.1, or what KVARN_CUDA_DRIVER names. Names and values are those
// of cuda.h; a declaration here must agree with the symbol of the version that
// the table names.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_RUNTIME_CUDADRIVER_H
#define KVARN_RUNTIME_CUDADRIVER_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvarn::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;

enum : CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_NOT_FOUND = 500
};

enum : int { // CUdevice_attribute
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97
};

enum : int { // CUfunction_attribute
  CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
  CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED = 14
};

enum : int { // CUjit_option
  CU_JIT_ERROR_LOG_BUFFER = 5,
  CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6
};

enum : int { // CUstreamCaptureMode, CUstreamCaptureStatus, CUstream_flags
  CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2,
  CU_STREAM_CAPTURE_STATUS_NONE = 0,
  CU_STREAM_NON_BLOCKING = 1
};

enum : unsigned { // CUlaunchAttributeID
  CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION = 4,
  CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6
};

struct CUlaunchAttribute {
  unsigned id;
  unsigned padding;
  union {
    char bytes[64];
    struct {
      unsigned x, y, z;
    } clusterDim;
    int programmaticStreamSerializationAllowed;
    uint64_t align;
  } value;
};
static_assert(sizeof(CUlaunchAttribute) == 72);

struct CUlaunchConfig {
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  CUstream hStream;
  CUlaunchAttribute *attrs;
  unsigned numAttrs;
};
static_assert(sizeof(CUlaunchConfig) == 56);

/// What `extra` of a launch holds: key, value, key, value, end.
inline void *const CU_LAUNCH_PARAM_END = nullptr;
inline void *const CU_LAUNCH_PARAM_BUFFER_POINTER =
    reinterpret_cast<void *>(uintptr_t(1));
inline void *const CU_LAUNCH_PARAM_BUFFER_SIZE =
    reinterpret_cast<void *>(uintptr_t(2));

// F(name in cuda.h, symbol in the library, parameters)
#define KVARN_CUDA_FUNCTIONS(F)                                                \
  F(cuInit, "cuInit", (unsigned flags))                                        \
  F(cuDriverGetVersion, "cuDriverGetVersion", (int *version))                  \
  F(cuGetErrorName, "cuGetErrorName", (CUresult error, const char **text))     \
  F(cuGetErrorString, "cuGetErrorString", (CUresult error, const char **text)) \
  F(cuDeviceGetCount, "cuDeviceGetCount", (int *count))                        \
  F(cuDeviceGet, "cuDeviceGet", (CUdevice * device, int ordinal))              \
  F(cuDeviceGetName, "cuDeviceGetName",                                        \
    (char *name, int size, CUdevice device))                                   \
  F(cuDeviceGetAttribute, "cuDeviceGetAttribute",                              \
    (int *value, int attribute, CUdevice device))                              \
  F(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain",                      \
    (CUcontext * context, CUdevice device))                                    \
  F(cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2",                 \
    (CUdevice device))                                                         \
  F(cuCtxGetCurrent, "cuCtxGetCurrent", (CUcontext * context))                 \
  F(cuCtxGetDevice, "cuCtxGetDevice", (CUdevice * device))                     \
  F(cuCtxPushCurrent, "cuCtxPushCurrent_v2", (CUcontext context))              \
  F(cuCtxPopCurrent, "cuCtxPopCurrent_v2", (CUcontext * context))              \
  F(cuModuleLoadDataEx, "cuModuleLoadDataEx",                                  \
    (CUmodule * module, const void *image, unsigned count, int *options,       \
     void **values))                                                           \
  F(cuModuleUnload, "cuModuleUnload", (CUmodule module))                       \
  F(cuModuleGetFunction, "cuModuleGetFunction",                                \
    (CUfunction * function, CUmodule module, const char *name))                \
  F(cuFuncGetAttribute, "cuFuncGetAttribute",                                  \
    (int *value, int attribute, CUfunction function))                          \
  F(cuFuncSetAttribute, "cuFuncSetAttribute",                                  \
    (CUfunction function, int attribute, int value))                           \
  F(cuLaunchKernelEx, "cuLaunchKernelEx",                                      \
    (const CUlaunchConfig *config, CUfunction function, void **parameters,     \
     void **extra))                                                            \
  F(cuMemAlloc, "cuMemAlloc_v2", (CUdeviceptr * address, size_t bytes))        \
  F(cuMemFree, "cuMemFree_v2", (CUdeviceptr address))                          \
  F(cuMemGetInfo, "cuMemGetInfo_v2", (size_t *free, size_t *total))            \
  F(cuMemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2",                                 \
    (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))         \
  F(cuMemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2",                                 \
    (void *to, CUdeviceptr from, size_t bytes, CUstream stream))               \
  F(cuMemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2",                                 \
    (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream))         \
  F(cuMemsetD8Async, "cuMemsetD8Async",                                        \
    (CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream))      \
  F(cuStreamCreate, "cuStreamCreate", (CUstream * stream, unsigned flags))     \
  F(cuStreamDestroy, "cuStreamDestroy_v2", (CUstream stream))                  \
  F(cuStreamSynchronize, "cuStreamSynchronize", (CUstream stream))             \
  F(cuStreamIsCapturing, "cuStreamIsCapturing",                                \
    (CUstream stream, int *status))                                            \
  F(cuStreamBeginCapture, "cuStreamBeginCapture_v2",                           \
    (CUstream stream, int mode))                                               \
  F(cuStreamEndCapture, "cuStreamEndCapture",                                  \
    (CUstream stream, CUgraph * graph))                                        \
  F(cuThreadExchangeStreamCaptureMode, "cuThreadExchangeStreamCaptureMode",    \
    (int *mode))                                                               \
  F(cuGraphInstantiate, "cuGraphInstantiateWithFlags",                         \
    (CUgraphExec * instance, CUgraph graph, unsigned long long flags))         \
  F(cuGraphLaunch, "cuGraphLaunch", (CUgraphExec instance, CUstream stream))   \
  F(cuGraphExecDestroy, "cuGraphExecDestroy", (CUgraphExec instance))          \
  F(cuGraphDestroy, "cuGraphDestroy", (CUgraph graph))                         \
  F(cuEventCreate, "cuEventCreate", (CUevent * event, unsigned flags))         \
  F(cuEventDestroy, "cuEventDestroy_v2", (CUevent event))                      \
  F(cuEventRecord, "cuEventRecord", (CUevent event, CUstream stream))          \
  F(cuEventSynchronize, "cuEventSynchronize", (CUevent event))                 \
  F(cuEventElapsedTime, "cuEventElapsedTime",                                  \
    (float *milliseconds, CUevent begin, CUevent end))

/// What there is to know about a device; its number is its place in the list.
struct DeviceInfo {
  CUdevice handle = 0;
  std::string name; // "NVIDIA H200"
  int major = 0, minor = 0;
  int multiprocessors = 0;
  int threadsPerBlock = 0;
  int sharedBytes = 0; // that a block can have, if it asks
  int cacheBytes = 0;  // L2
};

/// The driver of this process. Safe to use from several threads.
class Driver {
public:
  /// The driver, started; nullptr and why not. Tries once per process.
  static const Driver *get(std::string &error);

#define KVARN_CUDA_MEMBER(name, symbol, parameters)                            \
  CUresult(*name) parameters = nullptr;
  KVARN_CUDA_FUNCTIONS(KVARN_CUDA_MEMBER)
#undef KVARN_CUDA_MEMBER

  int version() const { return number; } // 13000 = CUDA 13.0
  const std::vector<DeviceInfo> &devices() const { return list; }
  /// The device of the current context of this thread, else number 0.
  int currentDevice() const;
  /// "CUDA_ERROR_INVALID_VALUE (invalid argument)"
  std::string describe(CUresult result) const;

private:
  Driver() = default;
  std::string load();
  std::string loadSymbols();
  CUresult readDevice(int ordinal, DeviceInfo &device) const;

  int number = 0;
  std::vector<DeviceInfo> list;
};

/// A context that is current as long as this lives.
class ScopedContext {
public:
  ScopedContext(const Driver &driver, CUcontext context) : driver(driver) {
    result = driver.cuCtxPushCurrent(context);
  }
  ScopedContext(const ScopedContext &) = delete;
  ScopedContext &operator=(const ScopedContext &) = delete;
  ~ScopedContext() {
    CUcontext popped;
    if (result == CUDA_SUCCESS)
      driver.cuCtxPopCurrent(&popped);
  }

  CUresult result;

private:
  const Driver &driver;
};

} // namespace kvarn::cuda

#endif // KVARN_RUNTIME_CUDADRIVER_H
