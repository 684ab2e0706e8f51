// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s
// RUN: not kvarn-opt %s --convert-tile-to-nvptx=target=sm_90 2>&1 | FileCheck %s --check-prefix=SM90
// SM90: error: 'tile.kernel' op has a schedule with team = warpgroup, which sm_90 has no instruction for

// Products of four warps, by wgmma.

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>

// Both operands are staged (8 KB each): pieces of 16 bytes, of which row r has
// number p at p ^ (r % 8). All warps wait once before they store, since products
// of an earlier round may still read, and once before the product, for which
// what they have stored is made visible.
// CHECK-LABEL: llvm.func @staged
// CHECK-SAME: kvarn.shared_bytes = 16384 : i64
// CHECK-SAME: nvvm.maxntid = array<i32: 128>
// CHECK-DAG: %[[DESCRIPTOR:.*]] = arith.constant 4611686293305360384 : i64
// CHECK: arith.xori
// CHECK: nvvm.barrier0
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.inline_asm has_side_effects {{.*}}"fence.proxy.async.shared::cta;"
// CHECK: nvvm.barrier0
// CHECK-NOT: nvvm.barrier0
// CHECK: arith.ori {{.*}}, %[[DESCRIPTOR]] : i64
// Four steps of 16, 32 bytes apart, the first of them without sums to add to.
// CHECK: %[[ALL:.*]] = llvm.inline_asm has_side_effects "{\0A .reg .pred p;\0A .reg .b64 a, b;\0A setp.ne.b32 p, 0, 0;\0A wgmma.fence.sync.aligned;\0A add.s64 b, $33, 0;\0A add.s64 a, $32, 0;\0A wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {$0, $1,
// CHECK-SAME: $31}, a, b, p, 1, 1, 0, 0;\0A setp.ne.b32 p, 1, 0;\0A add.s64 b, $33, 2;\0A add.s64 a, $32, 2;\0A
// CHECK-SAME: add.s64 b, $33, 6;\0A add.s64 a, $32, 6;\0A
// CHECK-SAME: wgmma.commit_group.sync.aligned;\0A}", "=&f,{{.*}}l,l,~{memory}"
// It is waited for when its result is used.
// CHECK: %[[SUM:.*]] = llvm.extractvalue %[[ALL]][0]
// CHECK: llvm.inline_asm has_side_effects "wgmma.wait_group.sync.aligned 0;", "=f,{{.*}},0,1,{{.*}},~{memory}" %[[SUM]]
// CHECK: llvm.store
// CHECK: llvm.return
tile.kernel @staged(%q: memref<64x64xf16>, %k: memref<64x64xf16>, %o: memref<64x64xf32>) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %i = tile.iota 0 : tensor<64xindex>
  %a = tile.load %q[%i, %c0] : memref<64x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %b = tile.load %k[%i, %c0] : memref<64x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %sa = tile.stage %a : tensor<64x64xf16> -> tensor<64x64xf16>
  %bt = tile.transpose %b : tensor<64x64xf16> -> tensor<64x64xf16>
  %sb = tile.stage %bt : tensor<64x64xf16> -> tensor<64x64xf16>
  %d = tile.dot %sa, %sb, %zero : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
  tile.store %d, %o[%i, %c0] : tensor<64x64xf32>, memref<64x64xf32>, tensor<64xindex>, index
  tile.return
}

