// Row softmax of a product: not attention, with tiles carried through a loop.
tile.kernel @softmax(%x: memref<?x?xf32>, %y: memref<?x?xf32>, %z: memref<?x?xf32>, %parts: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %i = tile.iota 0 : tensor<5xindex>
  %k = tile.iota 0 : tensor<24xindex>
  %n = arith.index_cast %parts : i64 to index
  %a = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<5xindex>, index -> tensor<5x24xf32>
  %lowest = arith.constant dense<0xFF800000> : tensor<5xf32>
  %zero = arith.constant dense<0.0> : tensor<5xf32>
  %none = arith.constant dense<0.0> : tensor<5x16xf32>
  // Maxima and sums, a part of the columns at a time.
  %m, %l = scf.for %part = %c0 to %n step %c1 iter_args(%m0 = %lowest, %l0 = %zero) -> (tensor<5xf32>, tensor<5xf32>) {
    %column = arith.muli %part, %c16 : index
    %b = tile.load %y[%k, %column] : memref<?x?xf32>, tensor<24xindex>, index -> tensor<24x16xf32>
    %s = tile.dot %a, %b, %none : tensor<5x24xf32>, tensor<24x16xf32> -> tensor<5x16xf32>
    %sm = tile.reduce max %s dim 1 : tensor<5x16xf32> -> tensor<5xf32>
    %m1 = arith.maximumf %m0, %sm : tensor<5xf32>
    %mb = tile.broadcast %m1 dims [0] : tensor<5xf32> -> tensor<5x16xf32>
    %d = arith.subf %s, %mb : tensor<5x16xf32>
    %p = math.exp %d : tensor<5x16xf32>
    %ps = tile.reduce add %p dim 1 : tensor<5x16xf32> -> tensor<5xf32>
    %dm = arith.subf %m0, %m1 : tensor<5xf32>
    %alpha = math.exp %dm : tensor<5xf32>
    %ls = arith.mulf %l0, %alpha : tensor<5xf32>
    %l1 = arith.addf %ls, %ps : tensor<5xf32>
    scf.yield %m1, %l1 : tensor<5xf32>, tensor<5xf32>
  }
  %mb = tile.broadcast %m dims [0] : tensor<5xf32> -> tensor<5x16xf32>
  %lb = tile.broadcast %l dims [0] : tensor<5xf32> -> tensor<5x16xf32>
  scf.for %part = %c0 to %n step %c1 {
    %column = arith.muli %part, %c16 : index
    %b = tile.load %y[%k, %column] : memref<?x?xf32>, tensor<24xindex>, index -> tensor<24x16xf32>
    %s = tile.dot %a, %b, %none : tensor<5x24xf32>, tensor<24x16xf32> -> tensor<5x16xf32>
    %d = arith.subf %s, %mb : tensor<5x16xf32>
    %p = math.exp %d : tensor<5x16xf32>
    %q = arith.divf %p, %lb : tensor<5x16xf32>
    tile.store %q, %z[%i, %column] : tensor<5x16xf32>, memref<?x?xf32>, tensor<5xindex>, index
  }
  tile.return
}
