#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
!cache = !kvarn.cache<#fmt>
func.func @append(%k: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !cache) -> !cache {
  %0 = kvarn.append %k, %k, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !cache
  %1 = kvarn.append %k, %k, %map, %0 rotate : tensor<?x?x128xf16>, tensor<?xi64>, !cache
  return %1 : !cache
}
