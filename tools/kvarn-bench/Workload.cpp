//===- Workload.cpp - What is measured ------------------------------------===//

#include "tools/kvarn-bench/Workload.h"

#include <algorithm>
#include <cmath>

namespace kvarn::bench {

std::unique_ptr<Workload> makeWorkload(const WorkloadOptions &options) {
  for (const MeasuredKernel &each : kMeasuredKernels)
    if (options.shape.kernel == each.name)
      return each.make(options);
  throw run::Error(run::kInternal, "no workload for " + options.shape.kernel);
}

void checkPlausible(const run::Kernel &kernel, const DeviceTensor &output) {
  run::HostTensor values = output.read();
  std::span<const uint8_t> bytes = values.bytes();
  bool plausible =
      std::any_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b != 0; });
  if (values.dtype() != run::DType::U8) // not records
    for (double value : run::toDoubles(values))
      plausible = plausible && std::isfinite(value);
  if (!plausible)
    throw run::Error(run::kCheckFailed,
                     std::string(kernel.info().id) +
                         ": the output is zero or not finite");
}

} // namespace kvarn::bench
