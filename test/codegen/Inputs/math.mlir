tile.kernel @functions(%x: memref<?xf32>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c5 = arith.constant 5 : index
  %c6 = arith.constant 6 : index
  %i = tile.program_id x
  %c64 = arith.constant 64 : index
  %at = arith.muli %i, %c64 : index
  %a = tile.load %x[%at] : memref<?xf32>, index -> tensor<64xf32>
  %exp2 = math.exp2 %a : tensor<64xf32>
  tile.store %exp2, %y[%c0, %at] : tensor<64xf32>, memref<?x?xf32>, index, index
  %exp = math.exp %a : tensor<64xf32>
  tile.store %exp, %y[%c1, %at] : tensor<64xf32>, memref<?x?xf32>, index, index
  %log = math.log %a : tensor<64xf32>
  tile.store %log, %y[%c2, %at] : tensor<64xf32>, memref<?x?xf32>, index, index
  %log2 = math.log2 %a : tensor<64xf32>
  tile.store %log2, %y[%c3, %at] : tensor<64xf32>, memref<?x?xf32>, index, index
  %tanh = math.tanh %a : tensor<64xf32>
  tile.store %tanh, %y[%c4, %at] : tensor<64xf32>, memref<?x?xf32>, index, index
  %sqrt = math.sqrt %a : tensor<64xf32>
  tile.store %sqrt, %y[%c5, %at] : tensor<64xf32>, memref<?x?xf32>, index, index
  %even = math.roundeven %a : tensor<64xf32>
  tile.store %even, %y[%c6, %at] : tensor<64xf32>, memref<?x?xf32>, index, index
  tile.return
}
