// The steps of flush as programs of their own, on tensors of any number of tiles.
func.func @normalize(%x: tensor<?x64x64xf32> {kvarn.name = "x"}) -> (tensor<?x64x64xf32> {kvarn.name = "balanced"}, tensor<?x64xf32> {kvarn.name = "rows"}, tensor<?x64xf32> {kvarn.name = "columns"}) {
  %y, %r, %c = kvarn.normalize %x {iterations = 8 : i64} : tensor<?x64x64xf32> -> tensor<?x64xf32>, tensor<?x64xf32>
  return %y, %r, %c : tensor<?x64x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
func.func @quantize(%x: tensor<?x64x64xf32> {kvarn.name = "x"}) -> (tensor<?x64x64xi8> {kvarn.name = "codes"}, tensor<?x64xf32> {kvarn.name = "scale"}, tensor<?x64xf32> {kvarn.name = "zero"}) {
  %q, %s, %z = kvarn.quantize %x {bits = 4 : i64} : tensor<?x64x64xf32> -> tensor<?x64x64xi8>, tensor<?x64xf32>
  return %q, %s, %z : tensor<?x64x64xi8>, tensor<?x64xf32>, tensor<?x64xf32>
}
func.func @quantize2(%x: tensor<?x64x64xf32> {kvarn.name = "x"}) -> (tensor<?x64x64xi8> {kvarn.name = "codes"}, tensor<?x64xf32> {kvarn.name = "scale"}, tensor<?x64xf32> {kvarn.name = "zero"}) {
  %q, %s, %z = kvarn.quantize %x {bits = 2 : i64} : tensor<?x64x64xf32> -> tensor<?x64x64xi8>, tensor<?x64xf32>
  return %q, %s, %z : tensor<?x64x64xi8>, tensor<?x64xf32>, tensor<?x64xf32>
}
