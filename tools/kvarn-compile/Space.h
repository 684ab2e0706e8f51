//===- Space.h - What the autotuner may try, printed ------------*- C++ -*-===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_SPACE_H
#define KVARN_TOOLS_KVARNCOMPILE_SPACE_H

#include "dialect/KVarNDialect.h"
#include "dialect/Targets.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::kvarn {

/// A line for each family and field: its values, and which are left out.
void printSpace(const Target &target, llvm::raw_ostream &out);

/// A JSON object for kvarn-tune: every schedule of the space of `program`, and
/// facts about the chip.
std::string listSchedulesOfSpace(const Target &target, StringRef family,
                                 func::FuncOp program, FormatAttr format);

} // namespace mlir::kvarn

#endif // KVARN_TOOLS_KVARNCOMPILE_SPACE_H
