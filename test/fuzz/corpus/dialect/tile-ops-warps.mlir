func.func @warps(%x: tensor<16xf32>, %i: tensor<8x2xindex>) {
  %0:2 = tile.warps 4 (%w) -> (tensor<4x16xf32>, tensor<4x8x2xindex>) {
    tile.yield %x, %i : tensor<16xf32>, tensor<8x2xindex>
  }
  tile.warps 1 (%w) {
  }
  return
}
