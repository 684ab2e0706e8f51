"builtin.module"() ({
  "func.func"() <{function_type = (tensor<16xf32>, tensor<8x2xindex>) -> (), sym_name = "warps"}> ({
  ^bb0(%arg0: tensor<16xf32>, %arg1: tensor<8x2xindex>):
    %0:2 = "tile.warps"() <{count = 4 : i64}> ({
    ^bb0(%arg3: index):
      "tile.yimld"(%arg0, %arg1) : (tensor<16xf32>, tensor<8x2xindex>) -> ()
    }) : () -> (tensor<4x16xf32>, tensor<4x8x2xindex>)
    "tile.warps"() <{count = 1 : i64}> ({
    ^bb0(%arg2: index):
      "tile.yield"() : () -> ()
    }) : () -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()

