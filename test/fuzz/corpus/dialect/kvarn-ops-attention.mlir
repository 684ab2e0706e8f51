func.func @attention(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %start: tensor<?xi32>,
                     %lens: tensor<?xi32>, %s: f32, %w: i32, %cap: f32, %sinks: tensor<8xf32>) {
  %0 = kvarn.attention %q, %k, %k, %start, %lens scale %s ratio 8
      : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  %1:2 = kvarn.attention %q, %k, %k, %start, %lens scale %s ratio 8
      causal sinks %sinks : tensor<8xf32> softcap %cap window %w
      : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32>
      -> tensor<?x8x128xf16>, tensor<?x8xf32>
  return
}
