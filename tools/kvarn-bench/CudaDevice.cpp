//===- CudaDevice.cpp - Measuring on an NVIDIA GPU ------------------------===//
//
// A launch is captured into a graph once, and measured by events around the
// graph. Before each run a buffer larger than the cache is read: what the
// kernel reads then comes from memory, and no line waits to be written back.
//
//===----------------------------------------------------------------------===//

#include "tools/kvarn-bench/Device.h"
#include "tools/kvarn-bench/ReadKernel.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <fstream>
#include <random>

namespace kvarn::bench {

using namespace kvarn::cuda;
using run::Gpu;
using run::GpuMemory;
using run::HostTensor;

namespace {

class GpuTensor : public DeviceTensor {
public:
  /// `tensor` says type and shape; the memory is filled by the caller.
  GpuTensor(const Gpu &gpu, run::DType dtype, std::vector<int64_t> shape)
      : gpu(gpu), dtype(dtype), shape(std::move(shape)),
        memory(gpu, bytesOf(dtype, this->shape)) {
    view.data = memory.data();
    view.device = gpu.device();
    view.ndim = static_cast<int32_t>(this->shape.size());
    view.dtype = run::runtimeDType(dtype);
    view.shape = this->shape.data();
  }
  const kvarn_tensor *descriptor() const override { return &view; }
  HostTensor read() const override {
    HostTensor result(dtype, shape);
    gpu.copyOut(result.bytes(), memory);
    return result;
  }
  void fill(uint8_t value) override { gpu.fill(memory, value); }

  const Gpu &gpu;
  const run::DType dtype;
  const std::vector<int64_t> shape;
  GpuMemory memory;

private:
  static size_t bytesOf(run::DType dtype, const std::vector<int64_t> &shape) {
    std::optional<int64_t> bytes = npy::tensorBytes(dtype, shape);
    if (!bytes)
      throw run::Error(run::kInput, "a tensor of shape " +
                                        npy::shapeText(shape) +
                                        " is larger than the address space");
    return static_cast<size_t>(*bytes);
  }

  kvarn_tensor view = {};
};

/// How often the buffer is read that takes the place of everything else.
constexpr int kColdReads = 4;

class CudaDevice : public Device {
public:
  explicit CudaDevice(const run::Running &running) : gpu(running.gpu()) {}
  ~CudaDevice() override;
  /// Once, before all else. Throws Error.
  void start();

  std::string name() const override { return gpu.info().name; }
  int64_t processors() const override { return gpu.info().multiprocessors; }
  std::string driver() const override;
  /// None: they are flushed before each run.
  int64_t cacheBytes() const override { return 0; }
  std::unique_ptr<DeviceTensor> place(HostTensor tensor) override;
  std::unique_ptr<DeviceTensor> repeat(const HostTensor &source,
                                       int64_t count) override;
  std::unique_ptr<TimedLaunch> prepare(size_t workspaceBytes,
                                       LaunchFunction launch) override;
  double readBandwidth() override;
  double copyBandwidth() override;

  /// Takes so long that what follows is in the queue when it ends.
  void flushCache() const {
    for (int i = 0; i < kColdReads; ++i)
      read(cold, coldRounds);
  }
  /// Seconds that `work` takes on the stream.
  double time(const std::function<void()> &work) const;

  const Gpu &gpu;

private:
  int64_t roundBytes() const { return gridBlocks() * kReadBytesPerProgram; }
  unsigned gridBlocks() const {
    return static_cast<unsigned>(gpu.info().multiprocessors) *
           kReadProgramsPerProcessor;
  }
  void read(const GpuMemory &memory, int64_t rounds) const;
  void copy(const GpuMemory &memory, size_t to, size_t from,
            size_t bytes) const;
  std::unique_ptr<DeviceTensor> largeBuffer(int64_t &rounds);
  double medianRate(size_t bytes, const std::function<void()> &work) const;

  CUmodule module = nullptr;
  CUfunction reader = nullptr;
  CUevent begin = nullptr, end = nullptr;
  int64_t coldRounds = 0;
  GpuMemory cold, sink;
};

/// A launch in a graph.
class CudaLaunch : public TimedLaunch {
public:
  CudaLaunch(const CudaDevice &device, size_t workspaceBytes)
      : device(device), driver(device.gpu.driver()),
        workspace(device.gpu, workspaceBytes) {}
  ~CudaLaunch() override;
  /// Once, before all else. Throws Error.
  void start(const Device::LaunchFunction &launch);
  double run() override;

private:
  void capture(const Device::LaunchFunction &launch);

