// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// What is added only where a number says so.

#v = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>

// Products are added in place, with a predicate; what is chosen otherwise is
// selected.
// CHECK-LABEL: llvm.func @add_if
// CHECK: %[[Q:.*]] = arith.cmpi sgt
// CHECK-COUNT-2: llvm.inline_asm has_side_effects "@$4 fma.rn.f32 $0, $1, $2, $0;", "=f,f,f,0,b" %{{.*}}, %{{.*}}, %{{.*}}, %[[Q]] : (f32, f32, f32, i1) -> f32
// CHECK-NOT: inline_asm has_side_effects "@$4
// CHECK: arith.select %[[Q]]
// CHECK: llvm.return
tile.kernel @add_if(%x: memref<?xf32>, %y: memref<?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %q = arith.cmpi sgt, %n, %n0 : i64
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %b = tile.load %y[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %p = arith.mulf %a, %b : tensor<64xf32, #v>
  %s = arith.addf %a, %p : tensor<64xf32, #v>
  %r = arith.select %q, %s, %a : tensor<64xf32, #v>
  tile.store %r, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  // Not what is added to.
  %t = arith.select %q, %s, %b : tensor<64xf32, #v>
  tile.store %t, %y[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

#a = #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (0, 8), (0, 16), (0, 32), (0, 64), (0, 128)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#d = #tile.layout<rank = 2, registers = [(1, 0), (0, 8), (0, 16), (0, 32), (0, 64), (0, 128)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#row = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (0), (0), (0)], warps = []>

// Of sixteen instructions the first eight are there in any case, the others
// only where their sums count: a branch parts them.
// CHECK-LABEL: llvm.func @parted
// CHECK: %[[Q:.*]] = arith.cmpi sgt
// CHECK-COUNT-8: llvm.nvvm.mma.m16n8k16
// CHECK-NOT: llvm.nvvm.mma
// CHECK-COUNT-32: llvm.inline_asm has_side_effects "@$4 fma.rn.f32 $0, $1, $2, $0;", "=f,f,f,0,b" %{{.*}}, %{{.*}}, %{{.*}}, %[[Q]] :
// CHECK-NOT: inline_asm
// CHECK: %[[SUMS:.*]]:32 = scf.if %[[Q]]
// CHECK-COUNT-8: llvm.nvvm.mma.m16n8k16
// CHECK: %[[FIRST:.*]] = llvm.call_intrinsic "llvm.fma"(%{{.*}}, %{{.*}}, %[[BEFORE:.*]]) : (f32, f32, f32) -> f32
// CHECK-COUNT-31: llvm.call_intrinsic "llvm.fma"
// CHECK-NEXT: scf.yield %[[FIRST]], {{.*}} : f32,
// CHECK-NEXT: } else {
// CHECK-NEXT: scf.yield %[[BEFORE]], {{.*}} : f32,
// CHECK-NEXT: }
// CHECK-NOT: llvm.nvvm.mma
// CHECK-NOT: fma
// CHECK: llvm.bitcast %[[SUMS]]#0 : f32 to i32
// CHECK: llvm.return
tile.kernel @parted(%z: memref<?x?xf32>, %f: f32, %g: f32, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %q = arith.cmpi sgt, %n, %n0 : i64
  %j = tile.iota 0 : tensor<8xindex, #row>
  %h = arith.truncf %f : f32 to f16
  %zero = arith.constant dense<0.0> : tensor<8x256xf32, #d>
  %a = tile.splat %h : tensor<8x16xf16, #a>
  %b = tile.splat %h : tensor<16x256xf16, #b>
  %factor = tile.splat %g : tensor<8x256xf32, #d>
  %before = tile.load %z[%j, %c0] : memref<?x?xf32>, tensor<8xindex, #row>, index -> tensor<8x256xf32, #d>
  %product = tile.dot %a, %b, %zero : tensor<8x16xf16, #a>, tensor<16x256xf16, #b> -> tensor<8x256xf32, #d>
  %scaled = arith.mulf %product, %factor : tensor<8x256xf32, #d>
  %sum = arith.addf %before, %scaled : tensor<8x256xf32, #d>
  %r = arith.select %q, %sum, %before : tensor<8x256xf32, #d>
  tile.store %r, %z[%j, %c0] : tensor<8x256xf32, #d>, memref<?x?xf32>, tensor<8xindex, #row>, index
  tile.return
}

// Not if the number is known behind the product only, nor if the product is for
// something else, too.
// CHECK-LABEL: llvm.func @known_behind
// CHECK-NOT: scf.if
// CHECK-COUNT-16: llvm.nvvm.mma.m16n8k16
// CHECK-COUNT-64: llvm.inline_asm has_side_effects "@$4 fma.rn.f32
// CHECK-NOT: scf.if
// CHECK: llvm.return
tile.kernel @known_behind(%z: memref<?x?xf32>, %f: f32, %g: f32, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %j = tile.iota 0 : tensor<8xindex, #row>
  %h = arith.truncf %f : f32 to f16
  %zero = arith.constant dense<0.0> : tensor<8x256xf32, #d>
  %a = tile.splat %h : tensor<8x16xf16, #a>
  %b = tile.splat %h : tensor<16x256xf16, #b>
  %factor = tile.splat %g : tensor<8x256xf32, #d>
  %before = tile.load %z[%j, %c0] : memref<?x?xf32>, tensor<8xindex, #row>, index -> tensor<8x256xf32, #d>
  %product = tile.dot %a, %b, %zero : tensor<8x16xf16, #a>, tensor<16x256xf16, #b> -> tensor<8x256xf32, #d>
  %scaled = arith.mulf %product, %factor : tensor<8x256xf32, #d>
  %sum = arith.addf %before, %scaled : tensor<8x256xf32, #d>
  %q = arith.cmpi sgt, %n, %n0 : i64
  %r = arith.select %q, %sum, %before : tensor<8x256xf32, #d>
  tile.store %r, %z[%j, %c0] : tensor<8x256xf32, #d>, memref<?x?xf32>, tensor<8xindex, #row>, index
  tile.return
}

// CHECK-LABEL: llvm.func @used_twice
// CHECK-NOT: scf.if
// CHECK-COUNT-16: llvm.nvvm.mma.m16n8k16
// CHECK-COUNT-64: llvm.inline_asm has_side_effects "@$4 fma.rn.f32
// CHECK-NOT: scf.if
// CHECK: llvm.return
tile.kernel @used_twice(%z: memref<?x?xf32>, %y: memref<?x?xf32>, %f: f32, %g: f32, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %q = arith.cmpi sgt, %n, %n0 : i64
  %j = tile.iota 0 : tensor<8xindex, #row>
  %h = arith.truncf %f : f32 to f16
  %zero = arith.constant dense<0.0> : tensor<8x256xf32, #d>
  %a = tile.splat %h : tensor<8x16xf16, #a>
  %b = tile.splat %h : tensor<16x256xf16, #b>
  %factor = tile.splat %g : tensor<8x256xf32, #d>
  %before = tile.load %z[%j, %c0] : memref<?x?xf32>, tensor<8xindex, #row>, index -> tensor<8x256xf32, #d>
  %product = tile.dot %a, %b, %zero : tensor<8x16xf16, #a>, tensor<16x256xf16, #b> -> tensor<8x256xf32, #d>
  %scaled = arith.mulf %product, %factor : tensor<8x256xf32, #d>
  %sum = arith.addf %before, %scaled : tensor<8x256xf32, #d>
  %r = arith.select %q, %sum, %before : tensor<8x256xf32, #d>
  tile.store %product, %y[%j, %c0] : tensor<8x256xf32, #d>, memref<?x?xf32>, tensor<8xindex, #row>, index
  tile.store %r, %z[%j, %c0] : tensor<8x256xf32, #d>, memref<?x?xf32>, tensor<8xindex, #row>, index
  tile.return
}

// Nor are eight instructions parted, nor codes that something else needs: what
// is loaded of them in a branch is not there behind it.
// CHECK-LABEL: llvm.func @eight
// CHECK-NOT: scf.if
// CHECK-COUNT-8: llvm.nvvm.mma.m16n8k16
// CHECK-COUNT-32: llvm.inline_asm has_side_effects "@$4 fma.rn.f32
// CHECK-NOT: scf.if
// CHECK: llvm.return
#b128 = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (0, 8), (0, 16), (0, 32), (0, 64)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#d128 = #tile.layout<rank = 2, registers = [(1, 0), (0, 8), (0, 16), (0, 32), (0, 64)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @eight(%z: memref<?x?xf32>, %f: f32, %g: f32, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %q = arith.cmpi sgt, %n, %n0 : i64
  %j = tile.iota 0 : tensor<8xindex, #row>
  %h = arith.truncf %f : f32 to f16
  %zero = arith.constant dense<0.0> : tensor<8x128xf32, #d128>
  %a = tile.splat %h : tensor<8x16xf16, #a>
  %b = tile.splat %h : tensor<16x128xf16, #b128>
  %factor = tile.splat %g : tensor<8x128xf32, #d128>
  %before = tile.load %z[%j, %c0] : memref<?x?xf32>, tensor<8xindex, #row>, index -> tensor<8x128xf32, #d128>
  %product = tile.dot %a, %b, %zero : tensor<8x16xf16, #a>, tensor<16x128xf16, #b128> -> tensor<8x128xf32, #d128>
  %scaled = arith.mulf %product, %factor : tensor<8x128xf32, #d128>
  %sum = arith.addf %before, %scaled : tensor<8x128xf32, #d128>
  %r = arith.select %q, %sum, %before : tensor<8x128xf32, #d128>
  tile.store %r, %z[%j, %c0] : tensor<8x128xf32, #d128>, memref<?x?xf32>, tensor<8xindex, #row>, index
  tile.return
}

// What a product begins with is in the branch, too: copies made before it.
// CHECK-LABEL: llvm.func @begun
// CHECK: %[[COPY:.*]] = nvvm.shfl.sync bfly
// CHECK-COUNT-8: llvm.nvvm.mma.m16n8k16.row.col.f32.f32"({{.*}}, %[[F:[0-9a-z]+]], %[[F]], %[[COPY]], %[[COPY]])
// CHECK-NOT: llvm.nvvm.mma
// CHECK: scf.if
// CHECK-NOT: nvvm.shfl
// CHECK-COUNT-8: llvm.nvvm.mma.m16n8k16.row.col.f32.f32"({{.*}}, %[[F]], %[[F]], %[[COPY]], %[[COPY]])
// CHECK-NOT: llvm.nvvm.mma
// CHECK: llvm.return
tile.kernel @begun(%z: memref<?x?xf32>, %f: f32, %g: f32, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %q = arith.cmpi sgt, %n, %n0 : i64
  %j = tile.iota 0 : tensor<8xindex, #row>
  %h = arith.truncf %f : f32 to f16
  %begin = tile.splat %f : tensor<8x256xf32, #d>
  %a = tile.splat %h : tensor<8x16xf16, #a>
  %b = tile.splat %h : tensor<16x256xf16, #b>
  %factor = tile.splat %g : tensor<8x256xf32, #d>
  %before = tile.load %z[%j, %c0] : memref<?x?xf32>, tensor<8xindex, #row>, index -> tensor<8x256xf32, #d>
  %product = tile.dot %a, %b, %begin : tensor<8x16xf16, #a>, tensor<16x256xf16, #b> -> tensor<8x256xf32, #d>
  %scaled = arith.mulf %product, %factor : tensor<8x256xf32, #d>
  %sum = arith.addf %before, %scaled : tensor<8x256xf32, #d>
  %r = arith.select %q, %sum, %before : tensor<8x256xf32, #d>
  tile.store %r, %z[%j, %c0] : tensor<8x256xf32, #d>, memref<?x?xf32>, tensor<8xindex, #row>, index
  tile.return
}

// Of a number that a warp has loaded the assembler does not know that all lanes
// have the same: a vote says so for the branch, and the predicate is as it is.
// CHECK-LABEL: llvm.func @voted
// CHECK: %[[Q:.*]] = arith.cmpi sgt
// CHECK-COUNT-8: llvm.nvvm.mma.m16n8k16
// CHECK-COUNT-32: llvm.inline_asm has_side_effects "@$4 fma.rn.f32 $0, $1, $2, $0;", "=f,f,f,0,b" %{{.*}}, %{{.*}}, %{{.*}}, %[[Q]] :
// CHECK: %[[ANY:.*]] = llvm.call_intrinsic "llvm.nvvm.vote.any.sync"(%{{.*}}, %[[Q]])
// CHECK: scf.if %[[ANY]]
// CHECK-COUNT-8: llvm.nvvm.mma.m16n8k16
// CHECK: llvm.return
tile.kernel @voted(%z: memref<?x?xf32>, %counts: memref<?xi64>, %f: f32, %g: f32) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %j = tile.iota 0 : tensor<8xindex, #row>
  %h = arith.truncf %f : f32 to f16
  %zero = arith.constant dense<0.0> : tensor<8x256xf32, #d>
  %a = tile.splat %h : tensor<8x16xf16, #a>
  %b = tile.splat %h : tensor<16x256xf16, #b>
  %factor = tile.splat %g : tensor<8x256xf32, #d>
  tile.warps 1 (%w) {
    %n = memref.load %counts[%w] : memref<?xi64>
    %q = arith.cmpi sgt, %n, %n0 : i64
    %before = tile.load %z[%j, %c0] : memref<?x?xf32>, tensor<8xindex, #row>, index -> tensor<8x256xf32, #d>
    %product = tile.dot %a, %b, %zero : tensor<8x16xf16, #a>, tensor<16x256xf16, #b> -> tensor<8x256xf32, #d>
    %scaled = arith.mulf %product, %factor : tensor<8x256xf32, #d>
    %sum = arith.addf %before, %scaled : tensor<8x256xf32, #d>
    %r = arith.select %q, %sum, %before : tensor<8x256xf32, #d>
    tile.store %r, %z[%j, %c0] : tensor<8x256xf32, #d>, memref<?x?xf32>, tensor<8xindex, #row>, index
  }
  tile.return
}
