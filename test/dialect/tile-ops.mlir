// RUN: kvarn-opt %s | kvarn-opt | FileCheck %s
// RUN: kvarn-opt %s --mlir-print-op-generic | kvarn-opt | FileCheck %s
// RUN: kvarn-opt %s --emit-bytecode | kvarn-opt | FileCheck %s

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
#chunked = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>
#mma = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>

// CHECK-LABEL: tile.kernel @copy(
// CHECK-SAME: %{{.*}}: memref<?xf32>, %{{.*}}: memref<?xf32, strided<[1]>>, %{{.*}}: i64, %{{.*}}: i32, %{{.*}}: f32)
tile.kernel @copy(%x: memref<?xf32>, %y: memref<?xf32, strided<[1]>>, %a: i64, %b: i32, %c: f32) {
  // CHECK: tile.program_id x
  %i = tile.program_id x
  // CHECK: tile.program_id y
  %j = tile.program_id y
  // CHECK: tile.program_id z
  %k = tile.program_id z
  // CHECK: tile.load %{{.*}}[%{{.*}}] : memref<?xf32>, index -> tensor<16xf32>
  %v = tile.load %x[%i] : memref<?xf32>, index -> tensor<16xf32>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}] : tensor<16xf32>, memref<?xf32, strided<[1]>>, index
  tile.store %v, %y[%i] : tensor<16xf32>, memref<?xf32, strided<[1]>>, index
  // CHECK: tile.return
  tile.return
}

// CHECK-LABEL: tile.kernel @scheduled
// CHECK-SAME: attributes {schedule = #kvarn.schedule<rows = 8,
tile.kernel @scheduled() attributes {schedule = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} {
  tile.return
}

// CHECK-LABEL: func.func @launch
func.func @launch(%n: index, %x: memref<?xf32>, %y: memref<?xf32, strided<[1]>>, %a: i64, %b: i32, %c: f32) {
  // CHECK: tile.check_shape %{{.*}}[%{{.*}}] : memref<?xf32>
  tile.check_shape %x[%n] : memref<?xf32>
  // CHECK: tile.multiprocessors
  %m = tile.multiprocessors
  // CHECK: tile.counters : memref<?xi32>
  %counters = tile.counters : memref<?xi32>
  // CHECK: tile.launch @copy grid(%{{.*}}, %{{.*}}, %{{.*}}) (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : memref<?xf32>, memref<?xf32, strided<[1]>>, i64, i32, f32
  tile.launch @copy grid(%n, %n, %n) (%x, %y, %a, %b, %c) : memref<?xf32>, memref<?xf32, strided<[1]>>, i64, i32, f32
  // CHECK: tile.launch @scheduled grid(%{{.*}}, %{{.*}}, %{{.*}}) (){{$}}
  tile.launch @scheduled grid(%n, %n, %n) ()
  return
}

// CHECK-LABEL: func.func @warps
func.func @warps(%x: tensor<16xf32>, %i: tensor<8x2xindex>) {
  // CHECK: tile.warps 4 (%{{.*}}) -> (tensor<4x16xf32>, tensor<4x8x2xindex>) {
  // CHECK: tile.yield %{{.*}}, %{{.*}} : tensor<16xf32>, tensor<8x2xindex>
  %0:2 = tile.warps 4 (%w) -> (tensor<4x16xf32>, tensor<4x8x2xindex>) {
    tile.yield %x, %i : tensor<16xf32>, tensor<8x2xindex>
  }
  // CHECK: tile.warps 1 (%{{.*}}) {
  // CHECK-NEXT: }
  tile.warps 1 (%w) {
  }
  return
}

