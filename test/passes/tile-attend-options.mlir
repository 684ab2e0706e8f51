// The options of attention in its kernels: which arguments, which arithmetic.

// RUN: kvarn-opt %s --split-input-file --kvarn-tile --canonicalize --cse | FileCheck %s
// RUN: kvarn-opt %s --split-input-file '--kvarn-tile=schedule=<rows=4,tokens=128,pool_tokens=128,warps=1,splits=2,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>' --canonicalize --cse | FileCheck %s --check-prefix=SPLIT

#fmt = #kvarn.format<key_bits = 4, value_bits = 4, group = 128, head_dim = 128, layout = mma16816>

// Neither causal nor rotated: all positions below the length, no Hadamard.
// CHECK: tile.kernel @plain_attend(
// CHECK-NOT: tile.hadamard
// CHECK: func.func @plain
func.func @plain(%q: tensor<?x?x128xbf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x?x128xbf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 : tensor<?x?x128xbf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xbf16>
  return %o : tensor<?x?x128xbf16>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 4, group = 128, head_dim = 128, layout = mma16816>

// A window: blocks before it are not visited, positions before it masked.
// CHECK: tile.kernel @window_attend({{.*}}, %[[WINDOW:[a-z0-9]+]]: i32, %{{[a-z0-9]+}}: memref<?x?x128xf16
// CHECK: arith.index_cast %[[WINDOW]] : i32 to index
// CHECK: %[[FIRST:.*]] = arith.divui %{{.*}}, %c128
// CHECK: %[[UP:.*]] = arith.addi %{{.*}}, %c127
// CHECK: %[[LAST:.*]] = arith.divui %[[UP]], %c128
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[LAST]] step %c1
// CHECK: arith.cmpi slt
// CHECK: arith.cmpi sle
// CHECK: arith.andi
// CHECK: func.func @window({{.*}}, %[[W:[a-z0-9]+]]: i32, %[[OUT:[a-z0-9]+]]: memref<?x?x128xf16, strided<[?, ?, 1]>> {kvarn.name = "result0", kvarn.output})
// CHECK: tile.launch @window_attend grid({{.*}}) ({{.*}}, %[[W]], %[[OUT]])
func.func @window(%q: tensor<?x?x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %window: i32) -> tensor<?x?x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 window %window causal : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xf16>
  return %o : tensor<?x?x128xf16>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 4, group = 128, head_dim = 128, layout = mma16816>

// Softcap, sinks and lse. Sinks and lse come last; with splits they belong to
// the second kernel.
// CHECK: tile.kernel @all_attend({{.*}}, %[[SCALE:[a-z0-9]+]]: f32, %[[CAP:[a-z0-9]+]]: f32, %[[SINKS:[a-z0-9]+]]: memref<?xf32>, %{{.*}}: memref<?x?x128xf16, {{.*}}>, %[[LSE:[a-z0-9]+]]: memref<?x?xf32, {{.*}}>) attributes
// CHECK: math.tanh
// CHECK: tile.gather %[[SINKS]]
// CHECK: math.exp2
// CHECK: tile.store
// CHECK: math.log2
// CHECK: tile.scatter %{{.*}}, %[[LSE]]
// CHECK: func.func @all({{.*}}, %[[OUT:[a-z0-9]+]]: memref<?x?x128xf16, strided<[?, ?, 1]>> {kvarn.name = "out", kvarn.output}, %[[L:[a-z0-9]+]]: memref<?x?xf32, strided<[?, 1]>> {kvarn.name = "lse", kvarn.output}) {
// CHECK: tile.launch @all_attend grid({{.*}}) ({{.*}}, %[[OUT]], %[[L]])

// SPLIT-LABEL: tile.kernel @all_attend
// SPLIT: math.tanh
// SPLIT-NOT: tile.gather
// SPLIT: tile.kernel @all_combine
// SPLIT-NOT: math.tanh
// SPLIT: tile.gather %{{.*}} : memref<?xf32>
// SPLIT: tile.store
// SPLIT: tile.scatter
// SPLIT: func.func @all({{.*}}, %[[SINKS:[a-z0-9]+]]: memref<?xf32>, %[[OUT:[a-z0-9]+]]: memref<?x?x128xf16, strided<[?, ?, 1]>> {kvarn.name = "out", kvarn.output}, %[[L:[a-z0-9]+]]: memref
// SPLIT: tile.launch @all_attend
// SPLIT-SAME: %[[P:[a-z0-9_]+]], %[[PL:[a-z0-9_]+]]) :
// SPLIT: tile.launch @all_combine grid({{.*}}) ({{.*}}, %[[SINKS]], %[[OUT]], %[[L]], %[[P]], %[[PL]])
func.func @all(%q: tensor<?x?x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %cap: f32, %sinks: tensor<?xf32>) -> (tensor<?x?x128xf16> {kvarn.name = "out"}, tensor<?x?xf32> {kvarn.name = "lse"}) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o, %lse = kvarn.attend %q, %start, %cache scale %scale ratio 4 softcap %cap sinks %sinks : tensor<?xf32> causal : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xf16>, tensor<?x?xf32>
  return %o, %lse : tensor<?x?x128xf16>, tensor<?x?xf32>
}
