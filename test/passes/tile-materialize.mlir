// kvarn.dequantize and kvarn.materialize as tile kernels.

// RUN: kvarn-opt %s --split-input-file --kvarn-tile --canonicalize --cse | FileCheck %s
// RUN: kvarn-opt %s --split-input-file '--kvarn-tile=schedule=<rows=16,tokens=32,pool_tokens=32,warps=2,splits=1,copy=direct,expand=convert,operand=f16,register_rows=8,register_columns=128>' --canonicalize --cse | FileCheck %s --check-prefix=NARROW
// RUN: kvarn-opt %s --split-input-file '--kvarn-tile=schedule=<rows=16,tokens=32,pool_tokens=32,warps=2,splits=1,copy=async,expand=convert,operand=f16,register_rows=8,register_columns=128>' --canonicalize --cse | FileCheck %s --check-prefix=ASYNC
// RUN: kvarn-opt %s --split-input-file '--kvarn-tile=schedule=<rows=4,tokens=32,pool_tokens=32,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>' --canonicalize --cse | FileCheck %s --check-prefix=TOKENS

#fmt = #kvarn.format<key_bits = 8, value_bits = 4, group = 64, head_dim = 128, layout = mma16816>

// CHECK: tile.kernel @original_materialize(%[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, {{.*}}>, %[[PK:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}>, %[[PV:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}>, %[[TABLE:[a-z0-9]+]]: memref<?x?xi32, {{.*}}>, %[[SLOTS:[a-z0-9]+]]: memref<?xi32>, %[[LENS:[a-z0-9]+]]: memref<?xi32>, %[[KO:[a-z0-9]+]]: memref<?x?x?x128xbf16, {{.*}}>, %[[VO:[a-z0-9]+]]: memref<?x?x?x128xbf16, {{.*}}>) attributes {schedule =
// CHECK: %[[HEAD:.*]] = tile.program_id x
// CHECK: %[[BLOCK:.*]] = tile.program_id y
// CHECK: %[[REQUEST:.*]] = tile.program_id z
// Table and slots are read only below the length.
// CHECK: memref.load %[[LENS]][%[[REQUEST]]]
// CHECK: scf.if
// CHECK-NEXT: memref.load %[[TABLE]][%[[REQUEST]], %[[BLOCK]]]
// CHECK: memref.load %[[SLOTS]]
// Packed. Positions behind the length are not written.
// CHECK: scf.if
// CHECK: tile.load_codes key %[[PAGES]]{{.*}} -> tensor<128x64xi8
// CHECK: tile.load_vector key_scale
// CHECK: tile.load_vector key_zero
// CHECK: tile.load_vector key_token
// CHECK: tile.hadamard
// CHECK: %[[DIM:.*]] = memref.dim %[[KO]], %c1
// CHECK: %[[END:.*]] = arith.minsi %{{.*}}, %[[DIM]]
// CHECK: %[[ENDS:.*]] = tile.splat %[[END]]
// CHECK: %[[EXISTS:.*]] = arith.cmpi slt, %{{.*}}, %[[ENDS]]
// CHECK: arith.truncf {{.*}} to tensor<64x128xbf16
// CHECK: tile.store %{{.*}}, %[[KO]]{{.*}} mask %[[EXISTS]]
// CHECK: tile.load_codes value %[[PAGES]]{{.*}} -> tensor<64x128xi8
// CHECK: tile.load_vector value_scale
// CHECK: tile.load_vector value_zero
// CHECK: tile.load_vector value_channel
// CHECK: tile.hadamard
// CHECK: tile.store %{{.*}}, %[[VO]]{{.*}} mask
// In the pool.
// CHECK: scf.if
// CHECK: tile.load %[[PK]]{{.*}} mask {{.*}} -> tensor<64x128xf16
// CHECK: tile.hadamard
// CHECK: tile.store %{{.*}}, %[[KO]]
// CHECK: tile.load %[[PV]]{{.*}} mask
// CHECK: tile.hadamard
// CHECK: tile.store %{{.*}}, %[[VO]]
// What lies behind the last token becomes 0.
// CHECK: %[[UP:.*]] = arith.addi %{{.*}}, %c64
// CHECK: %[[LAST:.*]] = arith.cmpi slt, %{{.*}}, %[[UP]]
// CHECK: scf.if %[[LAST]]
// CHECK: %[[BEHIND:.*]] = arith.cmpi sle
// CHECK: %[[ROOM:.*]] = arith.cmpi slt
// CHECK: %[[ZEROS:.*]] = arith.andi %[[BEHIND]], %[[ROOM]]
// CHECK: tile.store %cst{{.*}}, %[[KO]]{{.*}} mask %[[ZEROS]]
// CHECK: tile.store %cst{{.*}}, %[[VO]]
// CHECK: tile.return

