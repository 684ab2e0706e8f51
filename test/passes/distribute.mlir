// RUN: kvarn-opt %s --tile-distribute=target=sm_90a | FileCheck %s
// RUN: kvarn-opt %s --tile-distribute=target=gfx942 | FileCheck %s --check-prefix=AMD
// RUN: kvarn-opt %s --tile-distribute=target=x86-64-v4 | FileCheck %s --check-prefix=CPU
// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-cpu | FileCheck %s --check-prefix=DROP
// RUN: not kvarn-opt %s --tile-distribute=target=sm_11 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// A target without matrix instructions leaves tiles as they are, and the CPU
// conversion takes fragments off again.
// CPU-NOT: #tile.fragment
// DROP-NOT: #tile.fragment
// DROP-NOT: tile.convert_layout
// UNKNOWN: error: unknown target 'sm_11', expected one of x86_64, x86-64-v3

// Operands of a product get the fragments of m16n8k16, and so does what they
// are made from: the transposed tile is loaded the other way round.
// CHECK-LABEL: tile.kernel @product
// CHECK: tile.load {{.*}} -> tensor<16x64xf16, #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>
// CHECK: tile.load {{.*}} -> tensor<32x64xf16, #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>
// CHECK: tile.transpose {{.*}} -> tensor<64x32xf16, #tile.fragment<warps = [1, 1], lanes = [4, 8], elements = [2, 1], order = [0, 1]>>
// CHECK: tile.dot {{.*}} -> tensor<16x32xf32, #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>
// Row maxima are held by every lane of the row.
// CHECK: tile.reduce max {{.*}} -> tensor<16xf32, #tile.slice<dim = 1, parent = #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.return

// AMD-LABEL: tile.kernel @product
// AMD: tile.dot {{.*}} : tensor<16x64xf16, #tile.fragment<warps = [1, 1], lanes = [16, 4], elements = [1, 4], order = [0, 1]>>
// AMD-SAME: -> tensor<16x32xf32, #tile.fragment<warps = [1, 1], lanes = [4, 16], elements = [4, 1], order = [1, 0]>>
tile.kernel @product(%a: memref<16x64xf16>, %b: memref<32x64xf16>, %c: memref<16x32xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x32xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %j = tile.iota 0 : tensor<32xindex>
  %x = tile.load %a[%i, %c0] : memref<16x64xf16>, tensor<16xindex>, index -> tensor<16x64xf16>
  %y = tile.load %b[%j, %c0] : memref<32x64xf16>, tensor<32xindex>, index -> tensor<32x64xf16>
  %yt = tile.transpose %y : tensor<32x64xf16> -> tensor<64x32xf16>
  %s = tile.dot %x, %yt, %zero : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf32>
  %m = tile.reduce max %s dim 1 : tensor<16x32xf32> -> tensor<16xf32>
  %mb = tile.broadcast %m dims [0] : tensor<16xf32> -> tensor<16x32xf32>
  %p = arith.subf %s, %mb : tensor<16x32xf32>
  tile.store %p, %c[%i, %c0] : tensor<16x32xf32>, memref<16x32xf32>, tensor<16xindex>, index
  tile.return
}

// A tile that is an operand on both sides is converted once.
// CHECK-LABEL: tile.kernel @square
// CHECK: %[[X:.*]] = tile.load
// CHECK: %[[Y:.*]] = tile.convert_layout
// CHECK: tile.dot
// AMD-LABEL: tile.kernel @square
tile.kernel @square(%a: memref<16x16xf16>, %c: memref<16x16xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x16xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %x = tile.load %a[%i, %c0] : memref<16x16xf16>, tensor<16xindex>, index -> tensor<16x16xf16>
  %s = tile.dot %x, %x, %zero : tensor<16x16xf16>, tensor<16x16xf16> -> tensor<16x16xf32>
  tile.store %s, %c[%i, %c0] : tensor<16x16xf32>, memref<16x16xf32>, tensor<16xindex>, index
  tile.return
}

// Results of warps are stacked along a dimension of warps; loops carry
// encodings.
// CHECK-LABEL: tile.kernel @warps
// CHECK: scf.for {{.*}} -> (tensor<16x8xf32, #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>)
// CHECK: tile.reduce add {{.*}} : tensor<4x16x8xf32, #tile.fragment<warps = [4, 1, 1], lanes = [1, 8, 4], elements = [1, 1, 2], order = [2, 1, 0]>>
// AMD-LABEL: tile.kernel @warps
tile.kernel @warps(%c: memref<16x8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %one = arith.constant dense<1.0> : tensor<16x8xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %all = tile.warps 4 (%w) -> (tensor<4x16x8xf32>) {
    %sum = scf.for %k = %c0 to %c4 step %c1 iter_args(%x = %one) -> tensor<16x8xf32> {
      %y = arith.addf %x, %one : tensor<16x8xf32>
      scf.yield %y : tensor<16x8xf32>
    }
    tile.yield %sum : tensor<16x8xf32>
  }
  %s = tile.reduce add %all dim 0 : tensor<4x16x8xf32> -> tensor<16x8xf32>
  tile.store %s, %c[%i, %c0] : tensor<16x8xf32>, memref<16x8xf32>, tensor<16xindex>, index
  tile.return
}
