// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,BULK --implicit-check-not=cp.async.cg --implicit-check-not=commit_group
// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,BULK --implicit-check-not=cp.async.cg
// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_80 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,LANES --implicit-check-not=mbarrier --implicit-check-not=cp.async.bulk --implicit-check-not=fence.
// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_89 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,LANES

// Asynchronous copies of parts of records into shared memory.

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = mma16816>
#run = #tile.layout<rank = 1, registers = [(1), (2), (4)], lanes = [(8), (16), (32), (0), (0)], warps = []>

// Each of two warps has a slot for keys (2432 bytes) and one for values (1408).
// In front of them all lie the barriers of both, 128 bytes with what aligns.
// CHECK-LABEL: llvm.func @slots
// BULK-SAME: kvarn.shared_bytes = 7808 : i64
// LANES-SAME: kvarn.shared_bytes = 7680 : i64
// CHECK-SAME: nvvm.maxntid = array<i32: 64>

// BULK-DAG: %[[ALL:.*]] = arith.constant -1 : i32
// BULK-DAG: %[[C0:.*]] = arith.constant 0 : i32
// BULK-DAG: %[[C1:.*]] = arith.constant 1 : i32
// BULK-DAG: %[[C16:.*]] = arith.constant 16 : i32
// BULK-DAG: %[[C3840:.*]] = arith.constant 3840 : i32
// BULK-DAG: %[[KEYS:.*]] = arith.constant 2432 : i32
// BULK-DAG: %[[VALUES:.*]] = arith.constant 1408 : i32
// BULK-DAG: %[[SHARED:.*]] = llvm.mlir.addressof @kvarn_shared
// BULK: %[[FIRST:.*]] = arith.cmpi eq
// One lane of each warp makes the barriers.
// BULK: scf.if %[[FIRST]] {
// BULK: %[[OWN:.*]] = arith.muli %{{.*}}, %[[C16]]
// BULK: llvm.getelementptr %[[SHARED]][%[[OWN]]]
// BULK-COUNT-2: llvm.inline_asm has_side_effects "mbarrier.init.shared::cta.b64 [$0], 1;", "r,~{memory}" %{{.*}} : (i32) -> ()
// BULK: llvm.inline_asm has_side_effects "fence.mbarrier_init.release.cluster;", "~{memory}" : () -> ()
// BULK-NEXT: }
// BULK-NEXT: nvvm.bar.warp.sync %[[ALL]]
// Shared memory had other uses before.
// BULK: nvvm.barrier0
// BULK-NEXT: llvm.inline_asm has_side_effects "fence.proxy.async.shared::cta;", "~{memory}"
// BULK: %[[SLOTS:.*]] = llvm.getelementptr %[[SHARED]][128]
// BULK: arith.muli %{{.*}}, %[[C3840]]
// A copy is one instruction of one lane, an elected one. Nobody has read what was
// there before the first ones.
// BULK-NOT: nvvm.bar.warp.sync
// BULK: llvm.inline_asm has_side_effects "{{.*}}elect.sync _|p, 0xffffffff;{{.*}}setp.ne.and.b32 p, $0, 0, p;{{.*}}@p mbarrier.arrive.expect_tx.shared::cta.b64 _, [$1], $4;{{.*}}@p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [$2], [$3], $4, [$1];{{.*}}", "r,r,r,l,r,~{memory}" %[[C1]], %[[BARRIER:.*]], %[[SLOT:.*]], %{{.*}}, %[[KEYS]] : (i32, i32, i32, i64, i32) -> ()
// It has just started, so nothing is known of it; the other slot's barrier is
// asked, whose last copy is as odd as the one behind the next.
// BULK: llvm.store %[[C0]], %[[KEYSTHERE:.*]] {alignment = 4 : i64} : i32, !llvm.ptr
// BULK: %[[COPIES:.*]] = llvm.load %[[VALUECOUNTER:.*]] {alignment = 4 : i64} : !llvm.ptr -> i32
// BULK: %[[BEHIND:.*]] = arith.addi %[[COPIES]], %[[C1]]
// BULK: %[[ODD:.*]] = arith.andi %[[BEHIND]], %[[C1]]
// BULK: %[[ANSWER:.*]] = llvm.inline_asm has_side_effects "{{.*}}mbarrier.test_wait.parity.shared::cta.b64 p, [$1], $2;{{.*}}selp.b32 $0, 1, 0, p;{{.*}}", "=r,r,r,~{memory}" %[[SECOND:.*]], %[[ODD]] : (i32, i32) -> i32
// BULK: llvm.store %[[ANSWER]], %[[VALUESTHERE:.*]] {alignment = 4 : i64} : i32, !llvm.ptr
// BULK: llvm.load %[[VALUECOUNTER]]
// Values lie behind the keys, in the record and in the slots.
// BULK: llvm.getelementptr %{{.*}}[2432] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// BULK: llvm.getelementptr %{{.*}}[2432] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
// BULK-NOT: nvvm.bar.warp.sync
// BULK: llvm.inline_asm has_side_effects "{{.*}}cp.async.bulk{{.*}} %[[C1]], %[[SECOND]], %{{.*}}, %{{.*}}, %[[VALUES]] :
// BULK: %[[ANSWER:.*]] = llvm.inline_asm {{.*}}mbarrier.test_wait{{.*}} %[[BARRIER]], %{{.*}} : (i32, i32) -> i32
// BULK: llvm.store %[[ANSWER]], %[[KEYSTHERE]]
// BULK: llvm.store %[[C0]], %[[VALUESTHERE]]
// The token is the number of the copy; its parity is what the wait is for, unless
// the answer was that it is there.
// BULK: scf.for {{.*}} iter_args(%[[TOKEN:.*]] = %{{.*}}) -> (i32)
// BULK: %[[PARITY:.*]] = arith.andi %[[TOKEN]], %[[C1]]
// BULK: %[[THERE:.*]] = llvm.load %[[KEYSTHERE]] {alignment = 4 : i64} : !llvm.ptr -> i32
// BULK: llvm.inline_asm has_side_effects "{{.*}}setp.ne.b32 p, $2, 0;{{.*}}@p bra THERE_${:uid};{{.*}}WAIT_${:uid}:{{.*}}mbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1;{{.*}}@!p bra WAIT_${:uid};{{.*}}THERE_${:uid}:{{.*}}", "r,r,r,~{memory}" %[[BARRIER]], %[[PARITY]], %[[THERE]] : (i32, i32, i32) -> ()
// BULK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// A copy that is not made is not counted.
// BULK: %[[NEXT:.*]] = arith.cmpi slt
// BULK: %[[NUMBER:.*]] = llvm.load %[[COUNTER:.*]] {alignment = 4 : i64} : !llvm.ptr -> i32
// BULK: %[[ONE:.*]] = arith.extui %[[NEXT]] : i1 to i32
// BULK: %[[COUNT:.*]] = arith.addi %[[NUMBER]], %[[ONE]]
// BULK: llvm.store %[[COUNT]], %[[COUNTER]]
// It comes after all lanes have read what was there: without the fence it could
// overtake reads that are under way.
// BULK: llvm.inline_asm has_side_effects "fence.proxy.async.shared::cta;", "~{memory}"
// BULK-NEXT: nvvm.bar.warp.sync %[[ALL]]
// BULK: cp.async.bulk{{.*}} %[[ONE]], %[[BARRIER]],
// BULK: llvm.store %[[C0]], %[[KEYSTHERE]]
// BULK: %[[ANSWER:.*]] = llvm.inline_asm {{.*}}mbarrier.test_wait{{.*}} %[[SECOND]], %{{.*}} : (i32, i32) -> i32
// BULK: llvm.store %[[ANSWER]], %[[VALUESTHERE]]
// BULK: scf.yield %[[NUMBER]] : i32
// BULK: %[[THERE:.*]] = llvm.load %[[VALUESTHERE]]
// BULK: llvm.inline_asm has_side_effects "{{.*}}mbarrier.try_wait{{.*}} %[[SECOND]], %{{.*}}, %[[THERE]] : (i32, i32, i32) -> ()
// BULK: llvm.load {{.*}} !llvm.ptr<3> -> vector<4xi32>

