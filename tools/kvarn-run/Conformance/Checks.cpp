//===- Checks.cpp - What the checks share ---------------------------------===//

#include "tools/kvarn-run/Conformance/Checks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvarn::run {

/// How many bytes of the tensors differ.
static Figure bitEqual(const std::vector<HostTensor> &a,
                       const std::vector<HostTensor> &b) {
  size_t differing = 0;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t at = 0; at < a[i].bytes().size(); ++at)
      differing += a[i].bytes()[at] != b[i].bytes()[at];
  return {std::to_string(differing) + " bytes differ", "bit-equal",
          differing == 0, ""};
}

std::vector<HostTensor> runRepeatedly(
    const Context &context, const std::string &name, const Kernel &kernel,
    const std::function<std::vector<HostTensor>(const Running &)> &launch) {
  Running running = context.running;
  running.workspace = std::make_shared<Workspace>();
  std::vector<HostTensor> first = launch(running);
  context.add(name + " repeat", bitEqual(first, launch(running)), kernel);
  if (isGpuKind(kernel.info().binary_kind))
    return first;
  running.threads = running.threads == 1 ? 0 : 1;
  context.add(name + " threads", bitEqual(first, launch(running)), kernel);
  return first;
}

Figure untouched(const HostTensor &tensor, uint8_t byte,
                 const std::function<bool(size_t)> &owned) {
  size_t written = 0;
  std::span<const uint8_t> bytes = tensor.bytes();
  for (size_t i = 0; i < bytes.size(); ++i)
    written += bytes[i] != byte && !owned(i);
  return {std::to_string(written) + " stray bytes", "0", written == 0, ""};
}

Figure sameBytes(const HostTensor &got, const HostTensor &want) {
  size_t different = 0;
  for (size_t i = 0; i < want.bytes().size(); ++i)
    different += got.bytes()[i] != want.bytes()[i];
  return {std::to_string(different) + " bytes differ", "0", different == 0, ""};
}

double relativeL2(const std::vector<double> &got,
                  const std::vector<double> &want) {
  constexpr double kLeastNormal = 0x1p-14;
  double error = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  double floor =
      kLeastNormal *
      std::sqrt(static_cast<double>(std::max<size_t>(want.size(), 1)));
  return std::sqrt(error) / std::max(std::sqrt(norm), floor);
}

std::vector<double> roundTo(DType dtype, std::vector<double> values) {
  for (double &value : values)
    value = dtype == DType::F16    ? oracle::roundToHalf(value)
            : dtype == DType::BF16 ? oracle::roundToBfloat16(value)
                                   : value;
  return values;
}

} // namespace kvarn::run
