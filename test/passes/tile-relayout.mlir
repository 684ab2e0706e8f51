// kvarn.relayout as a tile kernel.

// RUN: kvarn-opt %s --kvarn-tile=target=sm_90a --canonicalize --cse | FileCheck %s

#from = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>
#to = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = mma16816>

// A program copies one part of one record; pairs behind the count are nothing.
// CHECK: tile.kernel @relayout_relayout(%[[PAIRS:[a-z0-9]+]]: memref<?x2xi32, {{.*}}>, %[[COUNT:[a-z0-9]+]]: memref<1xi32>, %[[SOURCE:[a-z0-9]+]]: memref<?x?x?xi8, {{.*}}>, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, {{.*}}>) attributes
// CHECK-SAME: warps = 2, splits = 1, copy = direct
// CHECK: %[[PAIR:.*]] = tile.program_id x
// CHECK: %[[HEAD:.*]] = tile.program_id y
// CHECK: %[[PART:.*]] = tile.program_id z
// CHECK: memref.load %[[COUNT]]
// CHECK: %[[USED:.*]] = arith.cmpi slt, %[[PAIR]]
// CHECK: scf.if %[[USED]] {
// CHECK: %[[I:.*]] = memref.load %[[PAIRS]][%[[PAIR]], %c0]
// CHECK: %[[FROM:.*]] = arith.index_cast %[[I]]
// CHECK: %[[I:.*]] = memref.load %[[PAIRS]][%[[PAIR]], %c1]
// CHECK: %[[TO:.*]] = arith.index_cast %[[I]]
// CHECK: arith.cmpi eq, %[[PART]], %c0
// Codes of keys are loaded as an operand, [channel, token], and stored as a tile.
// CHECK: %[[CODES:.*]] = tile.load_codes key %[[SOURCE]][%[[FROM]], %[[HEAD]]] {{.*}} layout = reference> {{.*}} -> tensor<128x64xi8>
// CHECK: %[[KEYS:.*]] = tile.transpose %[[CODES]]
// CHECK: tile.store_codes key %[[KEYS]], %[[PAGES]][%[[TO]], %[[HEAD]]] {{.*}} layout = mma16816>
// CHECK: %[[V:.*]] = tile.load_vector key_scale %[[SOURCE]][%[[FROM]], %[[HEAD]]]
// CHECK: tile.store_vector key_scale %[[V]], %[[PAGES]][%[[TO]], %[[HEAD]]]
// CHECK: %[[V:.*]] = tile.load_vector key_zero %[[SOURCE]]
// CHECK: tile.store_vector key_zero %[[V]], %[[PAGES]]
// CHECK: %[[V:.*]] = tile.load_vector key_token %[[SOURCE]]
// CHECK: tile.store_vector key_token %[[V]], %[[PAGES]]
// CHECK: arith.cmpi eq, %[[PART]], %c1
// CHECK: %[[VALUES:.*]] = tile.load_codes value %[[SOURCE]][%[[FROM]], %[[HEAD]]] {{.*}} -> tensor<64x128xi8>
// CHECK-NOT: tile.transpose
// CHECK: tile.store_codes value %[[VALUES]], %[[PAGES]][%[[TO]], %[[HEAD]]]
// CHECK-COUNT-3: tile.store_vector value_
// CHECK-NOT: tile.store
// CHECK: tile.return

// Only the pages of both caches are arguments, and those of the second are
// written. Capacity, heads, two parts.
// CHECK: func.func @relayout(%[[PAIRS:[a-z0-9]+]]: memref<?x2xi32, {{.*}}>, %[[COUNT:[a-z0-9]+]]: memref<1xi32>, %[[SOURCE:[a-z0-9]+]]: memref<?x?x?xi8, strided<[?, ?, 1]>>, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, strided<[?, ?, 1]>> {kvarn.output}) {
// CHECK-DAG: %[[H:.*]] = memref.dim %[[SOURCE]], %c1
// CHECK: tile.check_shape %[[PAGES]][%{{.*}}, %[[H]], %{{.*}}]
// CHECK: %[[N:.*]] = memref.dim %[[PAIRS]], %c0
// CHECK: tile.launch @relayout_relayout grid(%[[N]], %[[H]], %c2) (%[[PAIRS]], %[[COUNT]], %[[SOURCE]], %[[PAGES]])
// CHECK-NEXT: return{{$}}
func.func @relayout(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %from: tensor<?x?x?xi8>, %from_k: tensor<?x64x?x128xf16>, %from_v: tensor<?x64x?x128xf16>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#to> {
  %source = kvarn.cache pages %from, pool %from_k, %from_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#from>
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#to>
  %new = kvarn.relayout %pairs, %count, %source to %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#from>, !kvarn.cache<#to>
  return %new : !kvarn.cache<#to>
}
