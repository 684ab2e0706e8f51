//===- Inspect.h - What a finished library holds ----------------*- C++ -*-===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_INSPECT_H
#define KVARN_TOOLS_KVARNCOMPILE_INSPECT_H

#include "format/Manifest.h"

#include <optional>
#include <string>

/// The manifest of the library at `path`, or nothing and why.
std::optional<kvarn::Manifest> openManifest(const std::string &path,
                                            std::string &error);

struct Inspection {
  std::string text; // for people
  int damaged = 0;  // binaries
};

/// Describes the library at `path` and checks the hashes of its binaries.
Inspection inspectLibrary(const std::string &path,
                          const kvarn::Manifest &manifest);

/// A C header for programs that use the library at `path`: a function for each
/// kernel that makes the request for it, and the id of each variant.
std::string makeHeader(const std::string &path,
                       const kvarn::Manifest &manifest);

/// Where that belongs: NAME.h beside NAME.kvlib.
std::string headerPath(const std::string &path);

#endif // KVARN_TOOLS_KVARNCOMPILE_INSPECT_H
