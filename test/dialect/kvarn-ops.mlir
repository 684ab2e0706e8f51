// RUN: kvarn-opt %s | kvarn-opt | FileCheck %s
// RUN: kvarn-opt %s --mlir-print-op-generic | kvarn-opt | FileCheck %s
// RUN: kvarn-opt %s --emit-bytecode | kvarn-opt | FileCheck %s

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
!cache = !kvarn.cache<#fmt>
!mma = !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = mma16816>>

// CHECK-LABEL: func.func @rotate
func.func @rotate(%h: tensor<?x8x128xf16>, %b: tensor<64xbf16>, %f: tensor<2x2x2x256xf32>) {
  // CHECK: kvarn.rotate %{{.*}} : tensor<?x8x128xf16>
  %0 = kvarn.rotate %h : tensor<?x8x128xf16>
  // CHECK: kvarn.rotate %{{.*}} : tensor<64xbf16>
  %1 = kvarn.rotate %b : tensor<64xbf16>
  // CHECK: kvarn.rotate %{{.*}} : tensor<2x2x2x256xf32>
  %2 = kvarn.rotate %f : tensor<2x2x2x256xf32>
  return
}

// CHECK-LABEL: func.func @scale
func.func @scale(%x: tensor<?x8x128xf16>, %s: f32) -> tensor<?x8x128xf16> {
  // CHECK: kvarn.scale %{{.*}} by %{{.*}} : tensor<?x8x128xf16>
  %0 = kvarn.scale %x by %s : tensor<?x8x128xf16>
  return %0 : tensor<?x8x128xf16>
}

// CHECK-LABEL: func.func @normalize
func.func @normalize(%x: tensor<4x128x64xf32>) {
  // The default of `iterations` is not printed.
  // CHECK: kvarn.normalize %{{.*}} : tensor<4x128x64xf32> -> tensor<4x128xf32>, tensor<4x64xf32>
  %0:3 = kvarn.normalize %x {iterations = 8 : i64} : tensor<4x128x64xf32> -> tensor<4x128xf32>, tensor<4x64xf32>
  // CHECK: kvarn.normalize %{{.*}} {iterations = 0 : i64, prescale} : tensor<4x128x64xf32> -> tensor<4x128xf32>, tensor<4x64xf32>
  %1:3 = kvarn.normalize %x {iterations = 0 : i64, prescale} : tensor<4x128x64xf32> -> tensor<4x128xf32>, tensor<4x64xf32>
  return
}

