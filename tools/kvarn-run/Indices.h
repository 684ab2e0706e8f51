//===- Indices.h - Whether index tensors name what is there ---------------===//
//
// Kernels trust block tables, slots and pairs: a wrong one makes them read and
// write anywhere. Here they come from files of users.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_RUN_INDICES_H
#define KVARN_TOOLS_RUN_INDICES_H

#include "tools/kvarn-run/Tensors.h"

#include <map>
#include <string>

namespace kvarn::run {

/// What a launch is given, by the names in kvarn_cache.h.
struct IndexInputs {
  struct Tensor {
    std::string label; // in messages
    const HostTensor *tensor = nullptr;
  };
  std::string kernel;
  std::map<std::string, Tensor> tensors;
  std::map<std::string, int64_t> extents;
  int64_t group = 1; // tokens of a block
};

/// Throws Error at the first index that the kernel would use and that names
/// nothing. The runtime must have checked the shapes.
void checkIndices(const IndexInputs &inputs);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_INDICES_H
