// kvarn.attend with copies of whole records: records that all rows see and
// whose weights fit the maximum so far have a loop of their own.

// DEFINE: %{schedule} =
// DEFINE: %{tile} = kvarn-opt %s --kvarn-tile=schedule=%{schedule} --canonicalize --cse

// REDEFINE: %{schedule} = '<rows=8,tokens=128,pool_tokens=32,warps=1,splits=1,copy=async,expand=subnormal,operand=f16,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefixes=CHECK,FIRST
// With a window the first blocks are seen by some rows only.
// RUN: sed 's/ratio 4 causal/ratio 4 window %%window causal/' %s | kvarn-opt --kvarn-tile=schedule=%{schedule} --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,WINDOW

// With 16 rows at head_dim 128 values are waited for before exponentials, else behind them.
// DEFINE: %{rows} = 16
// DEFINE: %{ratio} = 16
// DEFINE: %{dim} = 128
// DEFINE: %{shape} = sed 's/head_dim = 64/head_dim = %{dim}/; s/x64xf16/x%{dim}xf16/g; s/ratio 4/ratio %{ratio}/' %s | kvarn-opt --kvarn-tile=schedule='<rows=%{rows},tokens=128,pool_tokens=32,warps=1,splits=1,copy=async,expand=subnormal,operand=f16,register_rows=4,register_columns=32>' --canonicalize --cse | FileCheck %s
// RUN: %{shape} --check-prefixes=ORDER,MANY
// REDEFINE: %{dim} = 64
// RUN: %{shape} --check-prefixes=ORDER,FEW
// REDEFINE: %{dim} = 128
// REDEFINE: %{rows} = 8
// REDEFINE: %{ratio} = 8
// RUN: %{shape} --check-prefixes=ORDER,FEW
// ORDER: scf.while
// ORDER: scf.while ({{.*}}, %[[K:[a-z0-9]+]] = %{{[a-z0-9]+}}, %[[V:[a-z0-9]+]] = %{{[a-z0-9]+}}, %{{[a-z0-9]+}} = %{{[a-z0-9]+}}) :
// ORDER: tile.wait %[[K]]
// MANY-NOT: math.exp2
// FEW-NOT: tile.wait
// FEW: math.exp2 {{.*}} tensor<{{8|16}}x128xf32>
// ORDER: tile.wait %[[V]]
// ORDER-NOT: tile.wait
// MANY: math.exp2 {{.*}} tensor<16x128xf32>
// FEW-NOT: math.exp2
// ORDER-NOT: tile.wait
// ORDER: scf.condition

// Not with loops = one, not without copies, not for parts of records, and not for sums in f32.
// REDEFINE: %{schedule} = '<rows=8,tokens=128,pool_tokens=32,warps=1,splits=1,copy=direct,expand=subnormal,operand=f16,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=ONE --implicit-check-not=scf.while
// REDEFINE: %{schedule} = '<rows=8,tokens=64,pool_tokens=32,warps=1,splits=1,copy=async,expand=subnormal,operand=f16,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=ONE --implicit-check-not=scf.while
// REDEFINE: %{schedule} = '<rows=8,tokens=128,pool_tokens=32,warps=1,splits=1,copy=async,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=ONE --implicit-check-not=scf.while
// REDEFINE: %{schedule} = '<rows=8,tokens=128,pool_tokens=32,warps=1,splits=1,copy=async,expand=subnormal,operand=f16,register_rows=4,register_columns=32,loops=one>'
// RUN: %{tile} | FileCheck %s --check-prefix=ONE --implicit-check-not=scf.while
// ONE: tile.kernel

