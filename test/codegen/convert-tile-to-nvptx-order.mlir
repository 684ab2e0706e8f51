// Warps and lanes see what others of their program have stored: what is loaded and
// stored in one kernel is in order.

// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-nvptx=target=sm_90a -split-input-file | FileCheck %s

// CHECK-LABEL: llvm.func @reversed
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.store {{.*}} !llvm.ptr
// CHECK-NOT: llvm.load
// CHECK: nvvm.barrier0
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.load
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
tile.kernel @reversed(%o: memref<?x?xf32, strided<[?, 1]>>, %r: memref<?x?xf32, strided<[?, 1]>>) attributes {schedule = #kvarn.schedule<rows = 16, tokens = 32, pool_tokens = 32, warps = 4, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %i = tile.iota 0 : tensor<32xindex>
  %one = tile.splat %c1 : tensor<32xindex>
  %j = tile.iota 1 : tensor<32x32xi32>
  %f = arith.sitofp %j : tensor<32x32xi32> to tensor<32x32xf32>
  tile.store %f, %o[%i, %c0] : tensor<32x32xf32>, memref<?x?xf32, strided<[?, 1]>>, tensor<32xindex>, index
  %last = arith.constant dense<31> : tensor<32xindex>
  %m = arith.subi %last, %i : tensor<32xindex>
  %g = tile.load %o[%m, %c0] : memref<?x?xf32, strided<[?, 1]>>, tensor<32xindex>, index -> tensor<32x32xf32>
  tile.store %g, %r[%i, %c0] : tensor<32x32xf32>, memref<?x?xf32, strided<[?, 1]>>, tensor<32xindex>, index
  tile.return
}

// -----

// CHECK-LABEL: llvm.func @in_place
// CHECK: llvm.load
// CHECK: nvvm.barrier0
// CHECK: llvm.store
tile.kernel @in_place(%x: memref<?xf32>) attributes {schedule = #kvarn.schedule<rows = 16, tokens = 32, pool_tokens = 32, warps = 4, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<32xf32>
  %b = arith.addf %a, %a : tensor<32xf32>
  tile.store %b, %x[%c0] : tensor<32xf32>, memref<?xf32>, index
  tile.return
}

// -----

// Each round loads behind what the one before has stored.
// CHECK-LABEL: llvm.func @in_loop
// CHECK: scf.for
// CHECK: nvvm.barrier0
// CHECK: llvm.load
// CHECK: nvvm.barrier0
// CHECK: llvm.store
tile.kernel @in_loop(%x: memref<?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %end = arith.index_cast %n : i64 to index
  %one = arith.constant dense<1.0> : tensor<32xf32>
  scf.for %i = %c0 to %end step %c1 {
    %a = tile.load %x[%i] : memref<?xf32>, index -> tensor<32xf32>
    %b = arith.addf %a, %one : tensor<32xf32>
    tile.store %b, %x[%i] : tensor<32xf32>, memref<?xf32>, index
  }
  tile.return
}

// -----

// What warps exchange lies behind the slots, one of which is being filled: 8960
// bytes of each of four warps, behind their barriers.
// CHECK-LABEL: llvm.func @reduced_during_copy
// CHECK-SAME: kvarn.shared_bytes = 38016
// CHECK: llvm.getelementptr %{{.*}}[35968] : (!llvm.ptr<3>)
// CHECK: cp.async.bulk
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
tile.kernel @reduced_during_copy(%p: memref<?x?x?xi8, strided<[?, ?, 1]>>, %x: memref<?x?xf32, strided<[?, 1]>>, %o: memref<?xf16>, %q: memref<?xf32>) attributes {schedule = #kvarn.schedule<rows = 16, tokens = 32, pool_tokens = 32, warps = 4, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} {
  %c0 = arith.constant 0 : index
  %true = arith.constant true
  %a = tile.alloc_slot : !tile.slot<#fmt, key>
  %t = tile.async_copy %p[%c0, %c0] to %a if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %i = tile.iota 0 : tensor<32xindex>
  %g = tile.load %x[%i, %c0] : memref<?x?xf32, strided<[?, 1]>>, tensor<32xindex>, index -> tensor<32x32xf32>
  %s = tile.reduce add %g dim 0 : tensor<32x32xf32> -> tensor<32xf32>
  tile.store %s, %q[%c0] : tensor<32xf32>, memref<?xf32>, index
  tile.wait %t
  %v = tile.load_vector key_scale %a[] start %c0 format #fmt : !tile.slot<#fmt, key> -> tensor<128xf16>
  tile.store %v, %o[%c0] : tensor<128xf16>, memref<?xf16>, index
  tile.return
}
