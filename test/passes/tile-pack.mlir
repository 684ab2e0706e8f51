// kvarn.pack as a tile kernel: what kvarn.flush does, from rows of K and V that are
// rotated and rounded as they would be in the pool.

// RUN: kvarn-opt %s --kvarn-tile=target=sm_90a --canonicalize --cse | FileCheck %s

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = mma16816>

// CHECK: tile.kernel @pack_pack(%[[PAIRS:[a-z0-9]+]]: memref<?x2xi32, {{.*}}>, %[[COUNT:[a-z0-9]+]]: memref<1xi32>, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, {{.*}}>, %[[K:[a-z0-9]+]]: memref<?x?x128xbf16, {{.*}}>, %[[V:[a-z0-9]+]]: memref<?x?x128xbf16, {{.*}}>) attributes
// CHECK: %[[PAIR:.*]] = tile.program_id x
// CHECK: %[[HEAD:.*]] = tile.program_id y
// CHECK: %[[PART:.*]] = tile.program_id z
// CHECK: %[[I:.*]] = memref.load %[[PAIRS]][%[[PAIR]], %c0]
// CHECK: %[[BLOCK:.*]] = arith.index_cast %[[I]]
// CHECK: %[[I:.*]] = memref.load %[[PAIRS]][%[[PAIR]], %c1]
// CHECK: %[[FIRST:.*]] = arith.index_cast %[[I]]
// CHECK: %[[FROM:.*]] = tile.splat %[[FIRST]]
// CHECK: %[[ROWS:.*]] = arith.addi %[[FROM]]
// CHECK: tile.load %[[K]][%[[ROWS]], %[[HEAD]], %c0] {{.*}} -> tensor<64x128xbf16>
// CHECK: tile.hadamard
// CHECK: arith.truncf {{.*}} : tensor<64x128xf32> to tensor<64x128xf16>
// CHECK: scf.for
// CHECK: tile.store_codes key %{{.*}}, %[[PAGES]][%[[BLOCK]], %[[HEAD]]]
// CHECK-COUNT-3: tile.store_vector key_
// CHECK: tile.load %[[V]][%{{.*}}, %[[HEAD]], %c0] {{.*}} -> tensor<64x128xbf16>
// CHECK: tile.hadamard
// CHECK: arith.truncf {{.*}} : tensor<64x128xf32> to tensor<64x128xf16>
// CHECK: tile.store_codes value %{{.*}}, %[[PAGES]][%[[BLOCK]], %[[HEAD]]]
// CHECK-COUNT-3: tile.store_vector value_
// CHECK: tile.return
// CHECK: func.func @pack(%[[K:[a-z0-9]+]]: memref<?x?x128xbf16, {{.*}}>, %[[V:[a-z0-9]+]]: memref<?x?x128xbf16, {{.*}}>, %[[PAIRS:[a-z0-9]+]]: memref<?x2xi32, {{.*}}>, %[[COUNT:[a-z0-9]+]]: memref<1xi32>, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, strided<[?, ?, 1]>> {kvarn.output}) {
// CHECK: tile.launch @pack_pack grid({{.*}}, %c2) (%[[PAIRS]], %[[COUNT]], %[[PAGES]], %[[K]], %[[V]])
// CHECK-NEXT: return{{$}}

// Without `rotate` they are taken as they are.
// CHECK: tile.kernel @rotated_pack(
// CHECK-NOT: tile.hadamard
// CHECK: func.func @rotated(
func.func @pack(%k: tensor<?x?x128xbf16>, %v: tensor<?x?x128xbf16>, %pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.pack %k, %v, %pairs, %count, %cache rotate : tensor<?x?x128xbf16>, tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}
func.func @rotated(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.pack %k, %v, %pairs, %count, %cache : tensor<?x?x128xf16>, tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}
