#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
!cache = !kvarn.cache<#fmt>
func.func @dense(%cache: !cache) {
  %0:2 = kvarn.dequantize %cache : !cache -> tensor<?x?x?x128xf16>
  %1:2 = kvarn.materialize %cache {frame = #kvarn<frame original>} : !cache -> tensor<?x?x?x128xbf16>
  %2:2 = kvarn.materialize %cache {frame = #kvarn<frame rotated>} : !cache -> tensor<?x?x?x128xf32>
  return
}
