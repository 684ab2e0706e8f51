tile.kernel @reduce(%x: memref<?x?xf32>, %rows: memref<?xf32>, %columns: memref<?xf32>, %all: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %iota = tile.iota 0 : tensor<$Mxindex>
  %a = tile.load %x[%iota, %c0] : memref<?x?xf32>, tensor<$Mxindex>, index -> tensor<$Mx$Nxf32>
  %r = tile.reduce max %a dim 1 : tensor<$Mx$Nxf32> -> tensor<$Mxf32>
  tile.store %r, %rows[%c0] : tensor<$Mxf32>, memref<?xf32>, index
  %c = tile.reduce add %a dim 0 : tensor<$Mx$Nxf32> -> tensor<$Nxf32>
  tile.store %c, %columns[%c0] : tensor<$Nxf32>, memref<?xf32>, index
  %s = tile.reduce min %r dim 0 : tensor<$Mxf32> -> f32
  %t = tile.reduce add %c dim 0 : tensor<$Nxf32> -> f32
  %s1 = tile.splat %s : tensor<1xf32>
  %t1 = tile.splat %t : tensor<1xf32>
  tile.store %s1, %all[%c0] : tensor<1xf32>, memref<?xf32>, index
  tile.store %t1, %all[%c1] : tensor<1xf32>, memref<?xf32>, index
  tile.return
}
