// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// What lanes and warps tell one another: reductions, running sums, transforms,
// changes of layout.

#rows = #tile.layout<rank = 2, registers = [(1, 0), (0, 16), (0, 8)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#row = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (0), (0), (0)], warps = []>
#column = #tile.layout<rank = 1, registers = [(16), (8)], lanes = [(0), (0), (1), (2), (4)], warps = []>
#eight_rows = #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (1), (2), (4)], warps = []>
#v = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>
#w = #tile.layout<rank = 1, registers = [(32)], lanes = [(1), (2), (4), (8), (16)], warps = []>

// Rows: first the four columns of a lane, then lanes 4, 8 and 16 apart. Lanes
// that differ in bits 0 and 1 have other rows.
// CHECK-LABEL: llvm.func @rows
// CHECK-DAG: %[[ALL:.*]] = arith.constant -1 : i32
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : i32
// CHECK-DAG: %[[C8:.*]] = arith.constant 8 : i32
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : i32
// CHECK-COUNT-4: arith.sitofp
// CHECK: llvm.intr.maxnum
// CHECK: llvm.intr.maxnum
// CHECK: %[[A:.*]] = llvm.intr.maxnum
// CHECK-NEXT: %[[B:.*]] = nvvm.shfl.sync bfly %[[ALL]], %[[A]], %[[C4]], %{{.*}} : f32 -> f32
// CHECK-NEXT: %[[C:.*]] = llvm.intr.maxnum(%[[A]], %[[B]])
// CHECK: nvvm.shfl.sync bfly %[[ALL]], %[[C]], %[[C8]], %{{.*}} : f32 -> f32
// CHECK: nvvm.shfl.sync bfly %[[ALL]], %{{.*}}, %[[C16]], %{{.*}} : f32 -> f32
// CHECK: scf.if
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
tile.kernel @rows(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c = tile.iota 1 : tensor<8x32xi32, #rows>
  %a = arith.sitofp %c : tensor<8x32xi32, #rows> to tensor<8x32xf32, #rows>
  %m = tile.reduce max %a dim 1 : tensor<8x32xf32, #rows> -> tensor<8xf32, #row>
  tile.store %m, %x[%c0] : tensor<8xf32, #row>, memref<?xf32>, index
  tile.return
}

// Columns of the same tile: two rows in a lane, then lanes 1 and 2 apart, for
// each of the four columns of a lane. Sums may be contracted.
// CHECK-LABEL: llvm.func @columns
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : i32
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : i32
// CHECK: arith.addf {{.*}} fastmath<contract>
// CHECK-COUNT-4: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %[[C1]], %{{.*}} : f32 -> f32
// CHECK-COUNT-4: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %[[C2]], %{{.*}} : f32 -> f32
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
tile.kernel @columns(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c = tile.iota 0 : tensor<8x32xi32, #rows>
  %a = arith.sitofp %c : tensor<8x32xi32, #rows> to tensor<8x32xf32, #rows>
  %m = tile.reduce add %a dim 0 : tensor<8x32xf32, #rows> -> tensor<32xf32, #column>
  tile.store %m, %x[%c0] : tensor<32xf32, #column>, memref<?xf32>, index
  tile.return
}

