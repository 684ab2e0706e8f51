//===- Targets.h - The table of known targets -------------------*- C++ -*-===//

#ifndef KVARN_DIALECT_TARGETS_H
#define KVARN_DIALECT_TARGETS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace mlir::kvarn {

enum class Backend { Cpu, Nvptx, Amdgpu };

/// How the elements of one matrix operand lie in the lanes of a warp: see
/// `#tile.fragment`.
struct FragmentShape {
  int64_t lanes[2], elements[2], order[2];
};

/// A matrix instruction: [rows, depth] x [depth, columns].
struct MatrixInstruction {
  llvm::StringRef name;
  FragmentShape lhs, rhs, accumulator;
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
  /// Null without matrix instructions: tiles then carry no fragments.
  const MatrixInstruction *matrix;
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
