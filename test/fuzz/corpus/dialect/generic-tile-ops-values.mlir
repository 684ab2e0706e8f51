"builtin.module"() ({
  "func.func"() <{function_type = (f32, tensor<16xf32>, tensor<16x64xf16>, tensor<64x32xf16>, tensor<16x32xf32>) -> (), sym_name = "values"}> ({
  ^bb0(%arg0: f32, %arg1: tensor<16xf32>, %arg2: tensor<16x64xf16>, %arg3: tensor<64x32xf16>, %arg4: tensor<16x32xf32>):
    %0 = "tile.iota"() <{dim = 1 : i64}> : () -> tensor<16x32xi32>
    %1 = "tile.iota"() <{dim = 0 : i64}> : () -> tensor<8xindex>
    %2 = "tile.splat"(%arg0) : (f32) -> tensor<16x32xf32>
    %3 = "tile.broadcast"(%arg1) <{dims = array<i64: 0>}> : (tensor<16xf32>) -> tensor<16x32xf32>
    %4 = "tile.broadcast"(%arg1) <{dims = array<i64: 1>}> : (tensor<16xf32>) -> tensor<4x16xf32>
    %5 = "tile.transpose"(%arg2) : (tensor<16x64xf16>) -> tensor<64x16xf16>
    %6 = "tile.reduce"(%arg4) <{dim = 1 : i64, kind = #tile<reduce max>}> : (tensor<16x32xf32>) -> tensor<16xf32>
    %7 = "tile.reduce"(%arg4) <{dim = 0 : i64, kind = #tile<reduce add>}> : (tensor<16x32xf32>) -> tensor<32xf32>
    %8 = "tile.reduce"(%arg1) <{dim = 0 : i64, kind = #tile<reduce min>}> : (tensor<16xf32>) -> f32
    %9 = "tile.dot"(%arg2, %arg3, %arg4) : (tensor<16x64xf16>, tensor<64x32xf16>, tensor<16x32xf32>) -> tensor<16x32xf32>
    %10 = "tile.hadamard"(%arg4) : (tensor<16x32xf32>) -> tensor<16x32xf32>
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()

