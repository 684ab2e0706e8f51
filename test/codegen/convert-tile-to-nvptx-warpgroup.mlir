// RUN: kvarn-opt %s --tile-distribute=target=sm_90a --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s
// RUN: not kvarn-opt %s --convert-tile-to-nvptx=target=sm_90 2>&1 | FileCheck %s --check-prefix=SM90
// SM90: error: 'tile.kernel' op has a schedule with team = warpgroup, which sm_90 has no instruction for

// Products of four warps, by wgmma.

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>

// The right operand is staged (8 KB): pieces of 16 bytes, of which row r has
// number p at p ^ (r % 8). Nothing was there before, so warps wait only before
// the product, for which what they have stored is made visible.
// CHECK-LABEL: llvm.func @staged
// CHECK-SAME: kvarn.shared_bytes = 8192 : i64
// CHECK-SAME: nvvm.maxntid = array<i32: 128>
// CHECK-DAG: %[[DESCRIPTOR:.*]] = arith.constant 4611686293305360384 : i64
// CHECK: arith.xori
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.inline_asm has_side_effects {{.*}}"fence.proxy.async.shared::cta;"
// CHECK: nvvm.barrier0
// CHECK-NOT: nvvm.barrier0
// CHECK: arith.ori {{.*}}, %[[DESCRIPTOR]] : i64
// Four steps of 16, 32 bytes apart, the first of them without sums to add to.
// CHECK: %[[ALL:.*]] = llvm.inline_asm has_side_effects "{\0A .reg .pred p;\0A .reg .b64 b;\0A setp.ne.b32 p, 0, 0;\0A wgmma.fence.sync.aligned;\0A add.s64 b, $48, 0;\0A wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {$0, $1,
// CHECK-SAME: $31}, {$32, $33, $34, $35}, b, p, 1, 1, 0;\0A setp.ne.b32 p, 1, 0;\0A add.s64 b, $48, 2;\0A
// CHECK-SAME: add.s64 b, $48, 6;\0A
// CHECK-SAME: wgmma.commit_group.sync.aligned;\0A}", "=&f,{{.*}}r,l,~{memory}"
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
  %bt = tile.transpose %b : tensor<64x64xf16> -> tensor<64x64xf16>
  %sb = tile.stage %bt : tensor<64x64xf16> -> tensor<64x64xf16>
  %d = tile.dot %a, %sb, %zero : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
  tile.store %d, %o[%i, %c0] : tensor<64x64xf32>, memref<64x64xf32>, tensor<64xindex>, index
  tile.return
}

// Products are under way together: the first is waited for while one other may
// still run, and what adds to the sums of one that runs waits for nothing. A
// branch that neither multiplies nor makes warps wait does not end them.
// CHECK-LABEL: llvm.func @under_way
// CHECK: wgmma.mma_async
// CHECK-NOT: wait_group
// CHECK: wgmma.mma_async
// CHECK: "wgmma.wait_group.sync.aligned 1;"
// CHECK-NOT: wait_group
// CHECK: wgmma.mma_async
// CHECK-NOT: wait_group
// CHECK: scf.if
// CHECK-NOT: wait_group
// CHECK: llvm.store {{.*}} !llvm.ptr<1>
// CHECK-NOT: wait_group
// CHECK: }
// CHECK: "wgmma.wait_group.sync.aligned 0;"
// CHECK-NOT: wait_group
// CHECK: llvm.return
tile.kernel @under_way(%q: memref<64x64xf16>, %k: memref<64x64xf16>, %o: memref<64x64xf32>, %p: memref<64x64xf32>, %way: i32) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %no = arith.constant 0 : i32
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %i = tile.iota 0 : tensor<64xindex>
  %a = tile.load %q[%i, %c0] : memref<64x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %b = tile.load %k[%i, %c0] : memref<64x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %s = tile.stage %b : tensor<64x64xf16> -> tensor<64x64xf16>
  %x = tile.dot %a, %s, %zero : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
  %y = tile.dot %b, %s, %zero : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
  %e = math.exp2 %x : tensor<64x64xf32>
  %w = arith.truncf %e : tensor<64x64xf32> to tensor<64x64xf16>
  %z = tile.dot %w, %s, %y : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
  %is = arith.cmpi eq, %way, %no : i32
  scf.if %is {
    tile.store %e, %p[%i, %c0] : tensor<64x64xf32>, memref<64x64xf32>, tensor<64xindex>, index
  }
  tile.store %z, %o[%i, %c0] : tensor<64x64xf32>, memref<64x64xf32>, tensor<64xindex>, index
  tile.return
}

