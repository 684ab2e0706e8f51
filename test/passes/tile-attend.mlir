// kvarn.attend as tile kernels: what stays the same, and what each field of the
// schedule changes.

// DEFINE: %{schedule} =
// DEFINE: %{tile} = kvarn-opt %s --kvarn-tile=schedule=%{schedule} --canonicalize --cse

// RUN: kvarn-opt %s --kvarn-tile=target=x86-64-v3 --canonicalize --cse | FileCheck %s
// RUN: kvarn-opt %s --kvarn-tile --canonicalize --cse | FileCheck %s

// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=128,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s
// Nothing that belongs to another value of a field.
// RUN: %{tile} | FileCheck %s --check-prefix=DIRECT --implicit-check-not=tile.warps --implicit-check-not=tile.alloc_slot --implicit-check-not=tile.async_copy --implicit-check-not=tile.wait --implicit-check-not=expand_scale --implicit-check-not=memref.alloc --implicit-check-not="program_id z" --implicit-check-not=begin_next --implicit-check-not=await_previous
// DIRECT: tile.kernel
// REDEFINE: %{schedule} = '<rows=16,tokens=128,pool_tokens=128,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=ROWS
// REDEFINE: %{schedule} = '<rows=4,tokens=32,pool_tokens=32,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=TOKENS
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=128,warps=4,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=WARPS
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=128,warps=1,splits=8,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=SPLITS
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=64,warps=1,splits=1,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=POOL
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=128,warps=4,splits=0,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32,programs=2>'
// RUN: %{tile} | FileCheck %s --check-prefix=SHARES
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=128,warps=4,splits=0,copy=direct,expand=convert,operand=f32,register_rows=4,register_columns=32,programs=2,ends=again>'
// RUN: %{tile} | FileCheck %s --check-prefix=AGAIN
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=128,warps=1,splits=1,copy=async,expand=convert,operand=f32,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=ASYNC
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=128,warps=1,splits=1,copy=direct,expand=subnormal,operand=f16,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=SUBNORMAL
// REDEFINE: %{schedule} = '<rows=4,tokens=128,pool_tokens=128,warps=1,splits=1,copy=direct,expand=convert,operand=f16,register_rows=4,register_columns=32>'
// RUN: %{tile} | FileCheck %s --check-prefix=F16

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 64, layout = reference>

//===----------------------------------------------------------------------===//
// The plainest schedule
//===----------------------------------------------------------------------===//

