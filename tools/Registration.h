//===- Registration.h - Dialects and passes of the programs -----*- C++ -*-===//
//
// The one list of what our programs can read and run. Kept selective: all of
// MLIR doubles the compile time of this file and is of no use here.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_REGISTRATION_H
#define KVARN_TOOLS_REGISTRATION_H

namespace mlir {
class DialectRegistry;
namespace kvarn {

/// Every dialect that a level of the pipeline may contain.
void registerDialects(DialectRegistry &registry);

/// Every pass that `kvarn-opt` knows by name.
void registerPasses();

} // namespace kvarn
} // namespace mlir

#endif // KVARN_TOOLS_REGISTRATION_H
