// RUN: kvarn-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<96xf16>) {
  // expected-error @+1 {{'kvarn.rotate' op operand is 'tensor<96xf16>', expected a last dimension of 64, 128 or 256}}
  %0 = kvarn.rotate %x : tensor<96xf16>
  return
}

// -----

func.func @f(%x: tensor<f16>) {
  // expected-error @+1 {{'kvarn.rotate' op operand is 'tensor<f16>', expected a last dimension of 64, 128 or 256}}
  %0 = kvarn.rotate %x : tensor<f16>
  return
}

// -----

func.func @f(%x: tensor<8x?xf16>) {
  // expected-error @+1 {{'kvarn.rotate' op operand is 'tensor<8x?xf16>', expected a last dimension of 64, 128 or 256}}
  %0 = kvarn.rotate %x : tensor<8x?xf16>
  return
}

// -----

func.func @f(%x: tensor<64xi8>) {
  // expected-error @+1 {{'kvarn.rotate' op operand #0 must be}}
  %0 = kvarn.rotate %x : tensor<64xi8>
  return
}

// -----

func.func @f(%x: tensor<*xf16>) {
  // expected-error @+1 {{invalid kind of type specified}}
  %0 = kvarn.rotate %x : tensor<*xf16>
  return
}

// -----

func.func @f(%x: tensor<64xi8>, %s: f32) {
  // expected-error @+1 {{'kvarn.scale' op operand #0 must be}}
  %0 = kvarn.scale %x by %s : tensor<64xi8>
  return
}

// -----

func.func @f(%x: tensor<64xf32>) {
  // expected-error @+1 {{'kvarn.normalize' op operand is 'tensor<64xf32>', expected rank 2 or more}}
  %0:3 = kvarn.normalize %x : tensor<64xf32> -> tensor<f32>, tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{'kvarn.normalize' op iterations is 65, expected 0 to 64}}
  %0:3 = kvarn.normalize %x {iterations = 65 : i64} : tensor<8x4xf32> -> tensor<8xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{'kvarn.normalize' op row scale is 'tensor<4xf32>', expected shape [8]}}
  %0:3 = kvarn.normalize %x : tensor<8x4xf32> -> tensor<4xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{'kvarn.normalize' op column scale is 'tensor<2x8xf32>', expected shape [2, 4]}}
  %0:3 = kvarn.normalize %x : tensor<2x8x4xf32> -> tensor<2x8xf32>, tensor<2x8xf32>
  return
}

// -----

