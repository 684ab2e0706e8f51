//===- SpoilKernel.h - Fills shared memory, as PTX --------------*- C++ -*-===//
//
// What a kernel finds in shared memory is what the one before it has left:
// often the right numbers, if that was the same kernel on the same case. So
// that no check passes by them, each multiprocessor runs one block of
//
//   kvarn_spoil(bytes, word)
//
// which takes all of its shared memory and fills it.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_RUN_SPOILKERNEL_H
#define KVARN_TOOLS_RUN_SPOILKERNEL_H

#include <cstdint>

namespace kvarn::run {

inline constexpr unsigned kSpoilThreads = 1024;

/// Twice the largest number of fp16; as f32 more than 10^36.
inline constexpr uint32_t kSpoilWord = 0x7bff7bff;

inline constexpr char kSpoilKernel[] = R"(.version 7.0
.target sm_80
.address_size 64

.extern .shared .align 16 .b8 memory[];

.visible .entry kvarn_spoil(.param .u32 bytes, .param .u32 word)
.maxntid 1024, 1, 1
{
  .reg .pred %p<2>;
  .reg .b32 %r<6>;

  ld.param.u32 %r1, [bytes];
  ld.param.u32 %r2, [word];
  mov.u32 %r3, %tid.x;
  shl.b32 %r3, %r3, 2;
  mov.u32 %r4, memory;
fill:
  setp.ge.u32 %p1, %r3, %r1;
  @%p1 bra done;
  add.u32 %r5, %r4, %r3;
  st.volatile.shared.u32 [%r5], %r2;
  add.u32 %r3, %r3, 4096;
  bra fill;
done:
  ret;
}
)";

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_SPOILKERNEL_H
