// RUN: kvarn-opt %s --allow-unregistered-dialect -split-input-file -verify-diagnostics

// expected-error @+1 {{key bits is 3, expected one of 2, 4, 8}}
"test.op"() {a = #kvarn.format<key_bits = 3, value_bits = 2, group = 128, head_dim = 128, layout = reference>} : () -> ()

// -----

// expected-error @+1 {{value bits is 16, expected one of 2, 4, 8}}
"test.op"() {a = #kvarn.format<key_bits = 4, value_bits = 16, group = 128, head_dim = 128, layout = reference>} : () -> ()

// -----

// expected-error @+1 {{group is 32, expected one of 64, 128}}
"test.op"() {a = #kvarn.format<key_bits = 4, value_bits = 2, group = 32, head_dim = 128, layout = reference>} : () -> ()

// -----

// expected-error @+1 {{head_dim is 96, expected one of 64, 128, 256}}
"test.op"() {a = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 96, layout = reference>} : () -> ()

// -----

// expected-error @+1 {{unknown layout 'linear', expected one of reference, mma16816}}
"test.op"() {a = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = linear>} : () -> ()

// -----

// expected-error @+1 {{expected 'value_bits'}}
"test.op"() {a = #kvarn.format<key_bits = 4, group = 128, head_dim = 128, layout = reference>} : () -> ()

// -----

// expected-error @+1 {{expected ','}}
"test.op"() {a = #kvarn.format<key_bits = 4>} : () -> ()

// -----

// expected-error @+1 {{rows is 0, expected 1 to 128}}
"test.op"() {a = #kvarn.schedule<rows = 0, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{tokens is 256, expected 1 to 128}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 256, pool_tokens = 256, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{tokens is 48, expected a power of two from 32 on}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 48, pool_tokens = 48, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{pool_tokens is 0, expected 1 to 128}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 0, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{pool_tokens is 256, expected 1 to 128}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 256, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// No group consists of such tiles.
// expected-error @+1 {{tokens is 96, expected a power of two from 32 on}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 96, pool_tokens = 64, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{pool_tokens is 48, expected a power of two from 16 on}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 48, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{pool_tokens is 40, expected a power of two from 16 on}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 40, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{warps is 33, expected 1 to 32}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 33, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{warps is 3, expected a power of two}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 3, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{splits is 1025, expected 0 to 1024}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1025, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{splits is -1, expected 0 to 1024}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = -1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{programs is 0, expected 1 to 32}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 0, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, programs = 0>} : () -> ()

// -----

// expected-error @+1 {{programs is 33, expected 1 to 32}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 0, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, programs = 33>} : () -> ()

// -----

// expected-error @+1 {{programs is 0, expected 1 to 32}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 0, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{expected one of programs, team, query, ends, loops, order}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, blocks = 2>}

// -----

// expected-error @+1 {{programs is 33, expected 0 to 32}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, programs = 33>} : () -> ()

// -----

// expected-error @+1 {{register_rows is 33, expected 1 to 32}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 33, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{register_columns is 257, expected 1 to 256}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 257>} : () -> ()

// -----

// expected-error @+1 {{unknown copy 'bulk', expected one of direct, async}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = bulk, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{unknown expand 'magic', expected one of convert, subnormal}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = magic, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{operand is 'bf16', expected f16 or f32}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = bf16, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{expand = subnormal needs operand = f16}}
"test.op"() {a = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = subnormal, operand = f32, register_rows = 4, register_columns = 32>} : () -> ()

// -----

// expected-error @+1 {{unknown team 'block', expected one of warp, warpgroup}}
"test.op"() {a = #kvarn.schedule<rows = 64, tokens = 128, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 4, register_columns = 32, team = block>} : () -> ()

// -----

// expected-error @+1 {{warps is 2, expected 4 or 8 with team = warpgroup}}
"test.op"() {a = #kvarn.schedule<rows = 32, tokens = 128, pool_tokens = 64, warps = 2, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 4, register_columns = 32, team = warpgroup>} : () -> ()

// -----

// expected-error @+1 {{rows is 16, expected 16 for each of the 4 warps with team = warpgroup}}
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 4, register_columns = 32, team = warpgroup>} : () -> ()

// -----

// expected-error @+1 {{tokens is 32, expected a multiple of 64 with team = warpgroup}}
"test.op"() {a = #kvarn.schedule<rows = 64, tokens = 32, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 4, register_columns = 32, team = warpgroup>} : () -> ()

// -----

// expected-error @+1 {{pool_tokens is 32, expected a multiple of 64 with team = warpgroup}}
"test.op"() {a = #kvarn.schedule<rows = 64, tokens = 128, pool_tokens = 32, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 4, register_columns = 32, team = warpgroup>} : () -> ()

// -----

// expected-error @+1 {{team = warpgroup needs expand = convert and operand = f16}}
"test.op"() {a = #kvarn.schedule<rows = 64, tokens = 128, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = subnormal, operand = f16, register_rows = 4, register_columns = 32, team = warpgroup>} : () -> ()

// -----

// expected-error @+1 {{team = warpgroup needs expand = convert and operand = f16}}
"test.op"() {a = #kvarn.schedule<rows = 64, tokens = 128, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, team = warpgroup>} : () -> ()

// -----

// expected-error @+1 {{unknown target 'sm_42', expected one of x86_64, nvidia, x86-64-v3, x86-64-v4, aarch64, sm_80, sm_86, sm_89, sm_90, sm_90a, gfx942}}
"test.op"() {a = #kvarn.target<"sm_42">} : () -> ()

// -----

// expected-error @+1 {{unknown ends 'twice', expected one of kept, again}}
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 16, warps = 4, splits = 0, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, programs = 2, ends = twice>} : () -> ()

// -----

// expected-error @+1 {{unknown loops 'three', expected one of two, one}}
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 16, warps = 4, splits = 0, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, programs = 2, loops = three>} : () -> ()

// -----

// expected-error @+1 {{unknown order 'random', expected one of forward, backward}}
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 16, warps = 4, splits = 0, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, programs = 2, order = random>} : () -> ()

// -----

// expected-error @+1 {{ends = again needs splits = 0}}
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 16, warps = 4, splits = 1, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, ends = again>} : () -> ()

// -----

// expected-error @+1 {{unknown query 'memory', expected one of registers, shared}}
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 16, warps = 4, splits = 1, copy = async, expand = subnormal, operand = f16, register_rows = 8, register_columns = 128, query = memory>} : () -> ()

// -----

// expected-error @+1 {{query = shared needs team = warp and operand = f16}}
"test.op"() {a = #kvarn.schedule<rows = 16, tokens = 128, pool_tokens = 16, warps = 4, splits = 1, copy = async, expand = convert, operand = f32, register_rows = 8, register_columns = 128, query = shared>} : () -> ()

// -----

// expected-error @+1 {{query = shared needs team = warp and operand = f16}}
"test.op"() {a = #kvarn.schedule<rows = 64, tokens = 128, pool_tokens = 64, warps = 4, splits = 1, copy = async, expand = convert, operand = f16, register_rows = 8, register_columns = 128, team = warpgroup, query = shared>} : () -> ()
