// RUN: kvarn-opt %s --tile-distribute=target=sm_90a -split-input-file -verify-diagnostics
// RUN: kvarn-opt %s --tile-distribute=target=x86-64-v4 -split-input-file -o /dev/null

// What the matrix instruction cannot take, and what no layout covers. Targets
// without matrix instructions take all of it.

tile.kernel @few_rows(%x: memref<?x?xf16>, %z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %a = arith.constant dense<1.0> : tensor<4x32xf16>
  %b = arith.constant dense<1.0> : tensor<32x32xf16>
  %c = arith.constant dense<0.0> : tensor<4x32xf32>
  // expected-error @+1 {{'tile.dot' op rows are 4, expected a power of two of at least 8 for mma.m16n8k16}}
  %d = tile.dot %a, %b, %c : tensor<4x32xf16>, tensor<32x32xf16> -> tensor<4x32xf32>
  %i = tile.iota 0 : tensor<4xindex>
  tile.store %d, %z[%i, %c0] : tensor<4x32xf32>, memref<?x?xf32>, tensor<4xindex>, index
  tile.return
}

// -----

tile.kernel @short_depth(%x: memref<?x?xf16>, %z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %a = arith.constant dense<1.0> : tensor<8x8xf16>
  %b = arith.constant dense<1.0> : tensor<8x32xf16>
  %c = arith.constant dense<0.0> : tensor<8x32xf32>
  // expected-error @+1 {{'tile.dot' op depth are 8, expected a power of two of at least 16 for mma.m16n8k16}}
  %d = tile.dot %a, %b, %c : tensor<8x8xf16>, tensor<8x32xf16> -> tensor<8x32xf32>
  %i = tile.iota 0 : tensor<8xindex>
  tile.store %d, %z[%i, %c0] : tensor<8x32xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.return
}

// -----

tile.kernel @few_columns(%x: memref<?x?xf16>, %z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %a = arith.constant dense<1.0> : tensor<8x16xf16>
  %b = arith.constant dense<1.0> : tensor<16x4xf16>
  %c = arith.constant dense<0.0> : tensor<8x4xf32>
  // expected-error @+1 {{'tile.dot' op columns are 4, expected a power of two of at least 8 for mma.m16n8k16}}
  %d = tile.dot %a, %b, %c : tensor<8x16xf16>, tensor<16x4xf16> -> tensor<8x4xf32>
  %i = tile.iota 0 : tensor<8xindex>
  tile.store %d, %z[%i, %c0] : tensor<8x4xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.return
}

// -----

tile.kernel @no_power(%x: memref<?xf32>, %f: f32) {
  // expected-error @+1 {{'tile.splat' op has the tile 'tensor<12xf32>', expected one to three powers of two}}
  %a = tile.splat %f : tensor<12xf32>
  tile.return
}

// -----

tile.kernel @no_power_in_front(%x: memref<?xf32>, %f: f32) {
  // expected-error @+1 {{'tile.splat' op has the tile 'tensor<24x8xf32>', expected one to three powers of two}}
  %a = tile.splat %f : tensor<24x8xf32>
  tile.return
}

// -----

tile.kernel @no_dimension(%x: memref<?xf32>, %f: f32) {
  // expected-error @+1 {{'tile.splat' op has the tile 'tensor<f32>', expected one to three powers of two}}
  %a = tile.splat %f : tensor<f32>
  tile.return
}

// -----

tile.kernel @four_dimensions(%x: memref<?xf32>, %f: f32) {
  // expected-error @+1 {{'tile.splat' op has the tile 'tensor<2x2x2x2xf32>', expected one to three powers of two}}
  %a = tile.splat %f : tensor<2x2x2x2xf32>
  tile.return
}

// -----

tile.kernel @large(%x: memref<?xf32>, %f: f32) {
  // expected-error @+1 {{'tile.splat' op has the tile 'tensor<65536xf32>', of which a lane would hold 2048 elements, expected at most 1024}}
  %a = tile.splat %f : tensor<65536xf32>
  tile.return
}

// -----

tile.kernel @large_operand(%z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %a = arith.constant dense<1.0> : tensor<8x4096xf16>
  // expected-error @+1 {{'arith.constant' op has the tile 'tensor<4096x16xf16>', of which a lane would hold 2048 elements, expected at most 1024}}
  %b = arith.constant dense<1.0> : tensor<4096x16xf16>
  %c = arith.constant dense<0.0> : tensor<8x16xf32>
  %d = tile.dot %a, %b, %c : tensor<8x4096xf16>, tensor<4096x16xf16> -> tensor<8x16xf32>
  %i = tile.iota 0 : tensor<8xindex>
  tile.store %d, %z[%i, %c0] : tensor<8x16xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
tile.kernel @not_staged() attributes {schedule = #together} {
  %a = arith.constant dense<1.0> : tensor<64x64xf16>
  %c = arith.constant dense<0.0> : tensor<64x64xf32>
  // expected-error @+1 {{'tile.dot' op has a right operand that is not staged, expected the result of tile.stage with team = warpgroup}}
  %d = tile.dot %a, %a, %c : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
tile.kernel @few_rows() attributes {schedule = #together} {
  %a = arith.constant dense<1.0> : tensor<32x64xf16>
  %b = arith.constant dense<1.0> : tensor<64x64xf16>
  %s = tile.stage %b : tensor<64x64xf16> -> tensor<64x64xf16>
  %c = arith.constant dense<0.0> : tensor<32x64xf32>
  // expected-error @+1 {{'tile.dot' op multiplies 'tensor<32x64xf16>' by 'tensor<64x64xf16>', expected 64 rows, a depth of 64 or more and at most 256 columns with team = warpgroup}}
  %d = tile.dot %a, %s, %c : tensor<32x64xf16>, tensor<64x64xf16> -> tensor<32x64xf32>
  tile.return
}

// -----

tile.kernel @turned_round(%x: memref<?x?xf32>, %n: i64) {
  %n0 = arith.constant 0 : i64
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<16xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<16xindex>, index -> tensor<16x16xf32>
  %b = arith.constant dense<1.0> : tensor<16x16xf32>
  // expected-error @+1 {{'scf.while' op expected all of the body in front of the condition, which hands on what is carried}}
  %r:2 = scf.while (%s = %a, %t = %b) : (tensor<16x16xf32>, tensor<16x16xf32>) -> (tensor<16x16xf32>, tensor<16x16xf32>) {
    %q = arith.cmpi sgt, %n, %n0 : i64
    scf.condition(%q) %s, %t : tensor<16x16xf32>, tensor<16x16xf32>
  } do {
  ^bb0(%s: tensor<16x16xf32>, %t: tensor<16x16xf32>):
    scf.yield %t, %s : tensor<16x16xf32>, tensor<16x16xf32>
  }
  tile.store %r#0, %x[%i, %c0] : tensor<16x16xf32>, memref<?x?xf32>, tensor<16xindex>, index
  tile.return
}
