// kvarn.attend where all warps share every record (team = warpgroup).

// DEFINE: %{schedule} =
// DEFINE: %{tile} = kvarn-opt %s --kvarn-tile=schedule=%{schedule} --canonicalize --cse
// REDEFINE: %{schedule} = '<rows=64,tokens=128,pool_tokens=64,warps=4,splits=1,copy=async,expand=convert,operand=f16,register_rows=4,register_columns=32,team=warpgroup>'
// RUN: %{tile} | FileCheck %s --implicit-check-not=tile.warps --implicit-check-not=expand_scale
// REDEFINE: %{schedule} = '<rows=64,tokens=64,pool_tokens=64,warps=4,splits=1,copy=async,expand=convert,operand=f16,register_rows=4,register_columns=32,team=warpgroup>'
// RUN: %{tile} | FileCheck %s --check-prefix=HALF

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>

// The query is staged once. Keys and values are dequantized to operands that fp16
// can hold; values are made between the product with keys and the use of its
// result; the next record is copied when this one has been read. Weights are
// those of each row's own maximum, and the second product adds to the sum.
// CHECK-LABEL: tile.kernel @f_attend
// CHECK: %[[Q:.*]] = tile.stage %{{.*}} : tensor<64x128xf16>
// CHECK: scf.for {{.*}} iter_args
// CHECK: scf.if
// CHECK: tile.wait
// CHECK: tile.load_vector key_scale
// CHECK: tile.load_vector key_zero
// CHECK: tile.load_vector key_token
// CHECK: tile.wait
// CHECK: tile.load_vector value_scale
// CHECK: %[[CODES:.*]] = tile.load_codes key
// CHECK: %[[X:.*]] = tile.expand convert %[[CODES]]
// CHECK: math.fma %[[X]]
// CHECK: %[[K:.*]] = tile.stage %{{.*}} : tensor<128x128xf16>
// CHECK: %[[S:.*]] = tile.dot %[[Q]], %[[K]]
// CHECK-NOT: %[[S]]
// CHECK: tile.load_codes value
// CHECK: %[[V:.*]] = tile.stage
// CHECK: tile.async_copy
// CHECK: tile.async_copy
// CHECK: scf.if
// CHECK: %[[MAX:.*]] = tile.reduce max %{{.*}} dim 1 : tensor<64x128xf32> -> tensor<64xf32>
// CHECK: tile.reduce add %{{.*}} dim 1 : tensor<64x128xf32> -> tensor<64xf32>
// CHECK: %[[P:.*]] = arith.truncf {{.*}} to tensor<64x128xf16>
// CHECK: %[[O:.*]] = tile.dot %[[P]], %[[V]], %{{.*}} : tensor<64x128xf16>, tensor<128x128xf16> -> tensor<64x128xf32>
// Blocks of the pool go the same way, 64 tokens at a time.
// CHECK: } else {
// CHECK: scf.for
// CHECK: tile.load {{.*}} -> tensor<64x128xf16>
// CHECK: tile.transpose
// CHECK: tile.stage %{{.*}} : tensor<128x64xf16>
// CHECK: tile.dot %[[Q]]

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
