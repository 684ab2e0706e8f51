func.func @memory(%q: memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, %slots: memref<?xi32>, %out: memref<?x?xf32>,
                  %i: tensor<8xindex>, %j: index, %valid: tensor<8xi1>, %lse: tensor<8xf32>) {
  %0 = tile.load %q[%i, %i, %j] mask %valid : tensor<8xi1>
      : memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, tensor<8xindex>, index -> tensor<8x128xf16>
  %1 = tile.load %q[%j, %i, %j]
      : memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, index, tensor<8xindex>, index -> tensor<8x16xf16>
  tile.store %0, %q[%i, %j, %j] mask %valid : tensor<8xi1>
      : tensor<8x128xf16>, memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, index, index
  %2 = tile.gather %slots[%i] : memref<?xi32>, tensor<8xindex> -> tensor<8xi32>
  %3 = tile.gather %slots[%i] mask %valid : tensor<8xi1> : memref<?xi32>, tensor<8xindex> -> tensor<8xi32>
  tile.scatter %lse, %out[%i, %j] : tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.scatter %lse, %out[%i, %i] mask %valid : tensor<8xi1> : tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, tensor<8xindex>
  return
}
