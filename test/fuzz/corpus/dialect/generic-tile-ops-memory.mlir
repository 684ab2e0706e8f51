"builtin.module"() ({
  "func.func"() <{function_type = (memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, memref<?xi32>, memref<?x?xf32>, tensor<8xindex>, index, tensor<8xi1>, tensor<8xf32>) -> (), sym_name = "memory"}> ({
  ^bb0(%arg0: memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, %arg1: memref<?xi32>, %arg2: memref<?x?xf32>, %arg3: tensor<8xindex>, %arg4: index, %arg5: tensor<8xi1>, %arg6: tensor<8xf32>):
    %0 = "tile.load"(%arg0, %arg3, %arg3, %arg4, %arg5) <{operandSegmentSizes = array<i32: 1, 3, 1>}> : (memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, tensor<8xindex>, index, tensor<8xi1>) -> tensor<8x128xf16>
    %1 = "tile.load"(%arg0, %arg4, %arg3, %arg4) <{operandSegmentSizes = array<i32: 1, 3, 0>}> : (memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, index, tensor<8xindex>, index) -> tensor<8x16xf16>
    "tile.store"(%0, %arg0, %arg3, %arg4, %arg4, %arg5) <{operandSegmentSizes = array<i32: 1, 1, 3, 1>}> : (tensor<8x128xf16>, memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, index, index, tensor<8xi1>) -> ()
    %2 = "tile.gather"(%arg1, %arg3) <{operandSegmentSizes = array<i32: 1, 1, 0>}> : (memref<?xi32>, tensor<8xindex>) -> tensor<8xi32>
    %3 = "tile.gather"(%arg1, %arg3, %arg5) <{operandSegmentSizes = array<i32: 1, 1, 1>}> : (memref<?xi32>, tensor<8xindex>, tensor<8xi1>) -> tensor<8xi32>
    "tile.scatter"(%arg6, %arg2, %arg3, %arg4) <{operandSegmentSizes = array<i32: 1, 1, 2, 0>}> : (tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, index) -> ()
    "tile.scatter"(%arg6, %arg2, %arg3, %arg3, %arg5) <{operandSegmentSizes = array<i32: 1, 1, 2, 1>}> : (tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, tensor<8xindex>, tensor<8xi1>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()

