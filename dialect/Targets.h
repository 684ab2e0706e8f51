//===- Targets.h - The table of known targets -------------------*- C++ -*-===//

#ifndef KVARN_DIALECT_TARGETS_H
#define KVARN_DIALECT_TARGETS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace mlir::kvarn {

enum class Backend { Cpu, Nvptx, Amdgpu };

/// A matrix instruction: [rows, depth] x [depth, columns]. Which lanes hold
/// what is a matter of bits, lowest first.
struct MatrixInstruction {
  llvm::StringRef name;
  int64_t rows, columns, depth;
  /// Lane bits that number the depth of both operands, and the rows of the left
  /// and columns of the right one.
  llvm::ArrayRef<int64_t> depthLanes, outerLanes;
  /// Where the accumulator has the bits that `outerLanes` stand for: a lane
  /// bit, or -1 for a register.
  llvm::ArrayRef<int64_t> rowPlaces, columnPlaces;
};

/// What a chip has, for the autotuner: limits that no kernel passes, and rates
/// that its cost model starts from. Of a CPU, a processor is a core.
struct Chip {
  int64_t processors;
  /// Of one processor, and of one program (threads and bytes of memory).
  int64_t threads, registers, sharedBytes;
  int64_t programThreads, programSharedBytes;
  /// Instructions of a warp or a vector that a processor starts per second, and
  /// bytes per second that all of them together can read.
  double instructionRate, readBandwidth;
};

/// The facts about a target that passes and code generation may ask for.
struct Target {
  llvm::StringRef name;
  Backend backend;
  /// For LLVM: target triple, processor and features.
  llvm::StringRef triple, cpu, features;
  /// For the manifest: what the runtime compares with the machine.
  llvm::StringRef arch;
  /// Bits of a vector register, or of all lanes of a warp.
  int64_t vectorBits;
  /// fp16 subnormal numbers are operands like any other.
  bool subnormalOperands;
  /// Null without matrix instructions: tiles then carry no layouts.
  const MatrixInstruction *matrix;
  /// Whether one instruction copies any number of bytes to shared memory, and
  /// all that lanes do together is instructions (sm_90): before, lanes copy 16
  /// bytes at a time, and code that may be linked calls functions.
  bool bulkCopies;
  /// Whether four warps can multiply together, from shared memory (wgmma).
  bool warpgroupProducts;
  /// Whether a kernel can begin before the one before it has ended, and wait
  /// for that by itself (griddepcontrol).
  bool earlyLaunches;
  const Chip *chip;
  llvm::StringRef description;
};

llvm::ArrayRef<Target> knownTargets();

/// A name that stands for several targets, of which the runtime takes the best
/// that the machine supports.
struct TargetFamily {
  llvm::StringRef name;
  llvm::ArrayRef<llvm::StringRef> members;
};

llvm::ArrayRef<TargetFamily> targetFamilies();

/// The row called `name`, or null.
const Target *findTarget(llvm::StringRef name);

/// The rows that `name` stands for; empty if it is unknown.
llvm::SmallVector<const Target *> expandTarget(llvm::StringRef name);

/// The first row that `name` stands for, or null.
const Target *bestOf(llvm::StringRef name);

/// Every target and family, separated by ", ".
std::string knownTargetNames();

} // namespace mlir::kvarn

#endif // KVARN_DIALECT_TARGETS_H
