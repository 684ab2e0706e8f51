// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// Products with codes of a slot, which are loaded where they are multiplied.
// One is parted if they are for nothing else: what is loaded of them in a branch
// is not known behind it.

#f = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = mma16816>

// CHECK-LABEL: llvm.func @alone
// CHECK: cp.async.bulk
// CHECK-NOT: scf.if
// CHECK-COUNT-32: llvm.nvvm.mma.m16n8k16
// CHECK-NOT: llvm.nvvm.mma
// CHECK-COUNT-32: fma.rn.f32
// CHECK: scf.if
// CHECK-COUNT-32: llvm.nvvm.mma.m16n8k16
// CHECK: cp.async.bulk
// CHECK: llvm.return
tile.kernel @alone(%pages: memref<?x?x?xi8>, %p: memref<?x?xf16>, %x: memref<?x?xf32>, %g: f32, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %yes = arith.constant true
  %q = arith.cmpi sgt, %n, %n0 : i64
  %slot = tile.alloc_slot : !tile.slot<#f, value>
  %t = tile.async_copy %pages[%c0, %c0] to %slot if %yes : memref<?x?x?xi8>, !tile.slot<#f, value>
  tile.wait %t
  %i = tile.iota 0 : tensor<16xindex>
  %w = tile.load %p[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x64xf16>
  %before = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<16xindex>, index -> tensor<16x128xf32>
  %factor = tile.splat %g : tensor<16x128xf32>
  %zero = arith.constant dense<0.0> : tensor<16x128xf32>
  %c = tile.load_codes value %slot[] start %c0 format #f : !tile.slot<#f, value> -> tensor<64x128xi8>
  %v = tile.expand subnormal %c part value format #f : tensor<64x128xi8> -> tensor<64x128xf16>
  %product = tile.dot %w, %v, %zero : tensor<16x64xf16>, tensor<64x128xf16> -> tensor<16x128xf32>
  %scaled = arith.mulf %product, %factor : tensor<16x128xf32>
  %sum = arith.addf %before, %scaled : tensor<16x128xf32>
  %r = arith.select %q, %sum, %before : tensor<16x128xf32>
  %t2 = tile.async_copy %pages[%c0, %c0] to %slot if %q : memref<?x?x?xi8>, !tile.slot<#f, value>
  tile.wait %t2
  tile.store %r, %x[%i, %c0] : tensor<16x128xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}

// All codes are loaded for the first product, and the second one has them.
// CHECK-LABEL: llvm.func @shared
// CHECK: cp.async.bulk
// CHECK-NOT: scf.if
// CHECK-COUNT-64: llvm.nvvm.mma.m16n8k16
// CHECK-COUNT-64: fma.rn.f32
// CHECK-NOT: scf.if
// CHECK-NOT: llvm.load {{.*}}!llvm.ptr<3> -> vector
// CHECK-COUNT-64: llvm.nvvm.mma.m16n8k16
// CHECK: cp.async.bulk
// CHECK: llvm.return
tile.kernel @shared(%pages: memref<?x?x?xi8>, %p: memref<?x?xf16>, %x: memref<?x?xf32>, %g: f32, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %yes = arith.constant true
  %q = arith.cmpi sgt, %n, %n0 : i64
  %slot = tile.alloc_slot : !tile.slot<#f, value>
  %t = tile.async_copy %pages[%c0, %c0] to %slot if %yes : memref<?x?x?xi8>, !tile.slot<#f, value>
  tile.wait %t
  %i = tile.iota 0 : tensor<16xindex>
  %w = tile.load %p[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x64xf16>
  %before = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<16xindex>, index -> tensor<16x128xf32>
  %factor = tile.splat %g : tensor<16x128xf32>
  %zero = arith.constant dense<0.0> : tensor<16x128xf32>
  %c = tile.load_codes value %slot[] start %c0 format #f : !tile.slot<#f, value> -> tensor<64x128xi8>
  %v = tile.expand subnormal %c part value format #f : tensor<64x128xi8> -> tensor<64x128xf16>
  %product = tile.dot %w, %v, %zero : tensor<16x64xf16>, tensor<64x128xf16> -> tensor<16x128xf32>
  %scaled = arith.mulf %product, %factor : tensor<16x128xf32>
  %sum = arith.addf %before, %scaled : tensor<16x128xf32>
  %r = arith.select %q, %sum, %before : tensor<16x128xf32>
  %again = tile.dot %w, %v, %r : tensor<16x64xf16>, tensor<64x128xf16> -> tensor<16x128xf32>
  %t2 = tile.async_copy %pages[%c0, %c0] to %slot if %q : memref<?x?x?xi8>, !tile.slot<#f, value>
  tile.wait %t2
  tile.store %again, %x[%i, %c0] : tensor<16x128xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}
