// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// Loops with a body in front of their condition.

#v = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>
#stack = #tile.layout<rank = 2, registers = [(0, 1)], lanes = [(0, 2), (0, 4), (0, 8), (0, 16), (0, 32)], warps = [(1, 0), (2, 0)]>

// Tiles are carried as registers, fp16 in pairs. Lanes that may have loaded
// different numbers ask one another.
// CHECK-LABEL: llvm.func @repeat
// CHECK: %[[R:.*]]:4 = scf.while (%[[A0:.*]] = %{{.*}}, %[[A1:.*]] = %{{.*}}, %[[H:.*]] = %{{.*}}, %[[I:.*]] = %{{.*}}) : (f32, f32, i32, i32) -> (f32, f32, i32, i32) {
// CHECK-DAG: %[[B0:.*]] = arith.addf %[[A0]], %{{.*}} : f32
// CHECK-DAG: %[[B1:.*]] = arith.addf %[[A1]], %{{.*}} : f32
// CHECK-DAG: %[[J:.*]] = arith.addi %[[I]], %{{.*}} : i32
// CHECK: %[[LOADED:.*]] = llvm.load
// CHECK: %[[LESS:.*]] = arith.cmpi slt, %{{.*}}, %[[LOADED]]
// CHECK: %[[AGAIN:.*]] = llvm.call_intrinsic "llvm.nvvm.vote.any.sync"({{.*}}, %[[LESS]])
// CHECK-NEXT: scf.condition(%[[AGAIN]]) %[[B0]], %[[B1]], %{{.*}}, %[[J]] : f32, f32, i32, i32
// CHECK: ^bb0(%[[C0:.*]]: f32, %[[C1:.*]]: f32, %[[C2:.*]]: i32, %[[C3:.*]]: i32):
// CHECK-NEXT: scf.yield %[[C0]], %[[C1]], %[[C2]], %[[C3]]
// CHECK: llvm.return
tile.kernel @repeat(%x: memref<?xf32>, %y: memref<?xf16>, %limits: memref<?xi32>, %z: memref<?x?xf32>, %w: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %all:2 = tile.warps 4 (%warp) -> (tensor<4x64xf32, #stack>, tensor<4x64xf16, #stack>) {
    %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
    %h = tile.load %y[%c0] : memref<?xf16>, index -> tensor<64xf16, #v>
    %r:3 = scf.while (%s = %a, %t = %h, %i = %c0) : (tensor<64xf32, #v>, tensor<64xf16, #v>, index) -> (tensor<64xf32, #v>, tensor<64xf16, #v>, index) {
      %b = arith.addf %s, %a : tensor<64xf32, #v>
      %u = arith.mulf %t, %h : tensor<64xf16, #v>
      %j = arith.addi %i, %c1 : index
      %l = memref.load %limits[%j] : memref<?xi32>
      %limit = arith.index_cast %l : i32 to index
      %q = arith.cmpi slt, %j, %limit : index
      scf.condition(%q) %b, %u, %j : tensor<64xf32, #v>, tensor<64xf16, #v>, index
    } do {
    ^bb0(%s: tensor<64xf32, #v>, %t: tensor<64xf16, #v>, %i: index):
      scf.yield %s, %t, %i : tensor<64xf32, #v>, tensor<64xf16, #v>, index
    }
    tile.yield %r#0, %r#1 : tensor<64xf32, #v>, tensor<64xf16, #v>
  }
  %i = tile.iota 0 : tensor<4xindex, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (0), (0), (0)], warps = [(1), (2)]>>
  tile.store %all#0, %z[%i, %c0] : tensor<4x64xf32, #stack>, memref<?x?xf32>, tensor<4xindex, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (0), (0), (0)], warps = [(1), (2)]>>, index
  tile.store %all#1, %w[%i, %c0] : tensor<4x64xf16, #stack>, memref<?x?xf16>, tensor<4xindex, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (0), (0), (0)], warps = [(1), (2)]>>, index
  tile.return
}

