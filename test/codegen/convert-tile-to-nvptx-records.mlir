// Codes of records on their way to matrix operands.

// DEFINE: %{bits} = 4
// DEFINE: %{order} = mma16816
// DEFINE: %{mode} = subnormal
// DEFINE: %{convert} = sed 's/BITS/%{bits}/g; s/ORDER/%{order}/g; s/MODE/%{mode}/g' %s | kvarn-opt --tile-distribute=target=sm_90a --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s --check-prefixes=CHECK
// RUN: %{convert},MMA4
// REDEFINE: %{bits} = 2
// RUN: %{convert},MMA2
// REDEFINE: %{mode} = subnormal whole_bytes
// RUN: %{convert},WHOLE2
// REDEFINE: %{bits} = 4
// RUN: %{convert},WHOLE4
// REDEFINE: %{mode} = subnormal
// REDEFINE: %{bits} = 8
// RUN: %{convert},MMA8
// REDEFINE: %{mode} = convert
// RUN: %{convert},CONVERT8
// REDEFINE: %{bits} = 4
// RUN: %{convert},CONVERT4
// REDEFINE: %{order} = reference
// REDEFINE: %{mode} = subnormal
// RUN: %{convert},REFERENCE4
// REDEFINE: %{bits} = 2
// RUN: %{convert},REFERENCE2
// REDEFINE: %{bits} = 8
// RUN: %{convert},REFERENCE8

#fmt = #kvarn.format<key_bits = BITS, value_bits = BITS, group = 64, head_dim = 64, layout = ORDER>

// CHECK-LABEL: llvm.func @codes

// mma16816: a lane loads 16 bytes, 16 bytes behind those of the lane before.
// Each code pair lies in one word where the operand wants it, and is masked
// there: 0x000f000f, 0x00f000f0, and the same eight bits further down. Pairs
// that are two apart are one operand.
// MMA4-DAG: %[[LOW:.*]] = arith.constant 983055 : i32
// MMA4-DAG: %[[HIGH:.*]] = arith.constant 15728880 : i32
// MMA4-DAG: %[[C8:.*]] = arith.constant 8 : i32
// MMA4-DAG: %[[C16:.*]] = arith.constant 16 : i32
// MMA4-DAG: %[[LANE:.*]] = nvvm.read.ptx.sreg.tid.x
// MMA4: arith.muli %{{.*}}, %[[C16]]
// MMA4: %[[L:.*]] = llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// MMA4: %[[W:.*]] = llvm.extractelement %[[L]][%{{.*}} : i32]
// MMA4: %[[A:.*]] = arith.andi %[[W]], %[[LOW]]
// MMA4: %[[S:.*]] = arith.shrui %[[W]], %[[C8]]
// MMA4: %[[B:.*]] = arith.andi %[[S]], %[[LOW]]
// MMA4: llvm.bitcast %[[A]] : i32 to vector<2xf16>
// MMA4: llvm.bitcast %[[B]] : i32 to vector<2xf16>
// MMA4: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16
// MMA4: arith.andi %[[W]], %[[HIGH]]
// MMA4: arith.andi %[[S]], %[[HIGH]]
// MMA4-NOT: nvvm.prmt
// MMA4: llvm.return

// Masks 3, 12, 48 and 192 in both halves, twice.
// MMA2-DAG: arith.constant 196611 : i32
// MMA2-DAG: arith.constant 786444 : i32
// MMA2-DAG: arith.constant 3145776 : i32
// MMA2-DAG: arith.constant 12583104 : i32
// MMA2: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// MMA2-NOT: nvvm.prmt
// MMA2: llvm.return

// Topmost codes as whole bytes: that of the lower byte with a mask of all its
// bits, and the upper byte is by itself when a permutation has brought it down
// (0x4341: bytes 1 and 3, and zeros).
// WHOLE4-DAG: %[[LOW:.*]] = arith.constant 983055 : i32
// WHOLE4-DAG: %[[BYTE:.*]] = arith.constant 16711935 : i32
// WHOLE4-DAG: %[[DOWN:.*]] = arith.constant 17217 : i32
// WHOLE4-DAG: %[[NONE:.*]] = arith.constant 0 : i32
// WHOLE4: %[[W:.*]] = llvm.extractelement
// WHOLE4: arith.andi %[[W]], %[[LOW]]
// WHOLE4: %[[S:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"(%[[W]], %[[NONE]], %[[DOWN]])
// WHOLE4: arith.andi %[[S]], %[[LOW]]
// WHOLE4: arith.andi %[[W]], %[[BYTE]]
// WHOLE4-NOT: arith.andi %[[S]],
// WHOLE4: llvm.bitcast %[[S]] : i32 to vector<2xf16>
// WHOLE4-NOT: arith.shrui %[[W]]
// WHOLE4: llvm.return
// The others of a byte have their masks, 3, 12 and 48 in both halves.
// WHOLE2-DAG: %[[BYTE:.*]] = arith.constant 16711935 : i32
// WHOLE2-DAG: arith.constant 196611 : i32
// WHOLE2-DAG: arith.constant 786444 : i32
// WHOLE2-DAG: arith.constant 3145776 : i32
// WHOLE2-NOT: arith.constant 12583104 : i32
// WHOLE2: arith.andi %{{.*}}, %[[BYTE]]
// WHOLE2: llvm.call_intrinsic "llvm.nvvm.prmt"
// WHOLE2: llvm.return

