// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// Records that are written.

#v = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>
#copies = #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (16), (32), (0)], warps = []>
#codes = #tile.layout<rank = 2, registers = [(2, 0), (4, 0), (0, 1), (1, 0), (0, 2), (0, 4)], lanes = [(8, 0), (16, 0), (0, 8), (0, 16), (0, 32)], warps = [(32, 0)]>
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = mma16816>

// Four numbers of a vector are one store of the first of two copies. key_zero
// lies behind 64 * 64 / 2 bytes of codes and 64 scales.
// CHECK-LABEL: llvm.func @store_vector
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : i32
// CHECK-DAG: %[[PAGES:.*]] = llvm.inttoptr %arg0
// CHECK: %[[COPY:.*]] = arith.andi %{{.*}}, %[[C16]]
// CHECK: %[[OWNER:.*]] = arith.cmpi eq, %[[COPY]], %[[ZERO]]
// CHECK: scf.if %[[OWNER]] {
// CHECK: arith.muli %{{.*}}, %arg4 : i64
// CHECK: %[[RECORD:.*]] = llvm.getelementptr %[[PAGES]]
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[RECORD]][2176]
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[FIELD]][%{{.*}}] : (!llvm.ptr<1>, i32)
// CHECK: llvm.store %{{.*}}, %[[AT]] {alignment = 8 : i64} : vector<2xi32>, !llvm.ptr<1>
// CHECK-NEXT: }
tile.kernel @store_vector(%p: memref<?x?x?xi8>, %x: memref<?xf16>) {
  %c0 = arith.constant 0 : index
  %i = tile.program_id x
  %a = tile.load %x[%c0] : memref<?xf16>, index -> tensor<64xf16, #copies>
  tile.store_vector key_zero %a, %p[%i, %c0] format #fmt : tensor<64xf16, #copies>, memref<?x?x?xi8>
  tile.return
}

// A lane has all codes of 16 bytes. What they lie over may be what other warps
// have read theirs from.
// CHECK-LABEL: llvm.func @store_codes
// CHECK-SAME: nvvm.maxntid = array<i32: 64>
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : i32
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : i32
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: %[[MASKED:.*]] = arith.andi %{{.*}}, %[[C3]]
// CHECK: arith.trunci %[[MASKED]] : i32 to i8
// CHECK: nvvm.barrier0
// CHECK: %[[CODE:.*]] = arith.extui %{{.*}} : i8 to i32
// CHECK: %[[SHIFTED:.*]] = arith.shli %{{.*}}, %[[C2]] : i32
// CHECK: arith.ori %{{.*}}, %[[SHIFTED]]
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<1>
// CHECK-NOT: llvm.store
// CHECK: llvm.return
tile.kernel @store_codes(%p: memref<?x?x?xi8>) {
  %c0 = arith.constant 0 : index
  %i = tile.program_id x
  %a = tile.load_codes value %p[%i, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64x64xi8, #codes>
  tile.store_codes value %a, %p[%c0, %i] format #fmt : tensor<64x64xi8, #codes>, memref<?x?x?xi8>
  tile.return
}