// Before sm_90 all lanes copy 16 bytes at a time. 2432 bytes are four rounds of
// 512 and one of 24 lanes. Copies of a slot are a group, also if there are none.
// LANES-DAG: %[[ALL:.*]] = arith.constant -1 : i32
// LANES-DAG: %[[C1:.*]] = arith.constant 1 : i32
// LANES-DAG: %[[C24:.*]] = arith.constant 24 : i32
// LANES: nvvm.barrier0
// LANES-COUNT-4: llvm.inline_asm has_side_effects "{{.*}}@p cp.async.cg.shared.global [$0+{{[0-9]+}}], [$1+{{[0-9]+}}], 16;{{.*}}", "r,l,r,~{memory}" %[[TO:.*]], %[[FROM:.*]], %[[C1]] : (i32, i64, i32) -> ()
// LANES: %[[Q:.*]] = arith.cmpi ult, %{{.*}}, %[[C24]]
// LANES: %[[REST:.*]] = arith.extui %[[Q]] : i1 to i32
// LANES: llvm.inline_asm has_side_effects "{{.*}}cp.async.cg.shared.global [$0+2048], [$1+2048], 16;{{.*}}" %{{.*}}, %{{.*}}, %[[REST]] :
// LANES-NEXT: llvm.inline_asm has_side_effects "cp.async.commit_group;", "~{memory}"
// LANES-COUNT-3: llvm.inline_asm has_side_effects "{{.*}}cp.async.cg.shared.global
// LANES-NEXT: llvm.inline_asm has_side_effects "cp.async.commit_group;"
// LANES: scf.for {{.*}} iter_args(%[[TOKEN:.*]] = %{{.*}}) -> (i32)
// The last group, or one before it: the latest group may go on.
// LANES: %[[ISSUED:.*]] = llvm.load %[[COUNTER:.*]] {alignment = 4 : i64} : !llvm.ptr -> i32
// LANES: %[[AFTER:.*]] = arith.addi %[[TOKEN]], %[[C1]]
// LANES: %[[LAST:.*]] = arith.cmpi eq, %[[AFTER]], %[[ISSUED]]
// LANES: scf.if %[[LAST]] {
// LANES-NEXT: llvm.inline_asm has_side_effects "cp.async.wait_group 0;", "~{memory}"
// LANES-NEXT: } else {
// LANES-NEXT: llvm.inline_asm has_side_effects "cp.async.wait_group 1;", "~{memory}"
// LANES-NEXT: }
// What other lanes have copied is there, too.
// LANES-NEXT: nvvm.bar.warp.sync %[[ALL]]
// LANES: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// LANES: %[[NEXT:.*]] = arith.cmpi slt
// LANES: nvvm.bar.warp.sync %[[ALL]]
// LANES: scf.if %[[NEXT]] {
// LANES-COUNT-5: llvm.inline_asm has_side_effects "{{.*}}cp.async.cg.shared.global{{.*}} : (i32, i64, i32) -> ()
// LANES-NEXT: }
// LANES-NEXT: llvm.inline_asm has_side_effects "cp.async.commit_group;"
// LANES: scf.yield
tile.kernel @slots(%p: memref<?x?x?xi8>, %z: memref<?xf16>, %n: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = arith.index_cast %n : i64 to index
  %true = arith.constant true
  tile.warps 2 (%w) {
    %key = tile.alloc_slot : !tile.slot<#fmt, key>
    %value = tile.alloc_slot : !tile.slot<#fmt, value>
    %t = tile.async_copy %p[%c0, %w] to %key if %true : memref<?x?x?xi8>, !tile.slot<#fmt, key>
    %u = tile.async_copy %p[%c0, %w] to %value if %true : memref<?x?x?xi8>, !tile.slot<#fmt, value>
    %r = scf.for %k = %c0 to %m step %c1 iter_args(%a = %t) -> !tile.token {
      tile.wait %a
      %v = tile.load_vector key_scale %key[] start %c0 format #fmt : !tile.slot<#fmt, key> -> tensor<64xf16, #run>
      tile.store %v, %z[%c0] : tensor<64xf16, #run>, memref<?xf16>, index
      %next = arith.cmpi slt, %k, %m : index
      %b = tile.async_copy %p[%k, %w] to %key if %next : memref<?x?x?xi8>, !tile.slot<#fmt, key>
      scf.yield %b : !tile.token
    }
    tile.wait %u
    %v = tile.load_vector value_scale %value[] start %c0 format #fmt : !tile.slot<#fmt, value> -> tensor<64xf16, #run>
    tile.store %v, %z[%c0] : tensor<64xf16, #run>, memref<?xf16>, index
  }
  tile.return
}

