func.func @values(%f: f32, %x: tensor<16xf32>, %a: tensor<16x64xf16>, %b: tensor<64x32xf16>, %c: tensor<16x32xf32>) {
  %0 = tile.iota 1 : tensor<16x32xi32>
  %1 = tile.iota 0 : tensor<8xindex>
  %2 = tile.splat %f : tensor<16x32xf32>
  %3 = tile.broadcast %x dims [0] : tensor<16xf32> -> tensor<16x32xf32>
  %4 = tile.broadcast %x dims [1] : tensor<16xf32> -> tensor<4x16xf32>
  %5 = tile.transpose %a : tensor<16x64xf16> -> tensor<64x16xf16>
  %6 = tile.reduce max %c dim 1 : tensor<16x32xf32> -> tensor<16xf32>
  %7 = tile.reduce add %c dim 0 : tensor<16x32xf32> -> tensor<32xf32>
  %8 = tile.reduce min %x dim 0 : tensor<16xf32> -> f32
  %9 = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf32>
  %10 = tile.hadamard %c : tensor<16x32xf32>
  return
}
