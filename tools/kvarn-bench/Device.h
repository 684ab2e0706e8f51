//===- Device.h - What is measured on -------------------------------------===//
//
// Everything that differs between devices. To add one: a subclass, and a line
// where Suite makes its device.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_DEVICE_H
#define KVARN_TOOLS_BENCH_DEVICE_H

#include "tools/kvarn-run/Running.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kvarn::bench {

/// A tensor in the memory of a device.
class DeviceTensor {
public:
  virtual ~DeviceTensor() = default;
  virtual const kvarn_tensor *descriptor() const = 0;
  /// A copy on the host.
  virtual run::HostTensor read() const = 0;
  /// Makes every byte `value`.
  virtual void fill(uint8_t value) = 0;
};

/// A launch that can be run again and again.
class TimedLaunch {
public:
  virtual ~TimedLaunch() = default;
  /// Runs it once; seconds until its results are there.
  virtual double run() = 0;
};

class Device {
public:
  using LaunchFunction = std::function<void(const kvarn_launch_options &)>;

  virtual ~Device() = default;

  /// "Intel(R) Xeon(R) Processor, 2 threads"
  virtual std::string name() const = 0;
  /// Multiprocessors, or threads of a CPU, that launches use.
  virtual int64_t processors() const = 0;
  /// Its driver and that one's version, "" if it needs none.
  virtual std::string driver() const = 0;
  /// Bytes that may stay in caches between two runs.
  virtual int64_t cacheBytes() const = 0;
  virtual std::unique_ptr<DeviceTensor> place(run::HostTensor tensor) = 0;
  /// A tensor whose first extent is `count`: the entries of `source`, over and
  /// over, each in memory of its own.
  virtual std::unique_ptr<DeviceTensor> repeat(const run::HostTensor &source,
                                               int64_t count) = 0;
  /// Prepares `launch`, which needs a workspace of this size.
  virtual std::unique_ptr<TimedLaunch> prepare(size_t workspaceBytes,
                                               LaunchFunction launch) = 0;
  /// Bytes per second of plainly reading a buffer much larger than the caches,
  /// with the cores that launches use: the median of several runs.
  virtual double readBandwidth() = 0;
  /// The same of plainly copying one to another: bytes read and written.
  virtual double copyBandwidth() = 0;
};

/// With the threads that `running` says.
std::unique_ptr<Device> makeCpuDevice(const run::Running &running);
/// The GPU of `running`, which must outlive the device. Throws run::Error.
std::unique_ptr<Device> makeCudaDevice(const run::Running &running);

/// The value in the middle, or the mean of the two there.
double median(std::vector<double> values);

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_DEVICE_H