// CHECK-LABEL: func.func @quantize
func.func @quantize(%x: tensor<4x128x128xf32>) {
  // CHECK: kvarn.quantize %{{.*}} {bits = 4 : i64} : tensor<4x128x128xf32> -> tensor<4x128x128xi8>, tensor<4x128xf32>
  %0:3 = kvarn.quantize %x {bits = 4 : i64} : tensor<4x128x128xf32> -> tensor<4x128x128xi8>, tensor<4x128xf32>
  // CHECK: kvarn.quantize %{{.*}} {bits = 2 : i64, range = #kvarn<range mse>}
  %1:3 = kvarn.quantize %x {bits = 2 : i64, range = #kvarn<range mse>} : tensor<4x128x128xf32> -> tensor<4x128x128xi8>, tensor<4x128xf32>
  return
}

// CHECK-LABEL: func.func @cache
// CHECK-SAME: -> !kvarn.cache<<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>
func.func @cache(%pages: tensor<?x?x?xi8>, %k: tensor<?x128x?x128xf16>, %v: tensor<?x128x?x128xf16>,
                 %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>) -> !cache {
  // CHECK: kvarn.cache pages %{{.*}}, pool %{{.*}}, %{{.*}}, table %{{.*}}, slots %{{.*}}, lengths %{{.*}} : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> <<key_bits = 4
  %0 = kvarn.cache pages %pages, pool %k, %v, table %table, slots %slots, lengths %lens
      : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !cache
  return %0 : !cache
}

// CHECK-LABEL: func.func @dense
func.func @dense(%cache: !cache) {
  // CHECK: kvarn.dequantize %{{.*}} : <<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>> -> tensor<?x?x?x128xf16>
  %0:2 = kvarn.dequantize %cache : !cache -> tensor<?x?x?x128xf16>
  // CHECK: kvarn.materialize %{{.*}} {frame = #kvarn<frame original>} : <<{{.*}}>> -> tensor<?x?x?x128xbf16>
  %1:2 = kvarn.materialize %cache {frame = #kvarn<frame original>} : !cache -> tensor<?x?x?x128xbf16>
  // CHECK: kvarn.materialize %{{.*}} {frame = #kvarn<frame rotated>} : <<{{.*}}>> -> tensor<?x?x?x128xf32>
  %2:2 = kvarn.materialize %cache {frame = #kvarn<frame rotated>} : !cache -> tensor<?x?x?x128xf32>
  return
}

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<?x8x128xf16>, %k: tensor<?x?x1x128xf16>, %start: tensor<?xi32>,
                     %lens: tensor<?xi32>, %s: f32, %w: i32, %cap: f32, %sinks: tensor<8xf32>, %new: tensor<?x1x128xf16>) {
  // CHECK: kvarn.attention %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} scale %{{.*}} ratio 8 : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>{{$}}
  %0 = kvarn.attention %q, %k, %k, %start, %lens scale %s ratio 8
      : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  // CHECK: kvarn.attention {{.*}} window %{{.*}} softcap %{{.*}} sinks %{{.*}} : tensor<8xf32> causal : {{.*}} -> tensor<?x8x128xf16>, tensor<?x8xf32>
  %1:2 = kvarn.attention %q, %k, %k, %start, %lens scale %s ratio 8
      causal sinks %sinks : tensor<8xf32> softcap %cap window %w
      : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32>
      -> tensor<?x8x128xf16>, tensor<?x8xf32>
  // CHECK: kvarn.attention {{.*}} ratio 8 window %{{[^ ]*}} new %[[N:[^ ]*]], %[[N]] : tensor<?x1x128xf16>, tensor<?x1x128xf16> causal : {{.*}} -> tensor<?x8x128xf16>{{$}}
  %2 = kvarn.attention %q, %k, %k, %start, %lens scale %s ratio 8
      causal new %new, %new : tensor<?x1x128xf16>, tensor<?x1x128xf16> window %w
      : tensor<?x8x128xf16>, tensor<?x?x1x128xf16>, tensor<?x?x1x128xf16>, tensor<?xi32>, tensor<?xi32>
      -> tensor<?x8x128xf16>
  return
}

// CHECK-LABEL: func.func @attend
func.func @attend(%q: tensor<?x8x128xbf16>, %start: tensor<?xi32>, %cache: !cache, %s: f32,
                  %w: i32, %cap: f32, %sinks: tensor<8xf32>, %new: tensor<?x2x128xbf16>) {
  // CHECK: kvarn.attend %{{.*}}, %{{.*}}, %{{.*}} scale %{{.*}} ratio 4 : tensor<?x8x128xbf16>, tensor<?xi32>, <<{{.*}}>> -> tensor<?x8x128xbf16>{{$}}
  %0 = kvarn.attend %q, %start, %cache scale %s ratio 4
      : tensor<?x8x128xbf16>, tensor<?xi32>, !cache -> tensor<?x8x128xbf16>
  // CHECK: kvarn.attend {{.*}} window %{{.*}} softcap %{{.*}} sinks %{{.*}} : tensor<8xf32> causal rotate_query rotate_output : {{.*}} -> tensor<?x8x128xbf16>, tensor<?x8xf32>
  %1:2 = kvarn.attend %q, %start, %cache scale %s ratio 4
      rotate_output rotate_query causal sinks %sinks : tensor<8xf32> softcap %cap window %w
      : tensor<?x8x128xbf16>, tensor<?xi32>, !cache -> tensor<?x8x128xbf16>, tensor<?x8xf32>
  // CHECK: kvarn.attend {{.*}} ratio 4 new %[[N:[^ ]*]], %[[N]] : tensor<?x2x128xbf16>, tensor<?x2x128xbf16> causal rotate_query rotate_new rotate_output : {{.*}} -> tensor<?x8x128xbf16>{{$}}
  %2 = kvarn.attend %q, %start, %cache scale %s ratio 4
      rotate_new rotate_output rotate_query causal new %new, %new : tensor<?x2x128xbf16>, tensor<?x2x128xbf16>
      : tensor<?x8x128xbf16>, tensor<?xi32>, !cache -> tensor<?x8x128xbf16>
  return
}

// CHECK-LABEL: func.func @append
func.func @append(%k: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !cache) -> !cache {
  // CHECK: kvarn.append %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x?x128xf16>, tensor<?xi64>, <<
  %0 = kvarn.append %k, %k, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !cache
  // CHECK: kvarn.append %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} rotate : tensor<?x?x128xf16>, tensor<?xi64>, <<
  %1 = kvarn.append %k, %k, %map, %0 rotate : tensor<?x?x128xf16>, tensor<?xi64>, !cache
  return %1 : !cache
}

// CHECK-LABEL: func.func @flush
func.func @flush(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %cache: !cache) -> !cache {
  // CHECK: kvarn.flush %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<1xi32>, <<
  %0 = kvarn.flush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !cache
  // CHECK: kvarn.flush %{{.*}}, %{{.*}}, %{{.*}} {iterations = 4 : i64, prescale, range = #kvarn<range mse>} : tensor<?x2xi32>, tensor<1xi32>, <<
  %1 = kvarn.flush %pairs, %count, %0 {iterations = 4 : i64, prescale, range = #kvarn<range mse>} : tensor<?x2xi32>, tensor<1xi32>, !cache
  return %1 : !cache
}

// CHECK-LABEL: func.func @pack
func.func @pack(%k: tensor<?x?x128xbf16>, %pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %cache: !cache) -> !cache {
  // CHECK: kvarn.pack %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{[a-z0-9]+}} : tensor<?x?x128xbf16>, tensor<?x2xi32>, tensor<1xi32>, <<
  %0 = kvarn.pack %k, %k, %pairs, %count, %cache : tensor<?x?x128xbf16>, tensor<?x2xi32>, tensor<1xi32>, !cache
  // CHECK: kvarn.pack %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} rotate {iterations = 4 : i64, prescale, range = #kvarn<range mse>} : tensor<?x?x128xbf16>, tensor<?x2xi32>, tensor<1xi32>, <<
  %1 = kvarn.pack %k, %k, %pairs, %count, %0 rotate {iterations = 4 : i64, prescale, range = #kvarn<range mse>} : tensor<?x?x128xbf16>, tensor<?x2xi32>, tensor<1xi32>, !cache
  return %1 : !cache
}

// CHECK-LABEL: func.func @unflush
func.func @unflush(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %cache: !cache) -> !cache {
  // CHECK: kvarn.unflush %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<1xi32>, <<
  %0 = kvarn.unflush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !cache
  return %0 : !cache
}

// CHECK-LABEL: func.func @relayout
func.func @relayout(%pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %source: !mma, %cache: !cache) -> !cache {
  // CHECK: kvarn.relayout %{{.*}}, %{{.*}}, %{{.*}} to %{{.*}} : tensor<?x2xi32>, tensor<1xi32>, <<{{.*}} layout = mma16816>>, <<{{.*}} layout = reference>>
  %0 = kvarn.relayout %pairs, %count, %source to %cache : tensor<?x2xi32>, tensor<1xi32>, !mma, !cache
  return %0 : !cache
}
