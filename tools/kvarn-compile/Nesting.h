//===- Nesting.h - How deep a text is nested --------------------*- C++ -*-===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_NESTING_H
#define KVARN_TOOLS_KVARNCOMPILE_NESTING_H

#include "mlir/Support/LLVM.h"

#include <optional>
#include <string>

namespace mlir::kvarn {

/// MLIR's parser calls itself for each bracket and for each operator of an
/// affine expression, without an end but that of the stack. So depth is looked
/// at first: where MLIR text gets too deep, if anywhere.
std::optional<size_t> findTooDeep(StringRef text);

/// "nested deeper than 256 levels"
std::string describeTooDeep();

} // namespace mlir::kvarn

#endif // KVARN_TOOLS_KVARNCOMPILE_NESTING_H
