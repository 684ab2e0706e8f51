// RUN: kvarn-opt %s --tile-distribute=target=sm_90a | FileCheck %s

// Tokens times the Hadamard matrix. Lanes of the result have eight channels in a
// row, whatever the lanes of the codes have.

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>

// Keys are the left operand as their codes lie: lanes 0 and 1 have channels 8 and
// 16, the others tokens. Of the matrix, the second register is a channel that
// lanes have in the columns: all its registers are alike but for the sign.
// CHECK-LABEL: tile.kernel @keys
// CHECK: tile.load_codes key {{.*}} -> tensor<128x32xi8, #tile.layout<rank = 2, registers = [(1, 0), {{.*}}], lanes = [(8, 0), (16, 0), (0, 1), (0, 8), (0, 16)], warps = []>>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.hadamard_matrix {{.*}} : tensor<128x64xf16, #tile.layout<rank = 2, registers = [(1, 0), (32, 0), (2, 0), (4, 0), (64, 0), (0, 1), (0, 2), (0, 4)], lanes = [(8, 0), (16, 0), (0, 8), (0, 16), (0, 32)], warps = []>>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.dot {{.*}} -> tensor<32x64xf32, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), {{.*}}], lanes = [(8, 0), (16, 0), (0, 8), (0, 16), (0, 32)], warps = []>>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.store
tile.kernel @keys(%p: memref<?x?x?xi8>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x64xf32>
  %i = tile.iota 0 : tensor<32xindex>
  %c = tile.load_codes key %p[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<128x32xi8>
  %e = tile.expand convert %c part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf16>
  %t = tile.transpose %e : tensor<128x32xf16> -> tensor<32x128xf16>
  %m = tile.hadamard_matrix %c0 : tensor<128x64xf16>
  %r = tile.dot %t, %m, %zero : tensor<32x128xf16>, tensor<128x64xf16> -> tensor<32x64xf32>
  tile.store %r, %y[%i, %c0] : tensor<32x64xf32>, memref<?x?xf32>, tensor<32xindex>, index
  tile.return
}

// Codes of values lie as for their own product; 8x8 pieces of the operands are
// transposed.
// CHECK-LABEL: tile.kernel @values
// CHECK: tile.expand {{.*}} -> tensor<32x128xf16, #tile.layout<rank = 2, registers = [(1, 0), {{.*}}], lanes = [(8, 0), (16, 0), (0, 8), (0, 16), (0, 32)], warps = []>>
// CHECK: tile.convert_layout {{.*}} -> tensor<32x128xf16, #tile.layout<rank = 2, registers = [(0, 8), {{.*}}], lanes = [(0, 16), (0, 32), (1, 0), (8, 0), (16, 0)], warps = []>>
// CHECK-NEXT: tile.dot
// CHECK-NOT: tile.convert_layout
// CHECK: tile.store
tile.kernel @values(%p: memref<?x?x?xi8>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x64xf32>
  %i = tile.iota 0 : tensor<32xindex>
  %c = tile.load_codes value %p[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<32x128xi8>
  %e = tile.expand convert %c part value format #fmt : tensor<32x128xi8> -> tensor<32x128xf16>
  %m = tile.hadamard_matrix %c0 : tensor<128x64xf16>
  %r = tile.dot %e, %m, %zero : tensor<32x128xf16>, tensor<128x64xf16> -> tensor<32x64xf32>
  tile.store %r, %y[%i, %c0] : tensor<32x64xf32>, memref<?x?xf32>, tensor<32xindex>, index
  tile.return
}

// Of few columns each lane has fewer in a row.
// CHECK-LABEL: tile.kernel @few
// CHECK: tile.hadamard_matrix {{.*}} : tensor<128x16xf16, #tile.layout<rank = 2, registers = {{.*}}, lanes = [(8, 0), (16, 0), (0, 2), (0, 4), (0, 8)], warps = []>>
tile.kernel @few(%x: memref<?x?xf16>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x16xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x128xf16>
  %m = tile.hadamard_matrix %c0 : tensor<128x16xf16>
  %r = tile.dot %a, %m, %zero : tensor<16x128xf16>, tensor<128x16xf16> -> tensor<16x16xf32>
  tile.store %r, %y[%i, %c0] : tensor<16x16xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}

// A matrix with a factor lies as the matrix alone.
// CHECK-LABEL: tile.kernel @scaled
// CHECK: tile.hadamard_matrix {{.*}} : tensor<128x64xf16, #tile.layout<rank = 2, registers = [(1, 0), (32, 0), {{.*}}, lanes = [(8, 0), (16, 0), (0, 8), (0, 16), (0, 32)], warps = []>>
// CHECK-NOT: tile.convert_layout %{{.*}} : tensor<128x64xf16
// CHECK: tile.dot {{.*}} -> tensor<16x64xf32, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), {{.*}}
tile.kernel @scaled(%x: memref<?x?xf16>, %y: memref<?x?xf32>, %s: f32) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x64xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x128xf16>
  %m = tile.hadamard_matrix %c0 : tensor<128x64xf16>
  %h = arith.truncf %s : f32 to f16
  %f = tile.splat %h : tensor<128x64xf16>
  %n = arith.mulf %m, %f : tensor<128x64xf16>
  %r = tile.dot %a, %n, %zero : tensor<16x128xf16>, tensor<128x64xf16> -> tensor<16x64xf32>
  tile.store %r, %y[%i, %c0] : tensor<16x64xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}

// A constant of a region of warps is one warp's, though it stands outside.
// CHECK-LABEL: tile.kernel @constants
// CHECK: arith.constant dense<0.000000e+00> : tensor<32x64xbf16, #tile.layout<{{.*}}, warps = []>>
// CHECK: tile.warps 4
tile.kernel @constants(%y: memref<?x?xbf16>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x64xbf16>
  tile.warps 4 (%w) {
    %i = tile.iota 0 : tensor<32xindex>
    tile.store %zero, %y[%i, %c0] : tensor<32x64xbf16>, memref<?x?xbf16>, tensor<32xindex>, index
    tile.yield
  }
  tile.return
}