func.func @f(%x: tensor<f32>) {
  // expected-error @+1 {{'kvarn.quantize' op operand is 'tensor<f32>', expected rank 1 or more}}
  %0:3 = kvarn.quantize %x {bits = 4 : i64} : tensor<f32> -> tensor<i8>, tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{'kvarn.quantize' op bits is 3, expected 2, 4 or 8}}
  %0:3 = kvarn.quantize %x {bits = 3 : i64} : tensor<8x4xf32> -> tensor<8x4xi8>, tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{'kvarn.quantize' op codes is 'tensor<8x5xi8>', expected shape [8, 4]}}
  %0:3 = kvarn.quantize %x {bits = 4 : i64} : tensor<8x4xf32> -> tensor<8x5xi8>, tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{'kvarn.quantize' op scale is 'tensor<8x4xf32>', expected shape [?]}}
  %0:3 = kvarn.quantize %x {bits = 4 : i64} : tensor<?x4xf32> -> tensor<?x4xi8>, tensor<8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{'kvarn.quantize' op requires attribute 'bits'}}
  %0:3 = kvarn.quantize %x : tensor<8x4xf32> -> tensor<8x4xi8>, tensor<8xf32>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%a: tensor<?x?xi8>, %b: tensor<?x128x?x128xf16>, %c: tensor<?x?xi32>, %d: tensor<?xi32>, %e: tensor<?xi32>) {
  // expected-error @+1 {{'kvarn.cache' op pages is 'tensor<?x?xi8>', expected shape [?, ?, ?]}}
  %0 = kvarn.cache pages %a, pool %b, %b, table %c, slots %d, lengths %e : tensor<?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%a: tensor<*xi8>, %b: tensor<?x128x?x128xf16>, %c: tensor<?x?xi32>, %d: tensor<?xi32>, %e: tensor<?xi32>) {
  // expected-error @+1 {{'kvarn.cache' op pages is 'tensor<*xi8>', expected shape [?, ?, ?]}}
  %0 = kvarn.cache pages %a, pool %b, %b, table %c, slots %d, lengths %e : tensor<*xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%a: tensor<?x?x13823xi8>, %b: tensor<?x128x?x128xf16>, %c: tensor<?x?xi32>, %d: tensor<?xi32>, %e: tensor<?xi32>) {
  // expected-error @+1 {{'kvarn.cache' op pages hold 13823 bytes per record, expected at least 13824}}
  %0 = kvarn.cache pages %a, pool %b, %b, table %c, slots %d, lengths %e : tensor<?x?x13823xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%a: tensor<?x?x?xi8>, %b: tensor<?x64x?x128xf16>, %c: tensor<?x?xi32>, %d: tensor<?xi32>, %e: tensor<?xi32>) {
  // expected-error @+1 {{'kvarn.cache' op pool is 'tensor<?x64x?x128xf16>', expected shape [?, 128, ?, 128]}}
  %0 = kvarn.cache pages %a, pool %b, %b, table %c, slots %d, lengths %e : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%a: tensor<?x?x?xi8>, %b: tensor<?x128x?x128xf16>, %c: tensor<?xi32>, %d: tensor<?xi32>, %e: tensor<?xi32>) {
  // expected-error @+1 {{'kvarn.cache' op table is 'tensor<?xi32>', expected shape [?, ?]}}
  %0 = kvarn.cache pages %a, pool %b, %b, table %c, slots %d, lengths %e : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%a: tensor<?x?x?xi8>, %b: tensor<?x128x?x128xf16>, %c: tensor<?x?xi32>, %d: tensor<?x?xi32>, %e: tensor<?xi32>) {
  // expected-error @+1 {{'kvarn.cache' op slots is 'tensor<?x?xi32>', expected shape [?]}}
  %0 = kvarn.cache pages %a, pool %b, %b, table %c, slots %d, lengths %e : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?x?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%a: tensor<?x?x?xi8>, %b: tensor<?x128x?x128xf16>, %c: tensor<?x?xi32>, %d: tensor<?xi32>, %e: tensor<?x?xi32>) {
  // expected-error @+1 {{'kvarn.cache' op lengths is 'tensor<?x?xi32>', expected shape [?]}}
  %0 = kvarn.cache pages %a, pool %b, %b, table %c, slots %d, lengths %e : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?x?xi32> -> !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.dequantize' op result is 'tensor<?x?x?x64xf16>', expected shape [?, ?, ?, 128]}}
  %0:2 = kvarn.dequantize %c : !kvarn.cache<#fmt> -> tensor<?x?x?x64xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{custom op 'kvarn.dequantize' 'k' must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float values, but got 'tensor<?x?x?x128xf64>'}}
  %0:2 = kvarn.dequantize %c : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf64>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.materialize' op result is 'tensor<?x?x128xf16>', expected shape [?, ?, ?, 128]}}
  %0:2 = kvarn.materialize %c {frame = #kvarn<frame original>} : !kvarn.cache<#fmt> -> tensor<?x?x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.materialize' op requires attribute 'frame'}}
  %0:2 = kvarn.materialize %c : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op q is 'tensor<?x128xf16>', expected shape [T, Hq, D]}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op ratio is 0, expected 1 to 64}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 0 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op ratio is 65, expected 1 to 64}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 65 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op q has 8 heads, expected a multiple of the ratio 3}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 3 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x100xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op q is 'tensor<?x8x100xf16>', expected a last dimension of 64, 128 or 256}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x8x100xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x100xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op result is 'tensor<?x4x128xf16>', expected shape [?, 8, 128]}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x4x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op result is 'tensor<?x8x128xbf16>', expected the element type of q}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xbf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?x?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op query_start is 'tensor<?x?xi32>', expected shape [?]}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op lse is 'tensor<?x9xf32>', expected shape [?, 8]}}
  %0:2 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>, tensor<?x9xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32, %sinks: tensor<7xf32>) {
  // expected-error @+1 {{'kvarn.attention' op sinks is 'tensor<7xf32>', expected shape [8]}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 sinks %sinks : tensor<7xf32> : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x64xf16>, %v: tensor<?x?x1x64xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op k is 'tensor<?x?x1x64xf16>', expected shape [?, ?, ?, 128]}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x8x128xf16>, tensor<?x?x1x64xf16>, tensor<?x?x1x64xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op v is 'tensor<?x1x128xf16>', expected shape [?, ?, ?, 128]}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %v: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?x?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op lengths is 'tensor<?x?xi32>', expected shape [?]}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x8x64xf16>, %start: tensor<?xi32>, %c: !kvarn.cache<#fmt>, %s: f32) {
  // expected-error @+1 {{'kvarn.attend' op q is 'tensor<?x8x64xf16>', expected shape [?, ?, 128]}}
  %0 = kvarn.attend %q, %start, %c scale %s ratio 8 : tensor<?x8x64xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x64xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x8x1x128xf16>, %start: tensor<?xi32>, %c: !kvarn.cache<#fmt>, %s: f32) {
  // expected-error @+1 {{'kvarn.attend' op q is 'tensor<?x8x1x128xf16>', expected shape [T, Hq, D]}}
  %0 = kvarn.attend %q, %start, %c scale %s ratio 8 : tensor<?x8x1x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x1x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x8x128xf16>, %start: tensor<i32>, %c: !kvarn.cache<#fmt>, %s: f32) {
  // expected-error @+1 {{'kvarn.attend' op query_start is 'tensor<i32>', expected shape [?]}}
  %0 = kvarn.attend %q, %start, %c scale %s ratio 8 : tensor<?x8x128xf16>, tensor<i32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %c: !kvarn.cache<#fmt>, %s: f32) {
  // expected-error @+1 {{'kvarn.attend' op q has 8 heads, expected a multiple of the ratio 5}}
  %0 = kvarn.attend %q, %start, %c scale %s ratio 5 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %c: !kvarn.cache<#fmt>, %s: f32) {
  // expected-error @+1 {{`causal` clause can appear at most once in the expansion of the oilist directive}}
  %0 = kvarn.attend %q, %start, %c scale %s ratio 8 causal causal : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%k: tensor<?x?x64xf16>, %m: tensor<?xi64>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.append' op k is 'tensor<?x?x64xf16>', expected shape [?, ?, 128]}}
  %0 = kvarn.append %k, %k, %m, %c : tensor<?x?x64xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%k: tensor<?x?x128xf16>, %m: tensor<?x?xi64>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.append' op slot_mapping is 'tensor<?x?xi64>', expected shape [?]}}
  %0 = kvarn.append %k, %k, %m, %c : tensor<?x?x128xf16>, tensor<?x?xi64>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%k: tensor<?x?x128xf16>, %m: tensor<?xi32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.append' op operand #2 must be tensor of 64-bit signless integer values, but got 'tensor<?xi32>'}}
  %0 = kvarn.append %k, %k, %m, %c : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: tensor<?x2xi32>, %n: tensor<1xi32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.flush' op iterations is 100, expected 0 to 64}}
  %0 = kvarn.flush %p, %n, %c {iterations = 100 : i64} : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: tensor<?x3xi32>, %n: tensor<1xi32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.flush' op pairs is 'tensor<?x3xi32>', expected shape [?, 2]}}
  %0 = kvarn.flush %p, %n, %c : tensor<?x3xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: tensor<?x2xi32>, %n: tensor<i32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.flush' op count is 'tensor<i32>', expected shape [1]}}
  %0 = kvarn.flush %p, %n, %c : tensor<?x2xi32>, tensor<i32>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
#other = #kvarn.format<key_bits = 4, value_bits = 4, group = 128, head_dim = 128, layout = mma16816>
func.func @f(%p: tensor<?x2xi32>, %n: tensor<1xi32>, %s: !kvarn.cache<#other>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.relayout' op copies records of #kvarn.format<key_bits = 4, value_bits = 4, group = 128, head_dim = 128, layout = mma16816> to #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, expected formats that differ in their layout}}
  %0 = kvarn.relayout %p, %n, %s to %c : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#other>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: tensor<?x3xi32>, %n: tensor<1xi32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.relayout' op pairs is 'tensor<?x3xi32>', expected shape [?, 2]}}
  %0 = kvarn.relayout %p, %n, %c to %c : tensor<?x3xi32>, tensor<1xi32>, !kvarn.cache<#fmt>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: tensor<?x2xi32>, %n: tensor<i32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.relayout' op count is 'tensor<i32>', expected shape [1]}}
  %0 = kvarn.relayout %p, %n, %c to %c : tensor<?x2xi32>, tensor<i32>, !kvarn.cache<#fmt>, !kvarn.cache<#fmt>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{'kvarn.normalize' op iterations is -1, expected 0 to 64}}
  %0:3 = kvarn.normalize %x {iterations = -1 : i64} : tensor<8x4xf32> -> tensor<8xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<f32>, %s: f32) {
  // expected-error @+1 {{'kvarn.scale' op operand is 'tensor<f32>', expected rank 1 or more}}
  %0 = kvarn.scale %x by %s : tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x1x8xf32>) {
  // expected-error @+1 {{'kvarn.normalize' op operand is 'tensor<2x1x8xf32>', expected two rows and two columns or more}}
  %0, %1, %2 = kvarn.normalize %x : tensor<2x1x8xf32> -> tensor<2x1xf32>, tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<2x256x8x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op q has 8 heads and k 8, expected the ratio 4}}
  %0 = kvarn.attention %q, %k, %k, %start, %lens scale %s ratio 4 : tensor<?x8x128xf16>, tensor<2x256x8x128xf16>, tensor<2x256x8x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<2x256x2x128xf16>, %v: tensor<1x256x2x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32) {
  // expected-error @+1 {{'kvarn.attention' op v is 'tensor<1x256x2x128xf16>', expected shape [2, 256, 2, 128]}}
  %0 = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 4 : tensor<?x8x128xf16>, tensor<2x256x2x128xf16>, tensor<1x256x2x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%k: tensor<?x?x128xf16>, %p: tensor<?x2xi32>, %n: tensor<1xi32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.pack' op iterations is 100, expected 0 to 64}}
  %0 = kvarn.pack %k, %k, %p, %n, %c {iterations = 100 : i64} : tensor<?x?x128xf16>, tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%k: tensor<?x?x64xf16>, %p: tensor<?x2xi32>, %n: tensor<1xi32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.pack' op k is 'tensor<?x?x64xf16>', expected shape [?, ?, 128]}}
  %0 = kvarn.pack %k, %k, %p, %n, %c : tensor<?x?x64xf16>, tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%k: tensor<?x?x128xf16>, %p: tensor<?x2xi32>, %n: tensor<2xi32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.pack' op count is 'tensor<2xi32>', expected shape [1]}}
  %0 = kvarn.pack %k, %k, %p, %n, %c : tensor<?x?x128xf16>, tensor<?x2xi32>, tensor<2xi32>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%p: tensor<?xi32>, %n: tensor<1xi32>, %c: !kvarn.cache<#fmt>) {
  // expected-error @+1 {{'kvarn.unflush' op pairs is 'tensor<?xi32>', expected shape [?, 2]}}
  %0 = kvarn.unflush %p, %n, %c : tensor<?xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %s: f32, %n: tensor<?x1x128xf16>) {
  // expected-error @+1 {{'kvarn.attend' op has new k alone, expected new k and v or none of them}}
  %0 = "kvarn.attend"(%q, %start, %cache, %s, %n) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 1, 0>, ratio = 8 : i64}> : (tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt>, f32, tensor<?x1x128xf16>) -> tensor<?x8x128xf16>
  return
}

