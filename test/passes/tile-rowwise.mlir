// kvarn.rotate, kvarn.scale, kvarn.normalize and kvarn.quantize as kernels of
// their own.

// RUN: kvarn-opt %s --split-input-file --kvarn-tile --canonicalize --cse | FileCheck %s
// RUN: kvarn-opt %s --split-input-file '--kvarn-tile=schedule=<rows=32,tokens=32,pool_tokens=32,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>' --canonicalize --cse | FileCheck %s --check-prefix=ROWS

// CHECK: tile.kernel @rotate_rotate(%[[X:[a-z0-9]+]]: memref<?x8x64xf16, strided<[?, ?, 1]>>, %[[Y:[a-z0-9]+]]: memref<?x8x64xf16, strided<[?, ?, 1]>>) attributes {schedule = #kvarn.schedule<rows = 16,
// CHECK-DAG: %[[NORM:.*]] = arith.constant 1.250000e-01 : f32
// CHECK: %[[I:.*]] = tile.program_id x
// CHECK: arith.muli %[[I]], %c16
// CHECK: %[[VALID:.*]] = arith.cmpi slt
// CHECK: %[[IN:.*]] = tile.load %[[X]]{{.*}} mask %[[VALID]] {{.*}} -> tensor<16x64xf16
// CHECK: arith.extf %[[IN]]
// CHECK: tile.hadamard
// CHECK: tile.splat %[[NORM]]
// Rounded once, saturated first.
// CHECK: arith.maximumf
// CHECK: arith.minimumf
// CHECK: %[[OUT:.*]] = arith.truncf {{.*}} to tensor<16x64xf16
// CHECK: tile.store %[[OUT]], %[[Y]]{{.*}} mask %[[VALID]]
// CHECK: func.func @rotate(%[[X:[a-z0-9]+]]: memref<?x8x64xf16, strided<[?, ?, 1]>>, %[[Y:[a-z0-9]+]]: memref<?x8x64xf16, strided<[?, ?, 1]>> {kvarn.name = "result0", kvarn.output}) {
// CHECK: %[[T:.*]] = memref.dim %[[X]], %c0
// CHECK: %[[N:.*]] = arith.muli %[[T]], %c8
// CHECK: %[[UP:.*]] = arith.addi %[[N]], %c15
// CHECK: %[[TILES:.*]] = arith.divui %[[UP]], %c16
// CHECK: tile.launch @rotate_rotate grid(%[[TILES]], %c1, %c1) (%[[X]], %[[Y]])
// CHECK-NEXT: return{{$}}

// ROWS: tile.kernel @rotate_rotate({{.*}}rows = 32,
// ROWS: tile.hadamard {{.*}} tensor<32x64xf32
// ROWS: func.func @rotate
// ROWS: arith.divui %{{.*}}, %c32
func.func @rotate(%x: tensor<?x8x64xf16>) -> tensor<?x8x64xf16> {
  %y = kvarn.rotate %x : tensor<?x8x64xf16>
  return %y : tensor<?x8x64xf16>
}

// -----

// One row only; f32 neither widened nor rounded.
// CHECK: tile.kernel @scale_scale(%[[X:[a-z0-9]+]]: memref<100xf32>, %[[Y:[a-z0-9]+]]: memref<100xf32>, %[[BY:[a-z0-9]+]]: f32)
// CHECK: tile.load %[[X]]
// CHECK-NOT: arith.truncf
// CHECK: %[[F:.*]] = tile.splat %[[BY]]
// CHECK: arith.mulf %{{.*}}, %[[F]]
// CHECK-NOT: tile.hadamard
// CHECK: tile.store %{{.*}}, %[[Y]]
// CHECK: func.func @scale(%[[X:[a-z0-9]+]]: memref<100xf32>, %[[BY:[a-z0-9]+]]: f32 {kvarn.name = "by"}, %[[Y:[a-z0-9]+]]: memref<100xf32> {kvarn.name = "y", kvarn.output}) {
// CHECK: tile.launch @scale_scale grid(%c1, %c1, %c1) (%[[X]], %[[Y]], %[[BY]])
func.func @scale(%x: tensor<100xf32>, %by: f32 {kvarn.name = "by"}) -> (tensor<100xf32> {kvarn.name = "y"}) {
  %y = kvarn.scale %x by %by : tensor<100xf32>
  return %y : tensor<100xf32>
}

// -----

// Two of a kind are two kernels, and what lies between them is a buffer.
// CHECK-DAG: tile.kernel @chain_scale(
// CHECK-DAG: tile.kernel @chain_rotate(
// CHECK-DAG: tile.kernel @chain_scale_{{[0-9]+}}(
// CHECK: func.func @chain(%[[X:[a-z0-9]+]]: {{.*}}, %[[A:[a-z0-9]+]]: f32, %[[B:[a-z0-9]+]]: f32, %[[Y:[a-z0-9]+]]: memref<?x128xbf16, strided<[?, 1]>> {kvarn.name = "result0", kvarn.output}) {
// CHECK: %[[ONE:.*]] = memref.alloc(%{{.*}}) : memref<?x128xbf16>
// CHECK: tile.launch @chain_scale grid({{.*}}) (%[[X]], %[[ONE]], %[[A]])
// CHECK: %[[TWO:.*]] = memref.alloc(%{{.*}}) : memref<?x128xbf16>
// CHECK: tile.launch @chain_rotate grid({{.*}}) (%[[ONE]], %[[TWO]])
// CHECK: tile.launch @chain_scale_{{[0-9]+}} grid({{.*}}) (%[[TWO]], %[[Y]], %[[B]])
// CHECK-NEXT: return{{$}}
func.func @chain(%x: tensor<?x128xbf16>, %a: f32, %b: f32) -> tensor<?x128xbf16> {
  %0 = kvarn.scale %x by %a : tensor<?x128xbf16>
  %1 = kvarn.rotate %0 : tensor<?x128xbf16>
  %2 = kvarn.scale %1 by %b : tensor<?x128xbf16>
  return %2 : tensor<?x128xbf16>
}