// Products of a record begin with its last tokens and the last channels of its values: of the inner loop, and of the outer one.
// REDEFINE: %{schedule} = '<rows=8,tokens=128,pool_tokens=32,warps=1,splits=1,copy=async,expand=subnormal,operand=f16,register_rows=4,register_columns=32,order=backward>'
// RUN: %{tile} | FileCheck %s --check-prefix=BACKWARD
// BACKWARD: tile.kernel
// BACKWARD: descending [1] : tensor<8x64xf16>, tensor<64x128xf16> -> tensor<8x128xf32>
// BACKWARD: descending [0, 1] : tensor<8x128xf16>, tensor<128x64xf16> -> tensor<8x64xf32>
// BACKWARD: descending [1] : tensor<8x64xf16>, tensor<64x128xf16> -> tensor<8x128xf32>
// BACKWARD: descending [0, 1] : tensor<8x128xf16>, tensor<128x64xf16> -> tensor<8x64xf32>
// BACKWARD-NOT: descending
// Not of sums in f32.
// REDEFINE: %{schedule} = '<rows=8,tokens=128,pool_tokens=32,warps=1,splits=1,copy=async,expand=convert,operand=f32,register_rows=4,register_columns=32,order=backward>'
// RUN: %{tile} | FileCheck %s --check-prefix=ONE --implicit-check-not=descending

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 64, layout = mma16816>

// CHECK: tile.kernel
// CHECK: %[[UNIT:.*]] = arith.constant 6.000000e+00 : f32
// CHECK: %[[REQUEST:.*]] = tile.program_id y
// CHECK: %[[KEYS:.*]] = tile.alloc_slot : {{.*}}, key>
// CHECK: %[[VALUES:.*]] = tile.alloc_slot : {{.*}}, value>

// The first block has no maximum yet. Those behind it that are records that all
// rows see are for the inner loop.
// CHECK: scf.while (%[[MAX:[a-z0-9]+]] = %{{.*}}, %[[SUM0:[a-z0-9]+]] = %{{.*}}, %[[OUT0:[a-z0-9]+]] = %{{.*}}, %[[SLOT:[a-z0-9]+]] = %{{.*}}, %[[NEXT_BLOCK:[a-z0-9]+]] = %{{.*}}, %[[NEXT_SLOT:[a-z0-9]+]] = %{{.*}}, %[[LATER_BLOCK:[a-z0-9]+]] = %{{.*}}, %[[K:[a-z0-9]+]] = %{{.*}}, %[[V:[a-z0-9]+]] = %{{.*}}, %[[INDEX:[a-z0-9]+]] = %[[FROM:[a-z0-9]+]]) :
// FIRST: %[[BEGUN:.*]] = arith.cmpi sgt, %[[INDEX]], %[[FROM]] : index
// WINDOW: %[[BEGUN:.*]] = arith.cmpi slt, %[[FROM]], %[[INDEX]] : index
// CHECK: %[[INSIDE:.*]] = arith.cmpi slt, %[[INDEX]], %[[END:.*]] : index
// CHECK: %[[PACKED:.*]] = arith.cmpi slt, %[[SLOT]], %c0_i32 : i32
// CHECK: %[[IS_RECORD:.*]] = arith.andi %[[INSIDE]], %[[PACKED]] : i1
// CHECK: %[[POSITION:.*]] = arith.muli %[[INDEX]], %c128 : index
// CHECK: %[[BEHIND:.*]] = arith.addi %[[POSITION]], %c128 : index
// CHECK: %[[SEEN:.*]] = arith.cmpi sle, %[[BEHIND]], %[[COMMON:.*]] : index
// WINDOW: %[[LATE:.*]] = arith.cmpi sle, %[[BEGIN:.*]], %[[POSITION]] : index
// WINDOW: %[[SEEN_BY_ALL:.*]] = arith.andi %[[SEEN]], %[[LATE]] : i1
// FIRST: %[[STEADY:.*]] = arith.andi %[[IS_RECORD]], %[[SEEN]] : i1
// WINDOW: %[[STEADY:.*]] = arith.andi %[[IS_RECORD]], %[[SEEN_BY_ALL]] : i1
// CHECK: %[[GOES:.*]] = arith.andi %[[BEGUN]], %[[STEADY]] : i1
// CHECK: %[[AFTER:.*]]:9 = scf.if %[[GOES]] ->

