"builtin.module"() ({
  "func.func"() <{function_type = (tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>) -> !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>, sym_name = "flush"}> ({
  ^bb0(%arg0: tensor<?x2xi32>, %arg1: tensor<1xi32>, %arg2: !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>):
    %0 = "kvarn.flush"(%arg0, %arg1, %arg2) <{iterations = 8 : i64, range = #kvarn<range minmax>}> : (tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>) -> !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>
    %1 = "kvarn.flush"(%arg0, %arg1, %0) <{iterations = 4 : i64, prescale, range = #kvarn<range mse>}> : (tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>) -> !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>
    "func.return"(%1) : (!kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>) -> ()
  }) : () -> ()
}) : () -> ()

