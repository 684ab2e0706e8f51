// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// Products by m16n8k16. Its rows are the columns of the right operand: what is
// computed is the transposed product.

#a = #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#d = #tile.layout<rank = 2, registers = [(1, 0)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#a_rows = #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (1), (2), (4)], warps = []>
#d_rows = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (0), (0), (0)], warps = []>

// Eight columns are half of the rows of the instruction: the other half is the
// same again, and nobody uses its sums. The result has two registers of four.
// CHECK-LABEL: llvm.func @half
// CHECK-DAG: %[[FZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK: %[[D:.*]] = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[B0:.*]], %[[B0]], %[[B1:.*]], %[[B1]], %[[A0:.*]], %[[A1:.*]], %[[ONE]], %[[ONE]], %[[FZERO]], %[[FZERO]]) : (vector<2xf16>, vector<2xf16>, vector<2xf16>, vector<2xf16>, vector<2xf16>, vector<2xf16>, f32, f32, f32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
// CHECK: %[[D0:.*]] = llvm.extractvalue %[[D]][0]
// CHECK: %[[D1:.*]] = llvm.extractvalue %[[D]][1]
// CHECK-NOT: llvm.call_intrinsic
// CHECK: %[[WORD:.*]] = llvm.bitcast %[[D0]] : f32 to i32
// CHECK: llvm.store %[[WORD]]
// CHECK: %[[WORD:.*]] = llvm.bitcast %[[D1]] : f32 to i32
// CHECK: llvm.store %[[WORD]]
// CHECK: llvm.return
tile.kernel @half(%x: memref<?x?xf16>, %y: memref<?x?xf16>, %z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #a_rows>
  %k = tile.iota 0 : tensor<16xindex, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (0), (0), (0)], warps = []>>
  %j = tile.iota 0 : tensor<8xindex, #d_rows>
  %one = arith.constant dense<1.0> : tensor<8x8xf32, #d>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<8xindex, #a_rows>, index -> tensor<8x16xf16, #a>
  %b = tile.load %y[%k, %c0] : memref<?x?xf16>, tensor<16xindex, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (0), (0), (0)], warps = []>>, index -> tensor<16x8xf16, #b>
  %d = tile.dot %a, %b, %one : tensor<8x16xf16, #a>, tensor<16x8xf16, #b> -> tensor<8x8xf32, #d>
  tile.store %d, %z[%j, %c0] : tensor<8x8xf32, #d>, memref<?x?xf32>, tensor<8xindex, #d_rows>, index
  tile.return
}

// Sixteen columns fill it; 32 of depth are two instructions, of which the second
// adds to the first. The register bit of the columns (16 apart) is their second
// half. Left and right operand agree which depth lies where: here bit 4.
// CHECK-LABEL: llvm.func @full
// CHECK: %[[D:.*]] = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[ALL:[^:]*]]) :
// CHECK: %[[D0:.*]] = llvm.extractvalue %[[D]][0]
// CHECK: %[[D1:.*]] = llvm.extractvalue %[[D]][1]
// CHECK: %[[D2:.*]] = llvm.extractvalue %[[D]][2]
// CHECK: %[[D3:.*]] = llvm.extractvalue %[[D]][3]
// CHECK: %[[E:.*]] = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"({{.*}}, %[[D0]], %[[D1]], %[[D2]], %[[D3]])
// CHECK: %[[E2:.*]] = llvm.extractvalue %[[E]][2]
// CHECK-NOT: llvm.call_intrinsic
// CHECK: llvm.return
#a32 = #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 16)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>
#b32 = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (16, 0), (0, 8)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#d16 = #tile.layout<rank = 2, registers = [(1, 0), (0, 8)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @full(%z: memref<?x?xf32>, %f: f32) {
  %c0 = arith.constant 0 : index
  %j = tile.iota 0 : tensor<8xindex, #d_rows>
  %h = arith.truncf %f : f32 to f16
  %zero = arith.constant dense<0.0> : tensor<8x16xf32, #d16>
  %a = tile.splat %h : tensor<8x32xf16, #a32>
  %b = tile.splat %h : tensor<32x16xf16, #b32>
  %d = tile.dot %a, %b, %zero : tensor<8x32xf16, #a32>, tensor<32x16xf16, #b32> -> tensor<8x16xf32, #d16>
  tile.store %d, %z[%j, %c0] : tensor<8x16xf32, #d16>, memref<?x?xf32>, tensor<8xindex, #d_rows>, index
  tile.return
}

