#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
!cache = !kvarn.cache<#fmt>
func.func @flush(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %cache: !cache) -> !cache {
  %0 = kvarn.flush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !cache
  %1 = kvarn.flush %pairs, %count, %0 {iterations = 4 : i64, prescale, range = #kvarn<range mse>} : tensor<?x2xi32>, tensor<1xi32>, !cache
  return %1 : !cache
}
