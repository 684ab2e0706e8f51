// RUN: kvarn-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{'tile.kernel' op returns 1 values, expected none}}
tile.kernel @k() -> f32 {
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op argument 1 is 'f16', expected f32, i32, i64 or a memref without offset whose last stride is 1}}
tile.kernel @k(%a: f32, %b: f16) {
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op argument 0 is 'memref<?x?xf32, strided<[?, 2]>>', expected f32, i32, i64 or a memref without offset whose last stride is 1}}
tile.kernel @k(%a: memref<?x?xf32, strided<[?, 2]>>) {
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op argument 0 is 'memref<?xf32, strided<[?]>>', expected f32, i32, i64 or a memref without offset whose last stride is 1}}
tile.kernel @k(%a: memref<?xf32, strided<[?]>>) {
  tile.return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.kernel' op expects parent op 'builtin.module'}}
  tile.kernel @k() {
    tile.return
  }
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.return' op expects parent op 'tile.kernel'}}
  tile.return
}

// -----

func.func @f(%n: index) {
  // expected-error @+1 {{'tile.launch' op no kernel is called 'k'}}
  tile.launch @k grid(%n, %n, %n) ()
  return
}

// -----

func.func @f(%n: index) {
  // expected-error @+1 {{'tile.launch' op no kernel is called 'f'}}
  tile.launch @f grid(%n, %n, %n) ()
  return
}

// -----

tile.kernel @k(%a: f32) {
  tile.return
}
func.func @f(%n: index) {
  // expected-error @+1 {{'tile.launch' op argument types differ from those of kernel 'k': expected '(f32) -> ()'}}
  tile.launch @k grid(%n, %n, %n) (%n) : index
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.program_id' op attribute 'axis' failed to satisfy constraint}}
  %0 = "tile.program_id"() {axis = 3 : i32} : () -> index
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.warps' op count is 0, expected 1 to 32}}
  tile.warps 0 (%w) {
  }
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.warps' op count is 33, expected 1 to 32}}
  tile.warps 33 (%w) {
  }
  return
}

// -----

func.func @f(%x: tensor<16xf32>) {
  // expected-error @+1 {{'tile.warps' op yields 1 values for 0 results}}
  tile.warps 4 (%w) {
    tile.yield %x : tensor<16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<16xf32>) {
  // expected-error @+1 {{'tile.warps' op result is 'tensor<2x16xf32>', expected 'tensor<4x16xf32>'}}
  %0 = tile.warps 4 (%w) -> (tensor<2x16xf32>) {
    tile.yield %x : tensor<16xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<16xf32>) {
  // expected-error @+1 {{'tile.yield' op expects parent op 'tile.warps'}}
  tile.yield %x : tensor<16xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.iota' op dim is 2, expected less than 2}}
  %0 = tile.iota 2 : tensor<4x4xi32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.iota' op result #0 must be}}
  %0 = tile.iota 0 : tensor<4xf32>
  return
}

// -----

func.func @f(%x: f16) {
  // expected-error @+1 {{'tile.splat' op failed to verify}}
  %0 = "tile.splat"(%x) : (f16) -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: f16) {
  // expected-error @+1 {{custom op 'tile.splat' 'result' must be}}
  %0 = tile.splat %x : tensor<?xf16>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{'tile.broadcast' op has 2 dims for an operand of rank 1}}
  %0 = tile.broadcast %x dims [0, 1] : tensor<4xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{'tile.broadcast' op dims must rise and be less than 3}}
  %0 = tile.broadcast %x dims [1, 0] : tensor<4x4xf32> -> tensor<4x4x2xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{'tile.broadcast' op dims must rise and be less than 2}}
  %0 = tile.broadcast %x dims [2] : tensor<4xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{'tile.broadcast' op dims must rise and be less than 2}}
  %0 = tile.broadcast %x dims [-1] : tensor<4xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{'tile.broadcast' op dimension 0 of 'tensor<4xf32>' does not match dimension 1 of 'tensor<4x8xf32>'}}
  %0 = tile.broadcast %x dims [1] : tensor<4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{'tile.broadcast' op changes the element type from 'f32' to 'f16'}}
  %0 = tile.broadcast %x dims [0] : tensor<4xf32> -> tensor<4x8xf16>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'tile.transpose' op cannot transpose 'tensor<4x8xf32>' into 'tensor<4x8xf32>'}}
  %0 = tile.transpose %x : tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'tile.transpose' op cannot transpose 'tensor<4x8xf32>' into 'tensor<8x4xf16>'}}
  %0 = tile.transpose %x : tensor<4x8xf32> -> tensor<8x4xf16>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @+1 {{'tile.transpose' op cannot transpose 'tensor<8xf32>' into 'tensor<8x1xf32>'}}
  %0 = tile.transpose %x : tensor<8xf32> -> tensor<8x1xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'tile.reduce' op dim is 2, expected less than 2}}
  %0 = tile.reduce add %x dim 2 : tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'tile.reduce' op cannot reduce dimension 1 of 'tensor<4x8xf32>' to 'tensor<8xf32>'}}
  %0 = tile.reduce add %x dim 1 : tensor<4x8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'tile.reduce' op cannot reduce dimension 1 of 'tensor<4x8xf32>' to 'f32'}}
  %0 = tile.reduce add %x dim 1 : tensor<4x8xf32> -> f32
  return
}

