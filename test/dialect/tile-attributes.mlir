// RUN: kvarn-opt %s --allow-unregistered-dialect | kvarn-opt --allow-unregistered-dialect | FileCheck %s
// RUN: kvarn-opt %s --allow-unregistered-dialect --emit-bytecode | kvarn-opt --allow-unregistered-dialect | FileCheck %s

// The accumulator of m16n8k16.
// CHECK: tensor<16x8xf32, #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>>
"test.op"() {a = tensor<16x8xf32, #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>>} : () -> ()
// Row maxima of that accumulator: four lanes hold copies.
// CHECK: tensor<16xf32, #tile.layout<rank = 1, registers = [(8)], lanes = [(0), (0), (1), (2), (4)], warps = []>>
"test.op"() {a = tensor<16xf32, #tile.layout<rank = 1, registers = [(8)], lanes = [(0), (0), (1), (2), (4)], warps = []>>} : () -> ()
// The accumulators of four warps.
// CHECK: tensor<4x16x8xf32, #tile.layout<rank = 3, registers = [(0, 0, 1), (0, 8, 0)], lanes = [(0, 0, 2), (0, 0, 4), (0, 1, 0), (0, 2, 0), (0, 4, 0)], warps = [(1, 0, 0), (2, 0, 0)]>>
"test.op"() {a = tensor<4x16x8xf32, #tile.layout<rank = 3, registers = [(0, 0, 1), (0, 8, 0)], lanes = [(0, 0, 2), (0, 0, 4), (0, 1, 0), (0, 2, 0), (0, 4, 0)], warps = [(1, 0, 0), (2, 0, 0)]>>} : () -> ()
// A single element, and one that many lanes of many warps hold.
// CHECK: tensor<1xf32, #tile.layout<rank = 1, registers = [], lanes = [], warps = []>>
"test.op"() {a = tensor<1xf32, #tile.layout<rank = 1, registers = [], lanes = [], warps = []>>} : () -> ()
// CHECK: #tile.layout<rank = 1, registers = [], lanes = [(0), (0)], warps = [(0), (1)]>
"test.op"() {a = #tile.layout<rank = 1, registers = [], lanes = [(0), (0)], warps = [(0), (1)]>} : () -> ()
// Ten vectors of one kind are the most.
// CHECK: #tile.layout<rank = 1, registers = [(1), (2), (4), (8), (16), (32), (64), (128), (256), (512)], lanes = [], warps = []>
"test.op"() {a = #tile.layout<rank = 1, registers = [(1), (2), (4), (8), (16), (32), (64), (128), (256), (512)], lanes = [], warps = []>} : () -> ()

// CHECK: #tile<axis x>
// CHECK-SAME: #tile<axis y>
// CHECK-SAME: #tile<axis z>
"test.op"() {a = #tile<axis x>, b = #tile<axis y>, c = #tile<axis z>} : () -> ()
// CHECK: #tile<reduce add>
// CHECK-SAME: #tile<reduce max>
// CHECK-SAME: #tile<reduce min>
"test.op"() {a = #tile<reduce add>, b = #tile<reduce max>, c = #tile<reduce min>} : () -> ()

// CHECK: !tile.slot<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>, key>
"test.op"() {a = !tile.slot<#kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>, key>} : () -> ()
// CHECK: !tile.token
"test.op"() {a = !tile.token} : () -> ()
