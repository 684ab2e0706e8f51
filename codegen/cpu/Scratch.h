//===- Scratch.h - Places in the scratch memory of a kernel -----*- C++ -*-===//

#ifndef KVARN_CODEGEN_CPU_SCRATCH_H
#define KVARN_CODEGEN_CPU_SCRATCH_H

#include <cstdint>
#include <map>

namespace mlir::kvarn::cpu {

/// Hands out offsets, first fit, in the order in which a kernel is emitted.
class Scratch {
public:
  static constexpr int64_t kAlignment = 64;

  int64_t allocate(int64_t bytes);
  void free(int64_t offset);
  /// The most that was ever in use.
  int64_t bytes() const { return highest; }

private:
  std::map<int64_t, int64_t> used; // offset -> bytes
  int64_t highest = 0;
};

} // namespace mlir::kvarn::cpu

#endif // KVARN_CODEGEN_CPU_SCRATCH_H