// The kernel carries the schedule for code generation.
// CHECK: tile.kernel @decode_attend(
// CHECK-SAME: attributes {schedule = #kvarn.schedule<rows = 4, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = {{[0-9]+}}, register_columns = {{[0-9]+}}>}
// Grid: KV heads, requests, splits.
// CHECK-DAG: %[[C128:.*]] = arith.constant 128 : index
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK: %[[HEAD:.*]] = tile.program_id x
// CHECK: %[[REQUEST:.*]] = tile.program_id y
// CHECK-NOT: tile.program_id z
// Rows of this request, `rows` at a time.
// CHECK: scf.for %{{.*}} = %[[C0]] to %{{.*}} step %[[C4]] {
// CHECK-DAG: tile.load {{.*}} -> tensor<4x64xf16
// CHECK-DAG: tile.hadamard {{.*}} tensor<4x64xf32
// CHECK-DAG: %[[BLOCKS:.*]] = arith.divui %{{.*}}, %[[C128]]
// Blocks, one after the other, with the running softmax.
// CHECK: %[[STATE:.*]]:3 = scf.for %[[BLOCK:.*]] = %[[C0]] to %[[BLOCKS]] step %[[C1]] iter_args({{.*}}) -> (tensor<4xf32{{.*}}>, tensor<4xf32{{.*}}>, tensor<4x64xf32{{.*}}>) {
// CHECK: memref.load %{{.*}}[%[[REQUEST]], %[[BLOCK]]]
// CHECK: %[[PACKED:.*]] = arith.cmpi slt
// CHECK: scf.if %[[PACKED]]
// A record: scales folded into queries and weights, codes straight into dot.
// CHECK-DAG: tile.load_vector key_scale %{{.*}}[%{{.*}}, %[[HEAD]]]
// CHECK-DAG: tile.load_vector key_zero
// CHECK-DAG: tile.load_vector key_token
// CHECK-DAG: %[[KC:.*]] = tile.load_codes key %{{.*}} start %[[C0]] {{.*}} -> tensor<64x128xi8
// CHECK-DAG: %[[KX:.*]] = tile.expand convert %[[KC]] part key {{.*}} -> tensor<64x128xf32
// CHECK-DAG: tile.dot %{{.*}}, %[[KX]], %{{.*}} -> tensor<4x128xf32
// No branch stands between products and exponentials. As long as all weights
// fit, the maximum stays behind and nothing shrinks.
// CHECK-NOT: scf.if
// CHECK: %[[P:.*]] = math.exp2 {{.*}} tensor<4x128xf32
// CHECK: tile.reduce add %[[P]] dim 1
// CHECK: %[[MOST:.*]] = tile.reduce max {{.*}} dim 0 : tensor<4xf32> -> f32
// CHECK: %[[FITS:.*]] = arith.cmpf ole, %[[MOST]]
// CHECK: %[[SEEN:.*]] = arith.cmpi sle
// CHECK: %[[BOTH:.*]] = arith.andi %[[FITS]], %[[SEEN]]
// CHECK: scf.if %[[BOTH]] -> (tensor<4x128xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4x64xf32>) {
// CHECK-NEXT: arith.addf {{.*}} tensor<4xf32
// CHECK-NEXT: scf.yield %[[P]]
// CHECK-NEXT: } else {
// Only tiles at a border are looked at element by element.
// CHECK: scf.if %[[SEEN]] -> (tensor<4x128xf32>) {
// CHECK: } else {
// CHECK: arith.select
// CHECK: tile.reduce max {{.*}} dim 1
// CHECK-DAG: math.exp2 {{.*}} tensor<4xf32
// CHECK-DAG: math.exp2 {{.*}} tensor<4x128xf32
// CHECK-DAG: arith.mulf {{.*}} tensor<4x64xf32
// CHECK: scf.yield
// CHECK-DAG: tile.reduce add {{.*}} dim 1
// CHECK-DAG: tile.load_vector value_scale
// CHECK-DAG: tile.load_vector value_zero
// CHECK-DAG: tile.load_vector value_channel
// CHECK-DAG: %[[VC:.*]] = tile.load_codes value %{{.*}} start %[[C0]] {{.*}} -> tensor<128x64xi8
// CHECK-DAG: %[[VX:.*]] = tile.expand convert %[[VC]] part value {{.*}} -> tensor<128x64xf32
// CHECK-DAG: tile.dot %{{.*}}, %[[VX]], %{{.*}} -> tensor<4x64xf32
// CHECK: scf.yield
// CHECK: } else {
// The pool: the same arithmetic on what is loaded, masked by the length.
// CHECK: tile.load %{{.*}} mask {{.*}} -> tensor<128x64xf16
// CHECK: tile.load %{{.*}} mask {{.*}} -> tensor<128x64xf16
// CHECK: tile.transpose {{.*}} -> tensor<64x128xf32
// CHECK: tile.dot
// CHECK: math.exp2
// CHECK: tile.dot
// CHECK: scf.yield
// One division for a row.
// CHECK: arith.divf {{.*}} : tensor<4xf32>
// CHECK: arith.mulf %[[STATE]]#2, %{{.*}} : tensor<4x64xf32
// CHECK: tile.hadamard
// CHECK: arith.truncf {{.*}} to tensor<4x64xf16
// CHECK: tile.store {{.*}} mask {{.*}} tensor<4x64xf16
// CHECK: tile.return
// CHECK-NOT: tile.kernel

