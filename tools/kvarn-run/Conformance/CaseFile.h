//===- CaseFile.h - Golden cases from files -------------------------------===//
//
// NAME.json describes NAME.bin beside it: {"cases": [{"case": "store" or
// "decode", "preset": "kvarn_k4v2_g128", "head_dim": 128, "group": 128, ...,
// "tensors": [{"name", "dtype", "shape", "offset", "bytes"}]}]}. Both files are
// untrusted: a case that is returned fits together.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_RUN_CONFORMANCE_CASEFILE_H
#define KVARN_TOOLS_RUN_CONFORMANCE_CASEFILE_H

#include "format/Format.h"
#include "tools/kvarn-run/Tensors.h"

#include <map>
#include <string>
#include <vector>

namespace kvarn::run {

struct Case {
  enum class Kind { Store, Decode };

  Kind kind = Kind::Store;
  std::string name; // "golden.json cases[3] decode kvarn_k4v2_g128 D=128"
  Format format;    // layout reference
  int64_t recordStride = 0;
  int64_t iterations = 8;              // Store
  int64_t kvHeads = 0, queryHeads = 0; // Decode
  double scale = 0;                    // Decode
  std::map<std::string, HostTensor> tensors;

  const HostTensor &operator[](const std::string &tensor) const {
    return tensors.at(tensor);
  }
};

/// Every case in `path`, at least one. Throws Error with a message such as
/// `FILE: cases[3].tensors[1].offset: ...`.
std::vector<Case> readCases(const std::string &path);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_CONFORMANCE_CASEFILE_H
