//===- Names.h - What kernels and programs may be called --------*- C++ -*-===//

#ifndef KVARN_DIALECT_NAMES_H
#define KVARN_DIALECT_NAMES_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringExtras.h"

namespace mlir::kvarn {

/// As assemblers, files and manifests take it.
inline bool isName(StringRef name) {
  return !name.empty() && !llvm::isDigit(name.front()) &&
         llvm::all_of(name,
                      [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

inline constexpr const char *kNameRule =
    "letters, digits and '_', no digit first";

} // namespace mlir::kvarn

#endif // KVARN_DIALECT_NAMES_H
