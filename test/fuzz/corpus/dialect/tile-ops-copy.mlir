tile.kernel @copy(%x: memref<?xf32>, %y: memref<?xf32, strided<[1], offset: ?>>, %a: i64, %b: i32, %c: f32) {
  %i = tile.program_id x
  %j = tile.program_id y
  %k = tile.program_id z
  %v = tile.load %x[%i] : memref<?xf32>, index -> tensor<16xf32>
  tile.store %v, %y[%i] : tensor<16xf32>, memref<?xf32, strided<[1], offset: ?>>, index
  tile.return
}