// -----

func.func @f(%x: tensor<4x8xi32>) {
  // expected-error @+1 {{'tile.reduce' op squares need f32, got 'tensor<4x8xi32>'}}
  %0 = tile.reduce squares %x dim 1 : tensor<4x8xi32> -> tensor<4xi32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @+1 {{'tile.reduce' op cannot reduce dimension 0 of 'tensor<8xf32>' to 'f16'}}
  %0 = tile.reduce add %x dim 0 : tensor<8xf32> -> f16
  return
}

// -----

func.func @f(%x: tensor<8xi32>) {
  // expected-error @+1 {{'tile.reduce' op cannot reduce dimension 0 of 'tensor<8xi32>' to 'f32'}}
  %0 = tile.reduce add %x dim 0 : tensor<8xi32> -> f32
  return
}

// -----

func.func @f(%x: tensor<8xcomplex<f32>>) {
  // expected-error @+1 {{'tile.reduce' op operand #0 must be}}
  %0 = "tile.reduce"(%x) {kind = #tile<reduce add>, dim = 0 : i64} : (tensor<8xcomplex<f32>>) -> f32
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @+1 {{'tile.scan' op operand #0 must be statically shaped 1D tensor with elements of 32-bit signless integer or index values, but got 'tensor<8xf32>'}}
  %0 = tile.scan %x : tensor<8xf32>
  return
}

// -----

tile.kernel @f(%x: memref<?xf32>, %v: f32) {
  %c0 = arith.constant 0 : index
  %t = tile.splat %v : tensor<32xf32>
  tile.store %t, %x[%c0] : tensor<32xf32>, memref<?xf32>, index
  // expected-error @+1 {{'tile.await_previous' op stands behind 'tile.store', expected nothing that stores, nor that launches wait for}}
  tile.await_previous
  tile.return
}

// -----

tile.kernel @f(%x: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %yes = arith.constant true
  scf.if %yes {
    %last = tile.arrive %x[%c0] of %c2 : memref<?xi32>
  }
  // expected-error @+1 {{'tile.await_previous' op stands behind 'tile.arrive', expected}}
  tile.await_previous
  tile.return
}

// -----

tile.kernel @f() {
  tile.begin_next
  // expected-error @+1 {{'tile.await_previous' op stands behind 'tile.begin_next', expected}}
  tile.await_previous
  tile.return
}

// -----

tile.kernel @f() {
  tile.await_previous
  // expected-error @+1 {{'tile.await_previous' op stands behind 'tile.await_previous', expected}}
  tile.await_previous
  tile.return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.await_previous' op expects parent op 'tile.kernel'}}
  tile.await_previous
  return
}

// -----

func.func @f(%x: memref<?xi64>, %n: index) {
  // expected-error @+1 {{'tile.arrive' op operand #0 must be}}
  %0 = tile.arrive %x[%n] of %n : memref<?xi64>
  return
}

// -----

func.func @f(%x: tensor<8x8xi32>) {
  // expected-error @+1 {{'tile.scan' op operand #0 must be statically shaped 1D tensor with elements of 32-bit signless integer or index values, but got 'tensor<8x8xi32>'}}
  %0 = tile.scan %x : tensor<8x8xi32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<32x8xf16>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<16x64xf16>' by 'tensor<32x8xf16>' into 'tensor<16x8xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<32x8xf16> -> tensor<16x8xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64x8xf16>, %c: tensor<8x8xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<16x64xf16>' by 'tensor<64x8xf16>' into 'tensor<8x8xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x8xf16> -> tensor<8x8xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64x8xf16>, %c: tensor<16x4xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<16x64xf16>' by 'tensor<64x8xf16>' into 'tensor<16x4xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x8xf16> -> tensor<16x4xf32>
  return
}

// -----

func.func @f(%a: tensor<64xf16>, %b: tensor<64x8xf16>, %c: tensor<1x8xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<64xf16>' by 'tensor<64x8xf16>' into 'tensor<1x8xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<64xf16>, tensor<64x8xf16> -> tensor<1x8xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64x8xf16>, %c: tensor<16x8xf16>) {
  // expected-error @+1 {{'tile.dot' op operand #2 must be statically shaped tensor with elements of 32-bit float values, but got 'tensor<16x8xf16>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x8xf16> -> tensor<16x8xf16>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64x8xf16>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{'tile.dot' op descending is [2], expected dimensions of a matrix 'tensor<64x8xf16>'}}
  %0 = tile.dot %a, %b, %c descending [2] : tensor<16x64xf16>, tensor<64x8xf16> -> tensor<16x8xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64x8xf16>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{'tile.dot' op descending is [-1], expected dimensions of a matrix 'tensor<64x8xf16>'}}
  %0 = tile.dot %a, %b, %c descending [-1] : tensor<16x64xf16>, tensor<64x8xf16> -> tensor<16x8xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64x8xf16>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{'tile.dot' op descending is [1, 1], expected dimensions of a matrix 'tensor<64x8xf16>'}}
  %0 = tile.dot %a, %b, %c descending [1, 1] : tensor<16x64xf16>, tensor<64x8xf16> -> tensor<16x8xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64xf16>, %c: tensor<16xf32>) {
  // expected-error @+1 {{'tile.dot' op descending is [0], expected dimensions of a matrix 'tensor<64xf16>'}}
  %0 = tile.dot %a, %b, %c descending [0] : tensor<16x64xf16>, tensor<64xf16> -> tensor<16xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<32xf16>, %c: tensor<16xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<16x64xf16>' by 'tensor<32xf16>' into 'tensor<16xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<32xf16> -> tensor<16xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64xf16>, %c: tensor<64xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<16x64xf16>' by 'tensor<64xf16>' into 'tensor<64xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64xf16> -> tensor<64xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64xf16>, %c: tensor<16x1xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<16x64xf16>' by 'tensor<64xf16>' into 'tensor<16x1xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64xf16> -> tensor<16x1xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64x8xf16>, %c: tensor<16xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<16x64xf16>' by 'tensor<64x8xf16>' into 'tensor<16xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x8xf16> -> tensor<16xf32>
  return
}

// -----

func.func @f(%a: tensor<64xf16>, %b: tensor<64xf16>, %c: tensor<1xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<64xf16>' by 'tensor<64xf16>' into 'tensor<1xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<64xf16>, tensor<64xf16> -> tensor<1xf32>
  return
}

// -----

func.func @f(%a: tensor<16x64xf16>, %b: tensor<64x4x2xf16>, %c: tensor<16x4x2xf32>) {
  // expected-error @+1 {{'tile.dot' op cannot multiply 'tensor<16x64xf16>' by 'tensor<64x4x2xf16>' into 'tensor<16x4x2xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x4x2xf16> -> tensor<16x4x2xf32>
  return
}

// -----

func.func @f(%x: tensor<8x96xf32>) {
  // expected-error @+1 {{'tile.hadamard' op operand is 'tensor<8x96xf32>', expected a power of two as last dimension}}
  %0 = tile.hadamard %x : tensor<8x96xf32>
  return
}

// -----

func.func @f(%i: index) {
  // expected-error @+1 {{'tile.hadamard_matrix' op result is 'tensor<96x32xf16>', expected powers of two, at most 65536 rows and no more columns than rows}}
  %0 = tile.hadamard_matrix %i : tensor<96x32xf16>
  return
}

// -----

func.func @f(%i: index) {
  // expected-error @+1 {{'tile.hadamard_matrix' op result is 'tensor<131072x1xf16>', expected powers of two, at most 65536 rows and no more columns than rows}}
  %0 = tile.hadamard_matrix %i : tensor<131072x1xf16>
  return
}

// -----

func.func @f(%i: index) {
  // expected-error @+1 {{'tile.hadamard_matrix' op result is 'tensor<32x64xf16>', expected powers of two, at most 65536 rows and no more columns than rows}}
  %0 = tile.hadamard_matrix %i : tensor<32x64xf16>
  return
}

// -----

func.func @f(%x: tensor<f32>) {
  // expected-error @+1 {{'tile.hadamard' op operand is 'tensor<f32>', expected a power of two as last dimension}}
  %0 = tile.hadamard %x : tensor<f32>
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index) {
  // expected-error @+1 {{'tile.load' op accesses a tile of rank 3, expected 1 or 2}}
  %0 = tile.load %m[%i, %i] : memref<?x?xf16>, index, index -> tensor<2x2x2xf16>
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index) {
  // expected-error @+1 {{'tile.load' op accesses 'memref<?x?xf16>' with elements of 'f32'}}
  %0 = tile.load %m[%i, %i] : memref<?x?xf16>, index, index -> tensor<4xf32>
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index) {
  // expected-error @+1 {{'tile.load' op has 1 indices for 'memref<?x?xf16>'}}
  %0 = tile.load %m[%i] : memref<?x?xf16>, index -> tensor<4xf16>
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index, %r: tensor<4xindex>) {
  // expected-error @+1 {{'tile.load' op index is 'tensor<4xindex>', expected 8 elements}}
  %0 = tile.load %m[%r, %i] : memref<?x?xf16>, tensor<4xindex>, index -> tensor<8x16xf16>
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index, %r: tensor<4xindex>) {
  // expected-error @+1 {{'tile.load' op index is 'tensor<4xindex>', expected no row index}}
  %0 = tile.load %m[%r, %i] : memref<?x?xf16>, tensor<4xindex>, index -> tensor<16xf16>
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index, %k: tensor<4xi1>) {
  // expected-error @+1 {{'tile.load' op mask is 'tensor<4xi1>', expected 8 elements}}
  %0 = tile.load %m[%i, %i] mask %k : tensor<4xi1> : memref<?x?xf16>, index, index -> tensor<8x16xf16>
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index, %r: tensor<8xindex>) {
  // expected-error @+1 {{'tile.load' op last index is 'tensor<8xindex>', expected index}}
  %0 = tile.load %m[%i, %r] : memref<?x?xf16>, index, tensor<8xindex> -> tensor<8x16xf16>
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index, %x: tensor<4xf32>) {
  // expected-error @+1 {{'tile.store' op accesses 'memref<?x?xf16>' with elements of 'f32'}}
  tile.store %x, %m[%i, %i] : tensor<4xf32>, memref<?x?xf16>, index, index
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index, %x: tensor<f16>) {
  // expected-error @+1 {{'tile.store' op accesses a tile of rank 0, expected 1 or 2}}
  tile.store %x, %m[%i, %i] : tensor<f16>, memref<?x?xf16>, index, index
  return
}

// -----

func.func @f(%m: memref<?x?xf16>, %i: index, %x: tensor<8x4xf16>, %r: tensor<8xindex>) {
  // expected-error @+1 {{'tile.store' op last index is 'tensor<8xindex>', expected index}}
  tile.store %x, %m[%i, %r] : tensor<8x4xf16>, memref<?x?xf16>, index, tensor<8xindex>
  return
}

// -----

func.func @f(%m: memref<?xi32>, %r: tensor<4xindex>) {
  // expected-error @+1 {{'tile.gather' op index is 'tensor<4xindex>', expected 8 elements}}
  %0 = tile.gather %m[%r] : memref<?xi32>, tensor<4xindex> -> tensor<8xi32>
  return
}

// -----

func.func @f(%m: memref<?xi32>, %r: tensor<8xindex>) {
  // expected-error @+1 {{'tile.gather' op accesses 'memref<?xi32>' with elements of 'i64'}}
  %0 = tile.gather %m[%r] : memref<?xi32>, tensor<8xindex> -> tensor<8xi64>
  return
}

// -----

func.func @f(%m: memref<?xi32>, %r: tensor<8xindex>, %k: tensor<4xi1>) {
  // expected-error @+1 {{'tile.gather' op mask is 'tensor<4xi1>', expected 8 elements}}
  %0 = tile.gather %m[%r] mask %k : tensor<4xi1> : memref<?xi32>, tensor<8xindex> -> tensor<8xi32>
  return
}

// -----

func.func @f(%m: memref<?x?xf32>, %x: tensor<8xf32>, %r: tensor<8xindex>) {
  // expected-error @+1 {{'tile.scatter' op has 1 indices for 'memref<?x?xf32>'}}
  tile.scatter %x, %m[%r] : tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>
  return
}

// -----

func.func @f(%m: memref<?xf32>, %x: tensor<8xf32>, %r: tensor<4xindex>) {
  // expected-error @+1 {{'tile.scatter' op index is 'tensor<4xindex>', expected 8 elements}}
  tile.scatter %x, %m[%r] : tensor<8xf32>, memref<?xf32>, tensor<4xindex>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_vector' op loads 129 elements of a vector of 128}}
  %0 = tile.load_vector key_scale %p[%i, %i] start %i format #fmt : memref<?x?x?xi8> -> tensor<129xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_vector' op has 2 indices for a slot}}
  %0 = tile.load_vector key_scale %slot[%i, %i] start %i format #fmt : !tile.slot<#fmt, key> -> tensor<128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_vector' op reads the value part of #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference> from '!tile.slot<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, key>'}}
  %0 = tile.load_vector value_scale %slot[] start %i format #fmt : !tile.slot<#fmt, key> -> tensor<128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_vector' op expected pages of rank 3 with the indices [block, head]}}
  %0 = tile.load_vector key_scale %p[%i] start %i format #fmt : memref<?x?x?xi8> -> tensor<128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_vector' op expected pages of rank 3 with the indices [block, head]}}
  %0 = tile.load_vector key_scale %p2[%i, %i] start %i format #fmt : memref<?x?xi8> -> tensor<128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_codes' op result is 'tensor<32x128xi8>', expected [head_dim, tokens]}}
  %0 = tile.load_codes key %p[%i, %i] start %i format #fmt : memref<?x?x?xi8> -> tensor<32x128xi8>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_codes' op result is 'tensor<128x32xi8>', expected [tokens, head_dim]}}
  %0 = tile.load_codes value %p[%i, %i] start %i format #fmt : memref<?x?x?xi8> -> tensor<128x32xi8>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_codes' op result is 'tensor<128x256xi8>', expected [head_dim, tokens]}}
  %0 = tile.load_codes key %p[%i, %i] start %i format #fmt : memref<?x?x?xi8> -> tensor<128x256xi8>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_codes' op reads the value part of #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference> from '!tile.slot<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, key>'}}
  %0 = tile.load_codes value %slot[] start %i format #fmt : !tile.slot<#fmt, key> -> tensor<32x128xi8>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>) {
  // expected-error @+1 {{'tile.load_codes' op expected pages of rank 3 with the indices [block, head]}}
  %0 = tile.load_codes key %p[] start %i format #fmt : memref<?x?x?xi8> -> tensor<128x32xi8>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%c: tensor<128x32xi8>) {
  // expected-error @+1 {{'tile.expand' op changes the shape of 'tensor<128x32xi8>'}}
  %0 = tile.expand convert %c part key format #fmt : tensor<128x32xi8> -> tensor<32x128xf32>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @other_part(%p: memref<?x?x?xi8>, %i: index) {
  %c = tile.load_codes key %p[%i, %i] start %i format #fmt : memref<?x?x?xi8> -> tensor<128x128xi8>
  // expected-error @+1 {{'tile.expand' op is for codes of part value of #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, these are of part key of #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>}}
  %0 = tile.expand convert %c part value format #fmt : tensor<128x128xi8> -> tensor<128x128xf32>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @other_format(%p: memref<?x?x?xi8>, %i: index) {
  %c = tile.load_codes key %p[%i, %i] start %i format #fmt : memref<?x?x?xi8> -> tensor<128x128xi8>
  // expected-error @+1 {{'tile.expand' op is for codes of part key of #kvarn.format<key_bits = 8,}}
  %0 = tile.expand convert %c part key format <key_bits = 8, value_bits = 2, group = 128, head_dim = 128, layout = reference> : tensor<128x128xi8> -> tensor<128x128xf32>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
// Codes of a slot are read where they are used.
func.func @copied_before_product(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %yes: i1, %q: tensor<8x128xf16>, %s: tensor<8x32xf32>) {
  // expected-error @+1 {{'tile.load_codes' op is used by 'tile.dot' behind a copy into its slot, expected all uses before}}
  %c = tile.load_codes key %slot[] start %i format #fmt : !tile.slot<#fmt, key> -> tensor<128x32xi8>
  %k = tile.expand subnormal %c part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf16>
  // expected-note @+1 {{the copy}}
  %t = tile.async_copy %p[%i, %i] to %slot if %yes : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  %0 = tile.dot %q, %k, %s : tensor<8x128xf16>, tensor<128x32xf16> -> tensor<8x32xf32>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @copied_in_branch(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %yes: i1) {
  scf.if %yes {
    // expected-error @+1 {{'tile.load_codes' op is used by 'tile.expand' behind a copy into its slot, expected all uses before}}
    %c = tile.load_codes key %slot[] start %i format #fmt : !tile.slot<#fmt, key> -> tensor<128x32xi8>
    scf.if %yes {
      // expected-note @+1 {{the copy}}
      %t = tile.async_copy %p[%i, %i] to %slot if %yes : memref<?x?x?xi8>, !tile.slot<#fmt, key>
    }
    scf.if %yes {
      %k = tile.expand convert %c part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf32>
    }
  }
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
// The second round of the loop would use what the first one copied.
func.func @copied_in_loop(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %yes: i1) {
  // expected-error @+1 {{'tile.load_codes' op is used by 'tile.expand' behind a copy into its slot, expected all uses before}}
  %c = tile.load_codes key %slot[] start %i format #fmt : !tile.slot<#fmt, key> -> tensor<128x32xi8>
  scf.for %j = %i to %i step %i {
    %k = tile.expand convert %c part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf32>
    // expected-note @+1 {{the copy}}
    %t = tile.async_copy %p[%i, %j] to %slot if %yes : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  }
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%c: tensor<128x32xi8>) {
  // expected-error @+1 {{'tile.expand' op subnormal gives f16, not 'tensor<128x32xf32>'}}
  %0 = tile.expand subnormal %c part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf32>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
func.func @f(%c: tensor<128x32xi8>) {
  // expected-error @+1 {{'tile.expand' op whole_bytes is for subnormal}}
  %0 = tile.expand convert whole_bytes %c part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%c: tensor<128x32xi8>) {
  // expected-error @+1 {{'tile.expand' op needs bytes whose codes a product sums, which those of #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference> are not}}
  %0 = tile.expand subnormal whole_bytes %c part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = mma16816>
func.func @f(%x: tensor<8x128xf16>) {
  // expected-error @+1 {{'tile.subtract_top' op has the tile 'tensor<8x128xf16>', expected a matrix whose dimension 1 is a multiple of 8, at most 64}}
  %0 = tile.subtract_top %x part value format #fmt : tensor<8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = mma16816>
func.func @f(%x: tensor<128xf16>) {
  // expected-error @+1 {{'tile.subtract_top' op has the tile 'tensor<128xf16>', expected a matrix whose dimension 1 is a multiple of 4, at most 128}}
  %0 = tile.subtract_top %x part key format #fmt : tensor<128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = mma16816>
func.func @f(%c: tensor<4x128xi8>) {
  // expected-error @+1 {{'tile.expand' op has the tile 'tensor<4x128xf16>', expected a matrix whose dimension 0 is a multiple of 8, at most 64}}
  %0 = tile.expand subnormal whole_bytes %c part value format #fmt : tensor<4x128xi8> -> tensor<4x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>
func.func @f(%x: tensor<8x128xf16>) {
  // expected-error @+1 {{'tile.subtract_top' op needs bytes whose codes a product sums, which those of #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference> are not}}
  %0 = tile.subtract_top %x part key format #fmt : tensor<8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f() {
  // expected-error @+1 {{'tile.expand_scale' op result is 'tensor<256xf32>', expected at most 128 elements}}
  %0 = tile.expand_scale part key format #fmt : tensor<256xf32>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>, %v: tensor<64xf16>) {
  // expected-error @+1 {{'tile.store_vector' op stores 'tensor<64xf16>' to a vector of 128}}
  tile.store_vector key_scale %v, %p[%i, %i] format #fmt : tensor<64xf16>, memref<?x?x?xi8>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>, %v: tensor<128xf16>) {
  // expected-error @+1 {{'tile.store_vector' op expected pages of rank 3}}
  tile.store_vector key_scale %v, %p2[%i, %i] format #fmt : tensor<128xf16>, memref<?x?xi8>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>, %v: tensor<64x128xi8>) {
  // expected-error @+1 {{'tile.store_codes' op stores 'tensor<64x128xi8>', expected [group, head_dim]}}
  tile.store_codes key %v, %p[%i, %i] format #fmt : tensor<64x128xi8>, memref<?x?x?xi8>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?x?x?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %p2: memref<?x?xi8>, %v: tensor<128x128xi8>) {
  // expected-error @+1 {{'tile.store_codes' op expected pages of rank 3}}
  tile.store_codes key %v, %p2[%i, %i] format #fmt : tensor<128x128xi8>, memref<?x?xi8>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'tile.convert_layout' op changes more than the encoding: 'tensor<4x8xf32>' to 'tensor<8x4xf32>'}}
  %0 = tile.convert_layout %x : tensor<4x8xf32> -> tensor<8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'tile.convert_layout' op changes more than the encoding: 'tensor<4x8xf32>' to 'tensor<4x8xf16>'}}
  %0 = tile.convert_layout %x : tensor<4x8xf32> -> tensor<4x8xf16>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.iota' op dim is -1, expected less than 2}}
  %0 = tile.iota -1 : tensor<4x4xi32>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'tile.reduce' op dim is -1, expected less than 2}}
  %0 = tile.reduce add %x dim -1 : tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{'tile.warps' op expected one region argument of type index}}
  "tile.warps"() <{count = 1 : i64}> ({
    "tile.yield"() : () -> ()
  }) : () -> ()
  return
}

// -----

func.func @f() {
  // expected-error @+2 {{'tile.warps' op expects regions to end with 'tile.yield', found 'llvm.unreachable'}}
  // expected-note @+1 {{in custom textual format, the absence of terminator implies 'tile.yield'}}
  "tile.warps"() <{count = 1 : i64}> ({
  ^bb0(%w: index):
    "llvm.unreachable"() : () -> ()
  }) : () -> ()
  return
}

// -----

// expected-error @+1 {{'tile.kernel' op argument 0 is 'memref<?xf32, strided<[1], offset: 5>>', expected f32, i32, i64 or a memref without offset whose last stride is 1}}
tile.kernel @offset(%x: memref<?xf32, strided<[1], offset: 5>>) {
  tile.return
}

// -----

tile.kernel @inner() {
  %c1 = arith.constant 1 : index
  // expected-error @+1 {{'tile.launch' op expects parent op 'func.func'}}
  tile.launch @inner grid(%c1, %c1, %c1) ()
  tile.return
}

// -----

func.func @f(%x: memref<?x8xf32>, %n: index) {
  // expected-error @+1 {{'tile.check_shape' op has 1 extents for 'memref<?x8xf32>'}}
  tile.check_shape %x[%n] : memref<?x8xf32>
  return
}

// -----

tile.kernel @stage_vector() {
  %x = arith.constant dense<0.0> : tensor<8xf16>
  // expected-error @+1 {{'tile.stage' op operand is 'tensor<8xf16>', expected a matrix}}
  %0 = tile.stage %x : tensor<8xf16> -> tensor<8xf16>
  tile.return
}

// -----

tile.kernel @stage_shape() {
  %x = arith.constant dense<0.0> : tensor<4x8xf16>
  // expected-error @+1 {{'tile.stage' op changes more than the encoding: 'tensor<4x8xf16>' to 'tensor<8x4xf16>'}}
  %0 = tile.stage %x : tensor<4x8xf16> -> tensor<8x4xf16>
  tile.return
}

// -----

func.func @keep_f32(%x: tensor<16x8xf32>) {
  // expected-error @+1 {{'tile.keep' op operand #0 must be statically shaped tensor with elements of 16-bit float values, but got 'tensor<16x8xf32>'}}
  %0 = tile.keep %x : tensor<16x8xf32>
  return
}

// -----

// expected-error @+1 {{'tile.kernel' op is called 'a b', expected letters, digits and '_', no digit first}}
tile.kernel @"a b"() {
  tile.return
}

// -----

// expected-error @+1 {{'tile.kernel' op is called '1x', expected letters, digits and '_', no digit first}}
tile.kernel @"1x"() {
  tile.return
}

// -----

tile.kernel @k() {
  tile.warps 4 (%w) {
    // expected-error @+1 {{'tile.warps' op stands in a region of tile.warps}}
    tile.warps 4 (%v) {
    }
  }
  tile.return
}

// -----

tile.kernel @k(%counters: memref<?xi32>) {
  %c1 = arith.constant 1 : index
  tile.warps 4 (%w) {
    // expected-error @+1 {{'tile.arrive' op stands in a region of tile.warps}}
    %l = tile.arrive %counters[%w] of %c1 : memref<?xi32>
  }
  tile.return
}

// -----

tile.kernel @k() {
  tile.warps 4 (%w) {
    // expected-error @+1 {{'tile.begin_next' op stands in a region of tile.warps}}
    tile.begin_next
  }
  tile.return
}

// -----

func.func @f(%x: tensor<16xf32>) {
  // expected-error @+1 {{'tile.warps' op result is 'tensor<4x16xi32>', expected 'tensor<4x16xf32>'}}
  %0 = tile.warps 4 (%w) -> (tensor<4x16xi32>) {
    tile.yield %x : tensor<16xf32>
  }
  return
}

// -----

func.func @f(%x: f32) {
  // expected-error @+1 {{custom op 'tile.splat' 'result' must be statically shaped tensor with elements of}}
  %0 = tile.splat %x : tensor<0xf32>
  return
}

// -----

func.func @f(%m: memref<?xf32>, %i: tensor<?xindex>) {
  // expected-error @+1 {{'tile.gather' op operand #1 must be variadic of index or statically shaped 1D tensor with elements of index values, but got 'tensor<?xindex>'}}
  %0 = tile.gather %m[%i] : memref<?xf32>, tensor<?xindex> -> tensor<8xf32>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: memref<?xi8>, %i: index, %slot: !tile.slot<#fmt, key>, %yes: i1) {
  // expected-error @+1 {{'tile.async_copy' op expected pages of rank 3}}
  %t = tile.async_copy %p[%i, %i] to %slot if %yes : memref<?xi8>, !tile.slot<#fmt, key>
  return
}

// -----

func.func @f(%x: tensor<4x8xf16>) {
  // expected-error @+1 {{'tile.reduce' op squares need f32, got 'tensor<4x8xf16>'}}
  %0 = tile.reduce squares %x dim 0 : tensor<4x8xf16> -> tensor<8xf16>
  return
}

// -----

tile.kernel @k() {
  // expected-error @+1 {{'arith.constant' op has elements that are not dense}}
  %v = arith.constant sparse<[[1]], [2.0]> : tensor<8xf32>
  tile.return
}