// CHECK: func.func @original(%[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, {{.*}}>, {{.*}} %[[TABLE:[a-z0-9]+]]: memref<?x?xi32, {{.*}}>, %[[SLOTS:[a-z0-9]+]]: memref<?xi32>, %[[LENS:[a-z0-9]+]]: memref<?xi32>, %[[KO:[a-z0-9]+]]: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1]>> {kvarn.name = "k_out", kvarn.output}, %[[VO:[a-z0-9]+]]: memref<?x?x?x128xbf16, strided<[?, ?, ?, 1]>> {kvarn.name = "v_out", kvarn.output}) {
// As many blocks as the caller's tensor has room for.
// CHECK-DAG: %[[H:.*]] = memref.dim %[[PAGES]], %c1
// CHECK-DAG: %[[B:.*]] = memref.dim %[[LENS]], %c0
// CHECK-DAG: %[[L:.*]] = memref.dim %[[KO]], %c1
// CHECK: %[[UP:.*]] = arith.addi %[[L]], %c63
// CHECK: %[[N:.*]] = arith.divui %[[UP]], %c64
// CHECK-NOT: memref.alloc
// CHECK: tile.launch @original_materialize grid(%[[H]], %[[N]], %[[B]])
// CHECK-NEXT: return{{$}}

// With narrow operands each warp has tiles of its own, all of a tile is loaded
// first, and products with the Hadamard matrix rotate. The scale of rotation and
// the unit of the operands are factors of the matrix.
// Products of rows and columns are no larger than values of records are.
// NARROW: tile.kernel @original_materialize(
// NARROW: %[[LARGEST:.*]] = arith.constant 0x49800000 : f32
// NARROW-NOT: tile.hadamard %
// NARROW: tile.warps 2 (%[[WARP:.*]]) {
// NARROW: %[[FROM:.*]] = arith.muli %[[WARP]], %c32
// NARROW: scf.for %[[T:.*]] = %[[FROM]] to %c64 step %c64
// NARROW: tile.load_codes key {{.*}} start %[[T]] {{.*}} -> tensor<128x32xi8
// NARROW: tile.load_codes value {{.*}} start %[[T]] {{.*}} -> tensor<32x128xi8
// NARROW: arith.minimumf %{{.*}}, %[[LARGEST]] : f32
// NARROW: tile.load_vector value_channel
// NARROW: arith.minimumf %{{.*}}, %[[LARGEST]] : f32
// NARROW: tile.expand
// NARROW: %[[KEYS:.*]] = tile.transpose
// NARROW: %[[UNIT:.*]] = arith.mulf %{{.*}}, %{{.*}} : f32
// NARROW: %[[ENTRY:.*]] = arith.truncf %[[UNIT]] : f32 to f16
// NARROW: %[[SIGNS:.*]] = tile.hadamard_matrix %c0 : tensor<128x128xf16>
// NARROW: %[[ENTRIES:.*]] = tile.splat %[[ENTRY]]
// NARROW: %[[MATRIX:.*]] = arith.mulf %[[SIGNS]], %[[ENTRIES]]
// NARROW: tile.dot %[[KEYS]], %[[MATRIX]]
// NARROW: tile.store {{.*}}, %c0] {{.*}} : tensor<32x128xbf16>
// NARROW: %[[OTHER:.*]] = arith.mulf %[[SIGNS]], %{{.*}}
// NARROW: tile.dot %{{.*}}, %[[OTHER]]
// NARROW: tile.kernel @rotated_materialize(
// NARROW-NOT: tile.warps
// NARROW: func.func @rotated(

// With slots each warp has blocks of its own, heads of one block beside one
// another, and reads a part when it needs it.
// ASYNC: tile.kernel @original_materialize(
// ASYNC: tile.warps 2 (%[[WARP:.*]]) {
// ASYNC: %[[KS:.*]] = tile.alloc_slot : {{.*}}, key>
// ASYNC: %[[VS:.*]] = tile.alloc_slot : {{.*}}, value>
// ASYNC: %[[X:.*]] = tile.program_id x
// ASYNC: %[[TWO:.*]] = arith.muli %[[X]], %c2
// ASYNC: %[[ITEM:.*]] = arith.addi %[[TWO]], %[[WARP]]
// ASYNC: %[[HEADS:.*]] = memref.dim %arg0, %c1
// ASYNC: %[[HEAD:.*]] = arith.remui %[[ITEM]], %[[HEADS]]
// ASYNC: arith.divui %[[ITEM]], %[[HEADS]]
// ASYNC: %[[INSIDE:.*]] = arith.cmpi slt
// ASYNC: %[[FREE:.*]] = arith.cmpi slt
// ASYNC: %[[PACKED:.*]] = arith.andi %[[INSIDE]], %[[FREE]]
// ASYNC: %[[KEYS:.*]] = tile.async_copy %arg0[%{{.*}}, %[[HEAD]]] to %[[KS]] if %[[PACKED]]
// ASYNC: %[[VALUES:.*]] = tile.async_copy %arg0[%{{.*}}, %[[HEAD]]] to %[[VS]] if %[[PACKED]]
// ASYNC: scf.for %[[T:.*]] = %c0 to %c64 step %c32
// ASYNC: tile.wait %[[KEYS]]
// ASYNC: tile.load_codes key %[[KS]]
// ASYNC: tile.dot
// ASYNC: tile.wait %[[VALUES]]
// ASYNC: tile.load_codes value %[[VS]]
// ASYNC: tile.dot
// ASYNC: func.func @original(
// ASYNC: %[[ALL:.*]] = arith.muli
// ASYNC: %[[UP:.*]] = arith.addi %[[ALL]], %c1
// ASYNC: %[[N:.*]] = arith.divui %[[UP]], %c2
// ASYNC: tile.launch @original_materialize grid(%[[N]], %c1, %{{.*}})
// ASYNC: tile.kernel @rotated_materialize(
// ASYNC-NOT: tile.alloc_slot
// ASYNC: func.func @rotated(

