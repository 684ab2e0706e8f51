//===- Lists.h - What kvarn-compile knows -----------------------*- C++ -*-===//

#ifndef KVARN_TOOLS_KVARNCOMPILE_LISTS_H
#define KVARN_TOOLS_KVARNCOMPILE_LISTS_H

#include "llvm/Support/raw_ostream.h"

namespace mlir::kvarn {

void printTargets(llvm::raw_ostream &out);
void printFormats(llvm::raw_ostream &out);
void printStages(llvm::raw_ostream &out);

} // namespace mlir::kvarn

#endif // KVARN_TOOLS_KVARNCOMPILE_LISTS_H
