#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
!cache = !kvarn.cache<#fmt>
func.func @attend(%q: tensor<?x8x128xbf16>, %start: tensor<?xi32>, %cache: !cache, %s: f32,
                  %w: i32, %cap: f32, %sinks: tensor<8xf32>) {
  %0 = kvarn.attend %q, %start, %cache scale %s ratio 4
      : tensor<?x8x128xbf16>, tensor<?xi32>, !cache -> tensor<?x8x128xbf16>
  %1:2 = kvarn.attend %q, %start, %cache scale %s ratio 4
      rotate_output rotate_query causal sinks %sinks : tensor<8xf32> softcap %cap window %w
      : tensor<?x8x128xbf16>, tensor<?xi32>, !cache -> tensor<?x8x128xbf16>, tensor<?x8xf32>
  return
}