// TOKENS: tile.kernel @original_materialize(
// TOKENS-DAG: %[[C64:.*]] = arith.constant 64 : index
// TOKENS-DAG: %[[C32:.*]] = arith.constant 32 : index
// TOKENS: scf.for %[[T:.*]] = %c0 to %[[C64]] step %[[C32]]
// TOKENS: tile.load_codes key {{.*}} start %[[T]] {{.*}} -> tensor<128x32xi8
// TOKENS: tile.load_vector key_token {{.*}} start %[[T]] {{.*}} -> tensor<32xf16
// TOKENS: tile.load_codes value {{.*}} start %[[T]] {{.*}} -> tensor<32x128xi8
// TOKENS: tile.store {{.*}} tensor<32x128xbf16
func.func @original(%pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (tensor<?x?x?x128xbf16> {kvarn.name = "k_out"}, tensor<?x?x?x128xbf16> {kvarn.name = "v_out"}) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.materialize %cache {frame = #kvarn<frame original>} : !kvarn.cache<#fmt> -> tensor<?x?x?x128xbf16>
  return %k, %v : tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>
}

// -----

#fmt = #kvarn.format<key_bits = 8, value_bits = 4, group = 64, head_dim = 128, layout = mma16816>

// CHECK: tile.kernel @rotated_materialize(
// CHECK-NOT: tile.hadamard
// CHECK: tile.return
func.func @rotated(%pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.materialize %cache {frame = #kvarn<frame rotated>} : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  return %k, %v : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// -----

#fmt = #kvarn.format<key_bits = 8, value_bits = 4, group = 64, head_dim = 128, layout = mma16816>

// dequantize is materialize in the rotated frame. V goes to the caller, K, which
// only a rotation reads, to a buffer of max_blocks * group tokens.
// CHECK: tile.kernel @dequantize_materialize(
// CHECK-NOT: tile.hadamard
// CHECK: tile.return
// CHECK: tile.kernel @dequantize_rotate(
// CHECK: tile.hadamard
// CHECK: func.func @dequantize(%[[PAGES:[a-z0-9]+]]: memref{{.*}}, %[[TABLE:[a-z0-9]+]]: memref<?x?xi32, {{.*}}>, %{{.*}}: memref<?xi32>, %[[LENS:[a-z0-9]+]]: memref<?xi32>, %[[V:[a-z0-9]+]]: memref<?x?x?x128xf32, {{.*}}> {kvarn.name = "result0", kvarn.output}, %[[K:[a-z0-9]+]]: memref<?x?x?x128xf32, {{.*}}> {kvarn.name = "result1", kvarn.output}) {
// CHECK-DAG: %[[H:.*]] = memref.dim %[[PAGES]], %c1
// CHECK-DAG: %[[B:.*]] = memref.dim %[[LENS]], %c0
// CHECK-DAG: %[[M:.*]] = memref.dim %[[TABLE]], %c1
// CHECK: %[[L:.*]] = arith.muli %[[M]], %c64
// CHECK: %[[BUFFER:.*]] = memref.alloc(%[[B]], %[[L]], %[[H]]) : memref<?x?x?x128xf32>
// CHECK: tile.launch @dequantize_materialize grid({{.*}}) ({{.*}}, %[[BUFFER]], %[[V]])
// CHECK: tile.launch @dequantize_rotate grid({{.*}}) (%[[BUFFER]], %[[K]])
// CHECK-NEXT: return{{$}}
func.func @dequantize(%pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (tensor<?x?x?x128xf32>, tensor<?x?x?x128xf32>) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf32>
  %kr = kvarn.rotate %k : tensor<?x?x?x128xf32>
  return %v, %kr : tensor<?x?x?x128xf32>, tensor<?x?x?x128xf32>
}
