// What the dialect allows, and a CPU does, but these targets do not: an error
// instead of other numbers.

// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-nvptx=target=sm_90a -split-input-file -verify-diagnostics --allow-unregistered-dialect

tile.kernel @constant(%o: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'arith.constant' op has elements that differ}}
  %v = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  tile.store %v, %o[%c0] : tensor<8xf32>, memref<?xf32>, index
  tile.return
}

// -----

tile.kernel @sine(%o: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %v = tile.load %o[%c0] : memref<?xf32>, index -> tensor<64xf32>
  // expected-error @+1 {{'math.sin' op of 'f32' is unknown to NVIDIA targets}}
  %e = math.sin %v : tensor<64xf32>
  tile.store %e, %o[%c0] : tensor<64xf32>, memref<?xf32>, index
  tile.return
}

// -----

tile.kernel @half(%o: memref<?xf16>) {
  %c0 = arith.constant 0 : index
  %v = tile.load %o[%c0] : memref<?xf16>, index -> tensor<64xf16>
  // expected-error @+1 {{'math.exp2' op of 'f16' is unknown to NVIDIA targets}}
  %e = math.exp2 %v : tensor<64xf16>
  tile.store %e, %o[%c0] : tensor<64xf16>, memref<?xf16>, index
  tile.return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
tile.kernel @chosen_slot(%p: memref<?x?x?xi8, strided<[?, ?, 1]>>, %yes: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %true = arith.constant true
  %a = tile.alloc_slot : !tile.slot<#fmt, key>
  %b = tile.alloc_slot : !tile.slot<#fmt, key>
  %zero = arith.constant 0 : i32
  %c = arith.cmpi eq, %yes, %zero : i32
  // expected-error @+1 {{'arith.select' op has a slot that is not from tile.alloc_slot itself}}
  %s = arith.select %c, %a, %b : !tile.slot<#fmt, key>
  %t = tile.async_copy %p[%c0, %c0] to %s if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  tile.wait %t
  tile.return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
tile.kernel @selected(%p: memref<?x?x?xi8, strided<[?, ?, 1]>>, %yes: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %true = arith.constant true
  %a = tile.alloc_slot : !tile.slot<#fmt, key>
  %b = tile.alloc_slot : !tile.slot<#fmt, key>
  %t0 = tile.async_copy %p[%c0, %c0] to %a if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %t1 = tile.async_copy %p[%c1, %c0] to %b if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %zero = arith.constant 0 : i32
  %c = arith.cmpi eq, %yes, %zero : i32
  %t = arith.select %c, %t0, %t1 : !tile.token
  // expected-error @+1 {{'tile.wait' op waits for copies to different slots}}
  tile.wait %t
  tile.return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
tile.kernel @branched(%p: memref<?x?x?xi8, strided<[?, ?, 1]>>, %yes: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %true = arith.constant true
  %a = tile.alloc_slot : !tile.slot<#fmt, key>
  %b = tile.alloc_slot : !tile.slot<#fmt, key>
  %t0 = tile.async_copy %p[%c0, %c0] to %a if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %t1 = tile.async_copy %p[%c1, %c0] to %b if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %zero = arith.constant 0 : i32
  %c = arith.cmpi eq, %yes, %zero : i32
  %t = scf.if %c -> !tile.token {
    scf.yield %t0 : !tile.token
  } else {
    scf.yield %t1 : !tile.token
  }
  // expected-error @+1 {{'tile.wait' op waits for copies to different slots}}
  tile.wait %t
  tile.return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
tile.kernel @by_turns(%p: memref<?x?x?xi8, strided<[?, ?, 1]>>, %yes: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %true = arith.constant true
  %a = tile.alloc_slot : !tile.slot<#fmt, key>
  %b = tile.alloc_slot : !tile.slot<#fmt, key>
  %t0 = tile.async_copy %p[%c0, %c0] to %a if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %t1 = tile.async_copy %p[%c1, %c0] to %b if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %zero = arith.constant 0 : i32
  %c = arith.cmpi eq, %yes, %zero : i32
  %r:2 = scf.for %i = %c0 to %c1 step %c1 iter_args(%s = %t0, %q = %t1) -> (!tile.token, !tile.token) {
    // expected-error @+1 {{'tile.wait' op waits for copies to different slots}}
    tile.wait %s
    scf.yield %q, %s : !tile.token, !tile.token
  }
  tile.return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
tile.kernel @repeated(%p: memref<?x?x?xi8, strided<[?, ?, 1]>>, %yes: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %true = arith.constant true
  %a = tile.alloc_slot : !tile.slot<#fmt, key>
  %b = tile.alloc_slot : !tile.slot<#fmt, key>
  %t0 = tile.async_copy %p[%c0, %c0] to %a if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %t1 = tile.async_copy %p[%c1, %c0] to %b if %true : memref<?x?x?xi8, strided<[?, ?, 1]>>, !tile.slot<#fmt, key>
  %zero = arith.constant 0 : i32
  %c = arith.cmpi eq, %yes, %zero : i32
  %r:2 = scf.while (%s = %t0, %q = %t1) : (!tile.token, !tile.token) -> (!tile.token, !tile.token) {
    // expected-error @+1 {{'tile.wait' op waits for copies to different slots}}
    tile.wait %s
    scf.condition(%c) %q, %s : !tile.token, !tile.token
  } do {
  ^bb0(%s: !tile.token, %q: !tile.token):
    scf.yield %s, %q : !tile.token, !tile.token
  }
  tile.return
}

// -----

#ref = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
tile.kernel @half_a_byte(%p: memref<?x?x?xi8, strided<[?, ?, 1]>>, %o: memref<?x?xi8, strided<[?, 1]>>) {
  %c0 = arith.constant 0 : index
  %start = arith.constant 1 : index
  %i = tile.iota 0 : tensor<128xindex>
  // expected-error @+1 {{'tile.load_codes' op loads 1 tokens, which share bytes with others}}
  %v = tile.load_codes key %p[%c0, %c0] start %start format #ref : memref<?x?x?xi8, strided<[?, ?, 1]>> -> tensor<128x1xi8>
  tile.store %v, %o[%i, %c0] : tensor<128x1xi8>, memref<?x?xi8, strided<[?, 1]>>, tensor<128xindex>, index
  tile.return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
tile.kernel @between(%p: memref<?x?x?xi8, strided<[?, ?, 1]>>, %o: memref<?x?xi8, strided<[?, 1]>>) {
  %c0 = arith.constant 0 : index
  %start = arith.constant 16 : index
  %i = tile.iota 0 : tensor<128xindex>
  // expected-error @+1 {{'tile.load_codes' op starts at token 16, expected a multiple of 32}}
  %v = tile.load_codes key %p[%c0, %c0] start %start format #fmt : memref<?x?x?xi8, strided<[?, ?, 1]>> -> tensor<128x32xi8>
  tile.store %v, %o[%i, %c0] : tensor<128x32xi8>, memref<?x?xi8, strided<[?, 1]>>, tensor<128xindex>, index
  tile.return
}

// -----

tile.kernel @no_copy() {
  %c0 = arith.constant 0 : i32
  %t = builtin.unrealized_conversion_cast %c0 : i32 to !tile.token
  // expected-error @+1 {{'tile.wait' op waits for something that is no copy}}
  tile.wait %t
  tile.return
}

// -----

tile.kernel @unregistered() {
  // expected-error @+1 {{'foo.bar' op is unknown to NVIDIA targets}}
  "foo.bar"() : () -> ()
  tile.return
}
