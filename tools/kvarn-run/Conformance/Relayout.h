//===- Relayout.h - Records from one layout to another --------------------===//

#ifndef KVARN_TOOLS_RUN_CONFORMANCE_RELAYOUT_H
#define KVARN_TOOLS_RUN_CONFORMANCE_RELAYOUT_H

#include "format/Format.h"

#include <cstdint>
#include <span>

namespace kvarn::run {

/// Rewrites every record of `pages`, `stride` bytes apart, from layout `from`
/// to layout `to`, in place. Padding stays as it is.
void relayout(std::span<uint8_t> pages, int64_t stride, const Format &format,
              Layout from, Layout to);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_CONFORMANCE_RELAYOUT_H
