//===- Gpu.h - An NVIDIA GPU and its memory -------------------------------===//

#ifndef KVARN_TOOLS_RUN_GPU_H
#define KVARN_TOOLS_RUN_GPU_H

#include "runtime/CudaDriver.h"
#include "runtime/kvarn.h"
#include "tools/kvarn-run/Error.h"

#include <cstdint>
#include <span>
#include <string>

namespace kvarn::run {

class Gpu;

/// Memory of a GPU, which must outlive it. May be empty.
class GpuMemory {
public:
  GpuMemory() = default;
  /// Not initialized. Throws Error.
  GpuMemory(const Gpu &gpu, size_t bytes);
  GpuMemory(GpuMemory &&other) noexcept { *this = std::move(other); }
  GpuMemory &operator=(GpuMemory &&other) noexcept;
  ~GpuMemory();

  cuda::CUdeviceptr address() const { return start; }
  void *data() const { return reinterpret_cast<void *>(start); }
  size_t size() const { return bytes; }

private:
  const Gpu *gpu = nullptr;
  cuda::CUdeviceptr start = 0;
  size_t bytes = 0;
};

/// One GPU, current in the thread that made it as long as it lives. Its work
/// runs on one stream.
class Gpu {
public:
  /// CUDA device `number`. Throws Error with kMissing.
  explicit Gpu(int number);
  Gpu(const Gpu &) = delete;
  Gpu &operator=(const Gpu &) = delete;
  ~Gpu();

  const cuda::Driver &driver() const { return *api; }
  const cuda::DeviceInfo &info() const {
    return api->devices()[static_cast<size_t>(number)];
  }
  kvarn_device device() const { return {KVARN_DEVICE_CUDA, number}; }
  cuda::CUstream stream() const { return queue; }
  /// "NVIDIA H200 (CUDA device 0, driver for CUDA 13.0)"
  std::string name() const;

  /// Throws Error with `code` unless the driver's call went well; `what` says
  /// what for.
  void check(cuda::CUresult result, const std::string &what,
             ExitCode code = kMissing) const;

  void copyIn(const GpuMemory &to, std::span<const uint8_t> from) const;
  /// Waits for everything before it.
  void copyOut(std::span<uint8_t> to, const GpuMemory &from) const;
  /// Makes every byte `value`.
  void fill(const GpuMemory &memory, uint8_t value) const;
  /// Waits for all work; a kernel that failed is an Error with kCheckFailed
  /// that names `what`.
  void finish(const std::string &what) const;

private:
  const cuda::Driver *api = nullptr;
  int number;
  cuda::CUcontext context = nullptr;
  cuda::CUstream queue = nullptr;
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_GPU_H
