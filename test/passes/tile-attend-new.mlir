// kvarn.attend and kvarn.attention with new K and V: their tiles come first.

// DEFINE: %{schedule} =
// DEFINE: %{tile} = kvarn-opt %s --split-input-file --kvarn-tile=schedule=%{schedule} --canonicalize --cse

// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=32,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=32,warps=4,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=WARPS
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=32,warps=1,splits=3,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=SPLITS
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=32,warps=4,splits=0,copy=async,expand=convert,operand=f32,register_rows=4,register_columns=32,programs=2>'
// RUN: %{tile} | FileCheck %s --check-prefix=SHARES
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=32,warps=4,splits=1,copy=async,expand=convert,operand=f16,register_rows=4,register_columns=32,query=shared>'
// RUN: %{tile} | FileCheck %s --check-prefix=KEPT

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

// CHECK: tile.kernel @prompt_attend(%[[Q:[a-z0-9]+]]: {{.*}}, %[[NK:[a-z0-9]+]]: memref<?x?x128xbf16, {{[^%]*}}, %[[NV:[a-z0-9]+]]: memref<?x?x128xbf16, {{[^%]*}}, %[[OUT:[a-z0-9]+]]: memref<?x?x128xbf16, {{[^%]*}}) attributes
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C32:.*]] = arith.constant 32 : index
// CHECK: %[[HEAD:.*]] = tile.program_id x
// CHECK: %[[COUNT:.*]] = arith.subi
// CHECK: %[[LENGTH:.*]] = arith.index_cast
// What the cache holds ends before the new tokens.
// CHECK: %[[BEFORE:.*]] = arith.subi %[[LENGTH]], %[[COUNT]]
// CHECK: %[[CACHED:.*]] = arith.maxsi %[[BEFORE]], %[[C0]]
// CHECK: scf.for
// Rows see less of the cache than of all.
// CHECK: arith.minsi %{{.*}}, %[[CACHED]] : index
// CHECK: %[[SOME:.*]] = arith.cmpi slt
// CHECK: %[[NEW:.*]]:3 = scf.if %[[SOME]] -> (tensor<4xf32>, tensor<4xf32>, tensor<4x128xf32>) {
// The query as it came: not rotated, nor are keys and values.
// CHECK-NOT: tile.hadamard
// CHECK: tile.load %[[Q]]
// CHECK: %[[SUM:.*]]:3 = scf.for %[[TILE:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args
// CHECK: %[[OFFSET:.*]] = arith.muli %[[TILE]], %[[C32]]
// CHECK: arith.addi %[[CACHED]], %[[OFFSET]]
// CHECK: arith.cmpi slt, %{{.*}} : tensor<32xindex>
// CHECK: tile.load %[[NK]][%{{.*}}, %[[HEAD]], %[[C0]]] mask {{.*}} -> tensor<32x128xbf16>
// CHECK: tile.load %[[NV]][%{{.*}}, %[[HEAD]], %[[C0]]] mask {{.*}} -> tensor<32x128xbf16>
// CHECK-NOT: tile.hadamard
// CHECK: tile.dot {{.*}} -> tensor<4x32xf32>
// CHECK: scf.yield
// The weighted sum is, once.
// CHECK: %[[TURNED:.*]] = tile.hadamard %[[SUM]]#2
// CHECK: %[[FRAME:.*]] = arith.mulf %[[TURNED]],
// CHECK: scf.yield %[[SUM]]#0, %[[SUM]]#1, %[[FRAME]]
// CHECK: } else {
// CHECK-NEXT: scf.yield
// Then the cache, with the rotated query.
// CHECK: tile.load %[[Q]]
// CHECK: tile.hadamard
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[NEW]]#0, %{{.*}} = %[[NEW]]#1, %{{.*}} = %[[NEW]]#2)
// Of the last block of the pool only what the cache holds.
// CHECK: tile.load_codes
// CHECK: } else {
// CHECK: %[[ALL:.*]] = tile.splat %[[CACHED]]
// CHECK: arith.cmpi slt, %{{.*}}, %[[ALL]] : tensor<32xindex>

// Warps share the tiles, then the blocks.
// WARPS: tile.kernel @prompt_attend(
// WARPS: tile.warps 4 (%[[W:.*]]) ->
// WARPS: %[[FIRST:.*]] = arith.addi %{{.*}}, %[[W]]
// WARPS: arith.cmpi slt, %[[FIRST]],
// WARPS: scf.if
// WARPS: scf.for %{{.*}} = %[[FIRST]] to
// WARPS: tile.hadamard
// WARPS: scf.for
// WARPS: tile.yield

// Parts are cut from blocks of the cache and of new tokens together: four tiles
// are as much as a block.
// SPLITS: tile.kernel @prompt_attend(
// SPLITS-DAG: %[[C3:.*]] = arith.constant 3 : index
// SPLITS-DAG: %[[C4:.*]] = arith.constant 4 : index
// SPLITS: %[[TILES:.*]] = arith.addi %{{.*}}, %[[C3]] : index
// SPLITS-NEXT: %[[NEWBLOCKS:.*]] = arith.divui %[[TILES]], %[[C4]] : index
// SPLITS-NEXT: %[[BLOCKS:.*]] = arith.addi %{{.*}}, %[[NEWBLOCKS]] : index
// SPLITS-NEXT: %[[UP:.*]] = arith.addi %[[BLOCKS]], %c2 : index
// SPLITS-NEXT: arith.divui %[[UP]], %[[C3]] : index
// SPLITS: tile.launch @prompt_attend
// SPLITS-SAME: %[[NK:[a-z0-9]+]], %[[NV:[a-z0-9]+]], %[[P:[a-z0-9_]+]], %[[PL:[a-z0-9_]+]]) :
// What sums parts does not take them.
// SPLITS: tile.launch @prompt_combine
// SPLITS-NOT: %[[NK]]
// SPLITS: return