// -----

func.func @f(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32, %n: tensor<?x1x128xf16>) {
  // expected-error @+1 {{'kvarn.attention' op has new v alone, expected new k and v or none of them}}
  %0 = "kvarn.attention"(%q, %k, %k, %start, %lens, %s, %n) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1>, ratio = 8 : i64}> : (tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32>, f32, tensor<?x1x128xf16>) -> tensor<?x8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<5x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %s: f32, %k: tensor<5x2x128xf16>, %v: tensor<5x1x128xf16>) {
  // expected-error @+1 {{'kvarn.attend' op new k is 'tensor<5x2x128xf16>', expected shape [5, 1, 128]}}
  %0 = kvarn.attend %q, %start, %cache scale %s ratio 8 new %k, %v : tensor<5x2x128xf16>, tensor<5x1x128xf16> : tensor<5x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<5x8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<5x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %s: f32, %k: tensor<5x1x128xf16>, %v: tensor<4x1x128xf16>) {
  // expected-error @+1 {{'kvarn.attend' op new v is 'tensor<4x1x128xf16>', expected shape [5, 1, 128]}}
  %0 = kvarn.attend %q, %start, %cache scale %s ratio 8 new %k, %v : tensor<5x1x128xf16>, tensor<4x1x128xf16> : tensor<5x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<5x8x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x?x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %s: f32, %k: tensor<5x2x128xf16>, %v: tensor<?x1x128xf16>) {
  // expected-error @+1 {{'kvarn.attend' op new v is 'tensor<?x1x128xf16>', expected shape [5, 2, 128]}}
  %0 = kvarn.attend %q, %start, %cache scale %s ratio 8 new %k, %v : tensor<5x2x128xf16>, tensor<?x1x128xf16> : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x8x128xbf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %s: f32, %k: tensor<?x1x128xbf16>, %v: tensor<?x1x128xf16>) {
  // expected-error @+1 {{'kvarn.attend' op new v is 'tensor<?x1x128xf16>', expected the element type of q}}
  %0 = kvarn.attend %q, %start, %cache scale %s ratio 8 new %k, %v : tensor<?x1x128xbf16>, tensor<?x1x128xf16> : tensor<?x8x128xbf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xbf16>
  return
}

// -----

func.func @f(%q: tensor<?x?x128xf16>, %k: tensor<?x?x1x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %s: f32, %n: tensor<?x2x128xf16>) {
  // expected-error @+1 {{'kvarn.attention' op new k is 'tensor<?x2x128xf16>', expected shape [?, 1, 128]}}
  %0 = kvarn.attention %q, %k, %k, %start, %lens scale %s ratio 8 new %n, %n : tensor<?x2x128xf16>, tensor<?x2x128xf16> : tensor<?x?x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x?x128xf16>
  return
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @f(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %s: f32) {
  // expected-error @+1 {{'kvarn.attend' op rotates new k and v but has none}}
  %0 = kvarn.attend %q, %start, %cache scale %s ratio 8 rotate_new : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return
}
