// RUN: kvarn-opt %s --tile-distribute=target=sm_90a | FileCheck %s
// RUN: kvarn-opt %s --tile-distribute=target=gfx942 | FileCheck %s --check-prefix=AMD
// RUN: kvarn-opt %s --tile-distribute=target=x86-64-v4 | FileCheck %s --check-prefix=CPU
// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-cpu | FileCheck %s --check-prefix=DROP
// RUN: not kvarn-opt %s --tile-distribute=target=sm_11 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// A target without matrix instructions leaves tiles as they are, and the CPU
// conversion takes layouts off again.
// CPU-NOT: #tile.layout
// DROP-NOT: #tile.layout
// DROP-NOT: tile.convert_layout
// UNKNOWN: error: unknown target 'sm_11', expected one of x86_64, nvidia, x86-64-v3

// Every lane gets runs of eight channels in memory, and tokens that are
// neighbours go to neighbouring lanes. The transposed tile is loaded the other
// way round. Products are computed transposed: the columns are the rows of the
// instruction, so lanes 2 to 4 have columns of the result, lanes 0 and 1 rows.
// CHECK-LABEL: tile.kernel @product
// CHECK: tile.load {{.*}} -> tensor<16x64xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (0, 32), (8, 0)], lanes = [(0, 8), (0, 16), (1, 0), (2, 0), (4, 0)], warps = []>>
// CHECK: tile.load {{.*}} -> tensor<32x64xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (0, 32), (2, 0), (4, 0)], lanes = [(0, 8), (0, 16), (1, 0), (8, 0), (16, 0)], warps = []>>
// CHECK: tile.transpose {{.*}} -> tensor<64x32xf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (32, 0), (0, 2), (0, 4)], lanes = [(8, 0), (16, 0), (0, 1), (0, 8), (0, 16)], warps = []>>
// CHECK: tile.dot {{.*}} -> tensor<16x32xf32, #tile.layout<rank = 2, registers = [(1, 0), (8, 0), (0, 2), (0, 4)], lanes = [(2, 0), (4, 0), (0, 1), (0, 8), (0, 16)], warps = []>>
// Row maxima are held by every lane of the row.
// CHECK: tile.reduce max {{.*}} -> tensor<16xf32, #tile.layout<rank = 1, registers = [(1), (8)], lanes = [(2), (4), (0), (0), (0)], warps = []>>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.return

// Lanes 4 and 5 are the depth, the others rows and columns.
// AMD-LABEL: tile.kernel @product
// AMD: tile.dot {{.*}} : tensor<16x64xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (0, 32)], lanes = [(1, 0), (2, 0), (4, 0), (8, 0), (0, 8), (0, 16)], warps = []>>
// AMD-SAME: -> tensor<16x32xf32, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4)], lanes = [(1, 0), (2, 0), (4, 0), (8, 0), (0, 8), (0, 16)], warps = []>>
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

