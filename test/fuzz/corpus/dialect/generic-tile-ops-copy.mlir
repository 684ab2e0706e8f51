"builtin.module"() ({
  "tile.kernel"() <{function_type = (memref<?xf32>, memref<?xf32, strided<[1], offset: ?>>, i64, i32, f32) -> (), sym_name = "copy"}> ({
  ^bb0(%arg0: memref<?xf32>, %arg1: memref<?xf32, strided<[1], offset: ?>>, %arg2: i64, %arg3: i32, %arg4: f32):
    %0 = "tile.program_id"() <{axis = #tile<axis x>}> : () -> index
    %1 = "tile.program_id"() <{axis = #tile<axis y>}> : () -> index
    %2 = "tile.program_id"() <{axis = #tile<axis z>}> : () -> index
    %3 = "tile.load"(%arg0, %0) <{operandSegmentSizes = array<i32: 1, 1, 0>}> : (memref<?xf32>, index) -> tensor<16xf32>
    "tile.store"(%3, %arg1, %0) <{operandSegmentSizes = array<i32: 1, 1, 1, 0>}> : (tensor<16xf32>, memref<?xf32, strided<[1], offset: ?>>, index) -> ()
    "tile.return"() : () -> ()
  }) : () -> ()
}) : () -> ()

