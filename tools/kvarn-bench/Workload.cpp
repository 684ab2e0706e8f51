//===- Workload.cpp - What is measured ------------------------------------===//

#include "tools/kvarn-bench/Workload.h"

#include <algorithm>
#include <utility>

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
  if (values.dtype() != run::DType::U8) {
    // All bits of the exponent. There may be a thousand million elements.
    int exponent = values.dtype() == run::DType::BF16 ? 0x7f80 : 0x7c00;
    int worst = 0;
    for (uint16_t bits : std::as_const(values).as<uint16_t>())
      worst = std::max(worst, bits & exponent);
    plausible = plausible && worst != exponent;
  }
  if (!plausible)
    throw run::Error(run::kCheckFailed,
                     std::string(kernel.info().id) +
                         ": the output is zero or not finite");
}

} // namespace kvarn::bench
