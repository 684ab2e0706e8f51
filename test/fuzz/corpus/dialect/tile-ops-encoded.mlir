#mma = #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>
func.func @encoded(%x: tensor<16x8xf32, #mma>) -> tensor<16x8xf32, #mma> {
  %0 = arith.mulf %x, %x : tensor<16x8xf32, #mma>
  %1 = math.exp2 %0 : tensor<16x8xf32, #mma>
  return %1 : tensor<16x8xf32, #mma>
}