// CHECK-LABEL: func.func @values
func.func @values(%f: f32, %x: tensor<16xf32>, %a: tensor<16x64xf16>, %b: tensor<64x32xf16>, %c: tensor<16x32xf32>, %d: tensor<64xf32>) {
  // CHECK: tile.iota 1 : tensor<16x32xi32>
  %0 = tile.iota 1 : tensor<16x32xi32>
  // CHECK: tile.iota 0 : tensor<8xindex>
  %1 = tile.iota 0 : tensor<8xindex>
  // CHECK: tile.splat %{{.*}} : tensor<16x32xf32>
  %2 = tile.splat %f : tensor<16x32xf32>
  // CHECK: tile.broadcast %{{.*}} dims [0] : tensor<16xf32> -> tensor<16x32xf32>
  %3 = tile.broadcast %x dims [0] : tensor<16xf32> -> tensor<16x32xf32>
  // CHECK: tile.broadcast %{{.*}} dims [1] : tensor<16xf32> -> tensor<4x16xf32>
  %4 = tile.broadcast %x dims [1] : tensor<16xf32> -> tensor<4x16xf32>
  // CHECK: tile.stage %{{.*}} : tensor<16x64xf16> -> tensor<16x64xf16>
  %staged = tile.stage %a : tensor<16x64xf16> -> tensor<16x64xf16>
  // CHECK: tile.transpose %{{.*}} : tensor<16x64xf16> -> tensor<64x16xf16>
  %5 = tile.transpose %a : tensor<16x64xf16> -> tensor<64x16xf16>
  // CHECK: tile.reduce max %{{.*}} dim 1 : tensor<16x32xf32> -> tensor<16xf32>
  %6 = tile.reduce max %c dim 1 : tensor<16x32xf32> -> tensor<16xf32>
  // CHECK: tile.reduce add %{{.*}} dim 0 : tensor<16x32xf32> -> tensor<32xf32>
  %7 = tile.reduce add %c dim 0 : tensor<16x32xf32> -> tensor<32xf32>
  // CHECK: tile.reduce min %{{.*}} dim 0 : tensor<16xf32> -> f32
  %8 = tile.reduce min %x dim 0 : tensor<16xf32> -> f32
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf32>
  %9 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} descending [0, 1] : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf32>
  %descending = tile.dot %a, %b, %c descending [0, 1] : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} : tensor<16x64xf16>, tensor<64xf32> -> tensor<16xf32>
  %10 = tile.dot %a, %d, %x : tensor<16x64xf16>, tensor<64xf32> -> tensor<16xf32>
  // CHECK: tile.reduce min %{{.*}} dim 0 : tensor<8xindex> -> index
  %11 = tile.reduce min %1 dim 0 : tensor<8xindex> -> index
  // CHECK: tile.reduce add %{{.*}} dim 0 : tensor<16x32xi32> -> tensor<32xi32>
  %12 = tile.reduce add %0 dim 0 : tensor<16x32xi32> -> tensor<32xi32>
  // CHECK: tile.scan %{{.*}} : tensor<8xindex>
  %13 = tile.scan %1 : tensor<8xindex>
  // CHECK: tile.keep %{{.*}} : tensor<16x64xf16>
  %kept = tile.keep %a : tensor<16x64xf16>
  // CHECK: tile.hadamard %{{.*}} : tensor<16x32xf32>
  %14 = tile.hadamard %c : tensor<16x32xf32>
  // CHECK: tile.hadamard_matrix %{{.*}} : tensor<128x64xf16>
  %first = arith.constant 64 : index
  %15 = tile.hadamard_matrix %first : tensor<128x64xf16>
  return
}

// arith and math work on tiles as they are, with an encoding too.
// CHECK-LABEL: func.func @encoded
func.func @encoded(%x: tensor<16x8xf32, #mma>) -> tensor<16x8xf32, #mma> {
  // CHECK: arith.mulf %{{.*}}, %{{.*}} : tensor<16x8xf32, #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>>
  %0 = arith.mulf %x, %x : tensor<16x8xf32, #mma>
  // CHECK: math.exp2 %{{.*}} : tensor<16x8xf32, #tile.layout<
  %1 = math.exp2 %0 : tensor<16x8xf32, #mma>
  // CHECK: tile.convert_layout %{{.*}} : tensor<16x8xf32, #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>> -> tensor<16x8xf32>
  %2 = tile.convert_layout %1 : tensor<16x8xf32, #mma> -> tensor<16x8xf32>
  // CHECK: tile.reduce squares %{{.*}} dim 0 : tensor<16x8xf32> -> tensor<8xf32>
  %squares = tile.reduce squares %2 dim 0 : tensor<16x8xf32> -> tensor<8xf32>
  return %1 : tensor<16x8xf32, #mma>
}

