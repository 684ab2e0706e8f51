func.func @f(%x: tensor<4x8xf32>) {
  %0 = tile.reduce add %x dim -1 : tensor<4x8xf32> -> tensor<4xf32>
  return
}
