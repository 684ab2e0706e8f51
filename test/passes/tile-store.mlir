// kvarn.append and kvarn.flush as tile kernels.

// RUN: kvarn-opt %s --split-input-file --kvarn-tile=target=x86-64-v3 --canonicalize --cse | FileCheck %s
// RUN: kvarn-opt %s --split-input-file '--kvarn-tile=schedule=<rows=4,tokens=32,pool_tokens=32,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>' --canonicalize --cse | FileCheck %s --check-prefix=ROWS4

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

// CHECK: tile.kernel @append_append(%[[K:[a-z0-9]+]]: memref<?x?x128xbf16, {{.*}}>, %[[V:[a-z0-9]+]]: memref<?x?x128xbf16, {{.*}}>, %[[MAP:[a-z0-9]+]]: memref<?xi64>, %[[PK:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}>, %[[PV:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}>, %[[SLOTS:[a-z0-9]+]]: memref<?xi32>) attributes {schedule = #kvarn.schedule<rows = 16,
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
// CHECK-DAG: %[[C64:.*]] = arith.constant 64 : index
// CHECK: %[[PROGRAM:.*]] = tile.program_id x
// CHECK-NOT: tile.program_id y
// CHECK: arith.muli %[[PROGRAM]], %[[C16]]
// A row is a token and a head; rows behind the last are masked.
// CHECK: memref.dim %[[K]], %c0
// CHECK: memref.dim %[[K]], %c1
// CHECK: %[[VALID:.*]] = arith.cmpi slt
// CHECK: arith.remui
// CHECK: arith.divui
// CHECK: tile.gather %[[MAP]][%{{.*}}] mask %[[VALID]]
// Negative places are skipped, and so are blocks without a slot.
// CHECK: %[[WANTED:.*]] = arith.cmpi sle
// CHECK: %[[BOTH:.*]] = arith.andi %[[VALID]], %[[WANTED]]
// CHECK: %[[GROUP:.*]] = tile.splat %[[C64]]
// CHECK: arith.divui %{{.*}}, %[[GROUP]]
// CHECK: tile.gather %[[SLOTS]][%{{.*}}] mask %[[BOTH]]
// CHECK: arith.cmpi sle
// CHECK: %[[PRESENT:.*]] = arith.andi %[[BOTH]]
// CHECK: arith.remui %{{.*}}, %[[GROUP]]
// CHECK: tile.load %[[K]]{{.*}} mask %[[PRESENT]] {{.*}} -> tensor<16x128xbf16
// CHECK: tile.hadamard
// CHECK: arith.truncf {{.*}} to tensor<16x128xf16
// CHECK: tile.store %{{.*}}, %[[PK]]{{.*}} mask %[[PRESENT]]
// CHECK: tile.load %[[V]]{{.*}} mask %[[PRESENT]]
// CHECK: tile.hadamard
// CHECK: tile.store %{{.*}}, %[[PV]]{{.*}} mask %[[PRESENT]]
// CHECK: tile.return

// Pages, table and lengths are not arguments: no kernel reads them.
// CHECK: func.func @append(%[[K:[a-z0-9]+]]: memref<?x?x128xbf16, {{.*}}> {kvarn.name = "k"}, %[[V:[a-z0-9]+]]: memref<?x?x128xbf16, {{.*}}> {kvarn.name = "v"}, %[[MAP:[a-z0-9]+]]: memref<?xi64> {kvarn.name = "slot_mapping"}, %[[PK:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}> {kvarn.name = "pool_k", kvarn.output}, %[[PV:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}> {kvarn.name = "pool_v", kvarn.output}, %[[SLOTS:[a-z0-9]+]]: memref<?xi32> {kvarn.name = "block_to_slot"}) {
// CHECK-DAG: %[[T:.*]] = memref.dim %[[K]], %c0
// CHECK-DAG: %[[H:.*]] = memref.dim %[[K]], %c1
// CHECK: %[[N:.*]] = arith.muli %[[T]], %[[H]]
// CHECK: %[[UP:.*]] = arith.addi %[[N]], %c15
// CHECK: %[[X:.*]] = arith.divui %[[UP]], %c16
// CHECK: tile.launch @append_append grid(%[[X]], %c1, %c1) (%[[K]], %[[V]], %[[MAP]], %[[PK]], %[[PV]], %[[SLOTS]])
// CHECK-NEXT: return{{$}}

// ROWS4: tile.kernel @append_append({{.*}}rows = 4,
// ROWS4: tile.load {{.*}} -> tensor<4x128xbf16
// ROWS4: func.func @append
// ROWS4: arith.divui %{{.*}}, %c4
func.func @append(%k: tensor<?x?x128xbf16> {kvarn.name = "k"}, %v: tensor<?x?x128xbf16> {kvarn.name = "v"}, %map: tensor<?xi64> {kvarn.name = "slot_mapping"},
    %pages: tensor<?x?x?xi8> {kvarn.name = "pages"}, %pool_k: tensor<?x64x?x128xf16> {kvarn.name = "pool_k"}, %pool_v: tensor<?x64x?x128xf16> {kvarn.name = "pool_v"},
    %table: tensor<?x?xi32> {kvarn.name = "block_table"}, %slots: tensor<?xi32> {kvarn.name = "block_to_slot"}, %lens: tensor<?xi32> {kvarn.name = "seq_lens"}) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.append %k, %v, %map, %cache rotate : tensor<?x?x128xbf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

