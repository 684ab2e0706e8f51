//===- Compile.h - A program through the stages -----------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_LIBRARY_COMPILE_H
#define KVARN_CODEGEN_LIBRARY_COMPILE_H

#include "codegen/library/LibraryWriter.h"
#include "dialect/Targets.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::kvarn {

/// What `--emit` can name, in order.
enum class Stage { Kvarn, Tile, Llvm, Asm, Obj, Library };
inline constexpr std::pair<StringRef, StringRef> kStages[] = {
    {"kvarn", "level 1, fused"},
    {"tile", "level 2: tile kernels and their launches"},
    {"llvm", "LLVM IR"},
    {"asm", "assembly of the target"},
    {"obj", "object file"},
    {"library", "kernel library: manifest and binaries"}};

struct CompileOptions {
  const Target *target = nullptr;
  /// Whose default schedule is used; null = the target's.
  const Target *scheduleFrom = nullptr;
  /// A schedule to use instead of the default; empty = none.
  std::string schedule;
  /// Without fusion every level-1 op becomes kernels of its own.
  bool fuse = true;
};

/// Whether code can be generated for `target` up to `stage`; if not, why.
std::string describeUnsupported(const Target &target, Stage stage);

/// The stages up to level 2, in place; level-2 input stays as it is. Errors go
/// to the context's diagnostics.
LogicalResult compileToLevelOne(ModuleOp module, const CompileOptions &options);
LogicalResult compileToTiles(ModuleOp module, const CompileOptions &options);

/// Text or bytes of `stage`, which comes before Library.
FailureOr<std::string> emitStage(ModuleOp module, Stage stage,
                                 const CompileOptions &options);

/// Compiles each program of `module` and adds it to `writer` as a variant with
/// `key` (whose kernel is set to the program's name if it is empty).
LogicalResult addToLibrary(ModuleOp module, const ::kvarn::VariantKey &key,
                           const CompileOptions &options,
                           LibraryWriter &writer);

/// "kvarn 0.1.0, LLVM 19.1.7": what a manifest names as its compiler.
std::string compilerVersion();

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_LIBRARY_COMPILE_H
