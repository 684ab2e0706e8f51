//===- CpuDevice.cpp - Measuring on a CPU ---------------------------------===//

#include "runtime/CpuName.h"
#include "tools/kvarn-bench/Device.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <latch>
#include <thread>
#include <unistd.h>
#include <utility>

namespace kvarn::bench {

using run::HostTensor;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  return values.size() % 2 ? values[half]
                           : (values[half - 1] + values[half]) / 2;
}

namespace {

using Clock = std::chrono::steady_clock;

class HostPlace : public DeviceTensor {
public:
  explicit HostPlace(HostTensor tensor) : tensor(std::move(tensor)) {}
  const kvarn_tensor *descriptor() const override {
    return tensor.descriptor();
  }
  HostTensor read() const override { return tensor.clone(); }
  void fill(uint8_t value) override {
    std::fill(tensor.bytes().begin(), tensor.bytes().end(), value);
  }

private:
  HostTensor tensor;
};

class CpuLaunch : public TimedLaunch {
public:
  CpuLaunch(int threads, size_t workspaceBytes, Device::LaunchFunction launch)
      : launch(std::move(launch)), options(run::launchOptions(threads)),
        workspace(run::DType::U8, {static_cast<int64_t>(workspaceBytes)}) {
    options.workspace = workspace.bytes().data();
    options.workspace_bytes = workspaceBytes;
  }
  double run() override {
    Clock::time_point begin = Clock::now();
    launch(options);
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

private:
  Device::LaunchFunction launch;
  kvarn_launch_options options;
  HostTensor workspace;
};

class CpuDevice : public Device {
public:
  explicit CpuDevice(int threads)
      : threads(threads), cores(threads > 0 ? threads : cpuThreads()) {}

  std::string name() const override { return cpuName(cores); }
  int64_t processors() const override { return cores; }
  std::string driver() const override { return ""; }
  int64_t cacheBytes() const override;
  std::unique_ptr<DeviceTensor> place(HostTensor tensor) override {
    return std::make_unique<HostPlace>(std::move(tensor));
  }
  std::unique_ptr<DeviceTensor> repeat(const HostTensor &source,
                                       int64_t count) override;
  std::unique_ptr<TimedLaunch> prepare(size_t workspaceBytes,
                                       LaunchFunction launch) override;
  double readBandwidth() override;
  double copyBandwidth() override;

private:
  using Share = std::function<void(size_t begin, size_t count)>;
  double timeShares(size_t size, const Share &work) const;
  int64_t bufferBytes() const {
    return std::max<int64_t>(4 * cacheBytes(), int64_t(1) << 30);
  }

  int threads; // of the launches, as the user gave it
  int cores;   // that they use
};

} // namespace

int64_t CpuDevice::cacheBytes() const {
  long bytes = 0;
  for (int level : {_SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE})
    bytes = std::max(bytes, sysconf(level));
  return std::max<int64_t>(bytes, int64_t(32) << 20);
}

std::unique_ptr<DeviceTensor> CpuDevice::repeat(const HostTensor &source,
                                                int64_t count) {
  std::vector<int64_t> shape = source.shape();
  size_t entries = static_cast<size_t>(shape[0]);
  size_t entry = source.bytes().size() / entries;
  shape[0] = count;
  HostTensor result(source.dtype(), shape);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    std::copy_n(source.bytes().begin() + i % entries * entry, entry,
                result.bytes().begin() + i * entry);
  return place(std::move(result));
}

std::unique_ptr<TimedLaunch> CpuDevice::prepare(size_t workspaceBytes,
                                                LaunchFunction launch) {
  return std::make_unique<CpuLaunch>(threads, workspaceBytes,
                                     std::move(launch));
}

/// Sums up words. The sum is used, so that the reading is not left out.
#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static uint64_t
sumWords(const uint64_t *words, size_t count) {
  constexpr size_t kStep = 64; // words; independent sums
  uint64_t sums[kStep] = {};
  for (size_t i = 0; i + kStep <= count; i += kStep)
    for (size_t j = 0; j < kStep; ++j)
      sums[j] += words[i + j];
  uint64_t sum = 0;
  for (uint64_t each : sums)
    sum += each;
  return sum;
}

/// Cuts `size` elements into a share for each thread. Seconds from the moment
/// all threads are there to the end of the last.
double CpuDevice::timeShares(size_t size, const Share &work) const {
  std::latch ready(cores + 1);
  std::vector<std::jthread> workers;
  size_t share = size / static_cast<size_t>(cores);
  for (int i = 0; i < cores; ++i)
    workers.emplace_back([&, i] {
      ready.arrive_and_wait();
      work(static_cast<size_t>(i) * share, share);
    });
  ready.arrive_and_wait();
  Clock::time_point begin = Clock::now();
  workers.clear(); // joins
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double CpuDevice::readBandwidth() {
  HostTensor buffer(run::DType::U8, {bufferBytes()});
  buffer.fill(1); // real memory, not one page of zeros
  static std::atomic<uint64_t> sink;
  std::span<const uint64_t> words = std::as_const(buffer).as<uint64_t>();
  std::vector<double> rates;
  for (int i = 0; i < 7; ++i)
    rates.push_back(static_cast<double>(buffer.bytes().size()) /
                    timeShares(words.size(), [&](size_t begin, size_t count) {
                      sink += sumWords(words.data() + begin, count);
                    }));
  return median(rates);
}

double CpuDevice::copyBandwidth() {
  HostTensor from(run::DType::U8, {bufferBytes() / 2});
  from.fill(1);
  HostTensor to = from.clone();
  size_t size = from.bytes().size();
  std::vector<double> rates;
  for (int i = 0; i < 7; ++i)
    rates.push_back(2 * static_cast<double>(size) /
                    timeShares(size, [&](size_t begin, size_t count) {
                      std::memcpy(to.bytes().data() + begin,
                                  from.bytes().data() + begin, count);
                    }));
  return median(rates);
}

std::unique_ptr<Device> makeCpuDevice(const run::Running &running) {
  return std::make_unique<CpuDevice>(running.threads);
}

} // namespace kvarn::bench
