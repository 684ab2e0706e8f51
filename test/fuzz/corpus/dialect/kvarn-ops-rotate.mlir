func.func @rotate(%h: tensor<?x8x128xf16>, %b: tensor<64xbf16>, %f: tensor<2x2x2x256xf32>) {
  %0 = kvarn.rotate %h : tensor<?x8x128xf16>
  %1 = kvarn.rotate %b : tensor<64xbf16>
  %2 = kvarn.rotate %f : tensor<2x2x2x256xf32>
  return
}
