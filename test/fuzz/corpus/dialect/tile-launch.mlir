tile.kernel @k(%x: memref<?xf32>, %a: i64) {
  tile.return
}
func.func @f(%n: index, %x: memref<?xf32>, %a: i64) {
  tile.launch @k grid(%n, %n, %n) (%x, %a) : memref<?xf32>, i64
  return
}