// Where both halves begin with the same numbers, the second ones are copies that
// the assembler does not know to be any: it keeps all four in a row of
// registers, once for all instructions.
// CHECK-LABEL: llvm.func @begun
// CHECK: %[[COPY:.*]] = nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"({{.*}}, %[[F:[0-9a-z]+]], %[[F]], %[[COPY]], %[[COPY]])
// CHECK: llvm.return
#b2 = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (0, 8), (0, 16)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#d2 = #tile.layout<rank = 2, registers = [(1, 0), (0, 8), (0, 16)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @begun(%z: memref<?x?xf32>, %f: f32) {
  %c0 = arith.constant 0 : index
  %j = tile.iota 0 : tensor<8xindex, #d_rows>
  %h = arith.truncf %f : f32 to f16
  %sums = tile.splat %f : tensor<8x32xf32, #d2>
  %a = tile.splat %h : tensor<8x16xf16, #a>
  %b = tile.splat %h : tensor<16x32xf16, #b2>
  %d = tile.dot %a, %b, %sums : tensor<8x16xf16, #a>, tensor<16x32xf16, #b2> -> tensor<8x32xf32, #d2>
  tile.store %d, %z[%j, %c0] : tensor<8x32xf32, #d2>, memref<?x?xf32>, tensor<8xindex, #d_rows>, index
  tile.return
}

// Sixteen rows of the left operand are two instructions next to each other.
// CHECK-LABEL: llvm.func @rows
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"
// CHECK-NOT: llvm.call_intrinsic
// CHECK: llvm.return
#a16 = #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (8, 0)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>
#d1616 = #tile.layout<rank = 2, registers = [(1, 0), (8, 0)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#d16_rows = #tile.layout<rank = 1, registers = [(1), (8)], lanes = [(2), (4), (0), (0), (0)], warps = []>
tile.kernel @rows(%z: memref<?x?xf32>, %f: f32) {
  %c0 = arith.constant 0 : index
  %j = tile.iota 0 : tensor<16xindex, #d16_rows>
  %h = arith.truncf %f : f32 to f16
  %zero = arith.constant dense<0.0> : tensor<16x8xf32, #d1616>
  %a = tile.splat %h : tensor<16x16xf16, #a16>
  %b = tile.splat %h : tensor<16x8xf16, #b>
  %d = tile.dot %a, %b, %zero : tensor<16x16xf16, #a16>, tensor<16x8xf16, #b> -> tensor<16x8xf32, #d1616>
  tile.store %d, %z[%j, %c0] : tensor<16x8xf32, #d1616>, memref<?x?xf32>, tensor<16xindex, #d16_rows>, index
  tile.return
}

// With a vector, rows of the left operand are rows of the instruction, which has
// each of them twice: once for either half of the depth. Even columns have the
// lower halves of the vector, odd ones the upper: the sums are on the diagonal.
// Of one step there is nothing in the second half of the depth, on both sides:
// what is infinite would become no number beside a zero.
// CHECK-LABEL: llvm.func @vector
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: %[[NONE:.*]] = arith.constant 0 : i32
// CHECK: %[[HIGH:.*]] = llvm.bitcast %[[NONE]] : i32 to vector<2xf16>
// CHECK: %[[D:.*]] = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%[[A0:[0-9]+]], %[[A1:[0-9]+]], %[[HIGH]], %[[HIGH]], %{{[0-9]+}}, %[[HIGH]], %[[ZERO]], %[[ZERO]], %[[ZERO]], %[[ZERO]])
// CHECK-NOT: llvm.call_intrinsic
// CHECK: %[[D0:.*]] = llvm.extractvalue %[[D]][0]
// CHECK: %[[D3:.*]] = llvm.extractvalue %[[D]][3]
// CHECK: %[[SUM:.*]] = arith.addf %[[D0]], %[[D3]] fastmath<contract> : f32
// CHECK: scf.if
// CHECK: llvm.bitcast %[[SUM]] : f32 to i32
#v16 = #tile.layout<rank = 1, registers = [(1)], lanes = [(4), (8), (2), (0), (0)], warps = []>
tile.kernel @vector(%x: memref<?x?xf16>, %y: memref<?xf16>, %z: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #a_rows>
  %zero = arith.constant dense<0.0> : tensor<8xf32, #a_rows>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<8xindex, #a_rows>, index -> tensor<8x16xf16, #a>
  %b = tile.load %y[%c0] : memref<?xf16>, index -> tensor<16xf16, #v16>
  %d = tile.dot %a, %b, %zero : tensor<8x16xf16, #a>, tensor<16xf16, #v16> -> tensor<8xf32, #a_rows>
  tile.store %d, %z[%c0] : tensor<8xf32, #a_rows>, memref<?xf32>, index
  tile.return
}

