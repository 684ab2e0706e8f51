// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a -split-input-file -verify-diagnostics
// RUN: not kvarn-opt %s --convert-tile-to-nvptx=target=z80 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not kvarn-opt %s --convert-tile-to-nvptx=target=x86-64-v4 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not kvarn-opt %s --convert-tile-to-nvptx=target=nvidia 2>&1 | FileCheck %s --check-prefix=FAMILY
// UNKNOWN: error: convert-tile-to-nvptx: 'z80' is no NVIDIA target
// OTHER: error: convert-tile-to-nvptx: 'x86-64-v4' is no NVIDIA target
// FAMILY: error: convert-tile-to-nvptx: 'nvidia' is no NVIDIA target

// expected-error @+1 {{'tile.kernel' op has more than one block}}
tile.kernel @blocks() {
  cf.br ^next
^next:
  tile.return
}

// -----

tile.kernel @no_layout(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'tile.load' op has a tile without a layout of 32 lanes: 'tensor<64xf32>'}}
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32>
  tile.store %a, %x[%c0] : tensor<64xf32>, memref<?xf32>, index
  tile.return
}

// -----

tile.kernel @lanes() {
  // expected-error @+1 {{'arith.constant' op has a tile without a layout of 32 lanes: 'tensor<64xf32, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (16), (32)], warps = []>>'}}
  %a = arith.constant dense<1.0> : tensor<64xf32, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (16), (32)], warps = []>>
  tile.return
}

// -----

tile.kernel @argument() {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'memref.alloc' op expected a load or extent of an argument of the kernel}}
  %m = memref.alloc() : memref<4xf32>
  %l = memref.load %m[%c0] : memref<4xf32>
  tile.return
}

// -----

tile.kernel @store_scalar(%x: memref<4xf32>, %f: f32) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'memref.store' op expected a load or extent of an argument of the kernel}}
  memref.store %f, %x[%c0] : memref<4xf32>
  tile.return
}

// -----

tile.kernel @dimension(%x: memref<?xf32>) {
  %c1 = arith.constant 1 : index
  // expected-error @+1 {{'memref.dim' op expected a constant dimension of the memref}}
  %d = memref.dim %x, %c1 : memref<?xf32>
  tile.return
}

// -----

tile.kernel @dynamic_dimension(%x: memref<?xf32>) {
  %i = tile.program_id x
  // expected-error @+1 {{'memref.dim' op expected a constant dimension of the memref}}
  %d = memref.dim %x, %i : memref<?xf32>
  tile.return
}

// -----

tile.kernel @region(%n: i64) {
  %n0 = arith.constant 0 : i64
  // expected-error @+1 {{'scf.execute_region' op is unknown to NVIDIA targets}}
  scf.execute_region {
    scf.yield
  }
  tile.return
}

// -----

tile.kernel @body_behind(%n: i64) {
  %n0 = arith.constant 0 : i64
  %n1 = arith.constant 1 : i64
  // expected-error @+1 {{'scf.while' op expected all of the body in front of the condition, which hands on what is carried}}
  %r = scf.while (%a = %n) : (i64) -> i64 {
    %q = arith.cmpi sgt, %a, %n0 : i64
    scf.condition(%q) %a : i64
  } do {
  ^bb0(%a: i64):
    %b = arith.subi %a, %n1 : i64
    scf.yield %b : i64
  }
  tile.return
}

// -----

tile.kernel @other_results(%n: i64) {
  %n0 = arith.constant 0 : i64
  // expected-error @+1 {{'scf.while' op expected all of the body in front of the condition, which hands on what is carried}}
  %r:2 = scf.while (%a = %n) : (i64) -> (i64, i64) {
    %q = arith.cmpi sgt, %a, %n0 : i64
    scf.condition(%q) %a, %n : i64, i64
  } do {
  ^bb0(%a: i64, %b: i64):
    scf.yield %a : i64
  }
  tile.return
}

