// RUN: kvarn-opt %s --convert-tile-to-cpu=target=x86-64-v4 | FileCheck %s
// RUN: kvarn-opt %s --convert-tile-to-cpu=target=x86-64-v3 | FileCheck %s --check-prefix=V3
// RUN: kvarn-opt %s --tile-to-llvm=target=x86-64-v4 | FileCheck %s --check-prefix=LLVM

// A function of the C interface; operations fuse into one loop, and what they
// use once has no place in memory.
// CHECK-LABEL: func.func @fused
// CHECK-SAME: !llvm.ptr {llvm.noalias, llvm.readonly}
// CHECK-SAME: !llvm.ptr {llvm.align = 64 : i64, llvm.noalias}
// CHECK-SAME: i64, {{.*}} i64, {{.*}} i64)
// CHECK-SAME: kvarn.scratch_bytes = 0
// CHECK: scf.for
// CHECK: llvm.load {{.*}} -> vector<16xf16>
// CHECK: arith.extf {{.*}} vector<16xf16> to vector<16xf32>
// CHECK: arith.mulf {{.*}} : vector<16xf32>
// CHECK: llvm.store {{.*}} : vector<16xf32>
// CHECK: }
// The rest of 40 columns: a vector of 8.
// CHECK: arith.mulf {{.*}} : vector<8xf32>
// CHECK-NOT: tensor
// V3-LABEL: func.func @fused
// V3: arith.mulf {{.*}} : vector<8xf32>
// LLVM-LABEL: llvm.func @fused
tile.kernel @fused(%x: memref<?xf16>, %y: memref<?xf32>, %s: f32) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf16>, index -> tensor<40xf16>
  %b = arith.extf %a : tensor<40xf16> to tensor<40xf32>
  %t = tile.splat %s : tensor<40xf32>
  %c = arith.mulf %b, %t : tensor<40xf32>
  tile.store %c, %y[%c0] : tensor<40xf32>, memref<?xf32>, index
  tile.return
}

// Codes turn into operands inside the loop of the product: four vectors of
// 2-bit codes from one load.
// CHECK-LABEL: func.func @product
// CHECK: scf.for {{.*}} iter_args
// CHECK: llvm.load {{.*}} -> vector<16xi8>
// CHECK: arith.extui {{.*}} vector<16xi8> to vector<16xi32>
// CHECK-COUNT-4: arith.sitofp {{.*}} vector<16xi32> to vector<16xf32>
// CHECK-COUNT-4: math.fma
// CHECK: scf.yield
#f = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = reference>
#s = #kvarn.schedule<rows = 1, tokens = 64, pool_tokens = 64, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 2, register_columns = 64>
tile.kernel @product(%p: memref<?x?xf32>, %pages: memref<?x?x?xi8>, %y: memref<?x?xf32>) attributes {schedule = #s} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<2xindex>
  %a = tile.load %p[%i, %c0] : memref<?x?xf32>, tensor<2xindex>, index -> tensor<2x64xf32>
  %v = tile.load_codes value %pages[%c0, %c0] start %c0 format #f : memref<?x?x?xi8> -> tensor<64x64xi8>
  %b = tile.expand convert %v part value format #f : tensor<64x64xi8> -> tensor<64x64xf32>
  %zero = arith.constant dense<0.0> : tensor<2x64xf32>
  %o = tile.dot %a, %b, %zero : tensor<2x64xf32>, tensor<64x64xf32> -> tensor<2x64xf32>
  tile.store %o, %y[%i, %c0] : tensor<2x64xf32>, memref<?x?xf32>, tensor<2xindex>, index
  tile.return
}