// A whole vector gives a scalar, in one instruction for all lanes. It compares
// integers: the bits of an f32 below zero are turned round before and behind.
// Halves travel between lanes as words.
// CHECK-LABEL: llvm.func @whole
// CHECK-DAG: %[[ALL:.*]] = arith.constant -1 : i32
// CHECK-DAG: %[[C31:.*]] = arith.constant 31 : i32
// CHECK-DAG: %[[REST:.*]] = arith.constant 2147483647 : i32
// CHECK: %[[M:.*]] = llvm.intr.minnum
// CHECK: %[[BITS:.*]] = llvm.bitcast %[[M]] : f32 to i32
// CHECK: %[[SIGN:.*]] = arith.shrsi %[[BITS]], %[[C31]]
// CHECK: %[[TURN:.*]] = arith.andi %[[SIGN]], %[[REST]]
// CHECK: %[[ORDER:.*]] = arith.xori %[[BITS]], %[[TURN]]
// CHECK: %[[LEAST:.*]] = llvm.call_intrinsic "llvm.nvvm.redux.sync.min"(%[[ORDER]], %[[ALL]]) : (i32, i32) -> i32
// CHECK: %[[SIGN:.*]] = arith.shrsi %[[LEAST]], %[[C31]]
// CHECK: %[[TURN:.*]] = arith.andi %[[SIGN]], %[[REST]]
// CHECK: %[[BITS:.*]] = arith.xori %[[LEAST]], %[[TURN]]
// CHECK: llvm.bitcast %[[BITS]] : i32 to f32
// CHECK: %[[K:.*]] = arith.minsi
// CHECK-NEXT: llvm.call_intrinsic "llvm.nvvm.redux.sync.min"(%[[K]], %[[ALL]]) : (i32, i32) -> i32
// CHECK-COUNT-5: nvvm.shfl.sync bfly {{.*}} : i32 -> i32
// CHECK: arith.truncf
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
tile.kernel @whole(%x: memref<?xf32>, %n: memref<?xi32>, %h: memref<?xf16>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %b = tile.load %n[%c0] : memref<?xi32>, index -> tensor<64xi32, #v>
  %c = tile.load %h[%c0] : memref<?xf16>, index -> tensor<64xf16, #v>
  %m = tile.reduce min %a dim 0 : tensor<64xf32, #v> -> f32
  %k = tile.reduce min %b dim 0 : tensor<64xi32, #v> -> i32
  %p = tile.reduce max %c dim 0 : tensor<64xf16, #v> -> f16
  %kf = arith.sitofp %k : i32 to f32
  %pf = arith.extf %p : f16 to f32
  %s = arith.addf %m, %kf : f32
  %t = arith.addf %s, %pf : f32
  %u = arith.truncf %t : f32 to f16
  %v = tile.splat %u : tensor<64xf16, #v>
  tile.store %v, %h[%c0] : tensor<64xf16, #v>, memref<?xf16>, index
  tile.return
}

