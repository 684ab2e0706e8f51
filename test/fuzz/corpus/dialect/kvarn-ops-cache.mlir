#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
!cache = !kvarn.cache<#fmt>
func.func @cache(%pages: tensor<?x?x?xi8>, %k: tensor<?x128x?x128xf16>, %v: tensor<?x128x?x128xf16>,
                 %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !cache {
  %0 = kvarn.cache pages %pages, pool %k, %v, table %table, slots %slots, lengths %lens
      : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !cache
  return %0 : !cache
}
