// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s
// RUN: kvarn-opt %s --convert-tile-to-nvptx --canonicalize --cse | FileCheck %s
// RUN: kvarn-opt %s --tile-to-llvm=target=sm_90a | FileCheck %s --check-prefix=LLVM

// Functions, scalars and control flow. Each tile is one scalar per register of
// its layout.

// The memory that programs share is as large as a launch says.
// CHECK: llvm.mlir.global external @kvarn_shared() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>
// CHECK-NOT: llvm.mlir.global

#v = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>

// Arguments are words: of a memref the address, the extents and the strides,
// also where they are known; of an f32 the bits.
// CHECK-LABEL: llvm.func @arguments(
// CHECK-SAME: %[[X:[a-z0-9]+]]: i64, %[[D0:[a-z0-9]+]]: i64, %{{[a-z0-9]+}}: i64, %{{[a-z0-9]+}}: i64, %[[S0:[a-z0-9]+]]: i64, %{{[a-z0-9]+}}: i64, %{{[a-z0-9]+}}: i64, %[[F:[a-z0-9]+]]: i64, %[[I:[a-z0-9]+]]: i64, %[[N:[a-z0-9]+]]: i64)
// One warp without tile.warps.
// CHECK-SAME: attributes {kvarn.shared_bytes = 0 : i64, nvvm.kernel, nvvm.maxntid = array<i32: 32>}
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : i64
// CHECK-DAG: %[[C256:.*]] = arith.constant 256 : i64
// CHECK-DAG: %[[C1024:.*]] = arith.constant 1024 : i64
// CHECK-DAG: %[[BASE:.*]] = llvm.inttoptr %[[X]] : i64 to !llvm.ptr<1>
// CHECK-DAG: %[[BITS:.*]] = arith.trunci %[[F]] : i64 to i32
// CHECK-DAG: %[[FLOAT:.*]] = llvm.bitcast %[[BITS]] : i32 to f32
// CHECK-DAG: arith.trunci %[[I]] : i64 to i32
// CHECK-DAG: nvvm.read.ptx.sreg.tid.x
// CHECK-DAG: nvvm.read.ptx.sreg.ctaid.x
// CHECK-DAG: nvvm.read.ptx.sreg.ctaid.y
// CHECK-DAG: nvvm.read.ptx.sreg.ctaid.z
// An index has 32 bits; addresses have 64.
// CHECK-DAG: %[[INDEX:.*]] = arith.trunci %[[D0]] : i64 to i32
// CHECK: %[[L:.*]] = llvm.load {{.*}} {alignment = 4 : i64} : !llvm.ptr<1> -> f32
// CHECK: arith.addf %[[L]], %[[FLOAT]] fastmath<contract> : f32
// A known extent is a constant: 4 rows of 256.
// CHECK: %[[WIDE:.*]] = arith.extsi %[[INDEX]] : i32 to i64
// CHECK: %[[ROW:.*]] = arith.muli %[[WIDE]], %[[S0]] : i64
// CHECK: %[[AT:.*]] = arith.addi %[[ROW]], %[[C1024]] : i64
// CHECK: %[[COLUMN:.*]] = arith.addi %[[AT]], %{{.*}} : i64
// CHECK: %[[BYTE:.*]] = arith.muli %[[COLUMN]], %[[C4]] : i64
// CHECK: llvm.getelementptr %[[BASE]][%[[BYTE]]] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
// CHECK: %[[M:.*]] = arith.trunci %[[N]] : i64 to i32
// CHECK: %[[WIDE:.*]] = arith.extsi %[[M]] : i32 to i64
// CHECK: arith.muli %[[WIDE]], %[[S0]]
// CHECK: llvm.return
// LLVM-LABEL: llvm.func @arguments
tile.kernel @arguments(%x: memref<?x4x?xf32, strided<[?, 256, 1]>>, %f: f32, %i: i32, %n: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %px = tile.program_id x
  %py = tile.program_id y
  %pz = tile.program_id z
  %d0 = memref.dim %x, %c0 : memref<?x4x?xf32, strided<[?, 256, 1]>>
  %d1 = memref.dim %x, %c1 : memref<?x4x?xf32, strided<[?, 256, 1]>>
  %l = memref.load %x[%px, %py, %pz] : memref<?x4x?xf32, strided<[?, 256, 1]>>
  %g = arith.addf %l, %f : f32
  %s = tile.splat %g : tensor<64xf32, #v>
  tile.store %s, %x[%d0, %d1, %c0] : tensor<64xf32, #v>, memref<?x4x?xf32, strided<[?, 256, 1]>>, index, index, index
  %m = arith.index_cast %n : i64 to index
  %j = arith.index_cast %i : i32 to index
  tile.store %s, %x[%m, %j, %c0] : tensor<64xf32, #v>, memref<?x4x?xf32, strided<[?, 256, 1]>>, index, index, index
  tile.return
}

