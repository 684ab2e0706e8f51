//===- FatBinary.h - Code for several chips in one file ---------*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_FATBINARY_H
#define KVARN_CODEGEN_NVPTX_FATBINARY_H

#include "mlir/IR/Diagnostics.h"

#include <string>

namespace mlir::kvarn::nvptx {

/// Code for one chip.
struct Image {
  std::string chip; // sm_90a
  bool ptx = false; // else a cubin
  std::string bytes;
};

/// Why no fat binary can be made, or "".
std::string describeMissingFatBinaryTool();

/// The container that the driver's `cuModuleLoadData` takes its choice from, by
/// `fatbinary` of a CUDA toolkit. After a failure the images stay in files, and
/// the message holds the command that repeats it.
FailureOr<std::string>
makeFatBinary(ArrayRef<Image> images,
              function_ref<InFlightDiagnostic()> emitError);

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_FATBINARY_H
