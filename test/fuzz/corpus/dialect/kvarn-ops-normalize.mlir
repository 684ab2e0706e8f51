func.func @normalize(%x: tensor<4x128x64xf32>) {
  %0:3 = kvarn.normalize %x {iterations = 8 : i64} : tensor<4x128x64xf32> -> tensor<4x128xf32>, tensor<4x64xf32>
  %1:3 = kvarn.normalize %x {iterations = 0 : i64, prescale} : tensor<4x128x64xf32> -> tensor<4x128xf32>, tensor<4x64xf32>
  return
}