// Records. Nothing is decided until the end: no branch, and the maximum stays.
// Nothing behind the last block is read.
// CHECK-NEXT: scf.while (%[[SUM:.*]] = %[[SUM0]], %[[OUT:.*]] = %[[OUT0]], %[[I_SLOT:.*]] = %[[SLOT]], %[[I_NEXT:.*]] = %[[NEXT_BLOCK]], %[[I_NEXT_SLOT:.*]] = %[[NEXT_SLOT]], %[[I_LATER:.*]] = %[[LATER_BLOCK]], %[[IK:.*]] = %[[K]], %[[IV:.*]] = %[[V]], %[[I:.*]] = %[[INDEX]]) :
// CHECK-NOT: scf.if
// CHECK: %[[J:.*]] = arith.addi %[[I]], %c1 : index
// CHECK: %[[IS_NEXT:.*]] = arith.cmpi slt, %[[J]], %[[END]] : index
// CHECK: %[[NEXT_PACKED:.*]] = arith.cmpi slt, %[[I_NEXT_SLOT]], %c0_i32 : i32
// CHECK: %[[COPIES:.*]] = arith.andi %[[IS_NEXT]], %[[NEXT_PACKED]] : i1
// CHECK: %[[LATER_SLOT:.*]] = memref.load {{.*}} : memref<?xi32>
// CHECK: %[[LAST:.*]] = arith.subi %[[END]], %c1 : index
// CHECK: %[[THIRD:.*]] = arith.addi %[[I]], %c3 : index
// CHECK: %[[READ:.*]] = arith.minsi %[[THIRD]], %[[LAST]] : index
// CHECK: %[[LAST_BLOCK:.*]] = memref.load %{{.*}}[%[[REQUEST]], %[[READ]]]
// CHECK: tile.wait %[[IK]]
// CHECK: %[[NK:.*]] = tile.async_copy {{.*}} to %[[KEYS]] if %[[COPIES]] :
// CHECK: math.exp2 {{.*}} tensor<8x128xf32>
// CHECK: tile.wait %[[IV]]
// CHECK: %[[WEIGHTS:.*]] = tile.dot {{.*}} -> tensor<8xf32>
// CHECK: %[[MOST:.*]] = tile.reduce max %[[WEIGHTS]] dim 0
// CHECK: %[[FITS:.*]] = arith.cmpf ole, %[[MOST]], %{{.*}} : f32
// CHECK: %[[WEIGHTED:.*]] = arith.mulf {{.*}} : tensor<8x64xf32>
// Values that do not count yet stay where they are.
// CHECK-NEXT: %[[NEXT_VALUES:.*]] = arith.andi %[[COPIES]], %[[FITS]] : i1
// CHECK-NEXT: %[[NV:.*]] = tile.async_copy {{.*}} to %[[VALUES]] if %[[NEXT_VALUES]] :
// CHECK: %[[NEXT_SEEN:.*]] = arith.cmpi sle, %{{.*}}, %[[COMMON]] : index
// CHECK: %[[ON:.*]] = arith.andi %[[FITS]], %{{.*}} : i1
// CHECK-DAG: %[[SUM2:.*]] = arith.addf %[[SUM]], %[[WEIGHTS]]
// CHECK-DAG: %[[OUT2:.*]] = arith.addf %[[OUT]], %[[WEIGHTED]]
// CHECK-DAG: %[[S0:.*]] = arith.select %[[FITS]], %[[SUM2]], %[[SUM]]
// CHECK-DAG: %[[S1:.*]] = arith.select %[[FITS]], %[[OUT2]], %[[OUT]]
// CHECK-DAG: %[[S2:.*]] = arith.select %[[FITS]], %[[I_NEXT_SLOT]], %[[I_SLOT]]
// CHECK-DAG: %[[S3:.*]] = arith.select %[[FITS]], %[[I_LATER]], %[[I_NEXT]]
// CHECK-DAG: %[[S4:.*]] = arith.select %[[FITS]], %[[LATER_SLOT]], %[[I_NEXT_SLOT]]
// CHECK-DAG: %[[S5:.*]] = arith.select %[[FITS]], %[[LAST_BLOCK]], %[[I_LATER]]
// CHECK-DAG: %[[S6:.*]] = arith.select %[[FITS]], %[[NV]], %[[IV]]
// CHECK-DAG: %[[S7:.*]] = arith.select %[[FITS]], %[[J]], %[[I]]
// CHECK: scf.condition(%[[ON]]) %[[S0]], %[[S1]], %[[S2]], %[[S3]], %[[S4]], %[[S5]], %[[NK]], %[[S6]], %[[S7]] :

