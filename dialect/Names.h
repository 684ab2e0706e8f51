//===- Names.h - What kernels and programs may be called --------*- C++ -*-===//

#ifndef KVARN_DIALECT_NAMES_H
#define KVARN_DIALECT_NAMES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
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

/// What it is called is part of the names of kernels, files and manifests.
inline LogicalResult checkProgramName(func::FuncOp program) {
  if (isName(program.getName()))
    return success();
  return program.emitError()
         << "'" << program.getName() << "' cannot name a program, expected "
         << kNameRule;
}

} // namespace mlir::kvarn

#endif // KVARN_DIALECT_NAMES_H