// A load waits in memory when what it read is overwritten before or while it is
// used. Memory is used again: three tiles in the place of two.
// CHECK-LABEL: func.func @overwritten
// CHECK-SAME: kvarn.scratch_bytes = 256
tile.kernel @overwritten(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<20xf32>
  tile.store %a, %x[%c1] : tensor<20xf32>, memref<?xf32>, index
  %b = tile.load %x[%c0] : memref<?xf32>, index -> tensor<20xf32>
  %e = math.exp2 %b : tensor<20xf32>
  tile.store %e, %x[%c0] : tensor<20xf32>, memref<?xf32>, index
  %c = tile.load %x[%c0] : memref<?xf32>, index -> tensor<20xf32>
  tile.store %e, %x[%c1] : tensor<20xf32>, memref<?xf32>, index
  tile.store %c, %x[%c0] : tensor<20xf32>, memref<?xf32>, index
  tile.return
}

// Numbers of a vector that no record has brought are expanded like codes.
// CHECK-LABEL: func.func @vector_of_codes
// CHECK: %[[C:.*]] = llvm.load {{.*}} : !llvm.ptr -> vector<16xi8>
// CHECK: %[[I:.*]] = arith.extui %[[C]] : vector<16xi8> to vector<16xi32>
// CHECK: arith.sitofp %[[I]] : vector<16xi32> to vector<16xf32>
tile.kernel @vector_of_codes(%x: memref<?xi8>, %z: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c = tile.load %x[%c0] : memref<?xi8>, index -> tensor<64xi8>
  %e = tile.expand convert %c part key format <key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = reference> : tensor<64xi8> -> tensor<64xf32>
  tile.store %e, %z[%c0] : tensor<64xf32>, memref<?xf32>, index
  tile.return
}

// CHECK-NOT: math.exp2

// A loop with its body in front of the condition carries tiles in memory, and
// numbers as they are. What a copy says of its end is not carried. Memory is
// that of the slot, 2560 bytes, and of one tile.
// CHECK-LABEL: func.func @repeat
// CHECK-SAME: kvarn.scratch_bytes = 2624
// CHECK: %[[R:.*]] = scf.while (%[[I:.*]] = %{{.*}}) : (i64) -> i64 {
// CHECK: %[[J:.*]] = arith.addi %[[I]], %{{.*}} : i64
// CHECK: %[[Q:.*]] = arith.cmpi slt, %[[J]], %{{.*}} : i64
// CHECK: scf.if %[[Q]] {
// CHECK: arith.addf {{.*}} : vector<16xf32>
// CHECK: llvm.store
// CHECK: scf.condition(%[[Q]]) %[[J]] : i64
// CHECK: ^bb0(%[[K:.*]]: i64):
// CHECK-NEXT: scf.yield %[[K]] : i64
// CHECK: llvm.store {{.*}} : vector<16xf32>
tile.kernel @repeat(%x: memref<?xf32>, %pages: memref<?x?x?xi8>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n1 = arith.constant 1 : i64
  %yes = arith.constant true
  %s = tile.alloc_slot : !tile.slot<#f, key>
  %t0 = tile.async_copy %pages[%c0, %c0] to %s if %yes : memref<?x?x?xi8>, !tile.slot<#f, key>
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<16xf32>
  %r:3 = scf.while (%b = %a, %i = %n1, %t = %t0) : (tensor<16xf32>, i64, !tile.token) -> (tensor<16xf32>, i64, !tile.token) {
    %j = arith.addi %i, %n1 : i64
    %c = arith.addf %b, %a : tensor<16xf32>
    %q = arith.cmpi slt, %j, %n : i64
    %u = tile.async_copy %pages[%c0, %c0] to %s if %q : memref<?x?x?xi8>, !tile.slot<#f, key>
    %v = arith.select %q, %u, %t : !tile.token
    scf.condition(%q) %c, %j, %v : tensor<16xf32>, i64, !tile.token
  } do {
  ^bb0(%b: tensor<16xf32>, %i: i64, %t: !tile.token):
    scf.yield %b, %i, %t : tensor<16xf32>, i64, !tile.token
  }
  tile.wait %r#2
  tile.store %r#0, %x[%c0] : tensor<16xf32>, memref<?xf32>, index
  tile.return
}
