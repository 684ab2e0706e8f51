"builtin.module"() ({
  "func.func"() <{function_type = (tensor<?x8x128xbf16>, tensor<?xi32>, !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>, f32, i32, f32, tensor<8xf32>) -> (), sym_name = "attend"}> ({
  ^bb0(%arg0: tensor<?x8x128xbf16>, %arg1: tensor<?xi32>, %arg2: !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>, %arg3: f32, %arg4: i32, %arg5: f32, %arg6: tensor<8xf32>):
    %0 = "kvarn.attend"(%arg0, %arg1, %arg2, %arg3) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0>, ratio = 4 : i64}> : (tensor<?x8x128xbf16>, tensor<?xi32>, !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>, f32) -> tensor<?x8x128xbf16>
    %1:2 = "kvarn.attend"(%arg0, %arg1, %arg2, %arg3, %arg4, %arg5, %arg6) <{causal, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1>, ratio = 4 : i64, rotateOutput, rotateQuery}> : (tensor<?x8x128xbf16>, tensor<?xi32>, !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>, f32, i32, f32, tensor<8xf32>) -> (tensor<?x8x128xbf16>, tensor<?x8xf32>)
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()