// -----

tile.kernel @two_results(%x: memref<?xi32>) {
  %a = arith.constant dense<1> : tensor<64xi32, #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>>
  // expected-error @+1 {{'arith.addui_extended' op is unknown to NVIDIA targets}}
  %s, %o = arith.addui_extended %a, %a : tensor<64xi32, #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>>, tensor<64xi1, #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>>
  tile.return
}

// -----

tile.kernel @three_warps() {
  // expected-error @+1 {{'tile.warps' op has 3 warps, expected a power of two up to 32 and the same throughout a kernel}}
  tile.warps 3 (%w) {
  }
  tile.return
}

// -----

tile.kernel @different_warps() {
  tile.warps 4 (%w) {
  }
  // expected-error @+1 {{'tile.warps' op has 2 warps, expected a power of two up to 32 and the same throughout a kernel}}
  tile.warps 2 (%w) {
  }
  tile.return
}

// -----

tile.kernel @operands_f32_f16() {
  %a = arith.constant dense<1.0> : tensor<8x16xf32, #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>>
  %b = arith.constant dense<1.0> : tensor<16x8xf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>>
  %c = arith.constant dense<1.0> : tensor<8x8xf32, #tile.layout<rank = 2, registers = [(1, 0)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>>
  // expected-error @+1 {{'tile.dot' op has an operand of 'f32', expected f16 for mma.m16n8k16}}
  %d = tile.dot %a, %b, %c : tensor<8x16xf32, #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>>, tensor<16x8xf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>> -> tensor<8x8xf32, #tile.layout<rank = 2, registers = [(1, 0)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>>
  tile.return
}

// -----

tile.kernel @operands_f16_bf16() {
  %a = arith.constant dense<1.0> : tensor<8x16xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>>
  %b = arith.constant dense<1.0> : tensor<16x8xbf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>>
  %c = arith.constant dense<1.0> : tensor<8x8xf32, #tile.layout<rank = 2, registers = [(1, 0)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>>
  // expected-error @+1 {{'tile.dot' op has an operand of 'bf16', expected f16 for mma.m16n8k16}}
  %d = tile.dot %a, %b, %c : tensor<8x16xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>>, tensor<16x8xbf16, #tile.layout<rank = 2, registers = [(1, 0), (2, 0)], lanes = [(4, 0), (8, 0), (0, 1), (0, 2), (0, 4)], warps = []>> -> tensor<8x8xf32, #tile.layout<rank = 2, registers = [(1, 0)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>>
  tile.return
}

// -----

tile.kernel @scan_order(%x: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %a = arith.constant dense<1> : tensor<32xi32, #tile.layout<rank = 1, registers = [(16)], lanes = [(1), (2), (4), (8), (0)], warps = []>>
  // expected-error @+1 {{'tile.scan' op of this layout is unknown to NVIDIA targets: 'tensor<32xi32, #tile.layout<rank = 1, registers = [(16)], lanes = [(1), (2), (4), (8), (0)], warps = []>>'}}
  %b = tile.scan %a : tensor<32xi32, #tile.layout<rank = 1, registers = [(16)], lanes = [(1), (2), (4), (8), (0)], warps = []>>
  tile.return
}

// -----

tile.kernel @shared_bytes(%p: memref<?x?x?xi8>) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'tile.load_codes' op has lanes that share bytes}}
  %c = tile.load_codes key %p[%c0, %c0] start %c0 format <key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = reference> : memref<?x?x?xi8> -> tensor<64x64xi8, #tile.layout<rank = 2, registers = [(4, 0), (8, 0), (16, 0), (32, 0), (0, 2), (0, 4), (0, 32)], lanes = [(1, 0), (2, 0), (0, 1), (0, 8), (0, 16)], warps = []>>
  tile.return
}

// -----

