#s = #kvarn.schedule<rows = 1, tokens = 32, pool_tokens = 32, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = $RR, register_columns = $RC>
tile.kernel @dot(%x: memref<?x?x$A>, %y: memref<?x?x$B>, %z: memref<?x?xf32>) attributes {schedule = #s} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<$Mxindex>
  %k = tile.iota 0 : tensor<$Kxindex>
  %a = tile.load %x[%i, %c0] : memref<?x?x$A>, tensor<$Mxindex>, index -> tensor<$Mx$Kx$A>
  %b = tile.load %y[%k, %c0] : memref<?x?x$B>, tensor<$Kxindex>, index -> tensor<$Kx$Nx$B>
  %c = tile.load %z[%i, %c0] : memref<?x?xf32>, tensor<$Mxindex>, index -> tensor<$Mx$Nxf32>
  %d = tile.dot %a, %b, %c : tensor<$Mx$Kx$A>, tensor<$Kx$Nx$B> -> tensor<$Mx$Nxf32>
  tile.store %d, %z[%i, %c0] : tensor<$Mx$Nxf32>, memref<?x?xf32>, tensor<$Mxindex>, index
  tile.return
}

tile.kernel @dot_rows(%x: memref<?x?x$A>, %y: memref<?x?x$B>, %z: memref<?x?xf32>) attributes {schedule = #s} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<$Mxindex>
  %n = tile.iota 0 : tensor<$Nxindex>
  %a = tile.load %x[%i, %c0] : memref<?x?x$A>, tensor<$Mxindex>, index -> tensor<$Mx$Kx$A>
  %b = tile.load %y[%n, %c0] : memref<?x?x$B>, tensor<$Nxindex>, index -> tensor<$Nx$Kx$B>
  %t = tile.transpose %b : tensor<$Nx$Kx$B> -> tensor<$Kx$Nx$B>
  %c = tile.load %z[%i, %c0] : memref<?x?xf32>, tensor<$Mxindex>, index -> tensor<$Mx$Nxf32>
  %d = tile.dot %a, %t, %c : tensor<$Mx$Kx$A>, tensor<$Kx$Nx$B> -> tensor<$Mx$Nxf32>
  tile.store %d, %z[%i, %c0] : tensor<$Mx$Nxf32>, memref<?x?xf32>, tensor<$Mxindex>, index
  tile.return
}

tile.kernel @dot_vector(%x: memref<?x?x$A>, %y: memref<?x$B>, %z: memref<?xf32>) attributes {schedule = #s} {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<$Mxindex>
  %a = tile.load %x[%i, %c0] : memref<?x?x$A>, tensor<$Mxindex>, index -> tensor<$Mx$Kx$A>
  %b = tile.load %y[%c0] : memref<?x$B>, index -> tensor<$Kx$B>
  %c = tile.load %z[%c0] : memref<?xf32>, index -> tensor<$Mxf32>
  %d = tile.dot %a, %b, %c : tensor<$Mx$Kx$A>, tensor<$Kx$B> -> tensor<$Mxf32>
  tile.store %d, %z[%c0] : tensor<$Mxf32>, memref<?xf32>, index
  tile.return
}