  const CudaDevice &device;
  const Driver &driver;
  GpuMemory workspace;
  CUgraph graph = nullptr;
  CUgraphExec instance = nullptr;
};

} // namespace

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

void CudaDevice::start() {
  const Driver &driver = gpu.driver();
  gpu.check(
      driver.cuModuleLoadDataEx(&module, kReadKernel, 0, nullptr, nullptr),
      "cannot load the kernel that reads memory");
  gpu.check(driver.cuModuleGetFunction(&reader, module, "kvarn_read"),
            "cannot load the kernel that reads memory");
  gpu.check(driver.cuEventCreate(&begin, 0), "cannot measure time");
  gpu.check(driver.cuEventCreate(&end, 0), "cannot measure time");
  sink = GpuMemory(gpu, 4);
  // More than twice what the cache holds.
  coldRounds = 5 * int64_t(gpu.info().cacheBytes) / 2 / roundBytes() + 1;
  cold = GpuMemory(gpu, static_cast<size_t>(coldRounds * roundBytes()));
  gpu.fill(cold, 0);
}

CudaDevice::~CudaDevice() {
  if (begin)
    gpu.driver().cuEventDestroy(begin);
  if (end)
    gpu.driver().cuEventDestroy(end);
  if (module)
    gpu.driver().cuModuleUnload(module);
}

/// "CUDA 13.0, kernel module 580.65.06"
std::string CudaDevice::driver() const {
  int version = gpu.driver().version();
  std::string text =
      run::formatText("CUDA %d.%d", version / 1000, version % 1000 / 10);
  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun ..."
  std::ifstream file("/proc/driver/nvidia/version");
  for (std::string word; file >> word;)
    if (word.find('.') != std::string::npos &&
        word.find_first_not_of("0123456789.") == std::string::npos)
      return text + ", kernel module " + word;
  return text;
}

void CudaDevice::read(const GpuMemory &memory, int64_t rounds) const {
  int64_t rows = rounds * roundBytes() / kReadRowBytes;
  // Memory is an address, extents and strides.
  const int64_t params[] = {static_cast<int64_t>(memory.address()),
                            rows,
                            kReadColumns,
                            kReadColumns,
                            1,
                            gridBlocks(),
                            rounds,
                            static_cast<int64_t>(sink.address()),
                            1,
                            1};
  size_t bytes = sizeof params;
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER,
                   const_cast<int64_t *>(params), CU_LAUNCH_PARAM_BUFFER_SIZE,
                   &bytes, CU_LAUNCH_PARAM_END};
  CUlaunchConfig config = {};
  config.gridDimX = gridBlocks();
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = kReadThreads;
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = kReadSharedBytes;
  config.hStream = gpu.stream();
  gpu.check(gpu.driver().cuLaunchKernelEx(&config, reader, nullptr, extra),
            "cannot launch the kernel that reads memory");
}

double CudaDevice::time(const std::function<void()> &work) const {
  const Driver &driver = gpu.driver();
  gpu.check(driver.cuEventRecord(begin, gpu.stream()), "cannot measure time");
  work();
  gpu.check(driver.cuEventRecord(end, gpu.stream()), "cannot measure time");
  gpu.finish("what is measured");
  float milliseconds = 0;
  gpu.check(driver.cuEventElapsedTime(&milliseconds, begin, end),
            "cannot measure time");
  return milliseconds * 1e-3;
}

/// 4 GiB, less on a small GPU, that are read in `rounds`.
std::unique_ptr<DeviceTensor> CudaDevice::largeBuffer(int64_t &rounds) {
  size_t available = 0, all = 0;
  gpu.check(gpu.driver().cuMemGetInfo(&available, &all),
            "cannot see how much memory there is");
  int64_t wanted =
      std::min(int64_t(4) << 30, static_cast<int64_t>(available / 4));
  // Random words: all zeros would take less power, hence higher clocks.
  HostTensor words(run::DType::U8, {1 << 14, 1 << 10});
  std::mt19937 random(4);
  for (uint32_t &word : words.as<uint32_t>())
    word = static_cast<uint32_t>(random());
  rounds = std::max<int64_t>(wanted / roundBytes(), 1);
  return repeat(words, (rounds * roundBytes() + (1 << 10) - 1) >> 10);
}

