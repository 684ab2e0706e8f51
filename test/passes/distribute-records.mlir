// Layouts of codes: lanes own what lies together in a record, whatever the
// width of a code is. One file for all widths.

// DEFINE: %{bits} = 2
// DEFINE: %{order} = mma16816
// DEFINE: %{distribute} = sed 's/BITS/%{bits}/g; s/ORDER/%{order}/g' %s | kvarn-opt --tile-distribute=target=sm_90a | FileCheck %s --check-prefixes=CHECK
// RUN: %{distribute},MMA
// REDEFINE: %{bits} = 4
// RUN: %{distribute},MMA
// REDEFINE: %{bits} = 8
// RUN: %{distribute},MMA
// REDEFINE: %{order} = reference
// RUN: %{distribute},REFERENCE
// REDEFINE: %{bits} = 4
// RUN: %{distribute},REFERENCE
// REDEFINE: %{bits} = 2
// RUN: %{distribute},REFERENCE

#fmt = #kvarn.format<key_bits = BITS, value_bits = BITS, group = 64, head_dim = 128, layout = ORDER>

// CHECK-LABEL: tile.kernel @attend

// mma16816: eight channels of a lane in a row, for keys and values alike. Token
// bit 0 of the keys is lane 2, so that weights of neighbouring tokens meet in a
// word when their pieces are transposed.
// MMA: tile.load {{.*}} -> tensor<8x128xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (0, 32), (0, 64)], lanes = [(0, 8), (0, 16), (1, 0), (2, 0), (4, 0)], warps = []>>
// Operands lie as their codes.
// MMA: tile.load_codes key {{.*}} -> tensor<128x64xi8, [[KEYS:#tile.layout<rank = 2, registers = \[\(1, 0\), \(2, 0\), \(4, 0\), \(32, 0\), \(64, 0\), \(0, 2\), \(0, 4\), \(0, 32\)\], lanes = \[\(8, 0\), \(16, 0\), \(0, 1\), \(0, 8\), \(0, 16\)\], warps = \[\]>]]>
// MMA: tile.expand {{.*}} -> tensor<128x64xf16, [[KEYS]]>
// MMA: tile.dot {{.*}}, tensor<128x64xf16, [[KEYS]]> -> tensor<8x64xf32, [[S:#tile.layout<rank = 2, registers = \[\(1, 0\), \(0, 2\), \(0, 4\), \(0, 32\)\], lanes = \[\(2, 0\), \(4, 0\), \(0, 1\), \(0, 8\), \(0, 16\)\], warps = \[\]>]]>
// Weights move so that lanes have the tokens that the values' lanes have: the
// pair and lanes 0 and 1 change places with lanes 2 to 4.
// MMA: tile.convert_layout {{.*}} : tensor<8x64xf16, [[S]]> -> tensor<8x64xf16, [[W:#tile.layout<rank = 2, registers = \[\(0, 1\), \(0, 2\), \(0, 4\), \(0, 32\)\], lanes = \[\(0, 8\), \(0, 16\), \(1, 0\), \(2, 0\), \(4, 0\)\], warps = \[\]>]]>
// MMA: tile.load_codes value {{.*}} -> tensor<64x128xi8, [[VALUES:#tile.layout<rank = 2, registers = \[\(1, 0\), \(2, 0\), \(4, 0\), \(32, 0\), \(0, 1\), \(0, 2\), \(0, 4\), \(0, 64\)\], lanes = \[\(8, 0\), \(16, 0\), \(0, 8\), \(0, 16\), \(0, 32\)\], warps = \[\]>]]>
// MMA: tile.dot {{.*}} : tensor<8x64xf16, [[W]]>, tensor<64x128xf16, [[VALUES]]> -> tensor<8x128xf32, [[O:#tile.layout<rank = 2, registers = \[\(1, 0\), \(0, 1\), \(0, 2\), \(0, 4\), \(0, 64\)\], lanes = \[\(2, 0\), \(4, 0\), \(0, 8\), \(0, 16\), \(0, 32\)\], warps = \[\]>]]>