// Any block, if there is one. If it is one that the inner loop has given up, its
// keys are copied once more when the copy of the next ones is out of the way.
// CHECK: %[[MORE:.*]] = arith.cmpi slt, %[[AFTER]]#8, %[[END]] : index
// CHECK: %[[PACKED:.*]] = arith.cmpi slt, %[[AFTER]]#2, %c0_i32 : i32
// CHECK: %[[MISSED:.*]] = arith.andi %[[GOES]], %{{.*}} : i1
// CHECK: scf.if %[[MORE]] ->
// CHECK: %[[COPIES:.*]] = arith.andi
// CHECK: %[[OWN:.*]] = scf.if %[[MISSED]] -> (i32) {
// CHECK-NEXT: memref.load %{{.*}}[%[[REQUEST]], %[[AFTER]]#8]
// CHECK: %[[OWN_INDEX:.*]] = arith.index_cast %[[OWN]]
// CHECK: %[[KEYS_THERE:.*]] = scf.if %[[MISSED]] -> (!tile.token) {
// CHECK-NEXT: scf.if %[[COPIES]] {
// CHECK-NEXT: tile.wait %[[AFTER]]#6
// CHECK-NEXT: }
// CHECK-NEXT: %[[AGAIN:.*]] = tile.async_copy %{{.*}}[%[[OWN_INDEX]], %{{.*}}] to %[[KEYS]] if %true
// CHECK-NEXT: scf.yield %[[AGAIN]]
// CHECK-NEXT: } else {
// CHECK-NEXT: scf.yield %[[AFTER]]#6
// CHECK: scf.if %[[PACKED]]
// CHECK-NEXT: tile.wait %[[KEYS_THERE]]
// Its maximum is found whether its weights would fit or not. They are relative
// to that less log2 of what the largest one is to weigh.
// CHECK-NOT: arith.cmpf ole, {{.*}} : f32
// CHECK: tile.wait %[[AFTER]]#7
// CHECK-NOT: arith.cmpf ole, {{.*}} : f32
// CHECK: %[[HIGHEST:.*]] = tile.reduce max %{{.*}} dim 1 : tensor<8x128xf32> -> tensor<8xf32>
// CHECK-NEXT: %[[UNITS:.*]] = tile.splat %[[UNIT]] : tensor<8xf32>
// CHECK-NEXT: %[[BASE:.*]] = arith.subf %[[HIGHEST]], %[[UNITS]] : tensor<8xf32>
// CHECK: arith.maximumf %{{.*}}, %[[BASE]]
// CHECK: math.exp2 {{.*}} tensor<8x128xf32>
// CHECK-NOT: arith.cmpf ole, {{.*}} : f32
// CHECK: scf.condition
func.func @decode(%q: tensor<?x?x64xf16> {kvarn.name = "q"}, %start: tensor<?xi32> {kvarn.name = "query_start"},
    %pages: tensor<?x?x?xi8> {kvarn.name = "pages"}, %pool_k: tensor<?x128x?x64xf16> {kvarn.name = "pool_k"}, %pool_v: tensor<?x128x?x64xf16> {kvarn.name = "pool_v"},
    %table: tensor<?x?xi32> {kvarn.name = "block_table"}, %slots: tensor<?xi32> {kvarn.name = "block_to_slot"}, %lens: tensor<?xi32> {kvarn.name = "seq_lens"},
    %scale: f32 {kvarn.name = "scale"}, %window: i32 {kvarn.name = "window"}) -> (tensor<?x?x64xf16> {kvarn.name = "out"}) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x64xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 causal rotate_query rotate_output : tensor<?x?x64xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x64xf16>
  return %o : tensor<?x?x64xf16>
}
