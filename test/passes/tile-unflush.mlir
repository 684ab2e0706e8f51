// kvarn.unflush as a tile kernel.

// RUN: kvarn-opt %s --kvarn-tile=target=sm_90a --canonicalize --cse | FileCheck %s

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = mma16816>

// A program copies one part of one record, 32 tokens at a time; pairs behind the
// count are nothing.
// CHECK: tile.kernel @unflush_unflush(%[[PAIRS:[a-z0-9]+]]: memref<?x2xi32, {{.*}}>, %[[COUNT:[a-z0-9]+]]: memref<1xi32>, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, {{.*}}>, %[[PK:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}>, %[[PV:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}>) attributes
// CHECK-DAG: %[[C32:.*]] = arith.constant 32 : index
// CHECK-DAG: %[[C64:.*]] = arith.constant 64 : index
// CHECK: %[[PAIR:.*]] = tile.program_id x
// CHECK: %[[HEAD:.*]] = tile.program_id y
// CHECK: %[[PART:.*]] = tile.program_id z
// CHECK: memref.load %[[COUNT]]
// CHECK: %[[USED:.*]] = arith.cmpi slt, %[[PAIR]]
// CHECK: scf.if %[[USED]] {
// CHECK: %[[I:.*]] = memref.load %[[PAIRS]][%[[PAIR]], %c0]
// CHECK: %[[BLOCK:.*]] = arith.index_cast %[[I]]
// CHECK: %[[I:.*]] = memref.load %[[PAIRS]][%[[PAIR]], %c1]
// CHECK: %[[SLOT:.*]] = arith.index_cast %[[I]]
// CHECK: arith.cmpi eq, %[[PART]], %c0
// CHECK: scf.for %[[T:.*]] = %c0 to %[[C64]] step %[[C32]]
// CHECK: tile.load_codes key %[[PAGES]][%[[BLOCK]], %[[HEAD]]] start %[[T]] {{.*}} -> tensor<128x32xi8>
// CHECK: tile.load_vector key_scale %[[PAGES]][%[[BLOCK]], %[[HEAD]]] start %c0
// CHECK: tile.load_vector key_zero
// CHECK: tile.load_vector key_token %[[PAGES]][%[[BLOCK]], %[[HEAD]]] start %[[T]]
// CHECK: tile.transpose
// The pool holds rotated f16, saturated.
// CHECK-NOT: tile.hadamard
// CHECK: arith.truncf {{.*}} to tensor<32x128xf16>
// CHECK: tile.store %{{.*}}, %[[PK]][%[[SLOT]], %{{.*}}, %[[HEAD]], %c0]
// CHECK: arith.cmpi eq, %[[PART]], %c1
// CHECK: scf.for %[[T:.*]] = %c0 to %[[C64]] step %[[C32]]
// CHECK: tile.load_codes value %[[PAGES]][%[[BLOCK]], %[[HEAD]]] start %[[T]] {{.*}} -> tensor<32x128xi8>
// CHECK-NOT: tile.transpose
// CHECK: tile.store %{{.*}}, %[[PV]][%[[SLOT]], %{{.*}}, %[[HEAD]], %c0]
// CHECK-NOT: tile.store
// CHECK: tile.return

// The pools are written; table and lengths are not arguments.
// CHECK: func.func @unflush(%[[PAIRS:[a-z0-9]+]]: memref<?x2xi32, {{.*}}>, %[[COUNT:[a-z0-9]+]]: memref<1xi32>, %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, strided<[?, ?, 1]>>, %[[PK:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}> {kvarn.output}, %[[PV:[a-z0-9]+]]: memref<?x64x?x128xf16, {{.*}}> {kvarn.output}) {
// CHECK-DAG: %[[H:.*]] = memref.dim %[[PAGES]], %c1
// CHECK-DAG: %[[N:.*]] = memref.dim %[[PAIRS]], %c0
// CHECK: tile.launch @unflush_unflush grid(%[[N]], %[[H]], %c2) (%[[PAIRS]], %[[COUNT]], %[[PAGES]], %[[PK]], %[[PV]])
// CHECK-NEXT: return{{$}}
func.func @unflush(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.unflush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}