// Tensors are memrefs with strides, the result is the last argument, and what
// only the cache op names comes in the order of the function.
// CHECK: func.func @decode(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x?x64xf16, strided<[?, ?, 1]>> {kvarn.name = "q"}
// CHECK-SAME: %[[START:[a-z0-9]+]]: memref<?xi32> {kvarn.name = "query_start"}
// CHECK-SAME: %[[PAGES:[a-z0-9]+]]: memref<?x?x?xi8, strided<[?, ?, 1]>> {kvarn.name = "pages"}
// CHECK-SAME: %[[POOLK:[a-z0-9]+]]: memref<?x128x?x64xf16, strided<[?, ?, ?, 1]>>
// CHECK-SAME: %[[POOLV:[a-z0-9]+]]: memref<?x128x?x64xf16, strided<[?, ?, ?, 1]>>
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<?x?xi32, strided<[?, 1]>>
// CHECK-SAME: %[[SLOTS:[a-z0-9]+]]: memref<?xi32>
// CHECK-SAME: %[[LENS:[a-z0-9]+]]: memref<?xi32> {kvarn.name = "seq_lens"}
// CHECK-SAME: %[[SCALE:[a-z0-9]+]]: f32 {kvarn.name = "scale"}
// CHECK-SAME: %[[OUT:[a-z0-9]+]]: memref<?x?x64xf16, strided<[?, ?, 1]>> {kvarn.name = "out", kvarn.output}) {
// CHECK-NOT: memref.alloc
// CHECK-DAG: %[[HEADS:.*]] = memref.dim %[[PAGES]], %c1
// CHECK-DAG: %[[BATCH:.*]] = memref.dim %[[LENS]], %c0
// CHECK: tile.launch @decode_attend grid(%[[HEADS]], %[[BATCH]], %c1) (%[[Q]], %[[START]], %[[LENS]], %[[PAGES]], %[[TABLE]], %[[SLOTS]], %[[POOLK]], %[[POOLV]], %[[SCALE]], %[[OUT]])
// CHECK-NEXT: return{{$}}

//===----------------------------------------------------------------------===//
// rows
//===----------------------------------------------------------------------===//

// ROWS: tile.kernel @decode_attend({{.*}}schedule = #kvarn.schedule<rows = 16,
// ROWS-DAG: %[[C16:.*]] = arith.constant 16 : index
// ROWS: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %[[C16]] {
// ROWS: tile.load {{.*}} -> tensor<16x64xf16
// ROWS: scf.for {{.*}} -> (tensor<16xf32{{.*}}>, tensor<16xf32{{.*}}>, tensor<16x64xf32{{.*}}>)
// ROWS: tile.dot {{.*}} -> tensor<16x128xf32
// ROWS: tile.store {{.*}} tensor<16x64xf16

//===----------------------------------------------------------------------===//
// tokens: an inner loop over the tiles of a block
//===----------------------------------------------------------------------===//

// TOKENS: tile.kernel @decode_attend({{.*}}tokens = 32,
// TOKENS-DAG: %[[C32:.*]] = arith.constant 32 : index
// TOKENS-DAG: %[[C128:.*]] = arith.constant 128 : index
// TOKENS: scf.for
// TOKENS: scf.for
// TOKENS: scf.if
// What belongs to the whole record is read once.
// TOKENS: tile.load_vector key_scale
// TOKENS: tile.load_vector key_zero
// TOKENS: scf.for %[[T:.*]] = %{{.*}} to %[[C128]] step %[[C32]] iter_args
// TOKENS-DAG: tile.load_codes key {{.*}} start %[[T]] {{.*}} -> tensor<64x32xi8
// TOKENS-DAG: tile.dot {{.*}} -> tensor<4x32xf32
// TOKENS-DAG: tile.load_vector key_token {{.*}} start %[[T]] {{.*}} -> tensor<32xf16
// TOKENS-DAG: tile.load_vector value_scale {{.*}} start %[[T]] {{.*}} -> tensor<32xf16
// TOKENS-DAG: tile.load_codes value {{.*}} start %[[T]] {{.*}} -> tensor<32x64xi8
// TOKENS: } else {
// TOKENS: scf.for %{{.*}} = %{{.*}} to %[[C128]] step %[[C32]] iter_args
// TOKENS: tile.load {{.*}} -> tensor<32x64xf16
// TOKENS: tile.load {{.*}} -> tensor<32x64xf16

