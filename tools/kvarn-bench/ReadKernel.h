//===- ReadKernel.h - A plain read of memory, as PTX ----------------------===//
//
// What the memory of a GPU can deliver, for kvarn-bench to compare with. Each
// thread reads 16 bytes at eight places in turn, all threads side by side:
//
//   kvarn_read(from, rounds, sink)
//   bytes read = rounds * 8 * 16 * threads of the grid
//
// The words are mixed, and stored to `sink` if the result is one value of 2^32,
// so that no load is left out.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_BENCH_READKERNEL_H
#define KVARN_TOOLS_BENCH_READKERNEL_H

#include <cstdint>

namespace kvarn::bench {

inline constexpr int64_t kReadBytesPerThread = 8 * 16; // of one round
inline constexpr unsigned kReadThreads = 512, kReadBlocksPerProcessor = 2;

inline constexpr char kReadKernel[] = R"(.version 7.0
.target sm_80
.address_size 64

.visible .entry kvarn_read(.param .u64 from, .param .u64 rounds, .param .u64 sink)
.maxntid 512, 1, 1
.minnctapersm 2
{
  .reg .pred %p<3>;
  .reg .b32 %r<8>, %w<32>;
  .reg .b64 %rd<16>;

  ld.param.u64 %rd1, [from];
  ld.param.u64 %rd2, [rounds];
  ld.param.u64 %rd3, [sink];
  cvta.to.global.u64 %rd1, %rd1;
  cvta.to.global.u64 %rd3, %rd3;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mov.u32 %r4, %nctaid.x;
  mad.lo.u32 %r5, %r1, %r2, %r3;
  mul.wide.u32 %rd4, %r5, 16;
  add.u64 %rd5, %rd1, %rd4;
  mul.lo.u32 %r5, %r4, %r2;
  mul.wide.u32 %rd6, %r5, 16;
  mov.u32 %r6, 0;
  setp.eq.u64 %p1, %rd2, 0;
  @%p1 bra done;
round:
  ld.global.nc.v4.u32 {%w0, %w1, %w2, %w3}, [%rd5];
  add.u64 %rd7, %rd5, %rd6;
  ld.global.nc.v4.u32 {%w4, %w5, %w6, %w7}, [%rd7];
  add.u64 %rd8, %rd7, %rd6;
  ld.global.nc.v4.u32 {%w8, %w9, %w10, %w11}, [%rd8];
  add.u64 %rd9, %rd8, %rd6;
  ld.global.nc.v4.u32 {%w12, %w13, %w14, %w15}, [%rd9];
  add.u64 %rd10, %rd9, %rd6;
  ld.global.nc.v4.u32 {%w16, %w17, %w18, %w19}, [%rd10];
  add.u64 %rd11, %rd10, %rd6;
  ld.global.nc.v4.u32 {%w20, %w21, %w22, %w23}, [%rd11];
  add.u64 %rd12, %rd11, %rd6;
  ld.global.nc.v4.u32 {%w24, %w25, %w26, %w27}, [%rd12];
  add.u64 %rd13, %rd12, %rd6;
  ld.global.nc.v4.u32 {%w28, %w29, %w30, %w31}, [%rd13];
  add.u64 %rd5, %rd13, %rd6;
  xor.b32 %w0, %w0, %w1;
  xor.b32 %w2, %w2, %w3;
  xor.b32 %w4, %w4, %w5;
  xor.b32 %w6, %w6, %w7;
  xor.b32 %w8, %w8, %w9;
  xor.b32 %w10, %w10, %w11;
  xor.b32 %w12, %w12, %w13;
  xor.b32 %w14, %w14, %w15;
  xor.b32 %w16, %w16, %w17;
  xor.b32 %w18, %w18, %w19;
  xor.b32 %w20, %w20, %w21;
  xor.b32 %w22, %w22, %w23;
  xor.b32 %w24, %w24, %w25;
  xor.b32 %w26, %w26, %w27;
  xor.b32 %w28, %w28, %w29;
  xor.b32 %w30, %w30, %w31;
  add.u32 %w0, %w0, %w2;
  add.u32 %w4, %w4, %w6;
  add.u32 %w8, %w8, %w10;
  add.u32 %w12, %w12, %w14;
  add.u32 %w16, %w16, %w18;
  add.u32 %w20, %w20, %w22;
  add.u32 %w24, %w24, %w26;
  add.u32 %w28, %w28, %w30;
  add.u32 %w0, %w0, %w4;
  add.u32 %w8, %w8, %w12;
  add.u32 %w16, %w16, %w20;
  add.u32 %w24, %w24, %w28;
  add.u32 %w0, %w0, %w8;
  add.u32 %w16, %w16, %w24;
  xor.b32 %w0, %w0, %w16;
  add.u32 %r6, %r6, %w0;
  sub.u64 %rd2, %rd2, 1;
  setp.ne.u64 %p1, %rd2, 0;
  @%p1 bra round;
done:
  setp.eq.u32 %p2, %r6, 0x9e3779b9;
  @%p2 st.global.u32 [%rd3], %r6;
  ret;
}
)";

} // namespace kvarn::bench

#endif // KVARN_TOOLS_BENCH_READKERNEL_H