// Without the flag nothing is rotated.
// CHECK: tile.kernel @unrotated_append(
// CHECK-NOT: tile.hadamard
// CHECK: tile.return
func.func @unrotated(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %map: tensor<?xi64>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.append %k, %v, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

// CHECK: tile.kernel @flush_flush(%[[PAIRS:[a-z0-9]+]]: memref<?x2xi32, {{.*}}>, %[[COUNT:[a-z0-9]+]]: memref<1xi32>, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, {{.*}}>, %[[PK:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}>, %[[PV:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}>) attributes {schedule =
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK: %[[PAIR:.*]] = tile.program_id x
// CHECK: %[[HEAD:.*]] = tile.program_id y
// CHECK: %[[PART:.*]] = tile.program_id z
// Pairs behind the count are nothing.
// CHECK: memref.load %[[COUNT]]
// CHECK: %[[USED:.*]] = arith.cmpi slt, %[[PAIR]]
// CHECK: scf.if %[[USED]] {
// CHECK: memref.load %[[PAIRS]][%[[PAIR]], %c0]
// CHECK: memref.load %[[PAIRS]][%[[PAIR]], %c1]
// The keys: rows are channels, so the tile is reduced along its tokens.
// CHECK: arith.cmpi eq, %[[PART]], %c0
// CHECK: scf.if
// CHECK: tile.load %[[PK]][%{{.*}}, %{{.*}}, %[[HEAD]], %c0] {{.*}} -> tensor<64x128xf16
// The tile as it is and `iterations` rounds, of which the best is kept. A round
// looks at the tile twice: divided by the scales of its columns for the rows,
// and the other way round.
// CHECK: scf.for %{{.*}} = %c0 to %[[C4]] step %c1 iter_args
// CHECK: math.log
// CHECK: math.exp
// CHECK: tile.reduce squares {{.*}} dim 0
// CHECK: tile.reduce squares {{.*}} dim 1
// CHECK-NOT: tile.reduce squares
// CHECK: math.sqrt
// CHECK: arith.cmpf ole
// CHECK: arith.select
// CHECK: scf.yield
// CHECK: math.roundeven
// CHECK: %[[CODES:.*]] = arith.trunci {{.*}} to tensor<64x128xi8
// CHECK: tile.store_codes key %[[CODES]], %[[PAGES]]
// CHECK: tile.store_vector key_scale {{.*}} tensor<128xf16
// CHECK: tile.store_vector key_zero {{.*}} tensor<128xf16
// CHECK: tile.store_vector key_token {{.*}} tensor<64xf16
// CHECK: scf.if
// CHECK: tile.load %[[PV]][%{{.*}}, %{{.*}}, %[[HEAD]], %c0]
// CHECK: tile.store_codes value
// CHECK: tile.store_vector value_scale {{.*}} tensor<64xf16
// CHECK: tile.store_vector value_zero {{.*}} tensor<64xf16
// CHECK: tile.store_vector value_channel {{.*}} tensor<128xf16
// CHECK: tile.return

// Capacity, heads, two parts; the pages are written.
// CHECK: func.func @flush(%[[PAIRS:[a-z0-9]+]]: memref<?x2xi32, {{.*}}>, %[[COUNT:[a-z0-9]+]]: memref<1xi32>, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, strided<[?, ?, 1]>> {kvarn.output}, %[[PK:[a-z0-9]+]]: memref<?x64x?x128xf16, {{[^{]*}}, %[[PV:[a-z0-9]+]]: memref<?x64x?x128xf16, {{[^{]*}}) {
// CHECK-DAG: %[[H:.*]] = memref.dim %[[PAGES]], %c1
// CHECK-DAG: %[[N:.*]] = memref.dim %[[PAIRS]], %c0
// CHECK: tile.launch @flush_flush grid(%[[N]], %[[H]], %c2) (%[[PAIRS]], %[[COUNT]], %[[PAGES]], %[[PK]], %[[PV]])
// CHECK-NEXT: return{{$}}
func.func @flush(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.flush %pairs, %count, %cache {iterations = 3 : i64} : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

// No rounds at all: no loop, and without prescale no logarithm either.
// CHECK: tile.kernel @no_rounds_flush(
// CHECK-NOT: math.log
// CHECK: tile.store_codes key
// CHECK-NOT: math.log
// CHECK: tile.store_codes value
// CHECK: tile.return
func.func @no_rounds(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.flush %pairs, %count, %cache {iterations = 0 : i64} : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

// prescale takes a logarithm, and mse searches.
// CHECK: tile.kernel @options_flush(
// CHECK: math.log2
// CHECK: math.roundeven
// CHECK: math.roundeven
// CHECK: tile.store_codes key
// CHECK: math.log2
// CHECK: tile.store_codes value
// CHECK: tile.return
func.func @options(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.flush %pairs, %count, %cache {iterations = 0 : i64, prescale, range = #kvarn<range mse>} : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

// Append, then flush: two kernels, in this order, on the same tensors. All three
// are outputs.
// CHECK: func.func @both({{.*}}, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, strided<[?, ?, 1]>> {kvarn.output}, %[[PK:[a-z0-9]+]]: memref<?x64x?x128xf16, strided<[?, ?, ?, 1]>> {kvarn.output}, %[[PV:[a-z0-9]+]]: memref<?x64x?x128xf16, strided<[?, ?, ?, 1]>> {kvarn.output}
// CHECK: tile.launch @both_append grid({{.*}}) ({{.*}}, %[[PK]], %[[PV]], %{{.*}})
// CHECK: tile.launch @both_flush grid({{.*}}) ({{.*}}, %[[PAGES]], %[[PK]], %[[PV]])
// CHECK-NEXT: return
func.func @both(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %map: tensor<?xi64>, %pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.append %k, %v, %map, %cache rotate : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  %last = kvarn.flush %pairs, %count, %new : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %last : !kvarn.cache<#fmt>
}