//===----------------------------------------------------------------------===//
// warps: each takes every n-th block, then they are merged
//===----------------------------------------------------------------------===//

// WARPS: tile.kernel @decode_attend({{.*}}warps = 4,
// WARPS-DAG: %[[C4:.*]] = arith.constant 4 : index
// WARPS: %[[ALL:.*]]:3 = tile.warps 4 (%[[W:.*]]) -> (tensor<4x4xf32{{.*}}>, tensor<4x4xf32{{.*}}>, tensor<4x4x64xf32{{.*}}>) {
// WARPS: %[[ONE:.*]]:3 = scf.for %{{.*}} = %[[W]] to %{{.*}} step %[[C4]]
// WARPS: tile.yield %[[ONE]]#0, %[[ONE]]#1, %[[ONE]]#2
// WARPS: }
// WARPS: %[[MAX:.*]] = tile.reduce max %[[ALL]]#0 dim 0
// WARPS: math.exp2
// WARPS: tile.reduce add {{.*}} dim 0 : tensor<4x4xf32
// WARPS: tile.broadcast {{.*}} dims [0, 1]
// WARPS: tile.reduce add {{.*}} dim 0 : tensor<4x4x64xf32
// WARPS: tile.hadamard
// WARPS: tile.store

//===----------------------------------------------------------------------===//
// splits: partial results and a second kernel
//===----------------------------------------------------------------------===//

// SPLITS: tile.kernel @decode_attend({{.*}}splits = 8,
// SPLITS-DAG: %[[C8:.*]] = arith.constant 8 : index
// SPLITS: %[[SPLIT:.*]] = tile.program_id z
// SPLITS: %[[SHARE:.*]] = arith.divui %{{.*}}, %[[C8]]
// SPLITS: arith.muli %[[SPLIT]], %[[SHARE]]
// The output is neither rotated nor rounded yet; where it goes has the split in
// front.
// SPLITS: scf.for
// The sum may begin when all that is left is to store the last row tile.
// SPLITS: tile.begin_next
// SPLITS-NEXT: }
// SPLITS: arith.divf
// SPLITS-NOT: tile.hadamard
// SPLITS: tile.store {{.*}} : tensor<4x64xf32{{.*}}>, memref<8x?x?x64xf32>
// SPLITS: math.log2
// SPLITS: tile.scatter {{.*}} memref<8x?x?xf32>
// SPLITS: tile.return

// Partial results are summed in the order of their index.
// SPLITS: tile.kernel @decode_combine({{.*}}splits = 8,
// SPLITS-DAG: %[[C8:.*]] = arith.constant 8 : index
// SPLITS-DAG: %[[C1:.*]] = arith.constant 1 : index
// Which request it is for is known before the parts are there.
// SPLITS: memref.load
// SPLITS: tile.await_previous
// SPLITS: scf.for %{{.*}} = %{{.*}} to %[[C8]] step %[[C1]]
// SPLITS: tile.gather {{.*}} memref<8x?x?xf32>
// SPLITS: tile.load {{.*}} memref<8x?x?x64xf32>
// SPLITS: math.exp2
// SPLITS: scf.yield
// SPLITS: tile.hadamard
// SPLITS: arith.truncf
// SPLITS: tile.store {{.*}} tensor<4x64xf16

// SPLITS: func.func @decode(%[[Q:[a-z0-9]+]]: {{.*}} %[[OUT:[a-z0-9]+]]: memref<?x?x64xf16, strided<[?, ?, 1]>> {kvarn.name = "out", kvarn.output}) {
// SPLITS-DAG: %[[T:.*]] = memref.dim %[[Q]], %c0
// SPLITS-DAG: %[[H:.*]] = memref.dim %[[Q]], %c1
// SPLITS: %[[PARTS:.*]] = memref.alloc(%[[T]], %[[H]]) : memref<8x?x?x64xf32>
// SPLITS: %[[LSE:.*]] = memref.alloc(%[[T]], %[[H]]) : memref<8x?x?xf32>
// SPLITS: tile.launch @decode_attend grid(%{{.*}}, %{{.*}}, %c8) ({{.*}}, %[[PARTS]], %[[LSE]])
// SPLITS: tile.launch @decode_combine grid(%{{.*}}, %{{.*}}, %c1) (%[[Q]], {{.*}}, %[[OUT]], %[[PARTS]], %[[LSE]])
// SPLITS-NEXT: return

