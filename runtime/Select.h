//===- Select.h - Which variant serves a request ----------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_SELECT_H
#define KVARN_RUNTIME_SELECT_H

#include "runtime/Library.h"

#include <map>
#include <string>
#include <vector>

namespace kvarn::runtime {

/// What was decided, and why.
struct Selection {
  kvarn_status status = KVARN_STATUS_OK;
  std::string message;               // of a failure
  size_t chosen = 0;                 // if status is OK
  std::vector<std::string> reasons;  // per variant: why not, or "chosen"
  std::vector<Candidate> candidates; // that match and run here
};

/// Copies the caller's request, with "auto" as its target replaced.
kvarn_status readRequest(const kvarn_request *from, kvarn_request &request);

/// The lists in a request.
struct RequestLists {
  std::vector<std::string> features; // sorted
  std::map<std::string, std::string> options;
};
kvarn_status parseLists(const kvarn_request &request, RequestLists &lists);

/// Fails only for a malformed request; that nothing fits is a Selection.
kvarn_status selectVariant(const kvarn_library &library,
                           const kvarn_request &request, Selection &selection);

/// The selection as text, one line per variant.
std::string explainSelection(const kvarn_library &library,
                             const Selection &selection);

/// What a request says but its hints, and what of the surroundings decides what
/// runs: equal keys have equal candidates.
void makeRequestKey(const kvarn_request &request, std::string &key);

/// Selects and loads. The candidates of a request are remembered, and only its
/// hints looked at when it comes again. `key` is that of the request.
kvarn_status selectKernel(kvarn_library &library, const kvarn_request &request,
                          const std::string &key, kvarn_kernel *&kernel);

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_SELECT_H