// A row tile from the end follows one from the beginning, so they do not go
// round the programs: each has one range.
// SHARES: tile.kernel @prompt_attend(
// SHARES: scf.for %{{.*}} = %{{.*}} to %[[PROGRAMS:.*]] step %[[PROGRAMS]] {
// SHARES: %[[HALF:.*]] = arith.divui %[[UNIT:.*]], %c2
// SHARES: arith.remui %[[UNIT]], %c2
// SHARES: arith.select %{{.*}}, %[[HALF]],
// SHARES: tile.warps
// SHARES: tile.hadamard
// SHARES: tile.async_copy
// SHARES: tile.arrive

// A query that waits in shared memory is made first: beside the sum of new
// tokens it would need as many registers again.
// KEPT: tile.kernel @prompt_attend(
// KEPT: tile.warps 4
// KEPT-NOT: scf.if
// KEPT: tile.hadamard
// KEPT: %[[QUERY:.*]] = tile.keep
// KEPT: scf.if
// KEPT: tile.hadamard
// KEPT-NOT: tile.hadamard
// KEPT: tile.async_copy
// KEPT-NOT: {{tile.keep|tile.hadamard}}
// KEPT: tile.dot {{.*}}%[[QUERY]],
// KEPT: tile.yield
func.func @prompt(%q: tensor<?x?x128xbf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %nk: tensor<?x?x128xbf16>, %nv: tensor<?x?x128xbf16>) -> tensor<?x?x128xbf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 new %nk, %nv : tensor<?x?x128xbf16>, tensor<?x?x128xbf16> causal rotate_query rotate_new rotate_output : tensor<?x?x128xbf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xbf16>
  return %o : tensor<?x?x128xbf16>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

// A query that came rotated is rotated back for new tokens.
// CHECK: tile.kernel @rotated_query_attend(
// CHECK: scf.if
// CHECK: tile.load {{.*}} -> tensor<4x128xf16>
// CHECK: tile.hadamard
// CHECK: scf.for
// CHECK: tile.hadamard
// CHECK: } else {
// CHECK: tile.load {{.*}} -> tensor<4x128xf16>
// CHECK-NOT: tile.hadamard
// CHECK: tile.return
// CHECK: func.func @rotated_query(
func.func @rotated_query(%q: tensor<?x?x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %nk: tensor<?x?x128xf16>, %nv: tensor<?x?x128xf16>) -> tensor<?x?x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 new %nk, %nv : tensor<?x?x128xf16>, tensor<?x?x128xf16> causal rotate_new : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xf16>
  return %o : tensor<?x?x128xf16>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

// New tokens in the frame of the cache: the rotated query for both, no more.
// CHECK: tile.kernel @rotated_new_attend(
// CHECK: scf.if
// CHECK: tile.hadamard
// CHECK: scf.for
// CHECK-NOT: tile.hadamard
// CHECK: } else {
// CHECK: tile.hadamard
// CHECK-NOT: tile.hadamard
// CHECK: tile.return
// CHECK: func.func @rotated_new(
// KEPT: tile.kernel @rotated_new_attend(
// KEPT: tile.hadamard
// KEPT: %[[SAME:.*]] = tile.keep
// KEPT-NOT: {{tile.keep|tile.hadamard}}
// KEPT: scf.if
// KEPT-NOT: {{tile.keep|tile.hadamard}}
// KEPT: tile.dot %[[SAME]],
// KEPT-NOT: {{tile.keep|tile.hadamard}}
// KEPT: tile.yield
func.func @rotated_new(%q: tensor<?x?x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %nk: tensor<?x?x128xf16>, %nv: tensor<?x?x128xf16>) -> tensor<?x?x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 new %nk, %nv : tensor<?x?x128xf16>, tensor<?x?x128xf16> causal rotate_query : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xf16>
  return %o : tensor<?x?x128xf16>
}

// -----

// Dense K and V: the same, without frames. A block is as long as a tile.
// CHECK: tile.kernel @dense_attend(
// CHECK-NOT: tile.hadamard
// CHECK: %[[NEW:.*]]:3 = scf.if
// CHECK: tile.load {{.*}} -> tensor<32x128xf16>
// CHECK: } else {
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[NEW]]#0,
// CHECK: tile.load {{.*}} -> tensor<32x128xf16>
// CHECK: tile.launch @dense_attend
func.func @dense(%q: tensor<?x?x128xf16>, %k: tensor<?x?x?x128xf16>, %v: tensor<?x?x?x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %nk: tensor<?x?x128xf16>, %nv: tensor<?x?x128xf16>) -> tensor<?x?x128xf16> {
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 new %nk, %nv : tensor<?x?x128xf16>, tensor<?x?x128xf16> causal : tensor<?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x?x128xf16>
  return %o : tensor<?x?x128xf16>
}