//===----------------------------------------------------------------------===//
// splits = 0: equal shares of all work for as many programs as the device runs
//===----------------------------------------------------------------------===//

// SHARES: tile.kernel @decode_attend({{.*}}splits = 0, {{.*}}programs = 2
// Which items are this program's follows from the lengths of all requests: their
// blocks and row tiles, and the most blocks that a row tile has.
// SHARES: %[[TOTALS:.*]]:4 = scf.for
// SHARES: %[[SHORT:.*]] = arith.divui %[[TOTALS]]#0, %[[P:.*]] : index
// Where a program then takes at most 16 items more than an equal share, and one
// in 16, each row tile is a range, or is cut in as many equal ones; of more than
// 64 requests, several row tiles are one range.
// SHARES: arith.maxsi %{{.*}}, %c4 : index
// SHARES: %[[EQUAL_OF_ALL:.*]] = arith.maxsi %{{.*}}, %c4 : index
// SHARES-NEXT: %[[FIT:.*]] = arith.divui %{{.*}}, %[[EQUAL_OF_ALL]] : index
// SHARES-NEXT: %[[PARTS:.*]] = arith.maxsi %[[FIT]], %c1 : index
// SHARES: %[[PART:.*]] = arith.divui %{{.*}}, %[[PARTS]] : index
// SHARES: %[[TAKEN:.*]] = arith.muli %[[PART]], %{{.*}} : index
// SHARES: %[[FEW:.*]] = arith.cmpi sle, %{{.*}}, %c64 : index
// SHARES-NEXT: %[[LENGTH:.*]] = arith.select %[[FEW]], %[[PART]], %[[TAKEN]] : index
// SHARES-NEXT: %[[ITEMS:.*]] = arith.muli %[[PART]], %[[PARTS]] : index
// SHARES-NEXT: %[[ALL:.*]] = arith.muli %[[TOTALS]]#1, %[[PARTS]] : index
// SHARES-NEXT: %[[RANGES:.*]] = arith.select %[[FEW]], %[[ALL]], %[[P]] : index
// SHARES: %[[ONE_IN:.*]] = arith.divui %[[EQUAL:.*]], %c16 : index
// SHARES-NEXT: %[[WORTH:.*]] = arith.minsi %[[ONE_IN]], %c16 : index
// SHARES: %[[MANY:.*]] = arith.divui %c2147483647, %{{.*}} : index
// SHARES-NEXT: %[[COUNTABLE:.*]] = arith.cmpi sle, %{{.*}}, %[[MANY]] : index
// SHARES-NEXT: %[[MOST:.*]] = arith.addi %[[EQUAL]], %[[WORTH]] : index
// SHARES-NEXT: %[[CLOSE:.*]] = arith.cmpi sle, %[[TAKEN]], %[[MOST]] : index
// SHARES-NEXT: %[[FITS:.*]] = arith.andi %[[COUNTABLE]], %[[CLOSE]] : i1
// SHARES-NEXT: scf.if %[[FITS]] -> (index)
// SHARES-NEXT: scf.yield %[[LENGTH]]
// Else shares are equal: row tiles shorter than half a share count five blocks
// more; a share has a block for each warp at least.
// SHARES: scf.for
// SHARES: %[[RULE:.*]] = tile.splat %[[SHORT]] : tensor<32xindex>
// SHARES-NEXT: %[[LESS:.*]] = arith.cmpi slt, %{{.*}}, %[[RULE]] : tensor<32xindex>
// SHARES-NEXT: %[[FIVE:.*]] = tile.splat %c5 : tensor<32xindex>
// SHARES-NEXT: %[[END:.*]] = arith.select %[[LESS]], %[[FIVE]],
// SHARES-NEXT: arith.addi %{{.*}}, %[[END]] : tensor<32xindex>
// SHARES: %[[SHARE:.*]] = arith.divui %{{.*}}, %[[P]] : index
// SHARES: arith.maxsi %[[SHARE]], %c4 : index
// SHARES: %[[EVEN:.*]] = arith.subi %c0, %[[ITEMS]] : index
// SHARES-NEXT: arith.select %[[FITS]], %[[EVEN]], %[[SHORT]] : index
// SHARES-NEXT: %[[COUNT:.*]] = arith.select %[[FITS]], %[[RANGES]], %[[P]] : index
// A program takes every P-th range.
// SHARES: scf.for %{{.*}} = %{{.*}} to %[[COUNT]] step %[[P]]
// SHARES: tile.scan {{.*}} : tensor<32xindex
// SHARES: tile.warps 4
// What the end of the row tile needs is known.
// SHARES: tile.yield
// SHARES-NOT: memref.load
// The last program of a row tile sums its parts; no second kernel.
// SHARES: %[[LAST:.*]] = tile.arrive {{.*}} : memref<?xi32>
// SHARES: scf.if %[[LAST]]
// Four parts at a time: all are loaded, then weighed.
// SHARES: tile.load {{.*}} : memref<?x2x4x64xf32>
// SHARES-NOT: math.exp2
// SHARES-COUNT-3: tile.load {{.*}} : memref<?x2x4x64xf32>
// SHARES-COUNT-4: tile.gather {{.*}} : memref<?x2x4xf32>
// SHARES-COUNT-5: math.exp2 {{.*}} : tensor<4xf32>
// SHARES-NOT: math.exp2
// SHARES: tile.return
// SHARES-NOT: tile.kernel
// SHARES: func.func @decode(
// SHARES-DAG: %[[C2:.*]] = arith.constant 2 : index
// SHARES-DAG: %[[N:.*]] = tile.multiprocessors
// SHARES: %[[P:.*]] = arith.muli %[[N]], %[[C2]] : index
// SHARES: %[[COUNTERS:.*]] = tile.counters : memref<?xi32>
// SHARES: memref.alloc(%[[P]]) : memref<?x2x4x64xf32>
// SHARES: memref.alloc(%[[P]]) : memref<?x2x4xf32>
// SHARES: tile.launch @decode_attend grid(%[[P]], %{{.*}}, %{{.*}}) ({{.*}}, %[[COUNTERS]])

