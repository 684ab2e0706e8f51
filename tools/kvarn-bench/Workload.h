//===- Workload.h - What is measured --------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_WORKLOAD_H
#define KVARN_TOOLS_BENCH_WORKLOAD_H

#include "tools/kvarn-bench/Cache.h"

namespace kvarn::bench {

/// The tensors of a kernel, several times over: the layers of a model.
class Workload {
public:
  virtual ~Workload() = default;

  /// Chooses the kernel that run() runs: one like that which the tensors were
  /// made for. What another one wrote is gone.
  virtual void use(const run::Kernel &kernel) = 0;

  int64_t layers() const { return static_cast<int64_t>(launches.size()); }
  /// Bytes that one launch reads and writes. Attention writes next to nothing,
  /// so its queries and results are left out.
  int64_t bytes() const { return movedBytes; }
  /// Whether the records that are read were packed by a flush kernel.
  bool reallyPacked() const { return packed; }
  /// Runs the kernel for one layer; seconds.
  double run(int64_t layer) {
    return launches[static_cast<size_t>(layer)]->run();
  }
  /// Throws Error with kCheckFailed if the last output is not plausible.
  virtual void checkOutput() const = 0;

protected:
  int64_t movedBytes = 0;
  bool packed = true;
  std::vector<std::unique_ptr<TimedLaunch>> launches; // one per layer
};

/// What a workload is made of.
struct WorkloadOptions {
  Device &device;
  TileSource source;
  run::Kernel kernel; // or one like it
  Shape shape;
  int64_t memory; // bytes
  /// Packed ones to fill a cache with; null = they are made.
  const Tiles *tiles = nullptr;
};

/// For the kernel of `options.shape`; none is chosen yet. Throws Error.
std::unique_ptr<Workload> makeWorkload(const WorkloadOptions &options);

std::unique_ptr<Workload> makeAttend(const WorkloadOptions &options);
std::unique_ptr<Workload> makeMaterialize(const WorkloadOptions &options);
std::unique_ptr<Workload> makeAppend(const WorkloadOptions &options);
std::unique_ptr<Workload> makeFlush(const WorkloadOptions &options);
std::unique_ptr<Workload> makePack(const WorkloadOptions &options);
std::unique_ptr<Workload> makeUnflush(const WorkloadOptions &options);
std::unique_ptr<Workload> makeRelayout(const WorkloadOptions &options);

/// The kernels that can be measured.
struct MeasuredKernel {
  const char *name, *help;
  std::unique_ptr<Workload> (*make)(const WorkloadOptions &options);
};
inline constexpr MeasuredKernel kMeasuredKernels[] = {
    {"attend", "Attention over a cache larger than the processor's caches",
     makeAttend},
    {"append", "New keys and values into the pool", makeAppend},
    {"flush", "Blocks of the pool into pages", makeFlush},
    {"pack", "Blocks of new keys and values into pages", makePack},
    {"unflush", "Blocks of pages back to the pool", makeUnflush},
    {"materialize", "Keys and values of whole requests", makeMaterialize},
    {"relayout", "Records of the other layout into pages", makeRelayout},
};

/// `kernel` on `args`, ready to run. `Args` is a struct of kvarn_cache.h,
/// `measure` and `launch` its two functions.
template <typename Args>
std::unique_ptr<TimedLaunch> prepareLaunch(
    Device &device, const run::Kernel &kernel, Args args,
    kvarn_status (*measure)(const kvarn_kernel *, const Args *, size_t *),
    kvarn_status (*launch)(const kvarn_kernel *, const Args *,
                           const kvarn_launch_options *)) {
  args.struct_size = sizeof args;
  size_t bytes = 0;
  run::check(measure(kernel.get(), &args, &bytes));
  return device.prepare(bytes, [handle = kernel.get(), args,
                                launch](const kvarn_launch_options &options) {
    run::check(launch(handle, &args, &options));
  });
}

/// Throws Error with kCheckFailed if the elements are all 0, or one of them is
/// not finite: `output` holds 16-bit floats, or records of whatever content.
void checkPlausible(const run::Kernel &kernel, const DeviceTensor &output);

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_WORKLOAD_H
