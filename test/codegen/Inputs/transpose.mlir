tile.kernel @transpose(%x: memref<?x?xf16>, %y: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<$Mxindex>
  %j = tile.iota 0 : tensor<$Nxindex>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<$Mxindex>, index -> tensor<$Mx$Nxf16>
  %t = tile.transpose %a : tensor<$Mx$Nxf16> -> tensor<$Nx$Mxf16>
  tile.store %t, %y[%j, %c0] : tensor<$Nx$Mxf16>, memref<?x?xf16>, tensor<$Nxindex>, index
  tile.return
}