// -----

// A program per matrix; scales of rows and columns beside it.
// CHECK: tile.kernel @normalize_normalize(%[[X:[a-z0-9]+]]: memref<?x32x64xf32, {{.*}}>, %[[Y:[a-z0-9]+]]: memref<?x32x64xf32, {{.*}}>, %[[R:[a-z0-9]+]]: memref<?x32xf32, {{.*}}>, %[[C:[a-z0-9]+]]: memref<?x64xf32, {{.*}}>)
// CHECK: tile.program_id x
// CHECK: tile.load %[[X]]{{.*}} -> tensor<32x64xf32
// The tile as it is, and two rounds.
// CHECK: scf.for %{{.*}} = %c0 to %c3 step %c1
// CHECK: arith.cmpf ole
// CHECK: scf.yield
// CHECK: tile.store %{{.*}}, %[[Y]]{{.*}} : tensor<32x64xf32
// CHECK: tile.store %{{.*}}, %[[R]]{{.*}} : tensor<32xf32
// CHECK: tile.store %{{.*}}, %[[C]]{{.*}} : tensor<64xf32
// CHECK: func.func @normalize(%[[X:[a-z0-9]+]]: memref{{.*}}, %[[Y:[a-z0-9]+]]: memref<?x32x64xf32, {{.*}}> {kvarn.name = "result0", kvarn.output}, %[[R:[a-z0-9]+]]: memref<?x32xf32, {{.*}}> {kvarn.name = "result1", kvarn.output}, %[[C:[a-z0-9]+]]: memref<?x64xf32, {{.*}}> {kvarn.name = "result2", kvarn.output}) {
// CHECK: %[[N:.*]] = memref.dim %[[X]], %c0
// CHECK: tile.launch @normalize_normalize grid(%[[N]], %c1, %c1) (%[[X]], %[[Y]], %[[R]], %[[C]])
func.func @normalize(%x: tensor<?x32x64xf32>) -> (tensor<?x32x64xf32>, tensor<?x32xf32>, tensor<?x64xf32>) {
  %y, %r, %c = kvarn.normalize %x {iterations = 2 : i64} : tensor<?x32x64xf32> -> tensor<?x32xf32>, tensor<?x64xf32>
  return %y, %r, %c : tensor<?x32x64xf32>, tensor<?x32xf32>, tensor<?x64xf32>
}

// -----

// CHECK: tile.kernel @quantize_quantize(%[[X:[a-z0-9]+]]: memref<2x3x32x64xf32, {{.*}}>, %[[Q:[a-z0-9]+]]: memref<2x3x32x64xi8, {{.*}}>, %[[S:[a-z0-9]+]]: memref<2x3x32xf32, {{.*}}>, %[[Z:[a-z0-9]+]]: memref<2x3x32xf32, {{.*}}>)
// 2^4 - 1 steps, and the least scale.
// CHECK-DAG: arith.constant 1.500000e+01 : f32
// CHECK-DAG: arith.constant 1.000000e-10 : f32
// CHECK: tile.reduce min {{.*}} dim 1
// CHECK: tile.reduce max {{.*}} dim 1
// CHECK: math.roundeven
// CHECK: tile.store %{{.*}}, %[[Q]]{{.*}} : tensor<32x64xi8
// CHECK: tile.store %{{.*}}, %[[S]]{{.*}} : tensor<32xf32
// CHECK: tile.store %{{.*}}, %[[Z]]{{.*}} : tensor<32xf32
// CHECK: func.func @quantize(
// CHECK: tile.launch @quantize_quantize grid(%c6, %c1, %c1)
func.func @quantize(%x: tensor<2x3x32x64xf32>) -> (tensor<2x3x32x64xi8>, tensor<2x3x32xf32>, tensor<2x3x32xf32>) {
  %q, %s, %z = kvarn.quantize %x {bits = 4 : i64} : tensor<2x3x32x64xf32> -> tensor<2x3x32x64xi8>, tensor<2x3x32xf32>
  return %q, %s, %z : tensor<2x3x32x64xi8>, tensor<2x3x32xf32>, tensor<2x3x32xf32>
}

// -----

// The whole of a level-1 function is tiled; functions of other levels stay.
// CHECK: func.func @host(%{{.*}}: memref<?xf32>)
// CHECK-NEXT: return
// CHECK: func.func private @external(memref<?xf32>)
// CHECK: tile.kernel @mixed_scale
// CHECK: func.func @mixed(
func.func @host(%x: memref<?xf32>) {
  return
}
func.func private @external(memref<?xf32>)
func.func @mixed(%x: tensor<100xf32>, %by: f32) -> tensor<100xf32> {
  %y = kvarn.scale %x by %by : tensor<100xf32>
  return %y : tensor<100xf32>
}
