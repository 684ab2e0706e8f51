// Which columns of the right operand and which of its depth a product by m16n8k16
// begins with: two instructions for 16 columns each, twice for 16 of depth.

// DEFINE: %{order} =
// DEFINE: %{convert} = sed 's/descending \[1\]/%{order}/' %s | kvarn-opt --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse
// RUN: %{convert} | FileCheck %s --check-prefixes=WORDS,FORWARD
// REDEFINE: %{order} = descending [1]
// RUN: %{convert} | FileCheck %s --check-prefixes=WORDS,COLUMNS
// REDEFINE: %{order} = descending [0]
// RUN: %{convert} | FileCheck %s --check-prefixes=WORDS,DEPTH
// REDEFINE: %{order} = descending [0, 1]
// RUN: %{convert} | FileCheck %s --check-prefixes=WORDS,BOTH

// Of a lane: two neighbouring rows of the right operand, for columns 0 to 15 and
// 16 to 31 of depth 0 to 15 (FIRST) and 16 to 31 (SECOND).
// WORDS: %[[FIRST0:.*]] = llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: %[[SECOND0:.*]] = llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: %[[FIRST16:.*]] = llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: %[[SECOND16:.*]] = llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// WORDS: llvm.insertelement {{.*}}[%c1_i32 : i32]
// FORWARD: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[FIRST0]],
// FORWARD: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[FIRST16]],
// FORWARD: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[SECOND0]],
// FORWARD: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[SECOND16]],
// FORWARD-NOT: llvm.call_intrinsic
// COLUMNS: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[FIRST16]],
// COLUMNS: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[FIRST0]],
// COLUMNS: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[SECOND16]],
// COLUMNS: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[SECOND0]],
// COLUMNS-NOT: llvm.call_intrinsic
// DEPTH: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[SECOND0]],
// DEPTH: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[SECOND16]],
// DEPTH: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[FIRST0]],
// DEPTH: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[FIRST16]],
// DEPTH-NOT: llvm.call_intrinsic
// BOTH: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[SECOND16]],
// BOTH: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[SECOND0]],
// BOTH: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[FIRST16]],
// BOTH: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[FIRST0]],
// BOTH-NOT: llvm.call_intrinsic

#d_rows = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (0), (0), (0)], warps = []>
#a32 = #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 16)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>
#b4 = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (16, 0), (0, 8), (0, 16)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#d2 = #tile.layout<rank = 2, registers = [(1, 0), (0, 8), (0, 16)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#b_rows = #tile.layout<rank = 1, registers = [(1), (2), (16)], lanes = [(4), (8), (0), (0), (0)], warps = []>
tile.kernel @order(%y: memref<?x?xf16>, %z: memref<?x?xf32>, %f: f32) {
  %c0 = arith.constant 0 : index
  %j = tile.iota 0 : tensor<8xindex, #d_rows>
  %k = tile.iota 0 : tensor<32xindex, #b_rows>
  %h = arith.truncf %f : f32 to f16
  %zero = arith.constant dense<0.0> : tensor<8x32xf32, #d2>
  %a = tile.splat %h : tensor<8x32xf16, #a32>
  %b = tile.load %y[%k, %c0] : memref<?x?xf16>, tensor<32xindex, #b_rows>, index -> tensor<32x32xf16, #b4>
  %d = tile.dot %a, %b, %zero descending [1] : tensor<8x32xf16, #a32>, tensor<32x32xf16, #b4> -> tensor<8x32xf32, #d2>
  tile.store %d, %z[%j, %c0] : tensor<8x32xf32, #d2>, memref<?x?xf32>, tensor<8xindex, #d_rows>, index
  tile.return
}
