// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --split-input-file | FileCheck %s
// RUN: not kvarn-opt %s --tile-distribute=target=sm_90 --split-input-file 2>&1 | FileCheck %s --check-prefix=SM90
// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-cpu --split-input-file | FileCheck %s --check-prefix=DROP

// Products of four warps: each warp has 16 rows of the result, as the
// accumulator of m16n8k16 has them. Staged operands lie in shared memory: 64
// elements along the depth, then all rows or columns, then the next 64. Nothing
// else changes its layout, so weights need no exchange between two products.
// SM90: error: 'tile.kernel' op has a schedule with team = warpgroup, which sm_90 has no instruction for
// DROP-NOT: tile.stage

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>

// CHECK-LABEL: tile.kernel @chain
// CHECK: %[[Q:.*]] = tile.load {{.*}} -> tensor<64x128xf16, #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32), (0, 64)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>>
// CHECK: %[[K:.*]] = tile.stage {{.*}} -> tensor<128x64xf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (0, 32), (64, 0)], lanes = [], warps = []>>
// CHECK: %[[S:.*]] = tile.dot %[[Q]], %[[K]], {{.*}} -> tensor<64x64xf32, [[S:#tile.layout<rank = 2, registers = \[\(0, 1\), \(8, 0\), \(0, 8\), \(0, 16\), \(0, 32\)\], lanes = \[\(0, 2\), \(0, 4\), \(1, 0\), \(2, 0\), \(4, 0\)\], warps = \[\(16, 0\), \(32, 0\)\]>]]>
// CHECK-NOT: tile.convert_layout
// CHECK: %[[P:.*]] = arith.truncf {{.*}} to tensor<64x64xf16, [[S]]>
// CHECK-NOT: tile.convert_layout
// Rows of V are tokens, rows of shared memory run along them: a lane loads pieces
// of eight rows and has whole pieces of eight columns.
// CHECK: %[[R:.*]] = tile.load {{.*}} -> tensor<64x128xf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], lanes = [(8, 0), (16, 0), (32, 0), (0, 8), (0, 16)], warps = [(0, 32), (0, 64)]>>
// CHECK: %[[V:.*]] = tile.stage %[[R]]
// CHECK: tile.dot %[[P]], %[[V]], {{.*}} -> tensor<64x128xf32, {{.*}} warps = [(16, 0), (32, 0)]>>
tile.kernel @chain(%q: memref<64x128xf16>, %k: memref<64x128xf16>, %v: memref<64x128xf16>, %o: memref<64x128xf32>) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %none = arith.constant dense<0.0> : tensor<64x128xf32>
  %i = tile.iota 0 : tensor<64xindex>
  %a = tile.load %q[%i, %c0] : memref<64x128xf16>, tensor<64xindex>, index -> tensor<64x128xf16>
  %b = tile.load %k[%i, %c0] : memref<64x128xf16>, tensor<64xindex>, index -> tensor<64x128xf16>
  %bt = tile.transpose %b : tensor<64x128xf16> -> tensor<128x64xf16>
  %sb = tile.stage %bt : tensor<128x64xf16> -> tensor<128x64xf16>
  %s = tile.dot %a, %sb, %zero : tensor<64x128xf16>, tensor<128x64xf16> -> tensor<64x64xf32>
  %e = math.exp2 %s : tensor<64x64xf32>
  %p = arith.truncf %e : tensor<64x64xf32> to tensor<64x64xf16>
  %c = tile.load %v[%i, %c0] : memref<64x128xf16>, tensor<64xindex>, index -> tensor<64x128xf16>
  %sc = tile.stage %c : tensor<64x128xf16> -> tensor<64x128xf16>
  %d = tile.dot %p, %sc, %none : tensor<64x64xf16>, tensor<64x128xf16> -> tensor<64x128xf32>
  tile.store %d, %o[%i, %c0] : tensor<64x128xf32>, memref<64x128xf32>, tensor<64xindex>, index
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = mma16816>

// Codes that become operands in shared memory lie as in their record, and the
// pair that is expanded together comes first: channels of K, tokens of V. The
// eight lanes that store at the same time have different pieces of rows, 8
// channels or tokens each.
// CHECK-LABEL: tile.kernel @codes
// CHECK: tile.load_codes key {{.*}} -> tensor<64x64xi8, #tile.layout<rank = 2, registers = [(1, 0), {{.*}} lanes = [(8, 0), (16, 0), (32, 0),
// CHECK: tile.expand {{.*}} -> tensor<64x64xf16, #tile.layout<rank = 2, registers = [(1, 0),
// CHECK-NOT: tile.convert_layout
// CHECK: tile.stage
// CHECK: tile.load_codes value {{.*}} -> tensor<64x64xi8, #tile.layout<rank = 2, registers = [(1, 0), {{.*}} lanes = [(8, 0), (16, 0), (32, 0),
tile.kernel @codes(%q: memref<64x64xf16>, %pages: memref<?x?x?xi8>, %o: memref<64x64xf32>) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %i = tile.iota 0 : tensor<64xindex>
  %a = tile.load %q[%i, %c0] : memref<64x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %k = tile.load_codes key %pages[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64x64xi8>
  %x = tile.expand convert %k part key format #fmt : tensor<64x64xi8> -> tensor<64x64xf16>
  %sx = tile.stage %x : tensor<64x64xf16> -> tensor<64x64xf16>
  %s = tile.dot %a, %sx, %zero : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
  %p = arith.truncf %s : tensor<64x64xf32> to tensor<64x64xf16>
  %v = tile.load_codes value %pages[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64x64xi8>
  %y = tile.expand convert %v part value format #fmt : tensor<64x64xi8> -> tensor<64x64xf16>
  %sy = tile.stage %y : tensor<64x64xf16> -> tensor<64x64xf16>
  %d = tile.dot %p, %sy, %zero : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
  tile.store %d, %o[%i, %c0] : tensor<64x64xf32>, memref<64x64xf32>, tensor<64xindex>, index
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>

// What no product reads has lanes like any other tile; conversion refuses it.
// CHECK-LABEL: tile.kernel @no_product
// CHECK: tile.stage {{.*}} -> tensor<64x64xf16, #tile.layout<{{.*}} lanes = [(0, 8)
tile.kernel @no_product(%q: memref<64x64xf16>) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<64xindex>
  %a = tile.load %q[%i, %c0] : memref<64x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %s = tile.stage %a : tensor<64x64xf16> -> tensor<64x64xf16>
  tile.return
}
