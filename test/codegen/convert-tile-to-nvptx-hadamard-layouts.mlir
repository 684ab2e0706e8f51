// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// Without a product the matrix lies as any tile: over warps, or one number to a
// lane.
// CHECK-LABEL: llvm.func @over_warps
// CHECK: nvvm.read.ptx.sreg.tid.x
// CHECK: %[[WARP:.*]] = arith.shrui
// CHECK: %[[ROW:.*]] = arith.andi %[[WARP]], %c1_i32
// CHECK: math.ctpop %[[ROW]]
// CHECK: llvm.return
#rows = #tile.layout<rank = 2, registers = [(0, 1)], lanes = [(0, 2), (0, 4), (2, 0), (4, 0), (8, 0)], warps = [(1, 0)]>
#numbers = #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (2), (4), (8)], warps = [(1)]>
tile.kernel @over_warps(%y: memref<?x?xf16>) attributes {schedule = #kvarn.schedule<rows = 8, tokens = 32, pool_tokens = 32, warps = 2, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 8, register_columns = 128>} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<16xindex, #numbers>
  %m = tile.hadamard_matrix %c0 : tensor<16x8xf16, #rows>
  tile.store %m, %y[%i, %c0] : tensor<16x8xf16, #rows>, memref<?x?xf16>, tensor<16xindex, #numbers>, index
  tile.return
}

// CHECK-LABEL: llvm.func @single
// CHECK: llvm.store %{{.*}} : f16
#one = #tile.layout<rank = 2, registers = [], lanes = [(0, 1), (0, 2), (1, 0), (2, 0), (4, 0)], warps = []>
tile.kernel @single(%y: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (1), (2), (4)], warps = []>>
  %m = tile.hadamard_matrix %c0 : tensor<8x4xf16, #one>
  tile.store %m, %y[%i, %c0] : tensor<8x4xf16, #one>, memref<?x?xf16>, tensor<8xindex, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (1), (2), (4)], warps = []>>, index
  tile.return
}
