// RUN: kvarn-opt --allow-unregistered-dialect %s | kvarn-opt --allow-unregistered-dialect | FileCheck %s
// RUN: kvarn-opt --allow-unregistered-dialect %s --emit-bytecode | kvarn-opt --allow-unregistered-dialect | FileCheck %s

// CHECK: #kvarn.format<key_bits = 2, value_bits = 8, group = 64, head_dim = 256, layout = mma16816>
"test.op"() {a = #kvarn.format<key_bits = 2, value_bits = 8, group = 64, head_dim = 256, layout = mma16816>} : () -> ()
// CHECK: #kvarn.format<key_bits = 8, value_bits = 4, group = 128, head_dim = 64, layout = reference>
"test.op"() {a = #kvarn.format<key_bits = 8, value_bits = 4, group = 128, head_dim = 64, layout = reference>} : () -> ()

// CHECK: #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()
// CHECK: #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 0, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, programs = 2>
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 0, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, programs = 2>} : () -> ()
// CHECK: #kvarn.schedule<rows = 128, tokens = 32, pool_tokens = 32, warps = 32, splits = 1024, copy = async, expand = subnormal, operand = f16, register_rows = 32, register_columns = 256>
"test.op"() {a = #kvarn.schedule<rows = 128, tokens = 32, pool_tokens = 32, warps = 32, splits = 1024, copy = async, expand = subnormal, operand = f16, register_rows = 32, register_columns = 256>} : () -> ()

// CHECK: #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 32, warps = 4, splits = 0, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, programs = 2, query = shared, ends = again, loops = one, order = backward>
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 32, warps = 4, splits = 0, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, programs = 2, query = shared, ends = again, loops = one, order = backward>} : () -> ()
// What is left out where it says what it would be otherwise.
// CHECK: #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 32, warps = 4, splits = 0, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, programs = 2, query = shared>
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 32, warps = 4, splits = 0, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, programs = 2, query = shared, ends = kept, loops = two, order = forward>} : () -> ()

// CHECK: #kvarn.target<"x86-64-v4">
"test.op"() {a = #kvarn.target<"x86-64-v4">} : () -> ()

// CHECK: #kvarn<part key>
// CHECK-SAME: #kvarn<part value>
"test.op"() {a = #kvarn<part key>, b = #kvarn<part value>} : () -> ()
// CHECK: #kvarn<field key_scale>
// CHECK-SAME: #kvarn<field key_zero>
// CHECK-SAME: #kvarn<field key_token>
// CHECK-SAME: #kvarn<field value_channel>
// CHECK-SAME: #kvarn<field value_scale>
// CHECK-SAME: #kvarn<field value_zero>
"test.op"() {a = #kvarn<field key_scale>, b = #kvarn<field key_zero>, c = #kvarn<field key_token>, d = #kvarn<field value_channel>, e = #kvarn<field value_scale>, f = #kvarn<field value_zero>} : () -> ()
// CHECK: #kvarn<range minmax>
// CHECK-SAME: #kvarn<range mse>
"test.op"() {a = #kvarn<range minmax>, b = #kvarn<range mse>} : () -> ()
// CHECK: #kvarn<frame rotated>
// CHECK-SAME: #kvarn<frame original>
"test.op"() {a = #kvarn<frame rotated>, b = #kvarn<frame original>} : () -> ()
// CHECK: #kvarn<expand convert>
// CHECK-SAME: #kvarn<expand subnormal>
"test.op"() {a = #kvarn<expand convert>, b = #kvarn<expand subnormal>} : () -> ()