// A staged tile goes around a loop: what takes its place is staged in the same
// 8 KB, after all warps have waited for the product with it. Another barrier
// says that it is there.
// CHECK-LABEL: llvm.func @carried
// CHECK-SAME: kvarn.shared_bytes = 8192 : i64
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.store {{.*}} !llvm.ptr<3>
// CHECK-NOT: nvvm.barrier0
// CHECK: %{{.*}}:32 = scf.for
// CHECK: fence.proxy.async
// CHECK-NEXT: nvvm.barrier0
// CHECK: wgmma.mma_async
// CHECK: wait_group
// CHECK: nvvm.barrier0
// CHECK: llvm.store {{.*}} !llvm.ptr<3>
// CHECK-NOT: nvvm.barrier0
// CHECK: scf.yield
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
tile.kernel @carried(%k: memref<?x64xf16>, %o: memref<64x64xf32>, %n: i32) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.index_cast %n : i32 to index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %i = tile.iota 0 : tensor<64xindex>
  %a = tile.load %k[%i, %c0] : memref<?x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
  %at = tile.transpose %a : tensor<64x64xf16> -> tensor<64x64xf16>
  %first = tile.stage %at : tensor<64x64xf16> -> tensor<64x64xf16>
  %r:2 = scf.for %j = %c0 to %count step %c1 iter_args(%sum = %zero, %s = %first) -> (tensor<64x64xf32>, tensor<64x64xf16>) {
    %d = tile.dot %a, %s, %sum : tensor<64x64xf16>, tensor<64x64xf16> -> tensor<64x64xf32>
    %start = tile.splat %j : tensor<64xindex>
    %row = arith.addi %i, %start : tensor<64xindex>
    %b = tile.load %k[%row, %c0] : memref<?x64xf16>, tensor<64xindex>, index -> tensor<64x64xf16>
    %bt = tile.transpose %b : tensor<64x64xf16> -> tensor<64x64xf16>
    %next = tile.stage %bt : tensor<64x64xf16> -> tensor<64x64xf16>
    scf.yield %d, %next : tensor<64x64xf32>, tensor<64x64xf16>
  }
  tile.store %r#0, %o[%i, %c0] : tensor<64x64xf32>, memref<64x64xf32>, tensor<64xindex>, index
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
// They do not ask the barrier of one slot when a copy into the other one starts.
// CHECK-COUNT-2: cp.async.bulk.shared::cluster.global.mbarrier
// CHECK-NOT: mbarrier.test_wait
// CHECK: mbarrier.try_wait{{.*}}"r,r,~{memory}"
// A copy could overtake these reads but for a fence, also where nothing is staged.
// CHECK: llvm.load {{.*}} !llvm.ptr<3>
// CHECK: llvm.inline_asm has_side_effects {{.*}}"fence.proxy.async.shared::cta;"
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
  %values = tile.alloc_slot : !tile.slot<#fmt, value>
  %w = tile.async_copy %pages[%c0, %c0] to %values if %true : memref<?x?x?xi8>, !tile.slot<#fmt, value>
  tile.wait %t
  %v = tile.load_vector key_scale %s[] start %c0 format #fmt : !tile.slot<#fmt, key> -> tensor<64xf16>
  %u = tile.async_copy %pages[%c0, %c0] to %s if %true : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  tile.wait %u
  tile.store %v, %y[%c0] : tensor<64xf16>, memref<?xf16>, index
  tile.return
}