// ends = again: the first query row of the request and of the next one, and its
// length, are read again behind the blocks.
// AGAIN: tile.kernel @decode_attend({{.*}}programs = 2, ends = again>
// AGAIN: tile.warps 4
// AGAIN: tile.yield
// AGAIN-NOT: tile.arrive
// AGAIN-COUNT-3: memref.load %{{.*}} : memref<?xi32
// AGAIN: tile.arrive

//===----------------------------------------------------------------------===//
// pool_tokens: an inner loop where blocks are not packed
//===----------------------------------------------------------------------===//

// POOL: tile.kernel @decode_attend({{.*}}tokens = 128, pool_tokens = 64,
// POOL-DAG: %[[C64:.*]] = arith.constant 64 : index
// POOL-DAG: %[[C128:.*]] = arith.constant 128 : index
// POOL: tile.load_codes key {{.*}} -> tensor<64x128xi8
// POOL: } else {
// POOL: scf.for %{{.*}} = %{{.*}} to %[[C128]] step %[[C64]] iter_args
// POOL: tile.load {{.*}} -> tensor<64x64xf16
// POOL: tile.load {{.*}} -> tensor<64x64xf16

//===----------------------------------------------------------------------===//
// copy = async: typed slots, tokens around the loop
//===----------------------------------------------------------------------===//