// CHECK-LABEL: tile.kernel @order
tile.kernel @order() {
  // CHECK-NEXT: tile.await_previous
  tile.await_previous
  // CHECK-NEXT: tile.begin_next
  tile.begin_next
  tile.return
}

// CHECK-LABEL: func.func @memory
func.func @memory(%q: memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, %slots: memref<?xi32>, %out: memref<?x?xf32>,
                  %i: tensor<8xindex>, %j: index, %valid: tensor<8xi1>, %lse: tensor<8xf32>) {
  // CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] mask %{{.*}} : tensor<8xi1> : memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, tensor<8xindex>, index -> tensor<8x128xf16>
  %0 = tile.load %q[%i, %i, %j] mask %valid : tensor<8xi1>
      : memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, tensor<8xindex>, index -> tensor<8x128xf16>
  // CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] : {{.*}}, index, tensor<8xindex>, index -> tensor<8x16xf16>
  %1 = tile.load %q[%j, %i, %j]
      : memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, index, tensor<8xindex>, index -> tensor<8x16xf16>
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] mask %{{.*}} : tensor<8xi1> : tensor<8x128xf16>, memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, index, index
  tile.store %0, %q[%i, %j, %j] mask %valid : tensor<8xi1>
      : tensor<8x128xf16>, memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, index, index
  // CHECK: tile.arrive %{{.*}}[%{{.*}}] of %{{.*}} : memref<?xi32>
  %last = tile.arrive %slots[%j] of %j : memref<?xi32>
  // CHECK: tile.gather %{{.*}}[%{{.*}}] : memref<?xi32>, tensor<8xindex> -> tensor<8xi32>
  %2 = tile.gather %slots[%i] : memref<?xi32>, tensor<8xindex> -> tensor<8xi32>
  // CHECK: tile.gather %{{.*}}[%{{.*}}] mask %{{.*}} : tensor<8xi1> : memref<?xi32>, tensor<8xindex> -> tensor<8xi32>
  %3 = tile.gather %slots[%i] mask %valid : tensor<8xi1> : memref<?xi32>, tensor<8xindex> -> tensor<8xi32>
  // CHECK: tile.scatter %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] : tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.scatter %lse, %out[%i, %j] : tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, index
  // CHECK: tile.scatter %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] mask %{{.*}} : tensor<8xi1> : tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, tensor<8xindex>
  tile.scatter %lse, %out[%i, %i] mask %valid : tensor<8xi1> : tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, tensor<8xindex>
  return
}