// A loop carries every register of a tile by itself.
// CHECK-LABEL: llvm.func @loop
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-DAG: %[[TWO:.*]] = arith.constant 2.000000e+00 : f32
// CHECK: %[[R:.*]]:3 = scf.for {{.*}} iter_args(%[[A:.*]] = %[[ONE]], %[[B:.*]] = %[[ONE]], %[[C:.*]] = %[[TWO]]) -> (f32, f32, f32) : i32 {
// CHECK: arith.mulf %[[A]], %[[C]]
// CHECK: arith.mulf %[[B]], %[[C]]
// CHECK: arith.mulf %[[C]], %[[C]]
// CHECK: llvm.bitcast %[[R]]#0 : f32 to i32
// CHECK: llvm.bitcast %[[R]]#1 : f32 to i32
// CHECK: llvm.store {{.*}} {alignment = 8 : i64} : vector<2xi32>, !llvm.ptr<1>
// LLVM-LABEL: llvm.func @loop
// LLVM: llvm.cond_br
tile.kernel @loop(%x: memref<?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = arith.index_cast %n : i64 to index
  %one = arith.constant dense<1.0> : tensor<64xf32, #v>
  %f = arith.constant 2.0 : f32
  %r:2 = scf.for %k = %c0 to %m step %c1 iter_args(%a = %one, %b = %f) -> (tensor<64xf32, #v>, f32) {
    %s = tile.splat %b : tensor<64xf32, #v>
    %p = arith.mulf %a, %s : tensor<64xf32, #v>
    %q = arith.mulf %b, %b : f32
    scf.yield %p, %q : tensor<64xf32, #v>, f32
  }
  tile.store %r#0, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// CHECK-LABEL: llvm.func @branch
// CHECK: %[[Q:.*]] = arith.cmpi sgt
// CHECK: %[[R:.*]]:2 = scf.if %[[Q]] -> (f32, f32) {
// CHECK: %[[U:.*]] = math.sqrt
// CHECK: %[[V:.*]] = math.sqrt
// CHECK: scf.yield %[[U]], %[[V]]
// CHECK: } else {
// CHECK: %[[U:.*]] = math.absf
// CHECK: %[[V:.*]] = math.absf
// CHECK: scf.yield %[[U]], %[[V]]
// CHECK: llvm.bitcast %[[R]]#0 : f32 to i32
// CHECK: llvm.bitcast %[[R]]#1 : f32 to i32
tile.kernel @branch(%x: memref<?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %q = arith.cmpi sgt, %n, %n0 : i64
  %r = scf.if %q -> tensor<64xf32, #v> {
    %b = math.sqrt %a : tensor<64xf32, #v>
    scf.yield %b : tensor<64xf32, #v>
  } else {
    %b = math.absf %a : tensor<64xf32, #v>
    scf.yield %b : tensor<64xf32, #v>
  }
  tile.store %r, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// Halves leave a branch two in a word.
// CHECK-LABEL: llvm.func @branch_of_halves
// CHECK: %[[R:.*]] = scf.if %{{.*}} -> (i32) {
// CHECK: %[[W:.*]] = llvm.bitcast %{{.*}} : vector<2xf16> to i32
// CHECK: scf.yield %[[W]] : i32
// CHECK: } else {
// CHECK: scf.yield %{{.*}} : i32
// CHECK: %[[P:.*]] = llvm.bitcast %[[R]] : i32 to vector<2xf16>
// CHECK: arith.addf %[[P]], %{{.*}} : vector<2xf16>
tile.kernel @branch_of_halves(%x: memref<?xf16>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %a = tile.load %x[%c0] : memref<?xf16>, index -> tensor<64xf16, #v>
  %q = arith.cmpi sgt, %n, %n0 : i64
  %r = scf.if %q -> tensor<64xf16, #v> {
    %b = arith.mulf %a, %a : tensor<64xf16, #v>
    scf.yield %b : tensor<64xf16, #v>
  } else {
    scf.yield %a : tensor<64xf16, #v>
  }
  %s = arith.addf %r, %a : tensor<64xf16, #v>
  tile.store %s, %x[%c0] : tensor<64xf16, #v>, memref<?xf16>, index
  tile.return
}

