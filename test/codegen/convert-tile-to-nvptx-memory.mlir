// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// Tiles in global memory.

// 16 bytes of a row for each lane; the second register bit of rows is a row
// further down.
#rows = #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (4, 0)], lanes = [(0, 8), (0, 16), (0, 32), (1, 0), (2, 0)], warps = []>
#row = #tile.layout<rank = 1, registers = [(4)], lanes = [(0), (0), (0), (1), (2)], warps = []>
// An element for each lane.
#singles = #tile.layout<rank = 2, registers = [], lanes = [(0, 1), (0, 2), (0, 4), (1, 0), (2, 0)], warps = []>
#single = #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (0), (1), (2)], warps = []>
// Eight rows, which four lanes each hold.
#copies = #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (1), (2), (4)], warps = []>
// Runs of two, the first of which is not the first register bit.
#apart = #tile.layout<rank = 1, registers = [(64), (1)], lanes = [(2), (4), (8), (16), (32)], warps = []>

// One load of 16 bytes for eight fp16 elements. Rows that do not exist are read
// at the start of the memref, not behind a branch, and count as zero.
// CHECK-LABEL: llvm.func @load
// CHECK-NOT: scf.if
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK-DAG: %[[BASE:.*]] = llvm.inttoptr %{{.*}} : i64 to !llvm.ptr<1>
// CHECK: %[[E0:.*]] = arith.cmpi slt, {{.*}} : i32
// CHECK: %[[E1:.*]] = arith.cmpi slt, {{.*}} : i32
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[BASE]][%{{.*}}] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
// CHECK: %[[FROM:.*]] = arith.select %[[E0]], %[[AT]], %[[BASE]] : !llvm.ptr<1>
// CHECK: %[[L:.*]] = llvm.load %[[FROM]] {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: %[[W0:.*]] = llvm.extractelement %[[L]][%{{.*}} : i32] : vector<4xi32>
// CHECK: arith.select %[[E0]], %[[W0]], %[[ZERO]] : i32
// CHECK: %[[FROM:.*]] = arith.select %[[E1]], %{{.*}}, %[[BASE]] : !llvm.ptr<1>
// CHECK: llvm.load %[[FROM]] {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK-NOT: llvm.load
// Nor do stores branch: there is no place to write to instead, but instructions
// have a predicate.
// CHECK-NOT: scf.if
// CHECK: llvm.inline_asm has_side_effects "@$0 st.global.v4.b32 [$1], {$2, $3, $4, $5};", "b,l,r,r,r,r,~{memory}" %[[E0]],
// CHECK: llvm.inline_asm has_side_effects "@$0 st.global.v4.b32 {{.*}} %[[E1]],
// CHECK-NOT: st.global
// CHECK: llvm.return
tile.kernel @load(%x: memref<?x?xf16, strided<[?, 1]>>, %y: memref<?x?xf16>, %n: i64) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #row>
  %k = arith.index_cast %n : i64 to index
  %b = tile.splat %k : tensor<8xindex, #row>
  %m = arith.cmpi slt, %i, %b : tensor<8xindex, #row>
  %a = tile.load %x[%i, %c0] mask %m : tensor<8xi1, #row> : memref<?x?xf16, strided<[?, 1]>>, tensor<8xindex, #row>, index -> tensor<8x64xf16, #rows>
  tile.store %a, %y[%i, %c0] mask %m : tensor<8xi1, #row> : tensor<8x64xf16, #rows>, memref<?x?xf16>, tensor<8xindex, #row>, index
  tile.return
}

// Less than a word is stored behind a branch.
// CHECK-LABEL: llvm.func @halves
// CHECK: %[[E:.*]] = arith.cmpi slt, {{.*}} : i32
// CHECK: scf.if %[[E]] {
// CHECK-NEXT: llvm.store {{.*}} {alignment = 2 : i64} : f16, !llvm.ptr<1>
// CHECK-NOT: st.global
// CHECK: llvm.return
tile.kernel @halves(%x: memref<?x?xf16>, %y: memref<?x?xf16>, %n: i64) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<4xindex, #single>
  %k = arith.index_cast %n : i64 to index
  %b = tile.splat %k : tensor<4xindex, #single>
  %m = arith.cmpi slt, %i, %b : tensor<4xindex, #single>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<4xindex, #single>, index -> tensor<4x8xf16, #singles>
  tile.store %a, %y[%i, %c0] mask %m : tensor<4xi1, #single> : tensor<4x8xf16, #singles>, memref<?x?xf16>, tensor<4xindex, #single>, index
  tile.return
}

