// A read that stands before an update of the cache must not move behind it:
// attention is then over what the dequantize has read, and the program is as
// right fused as it is unfused.

// RUN: kvarn-compile %s --no-fuse --emit=tile -o - | FileCheck %s --check-prefix=NOFUSE
// NOFUSE: tile.launch @step_materialize
// NOFUSE: tile.launch @step_append
// NOFUSE: tile.launch @step_attend
// RUN: kvarn-compile %s --emit=tile -o - | FileCheck %s
// CHECK: func.func @step(

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @step(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x128x?x128xf16>, %pool_v: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %new_k: tensor<?x?x128xf16>, %new_v: tensor<?x?x128xf16>, %map: tensor<?xi64>) -> (tensor<?x8x128xf16>, !kvarn.cache<#fmt>) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %new = kvarn.append %new_k, %new_v, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o, %new : tensor<?x8x128xf16>, !kvarn.cache<#fmt>
}

// A read behind the update is over the updated cache, and is fused.
// CHECK: func.func @after(
// CHECK: tile.launch @after_append
// CHECK-NOT: @after_materialize
// CHECK: tile.launch @after_attend

func.func @after(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x128x?x128xf16>, %pool_v: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %new_k: tensor<?x?x128xf16>, %new_v: tensor<?x?x128xf16>, %map: tensor<?xi64>) -> (tensor<?x8x128xf16>, !kvarn.cache<#fmt>) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.append %new_k, %new_v, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %new : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o, %new : tensor<?x8x128xf16>, !kvarn.cache<#fmt>
}

// Every op that writes the cache counts.
// CHECK: func.func @around(
// CHECK: tile.launch @around_materialize
// CHECK: tile.launch @around_unflush
// CHECK: tile.launch @around_pack
// CHECK: tile.launch @around_attend

func.func @around(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x128x?x128xf16>, %pool_v: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %new_k: tensor<?x?x128xf16>) -> (tensor<?x8x128xf16>, !kvarn.cache<#fmt>) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %back = kvarn.unflush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  %new = kvarn.pack %new_k, %new_k, %pairs, %count, %back : tensor<?x?x128xf16>, tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o, %new : tensor<?x8x128xf16>, !kvarn.cache<#fmt>
}
