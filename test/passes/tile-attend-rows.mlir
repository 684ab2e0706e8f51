// kvarn.attend of more query rows than registers hold beside their scores: with
// query = shared the query waits in shared memory.

// DEFINE: %{query} =
// DEFINE: %{tile} = kvarn-opt %s --kvarn-tile=schedule='<rows=16,tokens=128,pool_tokens=32,warps=4,splits=1,copy=async,expand=subnormal,operand=f16,register_rows=8,register_columns=32%{query},loops=one>' --canonicalize --cse
// RUN: %{tile} | FileCheck %s --check-prefixes=CHECK --implicit-check-not=tile.keep
// REDEFINE: %{query} = ,query=shared
// RUN: %{tile} | FileCheck %s --check-prefixes=CHECK,KEPT

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>

// CHECK-LABEL: tile.kernel @f_attend
// KEPT: %[[Q:.*]] = arith.truncf %{{.*}} to tensor<16x128xf16>
// KEPT: %[[KEPT:.*]] = tile.keep %[[Q]] : tensor<16x128xf16>
// CHECK: scf.for
// Scales are folded in; rounded products count with codes relative to the middle
// one, and the rest is the query times the middle keys.
// KEPT: tile.load_vector key_scale
// KEPT: %[[PLACES:.*]] = tile.expand_scale part key
// KEPT: %[[FOLDED:.*]] = arith.mulf %[[KEPT]], %{{.*}} : tensor<16x128xf16>
// KEPT: %[[X:.*]] = tile.subtract_top %[[FOLDED]] part key {{.*}} : tensor<16x128xf16>
// KEPT: %[[CENTRE:.*]] = math.fma %{{.*}} : tensor<128xf16>
// The middle of a topmost operand is half a byte.
// KEPT: %[[TOPS:.*]] = arith.cmpf ole, %[[PLACES]], %cst{{.*}} : tensor<128xf32>
// KEPT: %[[MIDDLES:.*]] = arith.select %[[TOPS]], %cst{{.*}}, %{{.*}} : tensor<128xi1>, tensor<128xf32>
// KEPT: %[[NARROW:.*]] = arith.truncf %[[MIDDLES]]
// KEPT: %[[EXACT:.*]] = tile.dot %[[KEPT]], %[[CENTRE]],
// KEPT: %[[CENTRES:.*]] = arith.mulf %[[EXACT]]
// KEPT: tile.dot %[[X]], %[[NARROW]], %[[CENTRES]] : tensor<16x128xf16>, tensor<128xf16> -> tensor<16xf32>
// KEPT: %[[CODES:.*]] = tile.expand subnormal whole_bytes %{{.*}} part key
// KEPT: tile.dot %[[X]], %[[CODES]], %{{.*}} -> tensor<16x128xf32>
// Of weights that is too little to count.
// KEPT: tile.load_vector value_scale
// KEPT-NOT: math.fma {{.*}} tensor<16x128xf16>
// KEPT: %[[VALUES:.*]] = tile.expand subnormal whole_bytes %{{.*}} part value
// KEPT: %[[P:.*]] = tile.subtract_top %{{.*}} part value
// KEPT: tile.dot %[[P]], %[[VALUES]], %{{.*}} -> tensor<16x128xf32>
// CHECK: tile.return

func.func @f(%q: tensor<?x?x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x?x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 8 causal rotate_query rotate_output : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xf16>
  return %o : tensor<?x?x128xf16>
}