// A left operand in registers, four of them for a step; sums that go on, in the
// registers that they are in; a depth of 128 in two panels, 64 rows of 128 bytes
// apart (512 pieces).
// CHECK-LABEL: llvm.func @registers
// CHECK: llvm.inline_asm {{.*}}setp.ne.b32 p, 1, 0;\0A wgmma.fence
// CHECK-SAME: add.s64 b, $96, 0;\0A wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {$0, {{[^}]*}}$31}, {$64, $65, $66, $67}, b, p, 1, 1, 0;\0A add.s64 b, $96, 2;
// CHECK-SAME: add.s64 b, $96, 512;\0A wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {$0, {{[^}]*}}$31}, {$80, $81, $82, $83}, b
// CHECK-SAME: "=&f,{{.*}},0,1,2,{{.*}},31,r,r,r,{{.*}},l,~{memory}"
tile.kernel @registers(%q: memref<64x128xf16>, %k: memref<128x64xf16>, %o: memref<64x64xf32>) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : tensor<64x64xf32>
  %i = tile.iota 0 : tensor<64xindex>
  %j = tile.iota 0 : tensor<128xindex>
  %a = tile.load %q[%i, %c0] : memref<64x128xf16>, tensor<64xindex>, index -> tensor<64x128xf16>
  %b = tile.load %k[%j, %c0] : memref<128x64xf16>, tensor<128xindex>, index -> tensor<128x64xf16>
  %sb = tile.stage %b : tensor<128x64xf16> -> tensor<128x64xf16>
  %d = tile.dot %a, %sb, %one : tensor<64x128xf16>, tensor<128x64xf16> -> tensor<64x64xf32>
  tile.store %d, %o[%i, %c0] : tensor<64x64xf32>, memref<64x64xf32>, tensor<64xindex>, index
  tile.return
}

// Whichever way a program goes, what was staged before is made visible first.
// CHECK-LABEL: llvm.func @branches
// CHECK: scf.if
// CHECK: fence.proxy.async
// CHECK: nvvm.barrier0
// CHECK: wgmma.mma_async
// CHECK: fence.proxy.async
// CHECK: nvvm.barrier0
// CHECK: wgmma.mma_async
// CHECK: llvm.return
tile.kernel @branches(%k: memref<64x64xf16>, %o: memref<64x64xf32>, %way: i32) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %no = arith.constant 0 : i32
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %one = arith.constant dense<1.0> : tensor<64x64xf32>
  %i = tile.iota 0 : tensor<64xindex>
  %b = tile.load %k[%i, %c0] : memref<64x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %s = tile.stage %b : tensor<64x64xf16> -> tensor<64x64xf16>
  %is = arith.cmpi eq, %way, %no : i32
  %d = scf.if %is -> (tensor<64x64xf32>) {
    %x = tile.dot %b, %s, %zero : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
    scf.yield %x : tensor<64x64xf32>
  } else {
    %y = tile.dot %b, %s, %one : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
    scf.yield %y : tensor<64x64xf32>
  }
  tile.store %d, %o[%i, %c0] : tensor<64x64xf32>, memref<64x64xf32>, tensor<64xindex>, index
  tile.return
}

// Warps that work together share their slots: thread 0, which is not elected,
// starts a copy, and all wait before it if one of them may still read the slot.
// CHECK-LABEL: llvm.func @slots
// CHECK: mbarrier.init
// CHECK: nvvm.barrier0
// CHECK-NOT: nvvm.barrier0
// CHECK-NOT: elect.sync
// CHECK: cp.async.bulk.shared::cluster.global.mbarrier
// CHECK: mbarrier.try_wait
// CHECK: llvm.load {{.*}} !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: cp.async.bulk.shared::cluster.global.mbarrier
// CHECK-NOT: nvvm.bar.warp.sync
// CHECK: llvm.return
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = mma16816>
tile.kernel @slots(%pages: memref<?x?x?xi8>, %y: memref<?xf16>) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %true = arith.constant true
  %s = tile.alloc_slot : !tile.slot<#fmt, key>
  %t = tile.async_copy %pages[%c0, %c0] to %s if %true : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  tile.wait %t
  %v = tile.load_vector key_scale %s[] start %c0 format #fmt : !tile.slot<#fmt, key> -> tensor<64xf16>
  %u = tile.async_copy %pages[%c0, %c0] to %s if %true : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  tile.wait %u
  tile.store %v, %y[%c0] : tensor<64xf16>, memref<?xf16>, index
  tile.return
}
