// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse --split-input-file | FileCheck %s

// Sums of squares of differences from the mean, merged with sums.

#x = #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (1, 0), (2, 0), (4, 0), (8, 0)], warps = []>
#r = #tile.layout<rank = 1, registers = [], lanes = [(0), (1), (2), (4), (8)], warps = []>

// A lane's four numbers relative to the first: what all have in common is gone
// before anything is squared.
// CHECK-LABEL: llvm.func @lanes
// CHECK-DAG: %[[EIGHTH:.*]] = arith.constant 1.250000e-01 : f32
// CHECK-COUNT-3: arith.subf
// CHECK-NOT: arith.subf
// The two sums go to the neighbour; nothing else is exchanged.
// CHECK: nvvm.shfl.sync bfly
// CHECK: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync
// CHECK: %[[D:.*]] = arith.subf
// CHECK: %[[PART:.*]] = arith.mulf %[[D]], %[[EIGHTH]]
// CHECK: arith.mulf %[[PART]], %[[D]]
// CHECK-NOT: nvvm.shfl.sync
// CHECK: llvm.return
tile.kernel @lanes(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0, %c0] : memref<?x?xf32>, index, index -> tensor<16x8xf32, #x>
  %s = tile.reduce squares %a dim 1 : tensor<16x8xf32, #x> -> tensor<16xf32, #r>
  tile.store %s, %y[%c0] : tensor<16xf32, #r>, memref<?xf32>, index
  tile.return
}

// -----

#x = #tile.layout<rank = 2, registers = [(1, 0), (0, 1)], lanes = [(0, 2), (0, 4), (2, 0), (4, 0), (8, 0)], warps = []>
#r = #tile.layout<rank = 1, registers = [(1)], lanes = [(0), (0), (2), (4), (8)], warps = []>
#spread = #tile.layout<rank = 1, registers = [], lanes = [(1), (0), (2), (4), (8)], warps = []>

// Each of two lanes is to have one of two rows: they exchange the other one,
// half as much, and the next step has one row.
// CHECK-LABEL: llvm.func @spread
// CHECK-COUNT-4: arith.select
// CHECK-COUNT-4: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync
// CHECK: llvm.return
tile.kernel @spread(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<16xindex, #r>
  %a = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<16xindex, #r>, index -> tensor<16x8xf32, #x>
  %s = tile.reduce squares %a dim 1 : tensor<16x8xf32, #x> -> tensor<16xf32, #r>
  %t = tile.convert_layout %s : tensor<16xf32, #r> -> tensor<16xf32, #spread>
  tile.store %t, %y[%c0] : tensor<16xf32, #spread>, memref<?xf32>, index
  tile.return
}

// -----

#x = #tile.layout<rank = 2, registers = [(0, 1)], lanes = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0)], warps = [(0, 2), (0, 4)]>
#r = #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = []>

// Four warps: both sums of each of them lie in shared memory, the squares 128
// bytes behind the sums, and are merged in pairs.
// CHECK-LABEL: llvm.func @warps
// CHECK-SAME: kvarn.shared_bytes = 1024 : i64
// CHECK-COUNT-2: llvm.store {{.*}} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-8: llvm.load {{.*}} : !llvm.ptr<3> -> f32
// CHECK-COUNT-3: arith.subf
// CHECK: nvvm.barrier0
// CHECK: llvm.return
tile.kernel @warps(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0, %c0] : memref<?x?xf32>, index, index -> tensor<32x8xf32, #x>
  %s = tile.reduce squares %a dim 1 : tensor<32x8xf32, #x> -> tensor<32xf32, #r>
  tile.store %s, %y[%c0] : tensor<32xf32, #r>, memref<?xf32>, index
  tile.return
}
