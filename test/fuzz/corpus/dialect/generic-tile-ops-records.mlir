"builtin.module"() ({
  "func.func"() <{function_type = (memref<?x?x?xi8>, index, index, index, i1, tensor<128xf16>, tensor<128x128xi8>) -> (), sym_name = "records"}> ({
  ^bb0(%arg0: memref<?x?x?xi8>, %arg1: index, %arg2: index, %arg3: index, %arg4: i1, %arg5: tensor<128xf16>, %arg6: tensor<128x128xi8>):
    %0 = "tile.load_vector"(%arg0, %arg1, %arg2, %arg3) <{field = #kvarn<field value_scale>, format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>}> : (memref<?x?x?xi8>, index, index, index) -> tensor<32xf16>
    %1 = "tile.load_codes"(%arg0, %arg1, %arg2, %arg3) <{format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, part = #kvarn<part key>}> : (memref<?x?x?xi8>, index, index, index) -> tensor<128x32xi8>
    %2 = "tile.load_codes"(%arg0, %arg1, %arg2, %arg3) <{format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, part = #kvarn<part value>}> : (memref<?x?x?xi8>, index, index, index) -> tensor<32x128xi8>
    %3 = "tile.expand"(%1) <{format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, mode = #kvarn<expand subnormal>, part = #kvarn<part key>}> : (tensor<128x32xi8>) -> tensor<128x32xf16>
    %4 = "tile.expand"(%2) <{format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, mode = #kvarn<expand convert>, part = #kvarn<part value>}> : (tensor<32x128xi8>) -> tensor<32x128xf32>
    %5 = "tile.expand_scale"() <{format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, part = #kvarn<part key>}> : () -> tensor<128xf32>
    "tile.store_vector"(%arg5, %arg0, %arg1, %arg2) <{field = #kvarn<field key_scale>, format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>}> : (tensor<128xf16>, memref<?x?x?xi8>, index, index) -> ()
    "tile.store_codes"(%arg6, %arg0, %arg1, %arg2) <{format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, part = #kvarn<part value>}> : (tensor<128x128xi8>, memref<?x?x?xi8>, index, index) -> ()
    %6 = "tile.alloc_slot"() : () -> !tile.slot<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, key>
    %7 = "tile.async_copy"(%arg0, %arg1, %arg2, %6, %arg4) : (memref<?x?x?xi8>, index, index, !tile.slot<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, key>, i1) -> !tile.token
    "tile.wait"(%7) : (!tile.token) -> ()
    %8 = "tile.load_codes"(%6, %arg3) <{format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, part = #kvarn<part key>}> : (!tile.slot<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, key>, index) -> tensor<128x64xi8>
    %9 = "tile.load_vector"(%6, %arg3) <{field = #kvarn<field key_token>, format = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>}> : (!tile.slot<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, key>, index) -> tensor<64xf16>
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()

