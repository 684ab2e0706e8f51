// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a | FileCheck %s --check-prefixes=CHECK,EARLY
// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90 | FileCheck %s --check-prefixes=CHECK,EARLY
// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_80 | FileCheck %s --check-prefixes=CHECK,OLDER
// RUN: kvarn-opt %s --convert-tile-to-cpu | FileCheck %s --check-prefix=CPU

// Kernels that begin before the one before them has ended, on chips that can do
// that. The attribute tells the launch of it.

#lanes = #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = []>

// CHECK-LABEL: llvm.func @first(
// CHECK-NOT: kvarn.awaits_previous
// EARLY: llvm.inline_asm has_side_effects "griddepcontrol.launch_dependents;", "~{memory}"
// OLDER-NOT: griddepcontrol
// CHECK: llvm.store
// CPU-LABEL: func.func @first(
// CPU-NOT: begin_next
tile.kernel @first(%x: memref<?xf32>, %f: f32) {
  %i = tile.program_id x
  %v = tile.splat %f : tensor<32xf32, #lanes>
  tile.begin_next
  tile.store %v, %x[%i] : tensor<32xf32, #lanes>, memref<?xf32>, index
  tile.return
}

// CHECK-LABEL: llvm.func @second(
// EARLY-SAME: kvarn.awaits_previous
// OLDER-NOT: kvarn.awaits_previous
// EARLY: llvm.inline_asm has_side_effects "griddepcontrol.wait;", "~{memory}"
// OLDER-NOT: griddepcontrol
// CHECK: llvm.load
// CPU-LABEL: func.func @second(
// CPU-NOT: await_previous
tile.kernel @second(%x: memref<?xf32>, %y: memref<?xf32>) {
  %i = tile.program_id x
  tile.await_previous
  %v = tile.load %x[%i] : memref<?xf32>, index -> tensor<32xf32, #lanes>
  tile.store %v, %y[%i] : tensor<32xf32, #lanes>, memref<?xf32>, index
  tile.return
}
