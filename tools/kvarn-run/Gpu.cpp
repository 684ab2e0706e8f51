//===- Gpu.cpp - An NVIDIA GPU and its memory -----------------------------===//

#include "tools/kvarn-run/Gpu.h"

#include "tools/kvarn-run/Error.h"

#include <utility>

namespace kvarn::run {

using namespace kvarn::cuda;

Gpu::Gpu(int number) : number(number) {
  std::string error;
  api = Driver::get(error);
  if (!api)
    throw Error(kMissing, error);
  if (number < 0 || static_cast<size_t>(number) >= api->devices().size())
    throw Error(kMissing, "there is no CUDA device " + std::to_string(number) +
                              ", only " +
                              std::to_string(api->devices().size()));
  check(api->cuDevicePrimaryCtxRetain(&context, info().handle),
        "cannot use the GPU");
  CUresult result = api->cuCtxPushCurrent(context);
  if (result == CUDA_SUCCESS)
    result = api->cuStreamCreate(&queue, CU_STREAM_NON_BLOCKING);
  if (result != CUDA_SUCCESS) {
    api->cuDevicePrimaryCtxRelease(info().handle);
    check(result, "cannot use the GPU");
  }
}

Gpu::~Gpu() {
  CUcontext popped;
  api->cuStreamDestroy(queue);
  api->cuCtxPopCurrent(&popped);
  api->cuDevicePrimaryCtxRelease(info().handle);
}

std::string Gpu::name() const {
  int version = api->version();
  return info().name + " (CUDA device " + std::to_string(number) +
         ", driver for CUDA " + std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10) + ")";
}

void Gpu::check(CUresult result, const std::string &what, ExitCode code) const {
  if (result != CUDA_SUCCESS)
    throw Error(code,
                what + ": " + api->describe(result) + " on " + info().name);
}

void Gpu::copyIn(const GpuMemory &to, std::span<const uint8_t> from) const {
  if (from.empty())
    return;
  check(api->cuMemcpyHtoDAsync(to.address(), from.data(), from.size(), queue),
        "cannot copy to the GPU");
  // The source may be gone when the caller goes on.
  check(api->cuStreamSynchronize(queue), "cannot copy to the GPU");
}

void Gpu::copyOut(std::span<uint8_t> to, const GpuMemory &from) const {
  if (to.empty())
    return;
  check(api->cuMemcpyDtoHAsync(to.data(), from.address(), to.size(), queue),
        "cannot copy from the GPU");
  check(api->cuStreamSynchronize(queue), "cannot copy from the GPU");
}

void Gpu::fill(const GpuMemory &memory, uint8_t value) const {
  if (memory.size() > 0)
    check(api->cuMemsetD8Async(memory.address(), value, memory.size(), queue),
          "cannot fill memory of the GPU");
}

void Gpu::finish(const std::string &what) const {
  CUresult result = api->cuStreamSynchronize(queue);
  if (result != CUDA_SUCCESS)
    throw Error(kCheckFailed, what + ": failed while it ran: " +
                                  api->describe(result) + " on " + info().name);
}

GpuMemory::GpuMemory(const Gpu &gpu, size_t bytes) : gpu(&gpu), bytes(bytes) {
  if (bytes == 0)
    return;
  std::string what = "cannot allocate " + std::to_string(bytes) + " bytes";
  CUresult result = gpu.driver().cuMemAlloc(&start, bytes);
  bool tooMany = result == CUDA_ERROR_OUT_OF_MEMORY;
  size_t left = 0, all = 0;
  if (tooMany && gpu.driver().cuMemGetInfo(&left, &all) == CUDA_SUCCESS)
    what += ": " + std::to_string(left) + " of " + std::to_string(all) +
            " are left";
  // Less may fit: that is no fault of the GPU.
  gpu.check(result, what, tooMany ? kInput : kMissing);
}

GpuMemory &GpuMemory::operator=(GpuMemory &&other) noexcept {
  std::swap(gpu, other.gpu);
  std::swap(start, other.start);
  std::swap(bytes, other.bytes);
  return *this;
}

GpuMemory::~GpuMemory() {
  if (start)
    gpu->driver().cuMemFree(start);
}

} // namespace kvarn::run
