//===- Scratch.cpp - Places in the scratch memory of a kernel -------------===//

#include "codegen/cpu/Scratch.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir::kvarn::cpu;

int64_t Scratch::allocate(int64_t bytes) {
  bytes = llvm::alignTo(std::max<int64_t>(bytes, 1), kAlignment);
  int64_t offset = 0;
  for (auto [start, size] : used) {
    if (start - offset >= bytes)
      break;
    offset = start + size;
  }
  used[offset] = bytes;
  highest = std::max(highest, offset + bytes);
  return offset;
}

void Scratch::free(int64_t offset) { used.erase(offset); }
