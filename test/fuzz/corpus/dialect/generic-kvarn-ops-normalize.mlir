"builtin.module"() ({
  "func.func"() <{function_type = (tensor<4x128x64xf32>) -> (), sym_name = "normalize"}> ({
  ^bb0(%arg0: tensor<4x128x64xf32>):
    %0:3 = "kvarn.normalize"(%arg0) <{iterations = 8 : i64}> : (tensor<4x128x64xf32>) -> (tensor<4x128x64xf32>, tensor<4x128xf32>, tensor<4x64xf32>)
    %1:3 = "kvarn.normalize"(%arg0) <{iterations = 0 : i64, prescale}> : (tensor<4x128x64xf32>) -> (tensor<4x128x64xf32>, tensor<4x128xf32>, tensor<4x64xf32>)
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()