// Without a mask there is nothing to choose.
// CHECK-LABEL: llvm.func @unmasked
// CHECK-NOT: arith.select
// CHECK-COUNT-2: llvm.load {{.*}} {alignment = 16 : i64}
// CHECK-NOT: llvm.load
// CHECK-NOT: scf.if
// CHECK-COUNT-2: llvm.store {{.*}} {alignment = 16 : i64}
// CHECK: llvm.return
tile.kernel @unmasked(%x: memref<?x?xf16>, %y: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #row>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<8xindex, #row>, index -> tensor<8x64xf16, #rows>
  tile.store %a, %y[%i, %c0] : tensor<8x64xf16, #rows>, memref<?x?xf16>, tensor<8xindex, #row>, index
  tile.return
}

// A run is wherever its register bits are; two runs, 64 elements apart.
// CHECK-LABEL: llvm.func @runs
// CHECK: %[[L0:.*]] = llvm.load %[[AT:.*]] {alignment = 8 : i64} : !llvm.ptr<1> -> vector<2xi32>
// CHECK: %[[NEXT:.*]] = llvm.getelementptr %[[AT]][256] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// CHECK: %[[L1:.*]] = llvm.load %[[NEXT]] {alignment = 8 : i64} : !llvm.ptr<1> -> vector<2xi32>
// CHECK-NOT: llvm.load
// CHECK: llvm.return
tile.kernel @runs(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<128xf32, #apart>
  %b = arith.addf %a, %a : tensor<128xf32, #apart>
  tile.store %b, %x[%c0] : tensor<128xf32, #apart>, memref<?xf32>, index
  tile.return
}

// A place of its own for each element; masked like rows. Of the lanes that hold
// copies, the first one writes.
// CHECK-LABEL: llvm.func @single
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK-DAG: %[[FZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : i32
// CHECK-DAG: %[[X:.*]] = llvm.inttoptr %arg0 : i64 to !llvm.ptr<1>
// CHECK-DAG: %[[LANE:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK: %[[E:.*]] = arith.cmpi slt
// CHECK: %[[AT:.*]] = arith.select %[[E]], %{{.*}}, %[[X]] : !llvm.ptr<1>
// CHECK: %[[L:.*]] = llvm.load %[[AT]] {alignment = 4 : i64} : !llvm.ptr<1> -> f32
// CHECK: %[[V:.*]] = arith.select %[[E]], %[[L]], %[[FZERO]] : f32
// CHECK: %[[COPY:.*]] = arith.andi %[[LANE]], %[[C3]]
// CHECK: %[[OWNER:.*]] = arith.cmpi eq, %[[COPY]], %[[ZERO]]
// CHECK: %[[WRITES:.*]] = arith.andi %[[OWNER]], %[[E]] : i1
// CHECK: scf.if %[[WRITES]] {
// CHECK: llvm.store %[[V]], %{{.*}} {alignment = 4 : i64} : f32, !llvm.ptr<1>
tile.kernel @single(%x: memref<?x?xf32>, %y: memref<?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #copies>
  %k = arith.index_cast %n : i64 to index
  %b = tile.splat %k : tensor<8xindex, #copies>
  %m = arith.cmpi slt, %i, %b : tensor<8xindex, #copies>
  %a = tile.gather %x[%i, %k] mask %m : tensor<8xi1, #copies> : memref<?x?xf32>, tensor<8xindex, #copies>, index -> tensor<8xf32, #copies>
  tile.scatter %a, %y[%i] mask %m : tensor<8xi1, #copies> : tensor<8xf32, #copies>, memref<?xf32>, tensor<8xindex, #copies>
  tile.return
}

// The same for tiles that are stored as a whole.
// CHECK-LABEL: llvm.func @owners
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : i32
// CHECK-DAG: %[[LANE:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK: %[[COPY:.*]] = arith.andi %[[LANE]], %[[C3]]
// CHECK: %[[OWNER:.*]] = arith.cmpi eq, %[[COPY]], %[[ZERO]]
// CHECK: scf.if %[[OWNER]] {
// CHECK: llvm.store {{.*}} {alignment = 4 : i64} : i32, !llvm.ptr<1>
tile.kernel @owners(%y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : tensor<8xf32, #copies>
  tile.store %one, %y[%c0] : tensor<8xf32, #copies>, memref<?xf32>, index
  tile.return
}

// An element that no lane shares with another one needs no owner.
// CHECK-LABEL: llvm.func @all_own
// CHECK-NOT: scf.if
// CHECK: llvm.store
// CHECK: llvm.return
tile.kernel @all_own(%y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : tensor<128xf32, #apart>
  tile.store %one, %y[%c0] : tensor<128xf32, #apart>, memref<?xf32>, index
  tile.return
}