// The memory that warps exchange through shares its place with slots, but not
// with barriers: they are behind the first 128 bytes.
// CHECK-LABEL: llvm.func @shared
// BULK-SAME: kvarn.shared_bytes = 8320 : i64
// LANES-SAME: kvarn.shared_bytes = 8192 : i64
// BULK: %[[SHARED:.*]] = llvm.mlir.addressof @kvarn_shared
// BULK: %[[EXCHANGED:.*]] = llvm.getelementptr %[[SHARED]][128]
// BULK: cp.async.bulk
// BULK: nvvm.barrier0
// BULK-COUNT-2: llvm.getelementptr %[[EXCHANGED]][
// LANES-NOT: fence.
#v = #tile.layout<rank = 1, registers = [(512), (1), (256), (128), (64)], lanes = [(2), (4), (8), (16), (32)], warps = []>
#stack = #tile.layout<rank = 2, registers = [(0, 512), (0, 1), (0, 256), (0, 128), (0, 64)], lanes = [(0, 2), (0, 4), (0, 8), (0, 16), (0, 32)], warps = [(1, 0)]>
tile.kernel @shared(%p: memref<?x?x?xi8>, %z: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %true = arith.constant true
  %a = tile.warps 2 (%w) -> (tensor<2x1024xf32, #stack>) {
    %key = tile.alloc_slot : !tile.slot<#fmt, key>
    %t = tile.async_copy %p[%c0, %w] to %key if %true : memref<?x?x?xi8>, !tile.slot<#fmt, key>
    tile.wait %t
    %l = tile.load %z[%w] : memref<?xf32>, index -> tensor<1024xf32, #v>
    tile.yield %l : tensor<1024xf32, #v>
  }
  %s = tile.reduce max %a dim 0 : tensor<2x1024xf32, #stack> -> tensor<1024xf32, #v>
  tile.store %s, %z[%c0] : tensor<1024xf32, #v>, memref<?xf32>, index
  tile.return
}