// A number that all lanes have alike needs no vote.
// CHECK-LABEL: llvm.func @alike
// CHECK: scf.while
// CHECK-NOT: vote
// CHECK: llvm.return
tile.kernel @alike(%x: memref<?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = arith.index_cast %n : i64 to index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %r:2 = scf.while (%s = %a, %i = %c0) : (tensor<64xf32, #v>, index) -> (tensor<64xf32, #v>, index) {
    %b = arith.addf %s, %a : tensor<64xf32, #v>
    %j = arith.addi %i, %c1 : index
    %q = arith.cmpi slt, %j, %m : index
    scf.condition(%q) %b, %j : tensor<64xf32, #v>, index
  } do {
  ^bb0(%s: tensor<64xf32, #v>, %i: index):
    scf.yield %s, %i : tensor<64xf32, #v>, index
  }
  tile.store %r#0, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// Behind a wait in such a loop an instruction for all lanes says that they are
// together; elsewhere, none does.
#f = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
// CHECK-LABEL: llvm.func @waits
// CHECK: scf.while (%[[T:.*]] = %{{.*}}) : (i32) -> i32 {
// CHECK: %[[PARITY:.*]] = arith.andi %[[T]], %{{.*}} : i32
// CHECK: llvm.inline_asm has_side_effects "{{.*}}mbarrier.try_wait.parity{{.*}}" %{{.*}}, %[[PARITY]], %{{.*}} : (i32, i32, i32) -> ()
// CHECK-NEXT: llvm.inline_asm has_side_effects "{{.*}}movmatrix.sync.aligned.m8n8.trans.b16 t, $0;{{.*}}", "r,~{memory}" %[[PARITY]] : (i32) -> ()
// CHECK: scf.condition
// CHECK: llvm.return
tile.kernel @waits(%pages: memref<?x?x?xi8>, %limits: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i32
  %yes = arith.constant true
  %all = tile.warps 4 (%warp) -> (tensor<4x64xf32, #stack>) {
    %s = tile.alloc_slot : !tile.slot<#f, key>
    %t0 = tile.async_copy %pages[%c0, %c0] to %s if %yes : memref<?x?x?xi8>, !tile.slot<#f, key>
    %r = scf.while (%t = %t0) : (!tile.token) -> !tile.token {
      tile.wait %t
      %l = memref.load %limits[%c0] : memref<?xi32>
      %q = arith.cmpi slt, %n0, %l : i32
      %u = tile.async_copy %pages[%c0, %c0] to %s if %q : memref<?x?x?xi8>, !tile.slot<#f, key>
      scf.condition(%q) %u : !tile.token
    } do {
    ^bb0(%t: !tile.token):
      scf.yield %t : !tile.token
    }
    %z = arith.constant dense<0.0> : tensor<64xf32, #v>
    tile.yield %z : tensor<64xf32, #v>
  }
  tile.return
}

// CHECK-LABEL: llvm.func @waits_once
// CHECK: mbarrier.try_wait.parity
// CHECK-NOT: movmatrix
// CHECK: llvm.return
tile.kernel @waits_once(%pages: memref<?x?x?xi8>) {
  %c0 = arith.constant 0 : index
  %yes = arith.constant true
  %s = tile.alloc_slot : !tile.slot<#f, key>
  %t = tile.async_copy %pages[%c0, %c0] to %s if %yes : memref<?x?x?xi8>, !tile.slot<#f, key>
  tile.wait %t
  tile.return
}

// Whether lanes share a number is asked of each of what it is made of once, not
// on every way to it: of this chain there are 2^48.
// CHECK-LABEL: llvm.func @many_ways
// CHECK: llvm.nvvm.vote.any.sync
// CHECK: llvm.return
tile.kernel @many_ways(%limits: memref<?xi32>, %x: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i32
  %all = tile.warps 4 (%warp) -> (tensor<4x64xf32, #stack>) {
    %v = arith.constant dense<1.0> : tensor<64xf32, #v>
    %w = arith.constant dense<2.0> : tensor<64xf32, #v>
    %first = memref.load %limits[%warp] : memref<?xi32>
    %s0 = arith.cmpi sgt, %warp, %c0 : index
    %s1 = arith.xori %s0, %s0 : i1
    %s2 = arith.xori %s1, %s1 : i1
    %s3 = arith.xori %s2, %s2 : i1
    %s4 = arith.xori %s3, %s3 : i1
    %s5 = arith.xori %s4, %s4 : i1
    %s6 = arith.xori %s5, %s5 : i1
    %s7 = arith.xori %s6, %s6 : i1
    %s8 = arith.xori %s7, %s7 : i1
    %s9 = arith.xori %s8, %s8 : i1
    %s10 = arith.xori %s9, %s9 : i1
    %s11 = arith.xori %s10, %s10 : i1
    %s12 = arith.xori %s11, %s11 : i1
    %s13 = arith.xori %s12, %s12 : i1
    %s14 = arith.xori %s13, %s13 : i1
    %s15 = arith.xori %s14, %s14 : i1
    %s16 = arith.xori %s15, %s15 : i1
    %s17 = arith.xori %s16, %s16 : i1
    %s18 = arith.xori %s17, %s17 : i1
    %s19 = arith.xori %s18, %s18 : i1
    %s20 = arith.xori %s19, %s19 : i1
    %s21 = arith.xori %s20, %s20 : i1
    %s22 = arith.xori %s21, %s21 : i1
    %s23 = arith.xori %s22, %s22 : i1
    %s24 = arith.xori %s23, %s23 : i1
    %s25 = arith.xori %s24, %s24 : i1
    %s26 = arith.xori %s25, %s25 : i1
    %s27 = arith.xori %s26, %s26 : i1
    %s28 = arith.xori %s27, %s27 : i1
    %s29 = arith.xori %s28, %s28 : i1
    %s30 = arith.xori %s29, %s29 : i1
    %s31 = arith.xori %s30, %s30 : i1
    %s32 = arith.xori %s31, %s31 : i1
    %s33 = arith.xori %s32, %s32 : i1
    %s34 = arith.xori %s33, %s33 : i1
    %s35 = arith.xori %s34, %s34 : i1
    %s36 = arith.xori %s35, %s35 : i1
    %s37 = arith.xori %s36, %s36 : i1
    %s38 = arith.xori %s37, %s37 : i1
    %s39 = arith.xori %s38, %s38 : i1
    %s40 = arith.xori %s39, %s39 : i1
    %s41 = arith.xori %s40, %s40 : i1
    %s42 = arith.xori %s41, %s41 : i1
    %s43 = arith.xori %s42, %s42 : i1
    %s44 = arith.xori %s43, %s43 : i1
    %s45 = arith.xori %s44, %s44 : i1
    %s46 = arith.xori %s45, %s45 : i1
    %s47 = arith.xori %s46, %s46 : i1
    %s48 = arith.xori %s47, %s47 : i1
    %loaded = arith.cmpi sgt, %first, %n0 : i32
    %q = arith.andi %s48, %loaded : i1
    %r = scf.if %q -> (tensor<64xf32, #v>) {
      scf.yield %v : tensor<64xf32, #v>
    } else {
      scf.yield %w : tensor<64xf32, #v>
    }
    tile.yield %r : tensor<64xf32, #v>
  }
  %i = tile.iota 0 : tensor<4xindex, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (0), (0), (0)], warps = [(1), (2)]>>
  tile.store %all, %x[%i, %c0] : tensor<4x64xf32, #stack>, memref<?x?xf32>, tensor<4xindex, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (0), (0), (0)], warps = [(1), (2)]>>, index
  tile.return
}