// ASYNC: tile.kernel @decode_attend({{.*}}copy = async,
// ASYNC: %[[KEYS:.*]] = tile.alloc_slot : {{.*}}, key>
// ASYNC: %[[VALUES:.*]] = tile.alloc_slot : {{.*}}, value>
// Entries of the block table are read first, then slots: all before the first
// copies, which start if there is a first block and it is packed.
// ASYNC: memref.load %[[TABLE:[a-z0-9]+]][%{{.*}}, %c0] : memref<?x?xi32
// ASYNC: %[[B1:[0-9]+]] = scf.if
// ASYNC-NEXT: memref.load %[[TABLE]][%{{.*}}, %c1]
// ASYNC: %[[B2:[0-9]+]] = scf.if
// ASYNC-NEXT: memref.load %[[TABLE]][%{{.*}}, %c2]
// ASYNC: %[[S0:[0-9]+]] = scf.if
// ASYNC-NEXT: memref.load %[[SLOTS:[a-z0-9]+]][
// ASYNC: %[[S1:[0-9]+]] = scf.if
// ASYNC-NEXT: memref.load %[[SLOTS]][
// ASYNC: %[[K0:.*]] = tile.async_copy %[[PAGES:.*]][%{{.*}}, %{{.*}}] to %[[KEYS]] if %{{.*}}
// ASYNC: %[[V0:.*]] = tile.async_copy %[[PAGES]][%{{.*}}, %{{.*}}] to %[[VALUES]] if %{{.*}}
// ASYNC: scf.for %[[I:[a-z0-9]+]] = {{.*}} iter_args({{.*}}, %{{[a-z0-9]+}} = %[[S0]], %{{[a-z0-9]+}} = %[[B1]], %[[NEXT:[a-z0-9]+]] = %[[S1]], %[[LATER:[a-z0-9]+]] = %[[B2]], %[[K:[a-z0-9]+]] = %[[K0]], %[[V:[a-z0-9]+]] = %[[V0]]) -> ({{.*}}, !tile.token, !tile.token) {
// The slot of the block two steps ahead, whose number is known by now; the entry
// of the one after it.
// ASYNC: %[[PLACE:.*]] = arith.index_cast %[[LATER]] : i32 to index
// ASYNC: %[[S2:[0-9]+]] = scf.if
// ASYNC-NEXT: memref.load %[[SLOTS]][%[[PLACE]]]
// ASYNC: %[[FAR:.*]] = arith.addi %[[I]], %c3
// ASYNC: %[[B3:[0-9]+]] = scf.if
// ASYNC-NEXT: memref.load %[[TABLE]][%{{.*}}, %[[FAR]]]
// ASYNC: scf.if {{.*}} -> ({{.*}}, !tile.token, !tile.token) {
// ASYNC: tile.wait %[[K]]
// ASYNC: tile.load_vector key_scale %[[KEYS]][]
// ASYNC: tile.load_codes key %[[KEYS]][]
// Scales of tokens are needed behind the products.
// ASYNC: tile.dot
// ASYNC: tile.load_vector key_token %[[KEYS]][]
// The slot of the keys is free as soon as the scores are there.
// ASYNC: %[[K1:.*]] = tile.async_copy {{.*}} to %[[KEYS]]
// Values are waited for before it is decided whether the maximum grows.
// ASYNC: math.exp2
// ASYNC-NOT: scf.if
// ASYNC: tile.wait %[[V]]
// ASYNC: scf.if
// ASYNC: tile.load_vector value_channel %[[VALUES]][]
// ASYNC: tile.load_vector value_scale %[[VALUES]][]
// ASYNC: tile.load_codes value %[[VALUES]][]
// ASYNC: %[[V1:.*]] = tile.async_copy {{.*}} to %[[VALUES]]
// ASYNC: scf.yield {{.*}}, %[[K1]], %[[V1]]
// ASYNC: } else {
// A block of the pool: only the next copies are started.
// ASYNC-NOT: tile.wait
// ASYNC: %[[K2:.*]] = tile.async_copy {{.*}} to %[[KEYS]]
// ASYNC: %[[V2:.*]] = tile.async_copy {{.*}} to %[[VALUES]]
// ASYNC-NOT: tile.wait
// ASYNC: tile.load {{.*}} -> tensor<128x64xf16
// ASYNC: scf.yield {{.*}}, %[[K2]], %[[V2]]
// ASYNC: scf.yield {{.*}}, %[[NEXT]], %[[LATER]], %[[S2]], %[[B3]], %