// Two steps of depth are one instruction: of eight steps there are four, for
// eight rows each. What the product begins with is added to their sums.
// CHECK-LABEL: llvm.func @steps
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK: %[[D:.*]] = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"(%{{[0-9]+}}, %{{[0-9]+}}, %{{[0-9]+}}, %{{[0-9]+}}, %[[B0:[0-9]+]], %[[B1:[0-9]+]], %[[ZERO]], %[[ZERO]], %[[ZERO]], %[[ZERO]])
// CHECK: %[[D0:.*]] = llvm.extractvalue %[[D]][0]
// CHECK: llvm.call_intrinsic {{.*}}, %[[D0]],
// CHECK-COUNT-2: llvm.call_intrinsic
// CHECK: %[[LOW:.*]] = llvm.extractvalue %{{.*}}[0]
// CHECK: %[[HIGH:.*]] = llvm.extractvalue %{{.*}}[3]
// CHECK: %[[SUM:.*]] = arith.addf %[[LOW]], %[[HIGH]]
// CHECK: arith.addf %[[SUM]], %[[ONE]]
// CHECK: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"({{.*}}, %[[B0]], %[[B1]], %[[ZERO]], %[[ZERO]], %[[ZERO]], %[[ZERO]])
// CHECK-COUNT-3: llvm.call_intrinsic
// CHECK-NOT: llvm.call_intrinsic
// CHECK: llvm.return
#a128 = #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 16), (0, 32), (0, 64), (8, 0)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>
#v128 = #tile.layout<rank = 1, registers = [(1), (16), (32), (64)], lanes = [(4), (8), (2), (0), (0)], warps = []>
#r16 = #tile.layout<rank = 1, registers = [(8)], lanes = [(0), (0), (1), (2), (4)], warps = []>
tile.kernel @steps(%x: memref<?x?xf16>, %y: memref<?xf16>, %z: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<16xindex, #r16>
  %one = arith.constant dense<1.0> : tensor<16xf32, #r16>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<16xindex, #r16>, index -> tensor<16x128xf16, #a128>
  %b = tile.load %y[%c0] : memref<?xf16>, index -> tensor<128xf16, #v128>
  %d = tile.dot %a, %b, %one : tensor<16x128xf16, #a128>, tensor<128xf16, #v128> -> tensor<16xf32, #r16>
  tile.store %d, %z[%c0] : tensor<16xf32, #r16>, memref<?xf32>, index
  tile.return
}

// An operand that a loop packs into words is packed again behind it; the words
// of before are known inside.
// CHECK-LABEL: llvm.func @in_a_loop
// CHECK: scf.for
// CHECK: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"
// CHECK: }
// CHECK: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"
// CHECK: llvm.return
tile.kernel @in_a_loop(%z: memref<?x?xf32>, %y: memref<?xf16>, %n: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = arith.index_cast %n : i64 to index
  %j = tile.iota 0 : tensor<8xindex, #d_rows>
  %i = tile.iota 0 : tensor<8xindex, #a_rows>
  %zero = arith.constant dense<0.0> : tensor<8x8xf32, #d>
  %l = memref.load %y[%c0] : memref<?xf16>
  %a = tile.splat %l : tensor<8x16xf16, #a>
  %b = tile.splat %l : tensor<16x8xf16, #b>
  %s = scf.for %k = %c0 to %m step %c1 iter_args(%sum = %zero) -> tensor<8x8xf32, #d> {
    %d = tile.dot %a, %b, %sum : tensor<8x16xf16, #a>, tensor<16x8xf16, #b> -> tensor<8x8xf32, #d>
    scf.yield %d : tensor<8x8xf32, #d>
  }
  %d = tile.dot %a, %b, %s : tensor<8x16xf16, #a>, tensor<16x8xf16, #b> -> tensor<8x8xf32, #d>
  tile.store %d, %z[%j, %c0] : tensor<8x8xf32, #d>, memref<?x?xf32>, tensor<8xindex, #d_rows>, index
  tile.return
}
