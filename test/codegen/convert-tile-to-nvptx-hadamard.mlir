// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// A product with the Hadamard matrix: 128 rows and 64 columns are 128 words of a
// lane, but only eight are different: the four of one instruction, and these
// with the other sign.
// CHECK-LABEL: llvm.func @rotate
// CHECK: %[[ONES:.*]] = arith.constant 1006648320 : i32
// CHECK: math.ctpop
// CHECK-COUNT-8: arith.xori %{{.*}}, %[[ONES]]
// CHECK-NOT: arith.xori %{{.*}}, %[[ONES]]
// Two steps are summed by the instruction and the four parts by sums and
// differences. What is stored first is computed first.
// CHECK-COUNT-16: llvm.nvvm.mma.m16n8k16
// CHECK-NOT: llvm.nvvm.mma.m16n8k16
// CHECK: llvm.store
// CHECK-COUNT-48: llvm.nvvm.mma.m16n8k16
// CHECK-NOT: llvm.nvvm.mma.m16n8k16
// CHECK: llvm.store
// CHECK: llvm.return
tile.kernel @rotate(%x: memref<?x?xf16>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x64xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x128xf16>
  %m = tile.hadamard_matrix %c0 : tensor<128x64xf16>
  %r = tile.dot %a, %m, %zero : tensor<16x128xf16>, tensor<128x64xf16> -> tensor<16x64xf32>
  tile.store %r, %y[%i, %c0] : tensor<16x64xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}

// A factor leaves few words as they were: four products with it, for the words
// of one instruction and either sign. A sum that is there already is added to.
// CHECK-LABEL: llvm.func @scaled
// CHECK-COUNT-8: arith.mulf %{{.*}} : vector<2xf16>
// CHECK-NOT: arith.mulf %{{.*}} : vector<2xf16>
// CHECK-COUNT-16: llvm.nvvm.mma.m16n8k16
// CHECK-NOT: llvm.nvvm.mma.m16n8k16
// CHECK: llvm.store
// CHECK: llvm.return
tile.kernel @scaled(%x: memref<?x?xf16>, %y: memref<?x?xf32>, %s: f32, %b: f32) {
  %c0 = arith.constant 0 : index
  %sum = tile.splat %b : tensor<16x64xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x128xf16>
  %m = tile.hadamard_matrix %c0 : tensor<128x64xf16>
  %h = arith.truncf %s : f32 to f16
  %f = tile.splat %h : tensor<128x64xf16>
  %n = arith.mulf %m, %f : tensor<128x64xf16>
  %r = tile.dot %a, %n, %sum : tensor<16x128xf16>, tensor<128x64xf16> -> tensor<16x64xf32>
  tile.store %r, %y[%i, %c0] : tensor<16x64xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}

// A clamp to what fp16 holds is part of rounding.
// CHECK-LABEL: llvm.func @clamped
// CHECK-NOT: maximumf
// CHECK-COUNT-4: llvm.inline_asm "cvt.rn.satfinite.f16x2.f32 $0, $1, $2;"
// CHECK-NOT: maximumf
// CHECK: llvm.return
// Any other is none.
// CHECK-LABEL: llvm.func @clamped_less
// CHECK-NOT: satfinite
// CHECK: llvm.return
tile.kernel @clamped(%x: memref<?x?xf32>, %y: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex>
  %low = arith.constant dense<-65504.0> : tensor<8x32xf32>
  %high = arith.constant dense<65504.0> : tensor<8x32xf32>
  %a = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<8xindex>, index -> tensor<8x32xf32>
  %b = arith.maximumf %a, %low : tensor<8x32xf32>
  %c = arith.minimumf %b, %high : tensor<8x32xf32>
  %d = arith.truncf %c : tensor<8x32xf32> to tensor<8x32xf16>
  tile.store %d, %y[%i, %c0] : tensor<8x32xf16>, memref<?x?xf16>, tensor<8xindex>, index
  tile.return
}
tile.kernel @clamped_less(%x: memref<?x?xf32>, %y: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex>
  %low = arith.constant dense<-65504.0> : tensor<8x32xf32>
  %high = arith.constant dense<1000.0> : tensor<8x32xf32>
  %a = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<8xindex>, index -> tensor<8x32xf32>
  %b = arith.maximumf %a, %low : tensor<8x32xf32>
  %c = arith.minimumf %b, %high : tensor<8x32xf32>
  %d = arith.truncf %c : tensor<8x32xf32> to tensor<8x32xf16>
  tile.store %d, %y[%i, %c0] : tensor<8x32xf16>, memref<?x?xf16>, tensor<8xindex>, index
  tile.return
}