//===----------------------------------------------------------------------===//
// expand = subnormal
//===----------------------------------------------------------------------===//

// SUBNORMAL: tile.kernel @decode_attend({{.*}}expand = subnormal, operand = f16,
// A power of two brings products with the scales into the range of fp16; what
// the middle codes stand for is added by products with vectors.
// SUBNORMAL: tile.load_vector key_scale
// SUBNORMAL: %[[REACH:.*]] = tile.reduce max {{.*}} : tensor<64xf32
// SUBNORMAL-NOT: math.{{log2|exp2}}
// SUBNORMAL: arith.bitcast %{{.*}} : f32 to i32
// SUBNORMAL: arith.addi %{{.*}}, %c8388607_i32
// SUBNORMAL: %[[UP:.*]] = arith.andi %{{.*}}, %c2139095040_i32
// SUBNORMAL: arith.bitcast %[[UP]] : i32 to f32
// SUBNORMAL-DAG: tile.dot {{.*}} : tensor<4x64xf16{{.*}}>, tensor<64xf16{{.*}}> -> tensor<4xf32
// SUBNORMAL-DAG: %[[KX:.*]] = tile.expand subnormal %{{.*}} part key {{.*}} -> tensor<64x128xf16
// SUBNORMAL-DAG: tile.expand_scale part key {{.*}} : tensor<128xf32
// SUBNORMAL-DAG: tile.dot %{{.*}}, %[[KX]], %{{.*}} -> tensor<4x128xf32
// SUBNORMAL-DAG: %[[VX:.*]] = tile.expand subnormal %{{.*}} part value {{.*}} -> tensor<128x64xf16
// SUBNORMAL-DAG: arith.truncf {{.*}} to tensor<4x128xf16
// SUBNORMAL-DAG: tile.dot {{.*}} : tensor<4x128xf16{{.*}}>, tensor<128xf16{{.*}}> -> tensor<4xf32
// SUBNORMAL-DAG: tile.expand_scale part value {{.*}} : tensor<64xf32
// SUBNORMAL-DAG: tile.dot %{{.*}}, %[[VX]], %{{.*}} -> tensor<4x64xf32
// SUBNORMAL: } else {
// SUBNORMAL: tile.transpose
// SUBNORMAL-NOT: expand

//===----------------------------------------------------------------------===//
// operand = f16 with convert
//===----------------------------------------------------------------------===//

// F16: tile.kernel @decode_attend({{.*}}expand = convert, operand = f16,
// F16-NOT: expand_scale
// F16: tile.expand convert {{.*}} part key {{.*}} -> tensor<64x128xf16
// F16: tile.dot {{.*}} : tensor<4x64xf16{{.*}}>, tensor<64x128xf16{{.*}}> -> tensor<4x128xf32
// F16: tile.expand convert {{.*}} part value {{.*}} -> tensor<128x64xf16
// F16: } else {
// The pool is fp16 already.
// F16: %[[K:.*]] = tile.load {{.*}} -> tensor<128x64xf16
// F16: tile.transpose %[[K]] : tensor<128x64xf16
// F16-NOT: expand_scale
// F16: tile.return

func.func @decode(%q: tensor<?x?x64xf16> {kvarn.name = "q"}, %start: tensor<?xi32> {kvarn.name = "query_start"},
    %pages: tensor<?x?x?xi8> {kvarn.name = "pages"}, %pool_k: tensor<?x128x?x64xf16> {kvarn.name = "pool_k"}, %pool_v: tensor<?x128x?x64xf16> {kvarn.name = "pool_v"},
    %table: tensor<?x?xi32> {kvarn.name = "block_table"}, %slots: tensor<?xi32> {kvarn.name = "block_to_slot"}, %lens: tensor<?xi32> {kvarn.name = "seq_lens"},
    %scale: f32 {kvarn.name = "scale"}) -> (tensor<?x?x64xf16> {kvarn.name = "out"}) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x64xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 causal rotate_query rotate_output : tensor<?x?x64xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x64xf16>
  return %o : tensor<?x?x64xf16>
}
