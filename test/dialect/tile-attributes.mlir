// RUN: kvarn-opt %s --allow-unregistered-dialect | kvarn-opt --allow-unregistered-dialect | FileCheck %s
// RUN: kvarn-opt %s --allow-unregistered-dialect --emit-bytecode | kvarn-opt --allow-unregistered-dialect | FileCheck %s

// The accumulator of m16n8k16.
// CHECK: #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>
"test.op"() {a = tensor<16x8xf32, #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>} : () -> ()
// CHECK: #tile.fragment<warps = [4], lanes = [32], elements = [1], order = [0]>
"test.op"() {a = #tile.fragment<warps = [4], lanes = [32], elements = [1], order = [0]>} : () -> ()

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

// Row maxima of that accumulator, held by every lane of the row.
// CHECK: #tile.slice<dim = 1, parent = #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>
"test.op"() {a = tensor<16xf32, #tile.slice<dim = 1, parent = #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>>} : () -> ()
