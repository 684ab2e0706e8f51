tile.kernel @hadamard(%x: memref<?x?xf32>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<3xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<3xindex>, index -> tensor<3x$Nxf32>
  %h = tile.hadamard %a : tensor<3x$Nxf32>
  tile.store %h, %y[%i, %c0] : tensor<3x$Nxf32>, memref<?x?xf32>, tensor<3xindex>, index
  tile.return
}
