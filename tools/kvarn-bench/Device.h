//===- Device.h - What is measured on -------------------------------------===//
//
// Everything that differs between devices. To add one (a GPU): a subclass, and
// a line where kvarn-bench makes its device.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_DEVICE_H
#define KVARN_TOOLS_BENCH_DEVICE_H

#include "tools/kvarn-run/Tensors.h"

#include <functional>
#include <memory>
#include <string>

namespace kvarn::bench {

/// A tensor in the memory of a device.
class DeviceTensor {
public:
  virtual ~DeviceTensor() = default;
  virtual const kvarn_tensor *descriptor() const = 0;
  /// A copy on the host.
  virtual run::HostTensor read() const = 0;
};

class Device {
public:
  virtual ~Device() = default;

  /// "Intel(R) Xeon(R) Processor, 2 threads"
  virtual std::string name() const = 0;
  /// Bytes that may stay in caches between two runs.
  virtual int64_t cacheBytes() const = 0;
  virtual std::unique_ptr<DeviceTensor> place(run::HostTensor tensor) = 0;
  /// Runs `launch` once; seconds until its results are there.
  virtual double
  time(const std::function<void(const kvarn_launch_options &)> &launch) = 0;
  /// Bytes per second of plainly reading a buffer much larger than the caches,
  /// with the cores that `time` uses: the median of several runs.
  virtual double readBandwidth() = 0;
};

/// `threads` worker threads, 0 = all of this process.
std::unique_ptr<Device> makeCpuDevice(int threads);

/// The value in the middle, or the mean of the two there.
double median(std::vector<double> values);

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_DEVICE_H