// As in attention: a product whose result, rounded and branched on, is the left
// operand of the next. It changes its layout once, as fp16 numbers, and so that
// 8x8 pieces are transposed: the pair and lanes 0 and 1 of the one (rows) are
// lanes 2 to 4 of the other. The second product has the depth where the first
// one has columns, or else this would move elements between pieces.
// CHECK-LABEL: tile.kernel @chain
// CHECK-NOT: tile.convert_layout
// CHECK: tile.dot {{.*}} -> tensor<16x64xf32, [[S:#tile.layout<rank = 2, registers = \[\(1, 0\), \(8, 0\), \(0, 2\), \(0, 4\), \(0, 32\)\], lanes = \[\(2, 0\), \(4, 0\), \(0, 1\), \(0, 8\), \(0, 16\)\], warps = \[\]>]]>
// CHECK-NOT: tile.convert_layout
// CHECK: %[[P:.*]] = arith.truncf {{.*}} to tensor<16x64xf16, [[S]]>
// CHECK: %[[W:.*]] = tile.convert_layout %[[P]] : tensor<16x64xf16, [[S]]> -> tensor<16x64xf16, [[A:#tile.layout<rank = 2, registers = \[\(0, 1\), \(0, 2\), \(0, 4\), \(0, 32\), \(8, 0\)\], lanes = \[\(0, 8\), \(0, 16\), \(1, 0\), \(2, 0\), \(4, 0\)\], warps = \[\]>]]>
// CHECK: tile.dot %[[W]], {{.*}} : tensor<16x64xf16, [[A]]>, tensor<64x64xf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [(8, 0), (16, 0), (0, 8), (0, 16), (0, 32)], warps = []>> -> tensor<16x64xf32, [[O:#tile.layout<.*>]]>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.store {{.*}} : tensor<16x64xf32, [[O]]>
// AMD-LABEL: tile.kernel @chain
tile.kernel @chain(%q: memref<?x?xf16>, %k: memref<?x?xf16>, %v: memref<?x?xf16>, %out: memref<?x?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %zero = arith.constant dense<0.0> : tensor<16x64xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %j = tile.iota 0 : tensor<64xindex>
  %a = tile.load %q[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x64xf16>
  %b = tile.load %k[%j, %c0] : memref<?x?xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %bt = tile.transpose %b : tensor<64x64xf16> -> tensor<64x64xf16>
  %c = tile.load %v[%j, %c0] : memref<?x?xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %s = tile.dot %a, %bt, %zero : tensor<16x64xf16>, tensor<64x64xf16> -> tensor<16x64xf32>
  %q0 = arith.cmpi sgt, %n, %n0 : i64
  %t = scf.if %q0 -> tensor<16x64xf32> {
    scf.yield %s : tensor<16x64xf32>
  } else {
    %u = arith.addf %s, %s : tensor<16x64xf32>
    scf.yield %u : tensor<16x64xf32>
  }
  %p = arith.truncf %t : tensor<16x64xf32> to tensor<16x64xf16>
  %o = tile.dot %p, %c, %zero : tensor<16x64xf16>, tensor<64x64xf16> -> tensor<16x64xf32>
  tile.store %o, %out[%i, %c0] : tensor<16x64xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}

// A tile that is an operand on both sides is converted once.
// CHECK-LABEL: tile.kernel @square
// CHECK: %[[X:.*]] = tile.load {{.*}} -> tensor<16x16xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (8, 0)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>>
// CHECK: %[[Y:.*]] = tile.convert_layout %[[X]] {{.*}} -> tensor<16x16xf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (0, 2)], lanes = [(4, 0), (8, 0), (0, 1), (0, 4), (0, 8)], warps = []>>
// CHECK: tile.dot %[[X]], %[[Y]]
// CHECK-NOT: tile.convert_layout
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

// The product with a vector shares the left operand of the product with a
// matrix, wherever it stands. The vector has the depth where the matrix has it,
// but the halves of a step in neighbouring lanes, and the four lanes that have
// the depth of a row get its sum. Where the instruction has as many columns as
// rows (AMD), the vector lies as one column of the matrix.
// CHECK-LABEL: tile.kernel @vector(
// CHECK: tile.dot %[[X:.*]], %{{.*}}, %{{.*}} : tensor<16x32xf16, [[A:#tile.layout<[^>]*>]]>, tensor<32xf16, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(8), (16), (4), (0), (0)], warps = []>> -> tensor<16xf32, #tile.layout<rank = 1, registers = [(8)], lanes = [(0), (0), (1), (2), (4)], warps = []>>
// CHECK: tile.dot %[[X]], %{{.*}}, %{{.*}} : tensor<16x32xf16, [[A]]>, tensor<32x32xf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (0, 2), (0, 4)], lanes = [(8, 0), (16, 0), (0, 1), (0, 8), (0, 16)], warps = []>> -> tensor<16x32xf32, #tile.layout<rank = 2, registers = [(1, 0), (8, 0), (0, 2), (0, 4)], lanes = [(2, 0), (4, 0), (0, 1), (0, 8), (0, 16)], warps = []>>
// Alone it takes the lanes of a matrix of eight columns.
// CHECK-LABEL: tile.kernel @vector_alone
// CHECK: tile.dot {{.*}} : tensor<16x32xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (8, 0)], lanes = [(0, 8), (0, 16), (1, 0), (2, 0), (4, 0)], warps = []>>, tensor<32xf16, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(8), (16), (4), (0), (0)], warps = []>> -> tensor<16xf32, #tile.layout<rank = 1, registers = [(8)], lanes = [(0), (0), (1), (2), (4)], warps = []>>
// AMD-LABEL: tile.kernel @vector(
tile.kernel @vector(%x: memref<?x?xf16>, %y: memref<?x?xf16>, %z: memref<?xf16>, %out: memref<?x?xf32>, %sums: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x32xf32>
  %zeros = arith.constant dense<0.0> : tensor<16xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %j = tile.iota 0 : tensor<32xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x32xf16>
  %b = tile.load %y[%j, %c0] : memref<?x?xf16>, tensor<32xindex>, index -> tensor<32x32xf16>
  %c = tile.load %z[%c0] : memref<?xf16>, index -> tensor<32xf16>
  %s = tile.dot %a, %c, %zeros : tensor<16x32xf16>, tensor<32xf16> -> tensor<16xf32>
  %d = tile.dot %a, %b, %zero : tensor<16x32xf16>, tensor<32x32xf16> -> tensor<16x32xf32>
  tile.store %d, %out[%i, %c0] : tensor<16x32xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.store %s, %sums[%c0] : tensor<16xf32>, memref<?xf32>, index
  tile.return
}
tile.kernel @vector_alone(%x: memref<?x?xf16>, %z: memref<?xf16>, %sums: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : tensor<16xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x32xf16>
  %c = tile.load %z[%c0] : memref<?xf16>, index -> tensor<32xf16>
  %s = tile.dot %a, %c, %zeros : tensor<16x32xf16>, tensor<32xf16> -> tensor<16xf32>
  tile.store %s, %sums[%c0] : tensor<16xf32>, memref<?xf32>, index
  tile.return
}

// What it lies like is a matrix beside it, of the same depth: not one in a branch
// that shares its operand (@vector_beside: codes want other lanes than what is
// in memory), nor any one (@vector_of_its_own).
// CHECK-LABEL: tile.kernel @vector_beside
// CHECK: tile.load_codes
// CHECK-NOT: tile.convert_layout
// CHECK: tile.dot {{.*}} : tensor<16x64xf16, [[A:#tile.layout<[^>]*lanes = \[\(0, 1\), \(0, 2\), [^>]*>]]>, tensor<64x64xf16
// CHECK: tile.dot {{.*}} : tensor<16x64xf16, [[A]]>, tensor<64xf16
// CHECK: } else {
// CHECK-LABEL: tile.kernel @vector_of_its_own
// CHECK: tile.dot {{.*}} : tensor<16x32xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (8, 0)], lanes = [(0, 8), (0, 16), (1, 0), (2, 0), (4, 0)], warps = []>>, tensor<32xf16,
// CHECK: tile.dot {{.*}} : tensor<16x64xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (0, 32), (8, 0)], lanes = [(0, 8), (0, 16), (1, 0), (2, 0), (4, 0)], warps = []>>, tensor<64x16xf16
// AMD-LABEL: tile.kernel @vector_beside
#ref = #kvarn.format<key_bits = 4, value_bits = 4, group = 64, head_dim = 64, layout = reference>
tile.kernel @vector_beside(%x: memref<?x?xf16>, %pages: memref<?x?x?xi8>, %k: memref<?x?xf16>, %z: memref<?xf16>, %out: memref<?x?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %zero = arith.constant dense<0.0> : tensor<16x64xf32>
  %zeros = arith.constant dense<0.0> : tensor<16xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %j = tile.iota 0 : tensor<64xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x64xf16>
  %q = arith.cmpi sgt, %n, %n0 : i64
  %r = scf.if %q -> tensor<16x64xf32> {
    %c = tile.load_codes key %pages[%c0, %c0] start %c0 format #ref : memref<?x?x?xi8> -> tensor<64x64xi8>
    %e = tile.expand subnormal %c part key format #ref : tensor<64x64xi8> -> tensor<64x64xf16>
    %two = arith.constant dense<2.0> : tensor<16x64xf16>
    %b = arith.mulf %a, %two : tensor<16x64xf16>
    %d = tile.dot %b, %e, %zero : tensor<16x64xf16>, tensor<64x64xf16> -> tensor<16x64xf32>
    %v = tile.load %z[%c0] : memref<?xf16>, index -> tensor<64xf16>
    %s = tile.dot %a, %v, %zeros : tensor<16x64xf16>, tensor<64xf16> -> tensor<16xf32>
    %sb = tile.broadcast %s dims [0] : tensor<16xf32> -> tensor<16x64xf32>
    %t = arith.addf %d, %sb : tensor<16x64xf32>
    scf.yield %t : tensor<16x64xf32>
  } else {
    %b = tile.load %k[%j, %c0] : memref<?x?xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
    %d = tile.dot %a, %b, %zero : tensor<16x64xf16>, tensor<64x64xf16> -> tensor<16x64xf32>
    scf.yield %d : tensor<16x64xf32>
  }
  tile.store %r, %out[%i, %c0] : tensor<16x64xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}
tile.kernel @vector_of_its_own(%x: memref<?x?xf16>, %y: memref<?xf16>, %z: memref<?xf32>, %w: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<16xindex>
  %zeros = arith.constant dense<0.0> : tensor<16xf32>
  %zero = arith.constant dense<0.0> : tensor<16x16xf32>
  %m = arith.constant dense<1.0> : tensor<64x16xf16>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x64xf16>
  %b = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x32xf16>
  %v = tile.load %y[%c0] : memref<?xf16>, index -> tensor<32xf16>
  %s = tile.dot %b, %v, %zeros : tensor<16x32xf16>, tensor<32xf16> -> tensor<16xf32>
  %d = tile.dot %a, %m, %zero : tensor<16x64xf16>, tensor<64x16xf16> -> tensor<16x16xf32>
  tile.store %s, %z[%c0] : tensor<16xf32>, memref<?xf32>, index
  tile.store %d, %w[%i, %c0] : tensor<16x16xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}

// What costs nothing to make is made again in the layout that a user wants:
// here for rows, where it was first made for columns.
// CHECK-LABEL: tile.kernel @remade
// CHECK-DAG: tile.splat %{{.*}} : tensor<16xf32, [[ROWS:#tile.layout<rank = 1, registers = \[\(1\), \(8\)\], lanes = \[\(2\), \(4\), \(0\), \(0\), \(0\)\], warps = \[\]>]]>
// CHECK-DAG: tile.splat %{{.*}} : tensor<16xf32, [[COLUMNS:#tile.layout<rank = 1, registers = \[\(2\)\], lanes = \[\(0\), \(0\), \(1\), \(4\), \(8\)\], warps = \[\]>]]>
// CHECK-DAG: tile.iota 0 : tensor<16xi32, [[ROWS]]>
// CHECK-DAG: tile.iota 0 : tensor<16xi32, [[COLUMNS]]>
// CHECK-DAG: tile.load_vector key_scale {{.*}} -> tensor<16xf16, [[ROWS]]>
// CHECK-DAG: tile.load_vector key_scale {{.*}} -> tensor<16xf16, [[COLUMNS]]>
// CHECK-DAG: arith.extf {{.*}} : tensor<16xf16, [[ROWS]]> to tensor<16xf32, [[ROWS]]>
// CHECK-DAG: arith.extf {{.*}} : tensor<16xf16, [[COLUMNS]]> to tensor<16xf32, [[COLUMNS]]>
// CHECK: tile.dot
// What is loaded from memory is not.
// CHECK: tile.convert_layout %{{.*}} : tensor<16xf32, {{.*}} -> tensor<16xf32, [[ROWS]]>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.return
// AMD-LABEL: tile.kernel @remade
#fmt = #kvarn.format<key_bits = 4, value_bits = 4, group = 64, head_dim = 64, layout = reference>
tile.kernel @remade(%x: memref<16x16xf16>, %pages: memref<?x?x?xi8>, %w: memref<16xf32>, %z: memref<16x16xf32>, %f: f32) {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : tensor<16x16xf16>
  %zero = arith.constant dense<0.0> : tensor<16x16xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %a = tile.load %x[%i, %c0] : memref<16x16xf16>, tensor<16xindex>, index -> tensor<16x16xf16>
  %s = tile.splat %f : tensor<16xf32>
  %n = tile.iota 0 : tensor<16xi32>
  %nf = arith.sitofp %n : tensor<16xi32> to tensor<16xf32>
  %v = tile.load_vector key_scale %pages[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<16xf16>
  %vf = arith.extf %v : tensor<16xf16> to tensor<16xf32>
  %l = tile.load %w[%c0] : memref<16xf32>, index -> tensor<16xf32>
  %d = tile.dot %a, %one, %zero : tensor<16x16xf16>, tensor<16x16xf16> -> tensor<16x16xf32>
  %sr = tile.broadcast %s dims [0] : tensor<16xf32> -> tensor<16x16xf32>
  %sc = tile.broadcast %s dims [1] : tensor<16xf32> -> tensor<16x16xf32>
  %nr = tile.broadcast %nf dims [0] : tensor<16xf32> -> tensor<16x16xf32>
  %nc = tile.broadcast %nf dims [1] : tensor<16xf32> -> tensor<16x16xf32>
  %vr = tile.broadcast %vf dims [0] : tensor<16xf32> -> tensor<16x16xf32>
  %vc = tile.broadcast %vf dims [1] : tensor<16xf32> -> tensor<16x16xf32>
  %lr = tile.broadcast %l dims [0] : tensor<16xf32> -> tensor<16x16xf32>
  %lc = tile.broadcast %l dims [1] : tensor<16xf32> -> tensor<16x16xf32>
  %1 = arith.addf %d, %sr : tensor<16x16xf32>
  %2 = arith.addf %1, %sc : tensor<16x16xf32>
  %3 = arith.addf %2, %nr : tensor<16x16xf32>
  %4 = arith.addf %3, %nc : tensor<16x16xf32>
  %5 = arith.addf %4, %vr : tensor<16x16xf32>
  %6 = arith.addf %5, %vc : tensor<16x16xf32>
  %7 = arith.addf %6, %lc : tensor<16x16xf32>
  %8 = arith.addf %7, %lr : tensor<16x16xf32>
  tile.store %8, %z[%i, %c0] : tensor<16x16xf32>, memref<16x16xf32>, tensor<16xindex>, index
  tile.return
}

// All lanes share the work of a reduction of a vector that is cheap to make,
// though its other use wants copies in groups of lanes.
// CHECK-LABEL: tile.kernel @spread
// CHECK: tile.load_vector key_scale {{.*}} -> tensor<64xf16, #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>>
// CHECK: tile.reduce max {{.*}} : tensor<64xf32, #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>> -> f32
// CHECK-NOT: tile.convert_layout
// CHECK: tile.return
// AMD-LABEL: tile.kernel @spread
tile.kernel @spread(%x: memref<?x?xf16>, %pages: memref<?x?x?xi8>, %z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x64xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %j = tile.iota 0 : tensor<64xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex>, index -> tensor<16x64xf16>
  %b = tile.load %x[%j, %c0] : memref<?x?xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %v = tile.load_vector key_scale %pages[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64xf16>
  %f = arith.extf %v : tensor<64xf16> to tensor<64xf32>
  %m = tile.reduce max %f dim 0 : tensor<64xf32> -> f32
  %d = tile.dot %a, %b, %zero : tensor<16x64xf16>, tensor<64x64xf16> -> tensor<16x64xf32>
  %ms = tile.splat %m : tensor<16x64xf32>
  %fc = tile.broadcast %f dims [1] : tensor<64xf32> -> tensor<16x64xf32>
  %e = arith.mulf %d, %fc : tensor<16x64xf32>
  %g = arith.mulf %e, %ms : tensor<16x64xf32>
  tile.store %g, %z[%i, %c0] : tensor<16x64xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}

// What no product reaches: 16 bytes of a row for each lane, then lanes, then
// registers. Places and masks of rows lie as the rows.
// CHECK-LABEL: tile.kernel @plain
// CHECK: tile.load {{.*}} mask %{{.*}} : tensor<8xi1, [[ROWS:#tile.layout<rank = 1, registers = \[\(4\)\], lanes = \[\(0\), \(0\), \(0\), \(1\), \(2\)\], warps = \[\]>]]> : memref<?x?xf16>, tensor<8xindex, [[ROWS]]>, index -> tensor<8x64xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (4, 0)], lanes = [(0, 8), (0, 16), (0, 32), (1, 0), (2, 0)], warps = []>>
// CHECK: tile.gather {{.*}} -> tensor<8xf32, #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (0), (0)], warps = []>>
// AMD-LABEL: tile.kernel @plain
tile.kernel @plain(%x: memref<?x?xf16>, %y: memref<?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex>
  %j = tile.iota 0 : tensor<8xindex>
  %m = arith.cmpi slt, %i, %j : tensor<8xindex>
  %a = tile.load %x[%i, %c0] mask %m : tensor<8xi1> : memref<?x?xf16>, tensor<8xindex>, index -> tensor<8x64xf16>
  tile.store %a, %x[%i, %c0] mask %m : tensor<8xi1> : tensor<8x64xf16>, memref<?x?xf16>, tensor<8xindex>, index
  %k = tile.iota 0 : tensor<8xindex>
  %b = tile.gather %y[%k] : memref<?xf32>, tensor<8xindex> -> tensor<8xf32>
  tile.scatter %b, %y[%k] : tensor<8xf32>, memref<?xf32>, tensor<8xindex>
  tile.return
}

// Results of warps are stacked along a dimension of warps, whether a product
// reaches them or not; loops carry layouts.
// CHECK-LABEL: tile.kernel @warps
// CHECK: tile.warps 4 {{.*}} -> (tensor<4x16x8xf32, #tile.layout<rank = 3, registers = [(0, 0, 1), (0, 0, 2)], lanes = [(0, 0, 4), (0, 1, 0), (0, 2, 0), (0, 4, 0), (0, 8, 0)], warps = [(1, 0, 0), (2, 0, 0)]>>, tensor<4x8xf32, #tile.layout<rank = 2, registers = [], lanes = [(0, 1), (0, 2), (0, 4), (0, 0), (0, 0)], warps = [(1, 0), (2, 0)]>>)
// CHECK: scf.for {{.*}} -> (tensor<16x8xf32, [[PART:#tile.layout<rank = 2, registers = \[\(0, 1\), \(0, 2\)\], lanes = \[\(0, 4\), \(1, 0\), \(2, 0\), \(4, 0\), \(8, 0\)\], warps = \[\]>]]>)
// CHECK: tile.yield {{.*}} : tensor<16x8xf32, [[PART]]>
// CHECK: tile.reduce add {{.*}} -> tensor<16x8xf32, [[PART]]>
// CHECK-NOT: tile.convert_layout
// CHECK: tile.return
// AMD-LABEL: tile.kernel @warps
tile.kernel @warps(%c: memref<16x8xf32>, %d: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %one = arith.constant dense<1.0> : tensor<16x8xf32>
  %ones = arith.constant dense<1.0> : tensor<8xf32>
  %i = tile.iota 0 : tensor<16xindex>
  %all:2 = tile.warps 4 (%w) -> (tensor<4x16x8xf32>, tensor<4x8xf32>) {
    %sum = scf.for %k = %c0 to %c4 step %c1 iter_args(%x = %one) -> tensor<16x8xf32> {
      %y = arith.addf %x, %one : tensor<16x8xf32>
      scf.yield %y : tensor<16x8xf32>
    }
    tile.yield %sum, %ones : tensor<16x8xf32>, tensor<8xf32>
  }
  %s = tile.reduce add %all#0 dim 0 : tensor<4x16x8xf32> -> tensor<16x8xf32>
  %t = tile.reduce add %all#1 dim 0 : tensor<4x8xf32> -> tensor<8xf32>
  tile.store %s, %c[%i, %c0] : tensor<16x8xf32>, memref<16x8xf32>, tensor<16xindex>, index
  tile.store %t, %d[%c0] : tensor<8xf32>, memref<8xf32>, index
  tile.return
}
