// RUN: kvarn-opt %s --kvarn-tile -verify-diagnostics

// Updates happen in place, so a second cache over the same memory would see them.

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @step(%pages: tensor<?x?x?xi8>, %pool_k: tensor<?x128x?x128xf16>, %pool_v: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %other: tensor<?xi32>, %k: tensor<?x?x128xf16>, %map: tensor<?xi64>) -> (tensor<?x?x?x128xf16>, !kvarn.cache<#fmt>) {
  %a = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  // expected-error @+1 {{shares memory with itself or another cache, but a cache is updated in place}}
  %b = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %other : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.append %k, %k, %map, %a : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  %dk, %dv = kvarn.dequantize %b : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  return %dk, %new : tensor<?x?x?x128xf16>, !kvarn.cache<#fmt>
}
