//===- NvJitLink.h - The assembler as a library -----------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_NVJITLINK_H
#define KVARN_CODEGEN_NVPTX_NVJITLINK_H

#include "llvm/ADT/StringRef.h"

#include <string>

namespace mlir::kvarn::nvptx {

/// What came of one run of an assembler.
struct Assembly {
  bool ok = false;
  std::string cubin, log;
};

/// Whether the library can be loaded. It stays loaded.
bool hasNvJitLink();

/// "13.0"; "of unknown version" if the library does not say. Needs
/// hasNvJitLink().
std::string nvJitLinkVersion();

/// Needs hasNvJitLink().
Assembly runNvJitLink(llvm::StringRef ptx, llvm::StringRef chip);

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_NVJITLINK_H
