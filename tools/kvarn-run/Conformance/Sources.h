//===- Sources.h - Where checks take their kernels from ---------*- C++ -*-===//

#ifndef KVARN_TOOLS_RUN_CONFORMANCE_SOURCES_H
#define KVARN_TOOLS_RUN_CONFORMANCE_SOURCES_H

#include "tools/kvarn-run/Compile.h"
#include "tools/kvarn-run/Conformance/Checks.h"

#include <functional>
#include <optional>

namespace kvarn::run {

/// Finds a library for `need` and runs `checks` with it. What the compiler or
/// the runtime then refuses is a failed check; input that cannot be used at all
/// throws Error.
void runChecks(const Context &context, LibrarySource &source, const Need &need,
               const std::function<void(const Library &)> &checks);

StoreKernels storeKernels(const LibrarySource &source, const Library &library,
                          const Need &need);

/// The kernels of `library`; nothing if it has not both.
std::optional<RelayoutKernels> relayoutKernels(const LibrarySource &source,
                                               const Library &library,
                                               const Need &need);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_CONFORMANCE_SOURCES_H
