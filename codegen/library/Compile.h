//===- Compile.h - A program through the stages -----------------*- C++ -*-===//

#ifndef KVARN_CODEGEN_LIBRARY_COMPILE_H
#define KVARN_CODEGEN_LIBRARY_COMPILE_H

#include "codegen/library/LibraryWriter.h"
#include "dialect/Targets.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::kvarn {

/// How far a program can be taken, in order. Up to Obj no tool is needed.
enum class Stage { Kvarn, Tile, Llvm, Asm, Obj, Cubin, Fatbin, Library };

/// A stage as `--emit` names it, and the backends that have it.
struct StageRow {
  StringRef name;
  Stage stage;
  bool cpu, nvptx, amdgpu;
  StringRef description;
};
inline constexpr StageRow kStages[] = {
    {"kvarn", Stage::Kvarn, true, true, true, "level 1, fused"},
    {"tile", Stage::Tile, true, true, true,
     "level 2: tile kernels and their launches"},
    {"llvm", Stage::Llvm, true, true, true, "LLVM IR"},
    {"asm", Stage::Asm, true, true, true, "assembly of the target"},
    {"obj", Stage::Obj, true, false, true, "object file"},
    {"ptx", Stage::Asm, false, true, false,
     "NVIDIA: assembly, the same as asm"},
    {"cubin", Stage::Cubin, false, true, false,
     "NVIDIA: machine code of one chip"},
    {"fatbin", Stage::Fatbin, false, true, false,
     "NVIDIA: the first target's cubin and PTX of the others"},
    {"library", Stage::Library, true, true, false,
     "kernel library: manifest and binaries"}};

/// The rows that `target` has.
SmallVector<const StageRow *> stagesOf(const Target &target);

struct CompileOptions {
  const Target *target = nullptr;
  /// Whose default schedule is used; null = the target's.
  const Target *scheduleFrom = nullptr;
  /// A schedule to use instead of the default; empty = none.
  std::string schedule;
  /// Without fusion every level-1 op becomes kernels of its own.
  bool fuse = true;
  /// For a library: code that later chips run, too, where the backend has such
  /// (PTX), instead of machine code.
  bool portable = false;
  /// For a library: what the schedule was tuned for. A variant for each, which
  /// share a binary; without any, one variant without a hint.
  std::vector<::kvarn::Hint> hints = {};
  /// For a library: tells the variants of one schedule from those of another.
  std::string suffix = {};
};

/// Why `target` has no such stage, with those that it has; "" if it has it.
std::string describeUnsupported(const Target &target, const StageRow &row);

/// The stages up to level 2, in place; level-2 input stays as it is. Errors go
/// to the context's diagnostics.
LogicalResult compileToLevelOne(ModuleOp module, const CompileOptions &options);
LogicalResult compileToTiles(ModuleOp module, const CompileOptions &options);

/// Text or bytes of `stage`, which comes before Library.
FailureOr<std::string> emitStage(ModuleOp module, Stage stage,
                                 const CompileOptions &options);

/// The stage Fatbin, for several targets. `options.target` is not read.
FailureOr<std::string> emitFatBinary(ModuleOp module,
                                     ArrayRef<const Target *> targets,
                                     CompileOptions options);

/// A line for each kernel of an NVIDIA target: what it takes of the chip.
FailureOr<std::string> describeResources(ModuleOp module,
                                         const CompileOptions &options);

/// Compiles each program of `module` to variants with `key` (whose kernel is
/// set to the program's name if it is empty), which `writer` can add: their
/// binaries lie there. Programs of different contexts can be compiled at once.
FailureOr<std::vector<::kvarn::Variant>>
compileVariants(ModuleOp module, const ::kvarn::VariantKey &key,
                const CompileOptions &options, const LibraryWriter &writer);

/// What tells a program from the others of a library: "attend", "attend-rows16"
/// if the key asks for these, and "relayout-reference" for the way that starts
/// there.
std::string programName(const ::kvarn::VariantKey &key);

/// "kvarn 0.1.0 (build 0123456789ab), LLVM 19.1.7": what a manifest names as
/// its compiler.
std::string compilerVersion();

} // namespace mlir::kvarn

#endif // KVARN_CODEGEN_LIBRARY_COMPILE_H
