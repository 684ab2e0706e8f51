//===- Launch.h - From arguments by name to launches ------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_LAUNCH_H
#define KVARN_RUNTIME_LAUNCH_H

#include "runtime/Library.h"

#include <span>

namespace kvarn::runtime {

/// Checks the arguments against the manifest, and runs the launches.
kvarn_status launch(const kvarn_kernel &kernel,
                    std::span<const kvarn_argument> arguments,
                    const kvarn_launch_options &options);

kvarn_status workspaceBytes(const kvarn_kernel &kernel,
                            std::span<const kvarn_argument> arguments,
                            size_t &bytes);

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_LAUNCH_H
