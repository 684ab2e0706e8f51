//===- Select.h - Which variant serves a request ----------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_SELECT_H
#define KVARN_RUNTIME_SELECT_H

#include "runtime/Library.h"

#include <string>
#include <vector>

namespace kvarn::runtime {

/// What was decided, and why.
struct Selection {
  kvarn_status status = KVARN_STATUS_OK;
  std::string message;              // of a failure
  size_t chosen = 0;                // if status is OK
  std::vector<std::string> reasons; // per variant: why not, or "chosen"
};

/// Fails only for a malformed request; that nothing fits is a Selection.
kvarn_status selectVariant(const kvarn_library &library,
                           const kvarn_request &request, Selection &selection);

/// The selection as text, one line per variant.
std::string explainSelection(const kvarn_library &library,
                             const Selection &selection);

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_SELECT_H
