//===- CudaFixture.h - Tests on the fake CUDA driver ------------*- C++ -*-===//

#ifndef KVARN_TEST_UNIT_RUNTIME_CUDAFIXTURE_H
#define KVARN_TEST_UNIT_RUNTIME_CUDAFIXTURE_H

#include "runtime/CudaDriver.h"
#include "test/unit/runtime/FakeCuda.h"
#include "test/unit/runtime/Fixture.h"

namespace kvarn::test {

inline const cuda::Driver &driver() {
  std::string error;
  return *cuda::Driver::get(error);
}

/// `variant` for a GPU.
inline Variant onGpu(Variant variant, const std::string &chip = "sm_90a",
                     BinaryKind kind = BinaryKind::Cubin) {
  variant.key.target = "nvidia";
  variant.requirements = {"nvptx", "", {}, chip};
  variant.binary.kind = kind;
  variant.launches[0].block = 128;
  return variant;
}

/// A device whose primary context is current as long as this lives.
class ScopedDevice {
public:
  explicit ScopedDevice(int device)
      : handle(driver().devices()[static_cast<size_t>(device)].handle),
        context(retain(handle)), scope(driver(), context) {}
  ~ScopedDevice() { driver().cuDevicePrimaryCtxRelease(handle); }

private:
  static cuda::CUcontext retain(cuda::CUdevice handle) {
    cuda::CUcontext context = nullptr;
    EXPECT_EQ(driver().cuDevicePrimaryCtxRetain(&context, handle), 0);
    return context;
  }

  cuda::CUdevice handle;
  cuda::CUcontext context;
  cuda::ScopedContext scope;
};

/// Memory of a device, from and to floats of the host.
class DeviceFloats {
public:
  DeviceFloats(int device, const std::vector<float> &values)
      : device(device), count(values.size()) {
    ScopedDevice scope(device);
    EXPECT_EQ(driver().cuMemAlloc(&address, 4 * count), 0);
    EXPECT_EQ(
        driver().cuMemcpyHtoDAsync(address, values.data(), 4 * count, nullptr),
        0);
  }
  DeviceFloats(const DeviceFloats &) = delete;
  DeviceFloats &operator=(const DeviceFloats &) = delete;
  ~DeviceFloats() { driver().cuMemFree(address); }

  void *data() const { return reinterpret_cast<void *>(address); }
  Tensor tensor(std::vector<int64_t> shape) const {
    return Tensor(data(), F32, std::move(shape), {},
                  {KVARN_DEVICE_CUDA, device});
  }
  std::vector<float> read() const {
    std::vector<float> values(count);
    EXPECT_EQ(
        driver().cuMemcpyDtoHAsync(values.data(), address, 4 * count, nullptr),
        0);
    return values;
  }

private:
  int device;
  size_t count;
  cuda::CUdeviceptr address = 0;
};

/// Starts each test with a driver that has seen nothing.
class Cuda : public testing::Test {
protected:
  Cuda() : fake(fakeCuda()) {
    fake.launches.clear();
    fake.calls.clear();
    fake.attributes.clear();
    fake.failures.clear();
    fake.staticShared = 0;
    fake.threadsOfKernel = 1024;
  }
  ~Cuda() override { fake.failures.clear(); }

  FakeCuda &fake;
};

} // namespace kvarn::test

#endif // KVARN_TEST_UNIT_RUNTIME_CUDAFIXTURE_H