double CudaDevice::medianRate(size_t bytes,
                              const std::function<void()> &work) const {
  std::vector<double> rates;
  for (int i = 0; i < 16; ++i) {
    double seconds = time(work);
    if (i > 0) // the first run warms up
      rates.push_back(static_cast<double>(bytes) / seconds);
  }
  return median(rates);
}

double CudaDevice::readBandwidth() {
  int64_t rounds = 0;
  std::unique_ptr<DeviceTensor> buffer = largeBuffer(rounds);
  const GpuMemory &memory = static_cast<const GpuTensor &>(*buffer).memory;
  return medianRate(static_cast<size_t>(rounds * roundBytes()),
                    [&] { read(memory, rounds); });
}

void CudaDevice::copy(const GpuMemory &memory, size_t to, size_t from,
                      size_t bytes) const {
  gpu.check(gpu.driver().cuMemcpyDtoDAsync(memory.address() + to,
                                           memory.address() + from, bytes,
                                           gpu.stream()),
            "cannot copy on the GPU");
}

/// By the driver's own copy, one half of the buffer over the other.
double CudaDevice::copyBandwidth() {
  int64_t rounds = 0;
  std::unique_ptr<DeviceTensor> buffer = largeBuffer(rounds);
  const GpuMemory &memory = static_cast<const GpuTensor &>(*buffer).memory;
  size_t half = memory.size() / 2;
  return medianRate(2 * half, [&] { copy(memory, half, 0, half); });
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

std::unique_ptr<DeviceTensor> CudaDevice::place(HostTensor tensor) {
  auto placed =
      std::make_unique<GpuTensor>(gpu, tensor.dtype(), tensor.shape());
  gpu.copyIn(placed->memory, tensor.bytes());
  return placed;
}

/// Copies what is there behind itself until the tensor is full.
std::unique_ptr<DeviceTensor> CudaDevice::repeat(const HostTensor &source,
                                                 int64_t count) {
  std::vector<int64_t> shape = source.shape();
  shape[0] = count;
  auto placed = std::make_unique<GpuTensor>(gpu, source.dtype(), shape);
  size_t total = placed->memory.size();
  size_t done = std::min(total, source.bytes().size());
  gpu.copyIn(placed->memory, source.bytes().first(done));
  while (done < total) {
    size_t more = std::min(done, total - done);
    copy(placed->memory, done, 0, more);
    done += more;
  }
  return placed;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

void CudaLaunch::start(const Device::LaunchFunction &launch) {
  const Gpu &gpu = device.gpu;
  gpu.fill(workspace, 0);
  gpu.finish("the workspace");
  capture(launch);
  gpu.check(driver.cuGraphInstantiate(&instance, graph, 0),
            "cannot make a graph of the launch");
  // Once, so that the first run does not pay for putting it in place.
  gpu.check(driver.cuGraphLaunch(instance, gpu.stream()),
            "cannot launch the graph");
  gpu.finish("what is measured");
}

void CudaLaunch::capture(const Device::LaunchFunction &launch) {
  const Gpu &gpu = device.gpu;
  kvarn_launch_options options = run::launchOptions(0);
  options.workspace = workspace.data();
  options.workspace_bytes = workspace.size();
  options.stream = gpu.stream();
  gpu.check(driver.cuStreamBeginCapture(gpu.stream(),
                                        CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
            "cannot capture the launch");
  try {
    launch(options);
  } catch (...) {
    driver.cuStreamEndCapture(gpu.stream(), &graph);
    throw;
  }
  gpu.check(driver.cuStreamEndCapture(gpu.stream(), &graph),
            "cannot capture the launch");
}

CudaLaunch::~CudaLaunch() {
  if (instance)
    driver.cuGraphExecDestroy(instance);
  if (graph)
    driver.cuGraphDestroy(graph);
}

double CudaLaunch::run() {
  device.flushCache();
  return device.time([&] {
    device.gpu.check(driver.cuGraphLaunch(instance, device.gpu.stream()),
                     "cannot launch the graph");
  });
}

std::unique_ptr<TimedLaunch> CudaDevice::prepare(size_t workspaceBytes,
                                                 LaunchFunction launch) {
  auto prepared = std::make_unique<CudaLaunch>(*this, workspaceBytes);
  prepared->start(launch);
  return prepared;
}

std::unique_ptr<Device> makeCudaDevice(const run::Running &running) {
  auto device = std::make_unique<CudaDevice>(running);
  device->start();
  return device;
}

} // namespace kvarn::bench
