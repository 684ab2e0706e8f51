tile.kernel @hadamard_product(%x: memref<?x?xf32>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %columns = arith.constant $C : index
  %pieces = arith.constant $P : index
  %zero = arith.constant dense<0.0> : tensor<3x$Cxf32>
  %i = tile.iota 0 : tensor<3xindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<3xindex>, index -> tensor<3x$Nxf32>
  %n = arith.truncf %a : tensor<3x$Nxf32> to tensor<3x$Nxf16>
  scf.for %p = %c0 to %pieces step %c1 {
    %first = arith.muli %p, %columns : index
    %m = tile.hadamard_matrix %first : tensor<$Nx$Cxf16>
    %h = tile.dot %n, %m, %zero : tensor<3x$Nxf16>, tensor<$Nx$Cxf16> -> tensor<3x$Cxf32>
    tile.store %h, %y[%i, %first] : tensor<3x$Cxf32>, memref<?x?xf32>, tensor<3xindex>, index
  }
  tile.return
}