// Sums of a byte need all its codes in one lane, and a difference both words.
#apart = #tile.layout<rank = 2, registers = [(0, 1), (0, 8), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>
tile.kernel @top_in_other_lane() {
  %a = arith.constant dense<1.0> : tensor<8x64xf16, #apart>
  // expected-error @+1 {{'tile.subtract_top' op has lanes that share bytes}}
  %b = tile.subtract_top %a part key format <key_bits = 4, value_bits = 4, group = 64, head_dim = 64, layout = mma16816> : tensor<8x64xf16, #apart>
  tile.return
}

// -----

#joined = #tile.layout<rank = 2, registers = [(0, 2), (0, 1), (0, 16), (0, 32)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>
tile.kernel @top_in_pair() {
  %a = arith.constant dense<1.0> : tensor<8x64xf16, #joined>
  // expected-error @+1 {{'tile.subtract_top' op has no pairs, or pairs that share bytes}}
  %b = tile.subtract_top %a part key format <key_bits = 4, value_bits = 4, group = 64, head_dim = 64, layout = mma16816> : tensor<8x64xf16, #joined>
  tile.return
}

// -----

#code_rows = #tile.layout<rank = 2, registers = [(1, 0), (8, 0), (16, 0), (32, 0), (0, 8), (0, 16)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @byte_in_other_lane() {
  %c = arith.constant dense<1> : tensor<64x32xi8, #code_rows>
  // expected-error @+1 {{'tile.expand' op has lanes that share bytes}}
  %x = tile.expand subnormal whole_bytes %c part key format <key_bits = 4, value_bits = 4, group = 64, head_dim = 64, layout = mma16816> : tensor<64x32xi8, #code_rows> -> tensor<64x32xf16, #code_rows>
  tile.return
}

// -----

tile.kernel @vector_halves() {
  %zero = arith.constant dense<0.0> : tensor<8xf32, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (1), (2), (4)], warps = []>>
  %a = arith.constant dense<1.0> : tensor<8x16xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>>
  %b = arith.constant dense<1.0> : tensor<16xf16, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (0), (0), (0)], warps = []>>
  // expected-error @+1 {{'tile.dot' op has a vector of this layout, expected one where neighbouring columns are halves of a depth: 'tensor<16xf16,}}
  %d = tile.dot %a, %b, %zero : tensor<8x16xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>>, tensor<16xf16, #tile.layout<rank = 1, registers = [(1), (2)], lanes = [(4), (8), (0), (0), (0)], warps = []>> -> tensor<8xf32, #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (1), (2), (4)], warps = []>>
  tile.return
}

// -----

tile.kernel @store_shared_bytes(%p: memref<?x?x?xi8>) {
  %c0 = arith.constant 0 : index
  %a = arith.constant dense<1> : tensor<64x64xi8, #tile.layout<rank = 2, registers = [(4, 0), (8, 0), (16, 0), (32, 0), (0, 2), (0, 4), (0, 32)], lanes = [(1, 0), (2, 0), (0, 1), (0, 8), (0, 16)], warps = []>>
  // expected-error @+1 {{'tile.store_codes' op has lanes that share bytes}}
  tile.store_codes key %a, %p[%c0, %c0] format <key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = reference> : tensor<64x64xi8, #tile.layout<rank = 2, registers = [(4, 0), (8, 0), (16, 0), (32, 0), (0, 2), (0, 4), (0, 32)], lanes = [(1, 0), (2, 0), (0, 1), (0, 8), (0, 16)], warps = []>>, memref<?x?x?xi8>
  tile.return
}

// -----

tile.kernel @hadamard_apart() {
  %a = arith.constant dense<1.0> : tensor<64xf32, #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = [(32)]>>
  tile.warps 2 (%w) {
    // expected-error @+1 {{'tile.hadamard' op combines warps that do not wait for one another}}
    %b = tile.hadamard %a : tensor<64xf32, #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = [(32)]>>
  }
  tile.return
}
