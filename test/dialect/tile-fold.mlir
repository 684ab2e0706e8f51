// RUN: kvarn-opt %s --canonicalize | FileCheck %s

// A conversion to the layout a tile has already goes away, another stays.
// CHECK-LABEL: @layouts
// CHECK-SAME: (%[[X:.*]]: tensor<16x8xf32>
// CHECK: %[[Y:.*]] = tile.convert_layout %[[X]]
// CHECK-NEXT: return %[[X]], %[[Y]]
func.func @layouts(%x: tensor<16x8xf32>) -> (tensor<16x8xf32>, tensor<16x8xf32, #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>>) {
  %0 = tile.convert_layout %x : tensor<16x8xf32> -> tensor<16x8xf32>
  %1 = tile.convert_layout %0 : tensor<16x8xf32> -> tensor<16x8xf32, #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>>
  return %0, %1 : tensor<16x8xf32>, tensor<16x8xf32, #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>>
}
