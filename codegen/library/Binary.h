//===- Binary.h - The binary of a variant, by backend -----------*- C++ -*-===//

#ifndef KVARN_CODEGEN_LIBRARY_BINARY_H
#define KVARN_CODEGEN_LIBRARY_BINARY_H

#include "codegen/library/Compile.h"

namespace mlir::kvarn {

/// Which tool `stage` of `target` needs that this machine lacks, as a message;
/// "" if none.
std::string describeMissingTool(const Target &target, Stage stage);

/// Makes the binary of `variant` from kernels in the LLVM dialect and writes it
/// where `writer` wants it. Sets its kind and file name, which begins with the
/// variant's id. `portable`: see CompileOptions.
LogicalResult writeBinary(ModuleOp kernels, const Target &target, bool portable,
                          const LibraryWriter &writer,
                          ::kvarn::Variant &variant);

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_LIBRARY_BINARY_H
