// What kvarn-tile refuses, word for word.

// RUN: kvarn-opt %s --split-input-file --verify-diagnostics '--kvarn-tile=schedule=<rows=4,tokens=128,pool_tokens=128,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

func.func @attend(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  // expected-error @+1 {{'kvarn.attend' op schedule has tokens = 128, expected a divisor of the group 64}}
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

func.func @materialize(%pages: tensor<?x?x?xi8>, %pool: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  // expected-error @+1 {{'kvarn.materialize' op schedule has tokens = 128, expected a divisor of the group 64}}
  %k, %v = kvarn.materialize %cache {frame = #kvarn<frame original>} : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  return %k, %v : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

func.func @dequantize(%pages: tensor<?x?x?xi8>, %pool: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  // expected-error @+1 {{'kvarn.dequantize' op schedule has tokens = 128, expected a divisor of the group 64}}
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  return %k, %v : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// -----

func.func @last_dimension(%x: tensor<8x?xf32>, %by: f32) -> tensor<8x?xf32> {
  // expected-error @+1 {{'kvarn.scale' op operand is 'tensor<8x?xf32>', expected a static last dimension}}
  %y = kvarn.scale %x by %by : tensor<8x?xf32>
  return %y : tensor<8x?xf32>
}

// -----

func.func @rows(%x: tensor<?x64xf32>) -> (tensor<?x64xi8>, tensor<?xf32>, tensor<?xf32>) {
  // expected-error @+1 {{'kvarn.quantize' op operand is 'tensor<?x64xf32>', expected two static last dimensions}}
  %q, %s, %z = kvarn.quantize %x {bits = 4 : i64} : tensor<?x64xf32> -> tensor<?x64xi8>, tensor<?xf32>
  return %q, %s, %z : tensor<?x64xi8>, tensor<?xf32>, tensor<?xf32>
}

// -----

func.func @one_row(%x: tensor<64xf32>) -> (tensor<64xi8>, tensor<f32>, tensor<f32>) {
  // expected-error @+1 {{'kvarn.quantize' op operand is 'tensor<64xf32>', expected two static last dimensions}}
  %q, %s, %z = kvarn.quantize %x {bits = 4 : i64} : tensor<64xf32> -> tensor<64xi8>, tensor<f32>
  return %q, %s, %z : tensor<64xi8>, tensor<f32>, tensor<f32>
}

// -----

func.func @columns(%x: tensor<4x64x?xf32>) -> tensor<4x64x?xf32> {
  // expected-error @+1 {{'kvarn.normalize' op operand is 'tensor<4x64x?xf32>', expected two static last dimensions}}
  %y, %r, %c = kvarn.normalize %x : tensor<4x64x?xf32> -> tensor<4x64xf32>, tensor<4x?xf32>
  return %y : tensor<4x64x?xf32>
}

// -----

// expected-error @+1 {{argument 1 is 'f64', expected a tensor, f32, i32 or i64}}
func.func @argument(%x: tensor<8x64xf32>, %by: f64) -> tensor<8x64xf32> {
  %y = kvarn.rotate %x : tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// -----

func.func @scalar_result(%x: tensor<8x64xf32>, %by: f32) -> (tensor<8x64xf32>, f32) {
  %y = kvarn.rotate %x : tensor<8x64xf32>
  // expected-error @+1 {{result 1 is 'f32', expected a tensor or a cache}}
  return %y, %by : tensor<8x64xf32>, f32
}

// -----

func.func @returns_twice(%x: tensor<8x64xf32>) -> (tensor<8x64xf32>, tensor<8x64xf32>) {
  %y = kvarn.rotate %x : tensor<8x64xf32>
  // expected-error @+1 {{result 1 is an argument or another result, expected a value of its own}}
  return %y, %y : tensor<8x64xf32>, tensor<8x64xf32>
}

// -----

func.func @returns_argument(%x: tensor<8x64xf32>) -> (tensor<8x64xf32>, tensor<8x64xf32>) {
  %y = kvarn.rotate %x : tensor<8x64xf32>
  // expected-error @+1 {{result 0 is an argument or another result, expected a value of its own}}
  return %x, %y : tensor<8x64xf32>, tensor<8x64xf32>
}

// -----

func.func @other_op(%x: tensor<8x64xf32>) -> tensor<8x64xf32> {
  // expected-error @+1 {{'arith.constant' cannot be tiled; level-1 programs consist of kvarn ops}}
  %by = arith.constant 2.0 : f32
  %y = kvarn.scale %x by %by : tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// -----

func.func @control_flow(%x: tensor<8x64xf32>, %n: i32) -> tensor<8x64xf32> {
  // expected-error @+1 {{'arith.index_cast' cannot be tiled; level-1 programs consist of kvarn ops}}
  %end = arith.index_cast %n : i32 to index
  %y = scf.for %i = %end to %end step %end iter_args(%z = %x) -> tensor<8x64xf32> {
    %r = kvarn.rotate %z : tensor<8x64xf32>
    scf.yield %r : tensor<8x64xf32>
  }
  return %y : tensor<8x64xf32>
}

// -----

// expected-error @+1 {{expected a function with one block}}
func.func @blocks(%x: tensor<8x64xf32>) -> tensor<8x64xf32> {
  %y = kvarn.rotate %x : tensor<8x64xf32>
  cf.br ^next
^next:
  return %y : tensor<8x64xf32>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

func.func @foreign_cache(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> tensor<?x8x128xf16> {
  // expected-error @+1 {{cache must come from kvarn.cache}}
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>

func.func @foreign_update(%k: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !kvarn.cache<#fmt>) -> !kvarn.cache<#fmt> {
  // expected-error @+1 {{cache must come from kvarn.cache}}
  %new = kvarn.append %k, %k, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @read_after_append(%k: tensor<?x?x128xf16>, %map: tensor<?xi64>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.append %k, %k, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  // expected-error @+1 {{uses a cache after 'kvarn.append' has updated it in place}}
  %a, %b = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  return %a, %b : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @two_flushes(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (!kvarn.cache<#fmt>, !kvarn.cache<#fmt>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %a = kvarn.flush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  // expected-error @+1 {{uses a cache after 'kvarn.flush' has updated it in place}}
  %b = kvarn.flush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %a, %b : !kvarn.cache<#fmt>, !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @flushed_after_relayout(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %from: tensor<?x?x?xi8>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (!kvarn.cache<#fmt>, !kvarn.cache<#fmt>) {
  %source = kvarn.cache pages %from, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %a = kvarn.relayout %pairs, %count, %source to %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>, !kvarn.cache<#fmt>
  // expected-error @+1 {{uses a cache after 'kvarn.relayout' has updated it in place}}
  %b = kvarn.flush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %a, %b : !kvarn.cache<#fmt>, !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @returned_after_append(%k: tensor<?x?x128xf16>, %map: tensor<?xi64>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (!kvarn.cache<#fmt>, !kvarn.cache<#fmt>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.append %k, %k, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  // expected-error @+1 {{uses a cache after 'kvarn.append' has updated it in place}}
  return %cache, %new : !kvarn.cache<#fmt>, !kvarn.cache<#fmt>
}

// -----

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 128, layout = reference>
func.func @unflush(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %pages: tensor<?x?x?xi8>, %pool_k: tensor<?x64x?x128xf16>, %pool_v: tensor<?x64x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !kvarn.cache<#fmt> {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x64x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  // expected-error @+1 {{'kvarn.unflush' op schedule has tokens = 128, expected a divisor of the group 64}}
  %new = kvarn.unflush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// -----

// What a cache holds is updated where it is, for those too who do not ask the cache.
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @tensor_after_append(%k: tensor<?x?x128xf16>, %map: tensor<?xi64>, %pages: tensor<?x?x?xi8>, %pk: tensor<?x128x?x128xf16>, %pv: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> (!kvarn.cache<#fmt>, tensor<?x128x?x128xf16>) {
  %cache = kvarn.cache pages %pages, pool %pk, %pv, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %new = kvarn.append %k, %k, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  // expected-error @+1 {{uses a cache after 'kvarn.append' has updated it in place}}
  %before = kvarn.rotate %pk : tensor<?x128x?x128xf16>
  return %new, %before : !kvarn.cache<#fmt>, tensor<?x128x?x128xf16>
}
