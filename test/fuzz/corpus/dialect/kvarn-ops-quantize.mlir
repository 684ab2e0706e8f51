func.func @quantize(%x: tensor<4x128x128xf32>) {
  %0:3 = kvarn.quantize %x {bits = 4 : i64} : tensor<4x128x128xf32> -> tensor<4x128x128xi8>, tensor<4x128xf32>
  %1:3 = kvarn.quantize %x {bits = 2 : i64, range = #kvarn<range mse>} : tensor<4x128x128xf32> -> tensor<4x128x128xi8>, tensor<4x128xf32>
  return
}