// Bytes of one code: the upper ones are brought down.
// MMA8-DAG: %[[BYTE:.*]] = arith.constant 16711935 : i32
// MMA8-DAG: %[[C8:.*]] = arith.constant 8 : i32
// MMA8: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// MMA8: %[[W:.*]] = llvm.extractelement
// MMA8: arith.andi %[[W]], %[[BYTE]]
// MMA8: %[[S:.*]] = arith.shrui %[[W]], %[[C8]]
// MMA8: arith.andi %[[S]], %[[BYTE]]
// MMA8-NOT: nvvm.prmt
// MMA8: llvm.return

// As numbers: one instruction writes the code behind 1024, which is taken off again. Where
// it lies four bits up it counts sixteen times.
// CONVERT4-DAG: %[[LOW:.*]] = arith.constant 983055 : i32
// CONVERT4-DAG: %[[HIGH:.*]] = arith.constant 15728880 : i32
// CONVERT4-DAG: %[[BIAS:.*]] = arith.constant 1677747200 : i32
// CONVERT4-DAG: %[[ONE:.*]] = llvm.mlir.constant(dense<1.000000e+00> : vector<2xf16>)
// CONVERT4-DAG: %[[OFF:.*]] = llvm.mlir.constant(dense<-1.024000e+03> : vector<2xf16>)
// CONVERT4-DAG: %[[SIXTEENTH:.*]] = llvm.mlir.constant(dense<6.250000e-02> : vector<2xf16>)
// CONVERT4-DAG: %[[OFF16:.*]] = llvm.mlir.constant(dense<-6.400000e+01> : vector<2xf16>)
// CONVERT4: %[[B:.*]] = llvm.inline_asm "lop3.b32 $0, $1, $2, $3, 0xea;", "=r,r,n,r" %[[W:.*]], %[[LOW]], %[[BIAS]]
// CONVERT4: %[[C:.*]] = llvm.bitcast %[[B]] : i32 to vector<2xf16>
// CONVERT4: llvm.call_intrinsic "llvm.fma"(%[[C]], %[[ONE]], %[[OFF]]) : (vector<2xf16>, vector<2xf16>, vector<2xf16>) -> vector<2xf16>
// CONVERT4: %[[B:.*]] = llvm.inline_asm "lop3.b32 $0, $1, $2, $3, 0xea;", "=r,r,n,r" %[[W]], %[[HIGH]], %[[BIAS]]
// CONVERT4: %[[C:.*]] = llvm.bitcast %[[B]] : i32 to vector<2xf16>
// CONVERT4: llvm.call_intrinsic "llvm.fma"(%[[C]], %[[SIXTEENTH]], %[[OFF16]])
// CONVERT8: llvm.call_intrinsic "llvm.fma"

// reference: pairs of neighbouring channels lie in two words, 32 bytes apart,
// at the same place. A byte permutation (0x5410: both lower halves) puts them
// into one, for all codes of these halves.
// REFERENCE4-DAG: %[[LOW:.*]] = arith.constant 983055 : i32
// REFERENCE4-DAG: %[[HIGH:.*]] = arith.constant 15728880 : i32
// REFERENCE4-DAG: %[[HALVES:.*]] = arith.constant 21520 : i32
// REFERENCE4: %[[L0:.*]] = llvm.load %[[AT:.*]] {alignment = 2 : i64} : !llvm.ptr<1> -> i16
// REFERENCE4: %[[W0:.*]] = arith.extui %[[L0]]
// REFERENCE4: %[[NEXT:.*]] = llvm.getelementptr %[[AT]][128]
// REFERENCE4: %[[L1:.*]] = llvm.load %[[NEXT]] {alignment = 2 : i64}
// REFERENCE4: %[[W1:.*]] = arith.extui %[[L1]]
// REFERENCE4: %[[P:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"(%[[W0]], %[[W1]], %[[HALVES]]) : (i32, i32, i32) -> i32
// REFERENCE4: arith.andi %[[P]], %[[LOW]]
// REFERENCE4: arith.andi %[[P]], %[[HIGH]]
// REFERENCE4: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16
// The permuted word serves the upper bytes too.
// REFERENCE4: arith.shrui %[[P]]
// REFERENCE2: llvm.load {{.*}} {alignment = 1 : i64} : !llvm.ptr<1> -> i8
// REFERENCE2: llvm.call_intrinsic "llvm.nvvm.prmt"
// REFERENCE8: llvm.load {{.*}} {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// REFERENCE8: llvm.call_intrinsic "llvm.nvvm.prmt"
// 0x7632: both upper halves.
// REFERENCE8: %[[UPPER:.*]] = llvm.call_intrinsic "llvm.nvvm.prmt"
// REFERENCE8: llvm.return
tile.kernel @codes(%x: memref<?x?xf16>, %p: memref<?x?x?xi8>, %z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %i = tile.iota 0 : tensor<8xindex>
  %zero = arith.constant dense<0.0> : tensor<8x32xf32>
  %a = arith.constant dense<1.0> : tensor<8x64xf16>
  %c = tile.load_codes key %p[%c0, %c0] start %c32 format #fmt : memref<?x?x?xi8> -> tensor<64x32xi8>
  %b = tile.expand MODE %c part key format #fmt : tensor<64x32xi8> -> tensor<64x32xf16>
  %d = tile.dot %a, %b, %zero : tensor<8x64xf16>, tensor<64x32xf16> -> tensor<8x32xf32>
  tile.store %d, %z[%i, %c0] : tensor<8x32xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.return
}

