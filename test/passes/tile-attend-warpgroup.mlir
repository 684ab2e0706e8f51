// kvarn.attend where all warps share every record (team = warpgroup).

// DEFINE: %{schedule} =
// DEFINE: %{tile} = kvarn-opt %s --kvarn-tile=schedule=%{schedule} --canonicalize --cse
// REDEFINE: %{schedule} = '<rows=64,tokens=128,pool_tokens=64,warps=4,splits=1,copy=async,expand=convert,operand=f16,register_rows=4,register_columns=32,team=warpgroup>'
// RUN: %{tile} | FileCheck %s --implicit-check-not=tile.warps --implicit-check-not=expand_scale
// REDEFINE: %{schedule} = '<rows=64,tokens=64,pool_tokens=64,warps=4,splits=1,copy=async,expand=convert,operand=f16,register_rows=4,register_columns=32,team=warpgroup>'
// RUN: %{tile} | FileCheck %s --check-prefix=HALF
// REDEFINE: %{schedule} = '<rows=64,tokens=128,pool_tokens=128,warps=4,splits=1,copy=direct,expand=convert,operand=f16,register_rows=4,register_columns=32,team=warpgroup>'
// RUN: %{tile} | FileCheck %s --check-prefix=WHOLE

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>

// Keys and values are dequantized to operands that fp16 can hold, 64 tokens in a
// tile. The keys of the first record are staged before the loop, or zeros if its
// block is in the pool.
// CHECK-LABEL: tile.kernel @f_attend
// CHECK: tile.async_copy
// CHECK: tile.async_copy
// CHECK: %[[KEYS:.*]]:3 = scf.if
// CHECK: tile.wait
// CHECK: tile.load_vector key_scale
// CHECK: tile.load_vector key_zero
// CHECK: tile.load_vector key_token
// CHECK: %[[CODES:.*]] = tile.load_codes key %{{.*}} start %c0 format
// CHECK: %[[X:.*]] = tile.expand convert %[[CODES]]
// CHECK: math.fma %[[X]]
// CHECK: tile.stage %{{.*}} : tensor<128x64xf16>
// CHECK: tile.load_codes key %{{.*}} start %c64 format
// CHECK: tile.stage %{{.*}} : tensor<128x64xf16>
// CHECK: } else {
// CHECK: tile.stage %[[ZEROS:.*]] : tensor<128x64xf16>
// CHECK: tile.stage %[[ZEROS]] : tensor<128x64xf16>
// They go around the loop. Values are made between the products with keys and
// the use of their results; the next record is copied when this one is used up.
// CHECK: scf.for {{.*}} iter_args({{.*}} = %[[KEYS]]#0, {{.*}} = %[[KEYS]]#1, {{.*}} = %[[KEYS]]#2)
// CHECK: %{{.*}}:7 = scf.if
// CHECK: tile.wait
// CHECK: tile.load_vector value_scale
// CHECK: %[[S0:.*]] = tile.dot %[[Q:.*]], %[[K0:.*]], %{{.*}} : tensor<64x128xf16>, tensor<128x64xf16> -> tensor<64x64xf32>
// CHECK: %[[S1:.*]] = tile.dot %[[Q]], %[[K1:.*]], %{{.*}} : tensor<64x128xf16>, tensor<128x64xf16> -> tensor<64x64xf32>
// CHECK-NOT: %[[S0]]
// CHECK-NOT: %[[S1]]
// CHECK: tile.load_codes value {{.*}} start %c0 format
// CHECK: %[[V0:.*]] = tile.stage
// CHECK: tile.load_codes value {{.*}} start %c64 format
// CHECK: %[[V1:.*]] = tile.stage
// CHECK: %[[NEXT:.*]] = tile.async_copy {{.*}} if %[[PACKED:.*]] :
// CHECK: tile.async_copy
// CHECK: scf.if
// CHECK: scf.if
// Weights are those of each row's own maximum over all tokens of the record; the
// second part of them is computed while the first one's values are summed.
// CHECK: tile.reduce max %{{.*}} dim 1 : tensor<64x64xf32> -> tensor<64xf32>
// CHECK: math.exp2 %{{.*}} : tensor<64x64xf32>
// CHECK: tile.reduce add %{{.*}} dim 1 : tensor<64x64xf32> -> tensor<64xf32>
// CHECK: %[[O:.*]] = tile.dot %{{.*}}, %[[V0]], %{{.*}} : tensor<64x64xf16>, tensor<64x128xf16> -> tensor<64x128xf32>
// CHECK: math.exp2 %{{.*}} : tensor<64x64xf32>
// CHECK: tile.reduce add %{{.*}} dim 1 : tensor<64x64xf32> -> tensor<64xf32>
// CHECK: tile.dot %{{.*}}, %[[V1]], %[[O]] : tensor<64x64xf16>, tensor<64x128xf16> -> tensor<64x128xf32>
// Meanwhile the keys of the next record take the place of these, if it has any.
// CHECK: scf.if %[[PACKED]]
// CHECK: tile.wait %[[NEXT]]
// CHECK: tile.load_codes key
// CHECK: tile.stage
// CHECK: tile.stage
// CHECK: } else {
// CHECK-NEXT: scf.yield %[[K0]], %[[K1]],
// Blocks of the pool go the same way, 64 tokens at a time.
// CHECK: } else {
// CHECK: scf.for
// CHECK: tile.load {{.*}} -> tensor<64x128xf16>
// CHECK: tile.transpose
// CHECK: tile.stage %{{.*}} : tensor<128x64xf16>
// CHECK: tile.dot %[[Q]]
// CHECK: tile.load {{.*}} -> tensor<64x128xf16>
// CHECK: scf.if %[[PACKED]]
// CHECK: tile.load_codes key

// A whole block of the pool at a time is two parts as well. Without slots nothing
// is made ahead.
// WHOLE-LABEL: tile.kernel @f_attend
// WHOLE-NOT: tile.stage
// WHOLE: scf.for
// WHOLE: scf.if
// WHOLE-COUNT-2: tile.stage %{{.*}} : tensor<128x64xf16>
// WHOLE: tile.dot %[[Q:[0-9]+]], %{{.*}} -> tensor<64x64xf32>
// WHOLE: } else {
// WHOLE: tile.load {{.*}} -> tensor<64x128xf16>
// WHOLE: tile.stage %{{.*}} : tensor<128x64xf16>
// WHOLE: arith.addi %{{.*}}, %{{.*}} : tensor<64xindex>
// WHOLE: tile.load {{.*}} -> tensor<64x128xf16>
// WHOLE: tile.stage %{{.*}} : tensor<128x64xf16>
// WHOLE-NOT: tile.stage
// WHOLE: tile.dot %[[Q]]
// WHOLE: tile.dot %[[Q]]

// Half a record at a time: it is copied over when both halves have been read.
// HALF-LABEL: tile.kernel @f_attend
// HALF: scf.if
// HALF: scf.for %{{.*}} = %c0{{.*}} to %c128{{.*}} step %c64
// HALF: tile.stage %{{.*}} : tensor<128x64xf16>
// HALF-NOT: tile.async_copy
// HALF: tile.stage %{{.*}} : tensor<64x128xf16>
// HALF-NOT: tile.async_copy
// HALF: scf.yield
// HALF: tile.async_copy
func.func @f(%q: tensor<?x?x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x?x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 8 causal rotate_query rotate_output : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xf16>
  return %o : tensor<?x?x128xf16>
}
