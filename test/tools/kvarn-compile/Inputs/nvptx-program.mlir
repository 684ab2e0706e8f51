// Level 2: a program and its kernel of four warps.
#schedule = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 128, warps = 4, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 8, register_columns = 8>
tile.kernel @k(%x: memref<?xf32>, %n: i64) attributes {schedule = #schedule} {
  tile.warps 4 (%w) {
    %a = tile.load %x[%w] : memref<?xf32>, index -> tensor<1xf32>
    %b = arith.addf %a, %a : tensor<1xf32>
    tile.store %b, %x[%w] : tensor<1xf32>, memref<?xf32>, index
  }
  tile.return
}
func.func @f(%x: memref<?xf32>, %n: i64) {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  tile.launch @k grid(%c2, %c1, %c1) (%x, %n) : memref<?xf32>, i64
  return
}