// What cannot be below zero is in order as it is.
// CHECK-LABEL: llvm.func @magnitude
// CHECK: %[[M:.*]] = llvm.intr.maxnum
// CHECK-NEXT: %[[BITS:.*]] = llvm.bitcast %[[M]] : f32 to i32
// CHECK-NEXT: llvm.call_intrinsic "llvm.nvvm.redux.sync.max"(%[[BITS]], %{{.*}}) : (i32, i32) -> i32
// CHECK-NOT: {{shfl|xori}}
// CHECK: llvm.return
tile.kernel @magnitude(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : tensor<64xf32, #v>
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %b = math.absf %a : tensor<64xf32, #v>
  %c = arith.addf %b, %one : tensor<64xf32, #v>
  %m = tile.reduce max %c dim 0 : tensor<64xf32, #v> -> f32
  %s = tile.splat %m : tensor<64xf32, #v>
  tile.store %s, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// All of a matrix in two steps are one: halves are compared in pairs, and those
// of powers are not below zero.
// CHECK-LABEL: llvm.func @most
// CHECK-COUNT-3: llvm.intr.maxnum(%{{.*}}, %{{.*}}) : (vector<2xf16>, vector<2xf16>) -> vector<2xf16>
// CHECK: %[[M:.*]] = llvm.intr.maxnum(%{{.*}}, %{{.*}}) : (f16, f16) -> f16
// CHECK-NEXT: %[[F:.*]] = arith.extf %[[M]] : f16 to f32
// CHECK-NEXT: %[[BITS:.*]] = llvm.bitcast %[[F]] : f32 to i32
// CHECK-NEXT: %[[ALL:.*]] = llvm.call_intrinsic "llvm.nvvm.redux.sync.max"(%[[BITS]], %{{.*}}) : (i32, i32) -> i32
// CHECK-NEXT: llvm.bitcast %[[ALL]] : i32 to f32
// CHECK-NOT: {{shfl|redux|maxnum}}
// CHECK: llvm.return
tile.kernel @most(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #row>
  %a = tile.load %x[%i, %c0] : memref<?x?xf32>, tensor<8xindex, #row>, index -> tensor<8x32xf32, #rows>
  %b = math.exp2 %a : tensor<8x32xf32, #rows>
  %p = arith.truncf %b : tensor<8x32xf32, #rows> to tensor<8x32xf16, #rows>
  %r = tile.reduce max %p dim 1 : tensor<8x32xf16, #rows> -> tensor<8xf16, #row>
  %m = tile.reduce max %r dim 0 : tensor<8xf16, #row> -> f16
  %f = arith.extf %m : f16 to f32
  %s = tile.splat %f : tensor<64xf32, #v>
  tile.store %s, %y[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// The same instruction sums integers, unless lanes have copies.
// CHECK-LABEL: llvm.func @integers
// CHECK: %[[PAIR:.*]] = arith.addi
// CHECK-NEXT: llvm.call_intrinsic "llvm.nvvm.redux.sync.add"(%[[PAIR]], %{{.*}}) : (i32, i32) -> i32
// CHECK-NOT: redux
// CHECK-COUNT-3: nvvm.shfl.sync bfly {{.*}} : i32 -> i32
// CHECK-NOT: {{redux|shfl}}
// CHECK: llvm.return
tile.kernel @integers(%x: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xi32>, index -> tensor<64xi32, #v>
  %b = tile.load %x[%c0] : memref<?xi32>, index -> tensor<8xi32, #eight_rows>
  %s = tile.reduce add %a dim 0 : tensor<64xi32, #v> -> i32
  %t = tile.reduce add %b dim 0 : tensor<8xi32, #eight_rows> -> i32
  %u = arith.addi %s, %t : i32
  %v = tile.splat %u : tensor<64xi32, #v>
  tile.store %v, %x[%c0] : tensor<64xi32, #v>, memref<?xi32>, index
  tile.return
}

// A constant is asked for its sign only if it is a float.
// CHECK-LABEL: llvm.func @constant
// CHECK: llvm.call_intrinsic "llvm.nvvm.redux.sync.max"
tile.kernel @constant(%x: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %five = arith.constant dense<5> : tensor<64xi32, #v>
  %m = tile.reduce max %five dim 0 : tensor<64xi32, #v> -> i32
  %v = tile.splat %m : tensor<64xi32, #v>
  tile.store %v, %x[%c0] : tensor<64xi32, #v>, memref<?xi32>, index
  tile.return
}

// The largest number of a matrix: every lane looks through its own in several
// chains; then there is one instruction.
// CHECK-LABEL: llvm.func @largest
// CHECK-COUNT-7: llvm.intr.maxnum
// CHECK-NOT: llvm.intr.maxnum
// CHECK: llvm.call_intrinsic "llvm.nvvm.redux.sync.max"
// CHECK-NOT: {{redux|shfl}}
// CHECK: llvm.return
tile.kernel @largest(%x: memref<?xf32>, %y: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #row>
  %a = tile.load %y[%i, %c0] : memref<?x?xf32>, tensor<8xindex, #row>, index -> tensor<8x32xf32, #rows>
  %r = tile.reduce max %a dim 1 : tensor<8x32xf32, #rows> -> tensor<8xf32, #row>
  %m = tile.reduce max %r dim 0 : tensor<8xf32, #row> -> f32
  %s = tile.splat %m : tensor<64xf32, #v>
  tile.store %s, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// Warps meet in shared memory: [warp][register][lane], 4 x 2 x 128 bytes.
// Afterwards every warp has the sum.
// CHECK-LABEL: llvm.func @warps
// CHECK-SAME: kvarn.shared_bytes = 1024 : i64
// CHECK-SAME: nvvm.maxntid = array<i32: 128>
// CHECK-DAG: %[[C256:.*]] = arith.constant 256 : i32
// CHECK-DAG: %[[SHARED:.*]] = llvm.mlir.addressof @kvarn_shared : !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.load {{.*}} !llvm.ptr<1>
// CHECK: nvvm.barrier0
// CHECK: %[[MINE:.*]] = llvm.getelementptr %[[SHARED]][%{{.*}}] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i8
// CHECK: %[[W:.*]] = arith.muli %{{.*}}, %[[C256]]
// CHECK: %[[OWN:.*]] = llvm.getelementptr %[[MINE]][%[[W]]]
// CHECK: llvm.store %{{.*}}, %[[OWN]] {alignment = 4 : i64} : f32, !llvm.ptr<3>
// CHECK: %[[SECOND:.*]] = llvm.getelementptr %[[OWN]][128]
// CHECK: llvm.store %{{.*}}, %[[SECOND]] {alignment = 4 : i64} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-8: llvm.load {{.*}} : !llvm.ptr<3> -> f32
// What is in shared memory next must not meet a slower reader.
// CHECK: nvvm.barrier0
// CHECK: scf.if
// CHECK: llvm.store {{.*}} !llvm.ptr<1>
#stack = #tile.layout<rank = 2, registers = [(0, 1)], lanes = [(0, 2), (0, 4), (0, 8), (0, 16), (0, 32)], warps = [(1, 0), (2, 0)]>
tile.kernel @warps(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %r = tile.warps 4 (%w) -> (tensor<4x64xf32, #stack>) {
    %a = tile.load %x[%w, %c0] : memref<?x?xf32>, index, index -> tensor<64xf32, #v>
    tile.yield %a : tensor<64xf32, #v>
  }
  %s = tile.reduce add %r dim 0 : tensor<4x64xf32, #stack> -> tensor<64xf32, #v>
  tile.store %s, %y[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// Two registers, then five stages of lanes: the sum of those below.
// CHECK-LABEL: llvm.func @scan
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK: %[[PAIR:.*]] = arith.addi
// CHECK: %[[O:.*]] = nvvm.shfl.sync bfly %{{.*}}, %[[PAIR]], %{{.*}} : i32 -> i32
// CHECK: arith.select %{{.*}}, %[[O]], %[[ZERO]] : i32
// CHECK-COUNT-4: nvvm.shfl.sync bfly {{.*}} : i32 -> i32
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
tile.kernel @scan(%x: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xi32>, index -> tensor<64xi32, #v>
  %b = tile.scan %a : tensor<64xi32, #v>
  tile.store %b, %x[%c0] : tensor<64xi32, #v>, memref<?xi32>, index
  tile.return
}

// Butterflies: one stage within registers, two between lanes, whose sign is
// that of the lane's bit.
// CHECK-LABEL: llvm.func @hadamard
// CHECK-DAG: %[[PLUS:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-DAG: %[[MINUS:.*]] = arith.constant -1.000000e+00 : f32
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : i32
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : i32
// CHECK: %[[A:.*]] = arith.addf %[[X:.*]], %[[Y:.*]] : f32
// CHECK: arith.subf %[[X]], %[[Y]] : f32
// CHECK: %[[SIGN:.*]] = arith.select %{{.*}}, %[[MINUS]], %[[PLUS]] : f32
// CHECK: %[[OTHER:.*]] = nvvm.shfl.sync bfly %{{.*}}, %[[A]], %[[C1]], %{{.*}} : f32 -> f32
// CHECK: %[[OWN:.*]] = arith.mulf %[[A]], %[[SIGN]] fastmath<contract> : f32
// CHECK: arith.addf %[[OWN]], %[[OTHER]] fastmath<contract> : f32
// CHECK: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %[[C1]], %{{.*}} : f32 -> f32
// CHECK-COUNT-2: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %[[C2]], %{{.*}} : f32 -> f32
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
#eight = #tile.layout<rank = 2, registers = [(0, 1)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>
tile.kernel @hadamard(%x: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %r = tile.iota 0 : tensor<8xindex, #eight_rows>
  %a = tile.load %x[%r, %c0] : memref<?x?xf32>, tensor<8xindex, #eight_rows>, index -> tensor<8x8xf32, #eight>
  %b = tile.hadamard %a : tensor<8x8xf32, #eight>
  tile.store %b, %x[%r, %c0] : tensor<8x8xf32, #eight>, memref<?x?xf32>, tensor<8xindex, #eight_rows>, index
  tile.return
}

// Stages run from the lowest column up, wherever it lies: the sums are the same
// in every layout.
// CHECK-LABEL: llvm.func @hadamard_lanes_first
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : i32
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : i32
// CHECK-NOT: arith.subf
// CHECK-COUNT-2: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %[[C1]], %{{.*}} : f32 -> f32
// CHECK-NOT: arith.subf
// CHECK-COUNT-2: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %[[C2]], %{{.*}} : f32 -> f32
// CHECK-NOT: nvvm.shfl
// CHECK: arith.subf
// CHECK: llvm.return
#upper = #tile.layout<rank = 2, registers = [(0, 4)], lanes = [(0, 1), (0, 2), (1, 0), (2, 0), (4, 0)], warps = []>
tile.kernel @hadamard_lanes_first(%x: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %r = tile.iota 0 : tensor<8xindex, #eight_rows>
  %a = tile.load %x[%r, %c0] : memref<?x?xf32>, tensor<8xindex, #eight_rows>, index -> tensor<8x8xf32, #upper>
  %b = tile.hadamard %a : tensor<8x8xf32, #upper>
  tile.store %b, %x[%r, %c0] : tensor<8x8xf32, #upper>, memref<?x?xf32>, tensor<8xindex, #eight_rows>, index
  tile.return
}

// A stage between warps goes through shared memory: 2 x 1 x 128 bytes.
// CHECK-LABEL: llvm.func @hadamard_warps
// CHECK-SAME: kvarn.shared_bytes = 256 : i64
// CHECK-SAME: nvvm.maxntid = array<i32: 64>
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : i32
// CHECK-COUNT-5: nvvm.shfl.sync bfly
// CHECK: %[[SIGN:.*]] = arith.select
// CHECK: llvm.store {{.*}} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: arith.xori %{{.*}}, %[[C1]]
// CHECK: %[[OTHER:.*]] = llvm.load {{.*}} : !llvm.ptr<3> -> f32
// CHECK: nvvm.barrier0
// CHECK: %[[OWN:.*]] = arith.mulf %{{.*}}, %[[SIGN]]
// CHECK: arith.addf %[[OWN]], %[[OTHER]]
// CHECK: llvm.return
#two_warps = #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = [(32)]>
tile.kernel @hadamard_warps(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #two_warps>
  %b = tile.hadamard %a : tensor<64xf32, #two_warps>
  tile.store %b, %x[%c0] : tensor<64xf32, #two_warps>, memref<?xf32>, index
  tile.return
}

// Narrow elements change warps in rows: here a lane writes four of them at once,
// 512 bytes in all and a vector behind the row.
// CHECK-LABEL: llvm.func @through_rows
// CHECK-SAME: kvarn.shared_bytes = 528 : i64
// CHECK-NOT: nvvm.shfl.sync bfly
// CHECK: llvm.store {{.*}} {alignment = 8 : i64} : vector<2xi32>, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-4: llvm.load {{.*}} {alignment = 2 : i64} : !llvm.ptr<3> -> f16
// CHECK-NOT: !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.return
#four_each = #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (16), (32), (64)], warps = [(128)]>
#one_each = #tile.layout<rank = 1, registers = [(64), (128)], lanes = [(1), (2), (4), (8), (16)], warps = [(32)]>
tile.kernel @through_rows(%x: memref<?xf16>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf16>, index -> tensor<256xf16, #four_each>
  %b = tile.convert_layout %a : tensor<256xf16, #four_each> -> tensor<256xf16, #one_each>
  tile.store %b, %x[%c0] : tensor<256xf16, #one_each>, memref<?xf16>, index
  tile.return
}

// Where lanes have pieces of columns they move in columns: four elements are
// written at once and two are read, 16 columns of 32 bytes and a vector.
// CHECK-LABEL: llvm.func @through_columns
// CHECK-SAME: kvarn.shared_bytes = 768 : i64
// CHECK: llvm.store {{.*}} {alignment = 8 : i64} : vector<2xi32>, !llvm.ptr<3>
// CHECK-NOT: llvm.store {{.*}} !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-2: llvm.load {{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK-NOT: !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.return
#four_down = #tile.layout<rank = 2, registers = [(1, 0), (2, 0)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = [(0, 8)]>
#two_down = #tile.layout<rank = 2, registers = [(1, 0), (0, 8)], lanes = [(2, 0), (4, 0), (8, 0), (0, 1), (0, 2)], warps = [(0, 4)]>
#four_down_rows = #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (0), (0), (0)], warps = [(0)]>
#two_down_rows = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (0), (0)], warps = [(0)]>
tile.kernel @through_columns(%x: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %r = tile.iota 0 : tensor<16xindex, #four_down_rows>
  %a = tile.load %x[%r, %c0] : memref<?x?xf16>, tensor<16xindex, #four_down_rows>, index -> tensor<16x16xf16, #four_down>
  %b = tile.convert_layout %a : tensor<16x16xf16, #four_down> -> tensor<16x16xf16, #two_down>
  %s = tile.iota 0 : tensor<16xindex, #two_down_rows>
  tile.store %b, %x[%s, %c0] : tensor<16x16xf16, #two_down>, memref<?x?xf16>, tensor<16xindex, #two_down_rows>, index
  tile.return
}

// A layout is changed by shuffles: each register of the result from the lane
// that has it. Which of two registers there depends on the reader's lane.
// CHECK-LABEL: llvm.func @shuffles
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : i32
// CHECK: %[[A:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[X:.*]], %[[FROM:.*]], %{{.*}} : f32 -> f32
// CHECK: %[[B:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[Y:.*]], %[[FROM]], %{{.*}} : f32 -> f32
// CHECK: %[[ODD:.*]] = arith.cmpi eq
// CHECK: arith.select %[[ODD]], %[[B]], %[[A]] : f32
// The second half of the vector is sixteen lanes further.
// CHECK: %[[FAR:.*]] = arith.addi %[[FROM]], %[[C16]]
// CHECK: %[[C:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[X]], %[[FAR]], %{{.*}} : f32 -> f32
// CHECK: %[[D:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[Y]], %[[FAR]], %{{.*}} : f32 -> f32
// CHECK: arith.select %[[ODD]], %[[D]], %[[C]] : f32
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
tile.kernel @shuffles(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %b = tile.convert_layout %a : tensor<64xf32, #v> -> tensor<64xf32, #w>
  tile.store %b, %x[%c0] : tensor<64xf32, #w>, memref<?xf32>, index
  tile.return
}

// Lanes that have all they need only choose.
// CHECK-LABEL: llvm.func @selects
// CHECK: llvm.load
// CHECK-NOT: nvvm.shfl
// CHECK: %[[ODD:.*]] = arith.cmpi eq
// CHECK: %[[A:.*]] = arith.select %[[ODD]]
// CHECK: %[[B:.*]] = arith.select %[[ODD]]
// CHECK: %[[SECOND:.*]] = arith.cmpi eq
// CHECK: %[[R:.*]] = arith.select %[[SECOND]], %[[B]], %[[A]] : f32
// CHECK: %[[WORD:.*]] = llvm.bitcast %[[R]] : f32 to i32
// CHECK: llvm.store %[[WORD]]
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
#four = #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(0), (0), (4), (8), (16)], warps = []>
#one = #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = []>
tile.kernel @selects(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<32xf32, #four>
  %b = tile.convert_layout %a : tensor<32xf32, #four> -> tensor<32xf32, #one>
  tile.store %b, %x[%c0] : tensor<32xf32, #one>, memref<?xf32>, index
  tile.return
}

// Pieces of 8x8 fp16 pairs are transposed by one instruction each.
// CHECK-LABEL: llvm.func @pieces
// CHECK: llvm.load
// CHECK-NOT: nvvm.shfl
// CHECK-COUNT-2: llvm.inline_asm has_side_effects "movmatrix.sync.aligned.m8n8.trans.b16 $0, $1;", "=r,r" %{{.*}} : (i32) -> i32
// CHECK-NOT: movmatrix
// CHECK: llvm.return
#result = #tile.layout<rank = 2, registers = [(1, 0), (0, 8)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#result_rows = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (0), (0), (0)], warps = []>
#operand = #tile.layout<rank = 2, registers = [(0, 1), (0, 8)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>
tile.kernel @pieces(%x: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %r = tile.iota 0 : tensor<8xindex, #result_rows>
  %s = tile.iota 0 : tensor<8xindex, #eight_rows>
  %a = tile.load %x[%r, %c0] : memref<?x?xf16>, tensor<8xindex, #result_rows>, index -> tensor<8x16xf16, #result>
  %b = tile.convert_layout %a : tensor<8x16xf16, #result> -> tensor<8x16xf16, #operand>
  tile.store %b, %x[%s, %c0] : tensor<8x16xf16, #operand>, memref<?x?xf16>, tensor<8xindex, #eight_rows>, index
  tile.return
}

// One thread counts for a program, after all of its warps have stored and before
// any of them goes on; it tells them through shared memory, and the last of all
// programs starts the counter again.
// CHECK-LABEL: llvm.func @arrive
// CHECK-SAME: kvarn.shared_bytes = 4 : i64
// CHECK-DAG: %[[C7:.*]] = arith.constant 7 : i32
// CHECK-DAG: %[[SHARED:.*]] = llvm.mlir.addressof @kvarn_shared
// CHECK: llvm.store {{.*}} !llvm.ptr<1>
// CHECK: nvvm.barrier0
// CHECK: %[[FIRST:.*]] = arith.cmpi eq
// CHECK: scf.if %[[FIRST]] {
// CHECK: %[[BEFORE:.*]] = llvm.inline_asm has_side_effects "atom.acq_rel.gpu.global.add.s32 $0, [$1], 1;", "=r,l,~{memory}" %[[COUNTER:.*]] : (i64) -> i32
// CHECK: %[[ALL:.*]] = arith.addi %[[BEFORE]]
// CHECK: %[[LAST:.*]] = arith.cmpi eq, %[[ALL]], %[[C7]]
// CHECK: llvm.store %{{.*}}, %[[SHARED]] {alignment = 4 : i64} : i32, !llvm.ptr<3>
// CHECK: scf.if %[[LAST]] {
// CHECK: llvm.inline_asm has_side_effects "st.global.s32 [$0], 0;", "l,~{memory}" %[[COUNTER]]
// CHECK: nvvm.barrier0
// CHECK: %[[FLAG:.*]] = llvm.load %[[SHARED]] {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK: nvvm.barrier0
// CHECK: arith.cmpi ne, %[[FLAG]]
// CHECK: llvm.return
#lanes = #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = []>
tile.kernel @arrive(%n: memref<?xi32>, %x: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c7 = arith.constant 7 : index
  %one = arith.constant dense<1> : tensor<32xi32, #lanes>
  %two = arith.constant dense<2> : tensor<32xi32, #lanes>
  %i = tile.program_id x
  tile.warps 2 (%w) {
    tile.store %one, %x[%w] : tensor<32xi32, #lanes>, memref<?xi32>, index
  }
  %last = tile.arrive %n[%i] of %c7 : memref<?xi32>
  scf.if %last {
    tile.store %two, %x[%c0] : tensor<32xi32, #lanes>, memref<?xi32>, index
  }
  tile.return
}

// What programs leave for each other is loaded in the order in which it is
// written, all else in the assembler's.
// CHECK-LABEL: llvm.func @exchanged
// CHECK: llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr<1> -> f32
// CHECK: llvm.store
// CHECK: "atom.acq_rel.gpu
// CHECK: llvm.load volatile %{{.*}} {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// CHECK: llvm.load volatile %{{.*}} {alignment = 4 : i64} : !llvm.ptr<1> -> f32
// CHECK: llvm.return
// CHECK-LABEL: llvm.func @alone
// CHECK-NOT: volatile
// CHECK: llvm.return
#own = #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = []>
tile.kernel @exchanged(%n: memref<?xi32>, %parts: memref<?xf32>, %x: memref<?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %i = tile.program_id x
  %lanes = tile.iota 0 : tensor<32xindex, #own>
  %own = tile.gather %x[%lanes] : memref<?xf32>, tensor<32xindex, #own> -> tensor<32xf32, #own>
  tile.store %own, %parts[%i] : tensor<32xf32, #own>, memref<?xf32>, index
  %last = tile.arrive %n[%c0] of %c2 : memref<?xi32>
  scf.if %last {
    %a = tile.load %parts[%c0] : memref<?xf32>, index -> tensor<32xf32, #own>
    %b = tile.gather %parts[%lanes] : memref<?xf32>, tensor<32xindex, #own> -> tensor<32xf32, #own>
    %c = arith.addf %a, %b : tensor<32xf32, #own>
    tile.store %c, %y[%c0] : tensor<32xf32, #own>, memref<?xf32>, index
  }
  tile.return
}
tile.kernel @alone(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<32xf32, #own>
  tile.store %a, %x[%c0] : tensor<32xf32, #own>, memref<?xf32>, index
  tile.return
}

// Pairs of fp16 travel as words, each once from each lane that it comes from:
// four, not one for each of four elements and both registers that a lane
// chooses from.
// CHECK-LABEL: llvm.func @words
// CHECK-COUNT-4: nvvm.shfl.sync idx
// CHECK-NOT: nvvm.shfl
// CHECK: llvm.return
tile.kernel @words(%x: memref<?xf32>, %y: memref<?xf16>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<128xf32, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (16), (32), (64)], warps = []>>
  %h = arith.truncf %a : tensor<128xf32, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (16), (32), (64)], warps = []>> to tensor<128xf16, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (16), (32), (64)], warps = []>>
  %b = tile.convert_layout %h : tensor<128xf16, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (16), (32), (64)], warps = []>> -> tensor<128xf16, #tile.layout<rank = 1, registers = [(1), (64)], lanes = [(2), (4), (8), (16), (32)], warps = []>>
  tile.store %b, %y[%c0] : tensor<128xf16, #tile.layout<rank = 1, registers = [(1), (64)], lanes = [(2), (4), (8), (16), (32)], warps = []>>, memref<?xf16>, index
  tile.return
}