// CHECK-LABEL: func.func @records
func.func @records(%pages: memref<?x?x?xi8>, %b: index, %h: index, %t: index, %packed: i1, %s: tensor<128xf16>, %all: tensor<128x128xi8>) {
  // CHECK: tile.load_vector value_scale %{{.*}}[%{{.*}}, %{{.*}}] start %{{.*}} format <key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference> : memref<?x?x?xi8> -> tensor<32xf16>
  %0 = tile.load_vector value_scale %pages[%b, %h] start %t format #fmt : memref<?x?x?xi8> -> tensor<32xf16>
  // CHECK: tile.load_codes key %{{.*}}[%{{.*}}, %{{.*}}] start %{{.*}} format <{{.*}}> : memref<?x?x?xi8> -> tensor<128x32xi8>
  %1 = tile.load_codes key %pages[%b, %h] start %t format #fmt : memref<?x?x?xi8> -> tensor<128x32xi8>
  // CHECK: tile.load_codes value %{{.*}}[%{{.*}}, %{{.*}}] start %{{.*}} format <{{.*}}> : memref<?x?x?xi8> -> tensor<32x128xi8>
  %2 = tile.load_codes value %pages[%b, %h] start %t format #fmt : memref<?x?x?xi8> -> tensor<32x128xi8>
  // CHECK: tile.expand subnormal %{{.*}} part key format <{{.*}}> : tensor<128x32xi8> -> tensor<128x32xf16>
  %3 = tile.expand subnormal %1 part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf16>
  %mk = tile.load_codes key %pages[%b, %h] start %t format #chunked : memref<?x?x?xi8> -> tensor<128x32xi8>
  // CHECK: tile.expand subnormal whole_bytes %{{.*}} part key format <{{.*}}> : tensor<128x32xi8> -> tensor<128x32xf16>
  %mx = tile.expand subnormal whole_bytes %mk part key format #chunked : tensor<128x32xi8> -> tensor<128x32xf16>
  %ma = arith.constant dense<1.0> : tensor<8x128xf16>
  // CHECK: tile.subtract_top %{{.*}} part key format <{{.*}}> : tensor<8x128xf16>
  %ms = tile.subtract_top %ma part key format #chunked : tensor<8x128xf16>
  // CHECK: tile.expand convert %{{.*}} part value format <{{.*}}> : tensor<32x128xi8> -> tensor<32x128xf32>
  %4 = tile.expand convert %2 part value format #fmt : tensor<32x128xi8> -> tensor<32x128xf32>
  // CHECK: tile.expand_scale part key format <{{.*}}> : tensor<128xf32>
  %5 = tile.expand_scale part key format #fmt : tensor<128xf32>
  // CHECK: tile.store_vector key_scale %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] format <{{.*}}> : tensor<128xf16>, memref<?x?x?xi8>
  tile.store_vector key_scale %s, %pages[%b, %h] format #fmt : tensor<128xf16>, memref<?x?x?xi8>
  // CHECK: tile.store_codes value %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] format <{{.*}}> : tensor<128x128xi8>, memref<?x?x?xi8>
  tile.store_codes value %all, %pages[%b, %h] format #fmt : tensor<128x128xi8>, memref<?x?x?xi8>
  // CHECK: tile.alloc_slot : <<{{.*}}>, key>
  %slot = tile.alloc_slot : !tile.slot<#fmt, key>
  // CHECK: tile.async_copy %{{.*}}[%{{.*}}, %{{.*}}] to %{{.*}} if %{{.*}} : memref<?x?x?xi8>, <<{{.*}}>, key>
  %token = tile.async_copy %pages[%b, %h] to %slot if %packed : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  // CHECK: tile.wait %{{.*}}
  tile.wait %token
  // CHECK: tile.load_codes key %{{.*}}[] start %{{.*}} format <{{.*}}> : !tile.slot<<{{.*}}>, key> -> tensor<128x64xi8>
  %6 = tile.load_codes key %slot[] start %t format #fmt : !tile.slot<#fmt, key> -> tensor<128x64xi8>
  // CHECK: tile.load_vector key_token %{{.*}}[] start %{{.*}} format <{{.*}}> : !tile.slot<<{{.*}}>, key> -> tensor<64xf16>
  %7 = tile.load_vector key_token %slot[] start %t format #fmt : !tile.slot<#fmt, key> -> tensor<64xf16>
  // Of pages, codes do not change when they are copied.
  // CHECK: tile.load_codes key
  %paged = tile.load_codes key %pages[%b, %h] start %t format #fmt : memref<?x?x?xi8> -> tensor<128x64xi8>
  // CHECK: tile.alloc_slot
  %other = tile.alloc_slot : !tile.slot<#fmt, key>
  // CHECK: tile.async_copy
  %copied = tile.async_copy %pages[%b, %h] to %other if %packed : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  // CHECK: tile.expand convert
  %expanded = tile.expand convert %paged part key format #fmt : tensor<128x64xi8> -> tensor<128x64xf32>
  // The next copy may start behind all uses of these codes, and in another branch.
  // CHECK: scf.if
  scf.if %packed {
    // CHECK: tile.async_copy
    %again = tile.async_copy %pages[%b, %h] to %slot if %packed : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  } else {
    // CHECK: tile.expand convert
    %8 = tile.expand convert %6 part key format #fmt : tensor<128x64xi8> -> tensor<128x64xf32>
    // CHECK: tile.async_copy
    %again = tile.async_copy %pages[%b, %h] to %slot if %packed : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  }
  return
}
