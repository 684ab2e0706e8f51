// RUN: kvarn-opt %s --canonicalize | FileCheck %s

// A conversion to the layout a tile has already goes away, another stays.
// CHECK-LABEL: @layouts
// CHECK-SAME: (%[[X:.*]]: tensor<16x8xf32>
// CHECK: %[[Y:.*]] = tile.convert_layout %[[X]]
// CHECK-NEXT: return %[[X]], %[[Y]]
func.func @layouts(%x: tensor<16x8xf32>) -> (tensor<16x8xf32>, tensor<16x8xf32, #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>) {
  %0 = tile.convert_layout %x : tensor<16x8xf32> -> tensor<16x8xf32>
  %1 = tile.convert_layout %0 : tensor<16x8xf32> -> tensor<16x8xf32, #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>
  return %0, %1 : tensor<16x8xf32>, tensor<16x8xf32, #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>
}