// Warps: the number of threads comes from tile.warps. All of them run the
// region, in order with what is before and behind; outside of it the first one
// stores.
// CHECK-LABEL: llvm.func @warps
// CHECK-SAME: nvvm.maxntid = array<i32: 128>
// CHECK-DAG: %[[C31:.*]] = arith.constant 31 : i32
// CHECK-DAG: %[[C5:.*]] = arith.constant 5 : i32
// CHECK-DAG: %[[T:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK-DAG: arith.andi %[[T]], %[[C31]]
// CHECK-DAG: %[[OWN:.*]] = arith.shrui %[[T]], %[[C5]]
// CHECK: %[[W:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[OWN]], %{{.*}}, %[[C31]]
// CHECK: nvvm.barrier0
// CHECK: %[[W64:.*]] = arith.extsi %[[W]] : i32 to i64
// CHECK: arith.muli %[[W64]], %{{.*}} : i64
// CHECK: llvm.store {{.*}} !llvm.ptr<1>
// CHECK: nvvm.barrier0
// CHECK: %[[FIRST:.*]] = arith.cmpi eq
// CHECK: scf.if %[[FIRST]] {
// CHECK: llvm.store {{.*}} !llvm.ptr<1>
tile.kernel @warps(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : tensor<64xf32, #v>
  tile.warps 4 (%w) {
    tile.store %one, %x[%w, %c0] : tensor<64xf32, #v>, memref<?x?xf32>, index, index
  }
  tile.store %one, %y[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// What is loaded in a region of warps and carried around a loop stays in the
// registers of lanes: to the address is added what the assembler does not know
// to be 0, the sign of an extent in each lane. Where it decides, lanes vote, so
// that they are known to stay together; an index needs no vote.
// CHECK-LABEL: llvm.func @ahead
// CHECK-SAME: i64, %[[EXTENT:[^:]*]]: i64, %{{[^:]*}}: i64) attributes
// CHECK: %[[LANE:.*]] = arith.andi %{{.*}}, %c31_i32
// CHECK: %[[WIDE:.*]] = arith.extsi %[[LANE]] : i32 to i64
// CHECK: %[[SIGN:.*]] = arith.shrui %[[EXTENT]], %c63_i64
// CHECK: %[[ZERO:.*]] = arith.andi %[[WIDE]], %[[SIGN]]
// CHECK: %[[AT:.*]] = llvm.getelementptr %{{.*}}[%[[ZERO]]]
// CHECK: %[[FIRST:.*]] = llvm.load %[[AT]]
// CHECK: scf.for {{.*}} iter_args(%[[CARRIED:.*]] = %[[FIRST]])
// CHECK: %[[NEAR:.*]] = arith.cmpi slt
// CHECK-NEXT: %[[NEXT:.*]] = scf.if %[[NEAR]]
// CHECK: llvm.getelementptr %{{.*}}[%[[ZERO]]]
// CHECK: %[[NEGATIVE:.*]] = arith.cmpi slt, %[[CARRIED]]
// CHECK-NEXT: %[[ANY:.*]] = llvm.call_intrinsic "llvm.nvvm.vote.any.sync"(%c-1_i32, %[[NEGATIVE]])
// CHECK-NEXT: scf.if %[[ANY]]
tile.kernel @ahead(%t: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0 : i32
  %one = arith.constant dense<1> : tensor<64xi32, #v>
  tile.warps 4 (%w) {
    %first = memref.load %t[%w] : memref<?xi32>
    %last = scf.for %i = %c0 to %c8 step %c1 iter_args(%entry = %first) -> (i32) {
      %near = arith.cmpi slt, %i, %w : index
      %next = scf.if %near -> i32 {
        %there = memref.load %t[%i] : memref<?xi32>
        scf.yield %there : i32
      } else {
        scf.yield %zero : i32
      }
      %negative = arith.cmpi slt, %entry, %zero : i32
      scf.if %negative {
        tile.store %one, %t[%i] : tensor<64xi32, #v>, memref<?xi32>, index
      }
      scf.yield %next : i32
    }
  }
  tile.return
}

// Programs of balanced work are all there at once.
// CHECK-LABEL: llvm.func @balanced
// CHECK-SAME: nvvm.minctasm = 3 : i32
// One program is always there.
// CHECK-LABEL: llvm.func @single
// CHECK-NOT: nvvm.minctasm
// CHECK: llvm.return
tile.kernel @balanced() attributes {schedule = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 0, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, programs = 3>} {
  tile.return
}
tile.kernel @single() attributes {schedule = #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 0, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32, programs = 1>} {
  tile.return
}

// Host functions are no part of the machine code; others stay.
// CHECK-NOT: func.func @host
// CHECK: func.func @other
func.func @host(%x: memref<?x?xf32>, %y: memref<?xf32>, %n: index) {
  tile.launch @warps grid(%n, %n, %n) (%x, %y) : memref<?x?xf32>, memref<?xf32>
  return
}
func.func @other() {
  return
}