// reference: a row of codes is cut into eight pieces, one for each lane of the
// outer index, whose order the weights follow.
// REFERENCE: tile.load {{.*}} -> tensor<8x128xf16, #tile.layout<rank = 2, registers = [(0, 4), (0, 8), (0, 16), (0, 32), (0, 64)], lanes = [(0, 1), (0, 2), (1, 0), (2, 0), (4, 0)], warps = []>>
// REFERENCE: tile.load_codes key {{.*}} -> tensor<128x64xi8, [[KEYS:#tile.layout<rank = 2, registers = \[\(4, 0\), \(8, 0\), \(16, 0\), \(32, 0\), \(64, 0\), \(0, 1\), \(0, 2\), \(0, 4\)\], lanes = \[\(1, 0\), \(2, 0\), \(0, 8\), \(0, 16\), \(0, 32\)\], warps = \[\]>]]>
// REFERENCE: tile.expand {{.*}} -> tensor<128x64xf16, [[KEYS]]>
// REFERENCE: tile.dot {{.*}}, tensor<128x64xf16, [[KEYS]]> -> tensor<8x64xf32, [[S:#tile.layout<rank = 2, registers = \[\(1, 0\), \(0, 1\), \(0, 2\), \(0, 4\)\], lanes = \[\(2, 0\), \(4, 0\), \(0, 8\), \(0, 16\), \(0, 32\)\], warps = \[\]>]]>
// REFERENCE: tile.convert_layout {{.*}} : tensor<8x64xf16, [[S]]> -> tensor<8x64xf16, [[W:#tile.layout<rank = 2, registers = \[\(0, 8\), \(0, 1\), \(0, 2\), \(0, 4\)\], lanes = \[\(0, 16\), \(0, 32\), \(1, 0\), \(2, 0\), \(4, 0\)\], warps = \[\]>]]>
// REFERENCE: tile.load_codes value {{.*}} -> tensor<64x128xi8, [[VALUES:#tile.layout<rank = 2, registers = \[\(8, 0\), \(1, 0\), \(2, 0\), \(4, 0\), \(0, 1\), \(0, 2\), \(0, 4\), \(0, 8\)\], lanes = \[\(16, 0\), \(32, 0\), \(0, 16\), \(0, 32\), \(0, 64\)\], warps = \[\]>]]>
// REFERENCE: tile.dot {{.*}} : tensor<8x64xf16, [[W]]>, tensor<64x128xf16, [[VALUES]]> -> tensor<8x128xf32, [[O:#tile.layout<rank = 2, registers = \[\(1, 0\), \(0, 1\), \(0, 2\), \(0, 4\), \(0, 8\)\], lanes = \[\(2, 0\), \(4, 0\), \(0, 16\), \(0, 32\), \(0, 64\)\], warps = \[\]>]]>

// What is not packed adds up in the same layout, by a product of its own lanes:
// results of both branches lie alike.
// CHECK: } else {
// CHECK: tile.load
// CHECK: tile.dot
// CHECK: tile.dot {{.*}} -> tensor<8x128xf32, [[O]]>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.store {{.*}} : tensor<8x128xf32, [[O]]>
tile.kernel @attend(%q: memref<?x?xf16>, %pages: memref<?x?x?xi8>, %k: memref<?x?xf16>, %v: memref<?x?xf16>, %out: memref<?x?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %i = tile.iota 0 : tensor<8xindex>
  %j = tile.iota 0 : tensor<64xindex>
  %zeros = arith.constant dense<0.0> : tensor<8x64xf32>
  %zero = arith.constant dense<0.0> : tensor<8x128xf32>
  %a = tile.load %q[%i, %c0] : memref<?x?xf16>, tensor<8xindex>, index -> tensor<8x128xf16>
  %packed = arith.cmpi sgt, %n, %n0 : i64
  %r = scf.if %packed -> tensor<8x128xf32> {
    %kc = tile.load_codes key %pages[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<128x64xi8>
    %kx = tile.expand subnormal %kc part key format #fmt : tensor<128x64xi8> -> tensor<128x64xf16>
    %s = tile.dot %a, %kx, %zeros : tensor<8x128xf16>, tensor<128x64xf16> -> tensor<8x64xf32>
    %p = arith.truncf %s : tensor<8x64xf32> to tensor<8x64xf16>
    %vc = tile.load_codes value %pages[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64x128xi8>
    %vx = tile.expand subnormal %vc part value format #fmt : tensor<64x128xi8> -> tensor<64x128xf16>
    %o = tile.dot %p, %vx, %zero : tensor<8x64xf16>, tensor<64x128xf16> -> tensor<8x128xf32>
    scf.yield %o : tensor<8x128xf32>
  } else {
    %kd = tile.load %k[%j, %c0] : memref<?x?xf16>, tensor<64xindex>, index -> tensor<64x128xf16>
    %kt = tile.transpose %kd : tensor<64x128xf16> -> tensor<128x64xf16>
    %s = tile.dot %a, %kt, %zeros : tensor<8x128xf16>, tensor<128x64xf16> -> tensor<8x64xf32>
    %p = arith.truncf %s : tensor<8x64xf32> to tensor<8x64xf16>
    %vd = tile.load %v[%j, %c0] : memref<?x?xf16>, tensor<64xindex>, index -> tensor<64x128xf16>
    %o = tile.dot %p, %vd, %zero : tensor<8x64xf16>, tensor<64x128xf16> -> tensor<8x128xf32>
    scf.yield %o : tensor<8x128xf32>
  }
  tile.store %r, %out[%i, %c0] : tensor<8x128xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.return
}
