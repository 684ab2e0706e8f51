//===- ReadKernel.h - A plain read of memory ------------------------------===//
//
// read.mlir says what the kernel is; read.ptx, which the compiler made of it,
// is part of the program, so that measuring needs no compiler.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_READKERNEL_H
#define KVARN_TOOLS_BENCH_READKERNEL_H

#include <cstdint>

namespace kvarn::bench {

inline constexpr int64_t kReadColumns = 128, kReadRowBytes = 4 * kReadColumns;
inline constexpr int64_t kReadBytesPerProgram =
    8 * 16 * kReadRowBytes; // a round
inline constexpr unsigned kReadThreads = 512, kReadSharedBytes = 2048;
inline constexpr unsigned kReadProgramsPerProcessor = 2;

extern const char kReadKernel[]; // PTX

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_READKERNEL_H