// Each code is loaded once, where the op stands, and expanded once in a block.
// What a branch expands is not known behind it.
// CHECK-LABEL: llvm.func @branch
// CHECK: llvm.load {{.*}} !llvm.ptr<1>
// CHECK: scf.if
// CHECK-NOT: llvm.load
// CHECK: llvm.bitcast %{{.*}} : i32 to vector<2xf16>
// CHECK: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16
// CHECK: } else {
// CHECK-NOT: llvm.load
// CHECK: llvm.bitcast %{{.*}} : i32 to vector<2xf16>
// CHECK: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16
// CHECK: llvm.return
tile.kernel @branch(%p: memref<?x?x?xi8>, %z: memref<?x?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %i = tile.iota 0 : tensor<8xindex>
  %zero = arith.constant dense<0.0> : tensor<8x32xf32>
  %one = arith.constant dense<1.0> : tensor<8x32xf32>
  %a = arith.constant dense<1.0> : tensor<8x64xf16>
  %c = tile.load_codes key %p[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64x32xi8>
  %b = tile.expand MODE %c part key format #fmt : tensor<64x32xi8> -> tensor<64x32xf16>
  %q = arith.cmpi sgt, %n, %n0 : i64
  %s = scf.if %q -> tensor<8x32xf32> {
    %d = tile.dot %a, %b, %zero : tensor<8x64xf16>, tensor<64x32xf16> -> tensor<8x32xf32>
    scf.yield %d : tensor<8x32xf32>
  } else {
    %d = tile.dot %a, %b, %one : tensor<8x64xf16>, tensor<64x32xf16> -> tensor<8x32xf32>
    scf.yield %d : tensor<8x32xf32>
  }
  tile.store %s, %z[%i, %c0] : tensor<8x32xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.return
}

// Values: a word has pairs of tokens of one channel.
// CHECK-LABEL: llvm.func @values
// MMA4: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// MMA4-NOT: nvvm.prmt
// MMA4: llvm.return
// MMA2: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// MMA2-NOT: nvvm.prmt
// MMA2: llvm.return
// REFERENCE4: llvm.call_intrinsic "llvm.nvvm.prmt"
// REFERENCE4: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16
tile.kernel @values(%p: memref<?x?x?xi8>, %z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex>
  %zero = arith.constant dense<0.0> : tensor<8x64xf32>
  %a = arith.constant dense<1.0> : tensor<8x64xf16>
  %c = tile.load_codes value %p[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64x64xi8>
  %b = tile.expand MODE %c part value format #fmt : tensor<64x64xi8> -> tensor<64x64xf16>
  %d = tile.dot %a, %b, %zero : tensor<8x64xf16>, tensor<64x64xf16> -> tensor<8x64xf32>
  tile.store %d, %z[%i, %c0] : tensor<8x64xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.return
}

// The same codes in both ways: bytes that are brought down by a shift are not
// those that are by themselves.
// WHOLE4-LABEL: llvm.func @both
// WHOLE4: %[[W:.*]] = llvm.extractelement
// WHOLE4: %[[S:.*]] = arith.shrui %[[W]]
// WHOLE4: arith.andi %[[S]]
// WHOLE4: llvm.call_intrinsic "llvm.nvvm.prmt"(%[[W]],
// WHOLE4: llvm.return
tile.kernel @both(%p: memref<?x?x?xi8>, %z: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex>
  %zero = arith.constant dense<0.0> : tensor<8x32xf32>
  %a = arith.constant dense<1.0> : tensor<8x64xf16>
  %c = tile.load_codes key %p[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64x32xi8>
  %b = tile.expand subnormal %c part key format #fmt : tensor<64x32xi8> -> tensor<64x32xf16>
  %d = tile.dot %a, %b, %zero : tensor<8x64xf16>, tensor<64x32xf16> -> tensor<8x32xf32>
  %e = tile.expand MODE %c part key format #fmt : tensor<64x32xi8> -> tensor<64x32xf16>
  %f = tile.dot %a, %e, %d : tensor<8x64xf16>, tensor<64x32xf16> -> tensor<8x32xf32>
  tile.store %f, %z[%i, %c0] : tensor<8x32xf32>, memref<?x?xf32>, tensor<8xindex>, index
  tile.return
}
