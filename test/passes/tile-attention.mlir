// kvarn.attention over dense K and V: the loop of attend without records.

// RUN: kvarn-opt %s '--kvarn-tile=schedule=<rows=4,tokens=32,pool_tokens=32,warps=1,splits=1,copy=async,expand=convert,operand=f32,register_rows=4,register_columns=32>' --canonicalize --cse | FileCheck %s --implicit-check-not=tile.load_codes --implicit-check-not=tile.async_copy --implicit-check-not=tile.expand
// RUN: kvarn-opt %s --kvarn-tile=target=sm_90a --canonicalize --cse | FileCheck %s --check-prefix=SM90A

// CHECK: tile.kernel @dense_attend(
// CHECK-DAG: %[[C32:.*]] = arith.constant 32 : index
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK: %[[HEAD:.*]] = tile.program_id x
// CHECK: %[[REQUEST:.*]] = tile.program_id y
// CHECK: scf.for
// CHECK-NOT: tile.hadamard
// Blocks are as long as a tile, so there is one loop over them.
// CHECK: %[[LAST:.*]] = arith.divui %{{.*}}, %[[C32]]
// CHECK: scf.for %[[I:.*]] = %[[C0]] to %[[LAST]]
// CHECK-NOT: scf.if
// CHECK: arith.muli %[[I]], %[[C32]]
// What lies behind the length is not loaded.
// CHECK: tile.load %{{.*}}[%[[REQUEST]], %{{.*}}, %[[HEAD]], %[[C0]]] mask {{.*}} -> tensor<32x128xf16
// CHECK: tile.load %{{.*}}[%[[REQUEST]], %{{.*}}, %[[HEAD]], %[[C0]]] mask {{.*}} -> tensor<32x128xf16
// CHECK: tile.transpose
// CHECK: tile.dot {{.*}} -> tensor<4x32xf32
// CHECK: math.exp2
// CHECK: tile.dot {{.*}} -> tensor<4x128xf32
// CHECK: tile.store

// CHECK: func.func @dense(%[[Q:[a-z0-9]+]]: memref<?x?x128xf16, strided<[?, ?, 1]>> {kvarn.name = "q"}, %[[K:[a-z0-9]+]]: memref<?x?x?x128xf16, strided<[?, ?, ?, 1]>>, %[[V:[a-z0-9]+]]: memref<?x?x?x128xf16, strided<[?, ?, ?, 1]>>, %[[START:[a-z0-9]+]]: memref<?xi32>, %[[LENS:[a-z0-9]+]]: memref<?xi32>, %[[SCALE:[a-z0-9]+]]: f32, %[[OUT:[a-z0-9]+]]: memref<?x?x128xf16, strided<[?, ?, 1]>> {kvarn.name = "result0", kvarn.output})
// KV heads come from K.
// CHECK-DAG: %[[HEADS:.*]] = memref.dim %[[K]], %c2
// CHECK-DAG: %[[BATCH:.*]] = memref.dim %[[LENS]], %c0
// CHECK: tile.launch @dense_attend grid(%[[HEADS]], %[[BATCH]], %c1) (%[[Q]], %[[START]], %[[LENS]], %[[K]], %[[V]], %[[SCALE]], %[[OUT]])

// SM90A: tile.kernel @dense_attend(
// SM90A: tile.warps 4
// A tile has no more rows than the instruction needs.
// SM90A: tile.dot {{.*}} : tensor<8x128xf16
// SM90A: tile.arrive
// SM90A: tile.launch @dense_attend
// SM90A-NOT: tile.launch
func.func @dense(%q: tensor<?x?x128xf16> {kvarn.name = "q"}, %k: tensor<?x?x?x128xf16>, %v: tensor<?x?x?x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x?x128xf16> {
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x?x128xf16>
  return %o : tensor<?x?x128xf16>
}
