// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a --canonicalize --cse | FileCheck %s

// What a lane does by itself: values, arithmetic, changes of shape.

#v = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (8), (16), (32)], warps = []>
#m = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>
#mt = #tile.layout<rank = 2, registers = [(1, 0), (0, 8)], lanes = [(2, 0), (4, 0), (0, 1), (0, 2), (0, 4)], warps = []>
#rows = #tile.layout<rank = 1, registers = [(8)], lanes = [(0), (0), (1), (2), (4)], warps = []>
#columns = #tile.layout<rank = 1, registers = [(1)], lanes = [(2), (4), (0), (0), (0)], warps = []>
#stack = #tile.layout<rank = 2, registers = [(0, 1)], lanes = [(0, 2), (0, 4), (0, 8), (0, 16), (0, 32)], warps = [(1, 0), (2, 0)]>

// An index is what lanes add, bits that move as far at once, and a constant for
// each register.
// CHECK-LABEL: llvm.func @iota
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : i32
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : i32
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : i32
// CHECK-DAG: %[[C28:.*]] = arith.constant 28 : i32
// CHECK-DAG: %[[C8:.*]] = arith.constant 8 : i32
// CHECK-DAG: %[[LANE:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK: %[[ROW0:.*]] = arith.andi %[[LANE]], %[[C28]]
// CHECK: %[[ROW:.*]] = arith.shrui %[[ROW0]], %[[C2]]
// CHECK: arith.addi %[[ROW]], %[[C8]]
// CHECK: %[[COLUMN0:.*]] = arith.andi %[[LANE]], %[[C3]]
// CHECK: %[[COLUMN:.*]] = arith.shli %[[COLUMN0]], %[[C1]]
// CHECK: arith.addi %[[COLUMN]], %[[C1]]
// CHECK: llvm.return
tile.kernel @iota(%x: memref<?x?xi32>) {
  %c0 = arith.constant 0 : index
  %r = tile.iota 0 : tensor<16xindex, #rows>
  %i = tile.iota 0 : tensor<16x8xi32, #m>
  %j = tile.iota 1 : tensor<16x8xi32, #m>
  %k = arith.muli %i, %j : tensor<16x8xi32, #m>
  tile.store %k, %x[%r, %c0] : tensor<16x8xi32, #m>, memref<?x?xi32>, tensor<16xindex, #rows>, index
  tile.return
}

// The number of the warp counts where the layout says so. It is that of lane 0.
// CHECK-LABEL: llvm.func @stacked_iota
// CHECK: %[[OWN:.*]] = arith.shrui
// CHECK: %[[W:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[OWN]], %c0_i32,
// CHECK: arith.andi %[[W]]
// CHECK: nvvm.barrier0
tile.kernel @stacked_iota(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : tensor<64xf32, #v>
  %a = tile.warps 4 (%w) -> (tensor<4x64xf32, #stack>) {
    tile.yield %one : tensor<64xf32, #v>
  }
  %i = tile.iota 0 : tensor<4x64xi32, #stack>
  %f = arith.sitofp %i : tensor<4x64xi32, #stack> to tensor<4x64xf32, #stack>
  %g = arith.mulf %a, %f : tensor<4x64xf32, #stack>
  %s = tile.reduce add %g dim 0 : tensor<4x64xf32, #stack> -> tensor<64xf32, #v>
  tile.store %s, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// Nothing moves: a transposed or repeated tile has the registers of the tile.
// CHECK-LABEL: llvm.func @shapes
// CHECK: %[[A:.*]] = llvm.load {{.*}} {alignment = 8 : i64}
// CHECK: %[[B:.*]] = llvm.load {{.*}} {alignment = 8 : i64}
// CHECK-NOT: llvm.load
// CHECK: %[[C:.*]] = math.absf
// CHECK: %[[D:.*]] = math.absf
// CHECK-NOT: math.absf
// CHECK-COUNT-4: arith.addf
// CHECK-NOT: arith.addf
// CHECK: llvm.return
tile.kernel @shapes(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %r = tile.iota 0 : tensor<16xindex, #rows>
  %c = tile.iota 0 : tensor<8xindex, #columns>
  %a = tile.load %x[%r, %c0] : memref<?x?xf32>, tensor<16xindex, #rows>, index -> tensor<16x8xf32, #m>
  %i = tile.iota 0 : tensor<8xi32, #columns>
  %f = arith.sitofp %i : tensor<8xi32, #columns> to tensor<8xf32, #columns>
  %g = math.absf %f : tensor<8xf32, #columns>
  %b = tile.broadcast %g dims [1] : tensor<8xf32, #columns> -> tensor<16x8xf32, #m>
  %s = arith.addf %a, %b : tensor<16x8xf32, #m>
  %t = tile.transpose %s : tensor<16x8xf32, #m> -> tensor<8x16xf32, #mt>
  tile.store %t, %x[%c, %c0] : tensor<8x16xf32, #mt>, memref<?x?xf32>, tensor<8xindex, #columns>, index
  tile.return
}

// Functions are the approximations of the hardware; tanh is made of them. Sums
// and products of f32 may be contracted, and of those alone. A NaN is not passed
// on by maxima.
// CHECK-LABEL: llvm.func @math
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.nvvm.lg2.approx.ftz.f"
// CHECK: %[[P:.*]] = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"
// CHECK: %[[Q:.*]] = arith.addf %[[P]]
// CHECK: llvm.call_intrinsic "llvm.nvvm.rcp.approx.ftz.f"(%[[Q]])
// CHECK: arith.divf %{{.*}}, %{{.*}} : f32
// CHECK: llvm.intr.maxnum
// CHECK: llvm.intr.minnum
// CHECK: arith.addf %{{.*}}, %{{.*}} fastmath<contract> : f32
// CHECK: arith.subf %{{.*}}, %{{.*}} fastmath<contract> : f32
// CHECK: arith.mulf %{{.*}}, %{{.*}} fastmath<contract> : f32
tile.kernel @math(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %b = math.exp2 %a : tensor<64xf32, #v>
  %c = math.log2 %b : tensor<64xf32, #v>
  %d = math.tanh %c : tensor<64xf32, #v>
  %e = arith.divf %d, %a : tensor<64xf32, #v>
  %f = arith.maximumf %e, %a : tensor<64xf32, #v>
  %g = arith.minimumf %f, %b : tensor<64xf32, #v>
  %h = arith.addf %g, %a : tensor<64xf32, #v>
  %i = arith.subf %h, %b : tensor<64xf32, #v>
  %j = arith.mulf %i, %b : tensor<64xf32, #v>
  tile.store %j, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// Two numbers are rounded to fp16 by one instruction, and computed with by one;
// constants are rounded here. What they are without a sign is a mask.
// CHECK-LABEL: llvm.func @halves
// CHECK: %[[P:.*]] = llvm.call_intrinsic "llvm.nvvm.ff2f16x2.rn"(%[[HIGH:.*]], %[[LOW:.*]]) : (f32, f32) -> vector<2xf16>
// CHECK: %[[D:.*]] = arith.mulf %{{.*}}, %{{.*}} : vector<2xf16>
// CHECK: %[[BITS:.*]] = llvm.bitcast %[[D]] : vector<2xf16> to i32
// CHECK: arith.andi %[[BITS]], %[[SIZE:c2147450879_i32]]
// CHECK-NOT: ff2f16x2
// CHECK-NOT: arith.truncf
// CHECK: llvm.return
tile.kernel @halves(%x: memref<?xf32>, %y: memref<?xf16>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %third = arith.constant dense<0.333333343> : tensor<64xf32, #v>
  %b = arith.truncf %a : tensor<64xf32, #v> to tensor<64xf16, #v>
  %c = arith.truncf %third : tensor<64xf32, #v> to tensor<64xf16, #v>
  %d = arith.mulf %b, %c : tensor<64xf16, #v>
  %e = math.absf %d : tensor<64xf16, #v>
  tile.store %e, %y[%c0] : tensor<64xf16, #v>, memref<?xf16>, index
  tile.return
}

// A kept tile is in shared memory, a line of 16 bytes for each lane: written once,
// and read where it is used, in each region again.
// CHECK-LABEL: llvm.func @kept
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK-NOT: llvm.load
// CHECK: scf.if
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK-NOT: llvm.load
// CHECK: } else {
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK-NOT: llvm.load
// CHECK: llvm.return
#sixteen = #tile.layout<rank = 1, registers = [(1), (2), (4), (256)], lanes = [(8), (16), (32), (64), (128)], warps = []>
tile.kernel @kept(%x: memref<?xf16>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %a = tile.load %x[%c0] : memref<?xf16>, index -> tensor<512xf16, #sixteen>
  %k = tile.keep %a : tensor<512xf16, #sixteen>
  %q = arith.cmpi sgt, %n, %n0 : i64
  %r = scf.if %q -> tensor<512xf16, #sixteen> {
    %b = arith.mulf %k, %k : tensor<512xf16, #sixteen>
    scf.yield %b : tensor<512xf16, #sixteen>
  } else {
    scf.yield %k : tensor<512xf16, #sixteen>
  }
  tile.store %r, %x[%c0] : tensor<512xf16, #sixteen>, memref<?xf16>, index
  tile.return
}

// Two warps have 1024 bytes each of a tile; those of two branches have one place.
// A tile of one number in a lane stays in its register.
// CHECK-LABEL: llvm.func @kept_twice
// CHECK-SAME: kvarn.shared_bytes = 4096
// CHECK-DAG: %[[SHARED:.*]] = llvm.mlir.addressof @kvarn_shared
// CHECK-DAG: %[[C1024:.*]] = arith.constant 1024 : i32
// CHECK: arith.muli %{{.*}}, %[[C1024]]
// CHECK: llvm.getelementptr %[[SHARED]][%{{.*}}]
// CHECK: scf.if
// CHECK: llvm.getelementptr %[[SHARED]][2048]
// CHECK: } else {
// CHECK: llvm.getelementptr %[[SHARED]][2048]
// CHECK: llvm.return
#pair = #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 4), (0, 256)], lanes = [(0, 8), (0, 16), (0, 32), (0, 64), (0, 128)], warps = [(1, 0)]>
#two = #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (0), (0), (0)], warps = [(1)]>
#one = #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = []>
tile.kernel @kept_twice(%x: memref<?x?xf16>, %y: memref<?xf16>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %i = tile.iota 0 : tensor<2xindex, #two>
  %a = tile.load %x[%i, %c0] : memref<?x?xf16>, tensor<2xindex, #two>, index -> tensor<2x512xf16, #pair>
  %k = tile.keep %a : tensor<2x512xf16, #pair>
  %b = tile.load %y[%c0] : memref<?xf16>, index -> tensor<32xf16, #one>
  %kept = tile.keep %b : tensor<32xf16, #one>
  %sum = arith.addf %kept, %kept : tensor<32xf16, #one>
  tile.store %sum, %y[%c0] : tensor<32xf16, #one>, memref<?xf16>, index
  %q = arith.cmpi sgt, %n, %n0 : i64
  scf.if %q {
    %c = arith.mulf %k, %k : tensor<2x512xf16, #pair>
    %d = tile.keep %c : tensor<2x512xf16, #pair>
    tile.store %d, %x[%i, %c0] : tensor<2x512xf16, #pair>, memref<?x?xf16>, tensor<2xindex, #two>, index
  } else {
    %c = arith.addf %k, %k : tensor<2x512xf16, #pair>
    %d = tile.keep %c : tensor<2x512xf16, #pair>
    tile.store %d, %x[%i, %c0] : tensor<2x512xf16, #pair>, memref<?x?xf16>, tensor<2xindex, #two>, index
  }
  tile.return
}

// What all warps have alike is kept once: the first one stores it, the others
// wait. A tile that the number of the warp is part of is kept by each.
// CHECK-LABEL: llvm.func @kept_alike
// CHECK-SAME: kvarn.shared_bytes = 3072
// CHECK: %[[WARP:.*]] = nvvm.shfl.sync idx
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[WARP]]
// CHECK: scf.if %[[FIRST]] {
// CHECK-COUNT-2: llvm.store %{{.*}} : vector<4xi32>, !llvm.ptr<3>
// CHECK-NEXT: }
// CHECK-NEXT: nvvm.barrier0
// CHECK-NOT: scf.if
// CHECK-COUNT-2: llvm.store %{{.*}} : vector<4xi32>, !llvm.ptr<3>
// CHECK-NOT: nvvm.barrier0
// CHECK: scf.if
// CHECK: llvm.return
tile.kernel @kept_alike(%x: memref<?xf16>, %y: memref<?x?xf16>, %n: i64) {
  %c0 = arith.constant 0 : index
  %n0 = arith.constant 0 : i64
  %q = arith.cmpi sgt, %n, %n0 : i64
  %all = tile.warps 2 (%w) -> (tensor<2x512xf16, #pair>) {
    %a = tile.load %x[%c0] : memref<?xf16>, index -> tensor<512xf16, #sixteen>
    %k = tile.keep %a : tensor<512xf16, #sixteen>
    %b = tile.load %x[%w] : memref<?xf16>, index -> tensor<512xf16, #sixteen>
    %own = tile.keep %b : tensor<512xf16, #sixteen>
    %r = scf.if %q -> tensor<512xf16, #sixteen> {
      %c = arith.mulf %k, %own : tensor<512xf16, #sixteen>
      scf.yield %c : tensor<512xf16, #sixteen>
    } else {
      scf.yield %k : tensor<512xf16, #sixteen>
    }
    tile.yield %r : tensor<512xf16, #sixteen>
  }
  %i = tile.iota 0 : tensor<2xindex, #two>
  tile.store %all, %y[%i, %c0] : tensor<2x512xf16, #pair>, memref<?x?xf16>, tensor<2xindex, #two>, index
  tile.return
}

// Booleans and integers.
// CHECK-LABEL: llvm.func @choices
// CHECK: %[[Q:.*]] = arith.cmpf olt, %[[A:.*]], %[[B:.*]] : f32
// CHECK: arith.select %[[Q]]
// CHECK-COUNT-2: arith.fptosi %{{.*}} : f32 to i32
// CHECK: llvm.return
tile.kernel @choices(%x: memref<?xf32>, %y: memref<?xi32>, %f: f32) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %s = tile.splat %f : tensor<64xf32, #v>
  %q = arith.cmpf olt, %a, %s : tensor<64xf32, #v>
  %b = arith.select %q, %a, %s : tensor<64xi1, #v>, tensor<64xf32, #v>
  %i = arith.fptosi %b : tensor<64xf32, #v> to tensor<64xi32, #v>
  tile.store %i, %y[%c0] : tensor<64xi32, #v>, memref<?xi32>, index
  tile.return
}

// Vectors of records: runs of fp16 elements, 16 bytes at once; single elements
// where neighbours are in other lanes.
// CHECK-LABEL: llvm.func @vectors
// The scales of the keys lie behind their codes, the zeros behind the scales.
// CHECK: %[[AT:.*]] = llvm.getelementptr %{{.*}}[2176] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr<1> -> f16
// CHECK-NOT: llvm.load
// CHECK: llvm.return
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = reference>
#run = #tile.layout<rank = 1, registers = [(1), (2), (4)], lanes = [(8), (16), (32), (0), (0)], warps = []>
#apart = #tile.layout<rank = 1, registers = [(32)], lanes = [(1), (2), (4), (8), (16)], warps = []>
tile.kernel @vectors(%p: memref<?x?x?xi8>, %z: memref<?xf16>) {
  %c0 = arith.constant 0 : index
  %v = tile.load_vector key_zero %p[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64xf16, #run>
  tile.store %v, %z[%c0] : tensor<64xf16, #run>, memref<?xf16>, index
  %w = tile.load_vector key_scale %p[%c0, %c0] start %c0 format #fmt : memref<?x?x?xi8> -> tensor<64xf16, #apart>
  tile.store %w, %z[%c0] : tensor<64xf16, #apart>, memref<?xf16>, index
  tile.return
}

// What subnormal operands have to be multiplied with is known. Two codes of four
// bits in a byte: 1, which needs no product, and 1/16 by turns.
// CHECK-LABEL: llvm.func @scales
// CHECK-DAG: %[[SIXTEENTH:.*]] = arith.constant 6.250000e-02 : f32
// CHECK: arith.mulf %{{.*}}, %[[SIXTEENTH]]
// CHECK-NOT: arith.mulf {{.*}} f32
// CHECK: llvm.return
tile.kernel @scales(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #v>
  %b = tile.expand_scale part key format #fmt : tensor<64xf32, #v>
  %c = arith.mulf %a, %b : tensor<64xf32, #v>
  tile.store %c, %x[%c0] : tensor<64xf32, #v>, memref<?xf32>, index
  tile.return
}

// Masks: numbers of registers are constants, compared with what a limit (not
// below 0) is beyond the lane. Nothing is computed for each register.
// CHECK-LABEL: llvm.func @mask
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : i32
// CHECK-DAG: %[[C32:.*]] = arith.constant 32 : i32
// CHECK: %[[LIMIT:.*]] = arith.maxsi
// CHECK: %[[BEYOND:.*]] = arith.subi %[[LIMIT]], %[[LANE:.*]] : i32
// CHECK-NOT: arith.addi
// CHECK: %[[A:.*]] = arith.cmpi sgt, %[[BEYOND]], %[[C0]] : i32
// CHECK-NOT: arith.addi
// CHECK: %[[B:.*]] = arith.cmpi sgt, %[[BEYOND]], %[[C32]] : i32
// CHECK: arith.select %[[A]]
// CHECK: arith.select %[[B]]
// A limit that may be below 0 is compared as it is.
// CHECK-LABEL: llvm.func @mask_any
// CHECK-NOT: arith.subi
// CHECK: arith.cmpi slt
// CHECK: llvm.return
#mask = #tile.layout<rank = 1, registers = [(32)], lanes = [(1), (2), (4), (8), (16)], warps = []>
tile.kernel @mask(%x: memref<?xf32>, %n: i32) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0 : i32
  %none = arith.constant dense<0.0> : tensor<64xf32, #mask>
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #mask>
  %i = tile.iota 0 : tensor<64xi32, #mask>
  %s = tile.splat %n : tensor<64xi32, #mask>
  %z = tile.splat %zero : tensor<64xi32, #mask>
  %l = arith.maxsi %s, %z : tensor<64xi32, #mask>
  %m = arith.cmpi slt, %i, %l : tensor<64xi32, #mask>
  %b = arith.select %m, %a, %none : tensor<64xi1, #mask>, tensor<64xf32, #mask>
  tile.store %b, %x[%c0] : tensor<64xf32, #mask>, memref<?xf32>, index
  tile.return
}

tile.kernel @mask_any(%x: memref<?xf32>, %n: i32) {
  %c0 = arith.constant 0 : index
  %none = arith.constant dense<0.0> : tensor<64xf32, #mask>
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<64xf32, #mask>
  %i = tile.iota 0 : tensor<64xi32, #mask>
  %s = tile.splat %n : tensor<64xi32, #mask>
  %m = arith.cmpi slt, %i, %s : tensor<64xi32, #mask>
  %b = arith.select %m, %a, %none : tensor<64xi1, #mask>, tensor<64xf32, #mask>
  tile.store %b, %x[%c0] : tensor<64xf32, #mask>, memref<?xf32>, index
  tile.return
}

// Where lanes have codes at other places of their bytes, the exponent is made of
// the lane's number.
// CHECK-LABEL: llvm.func @scale_of_lanes
// CHECK-DAG: %[[C127:.*]] = arith.constant 127 : i32
// CHECK-DAG: %[[C23:.*]] = arith.constant 23 : i32
// CHECK: %[[OF_LANE:.*]] = arith.shli %{{.*}}, %{{.*}} : i32
// CHECK: %[[EXPONENT:.*]] = arith.subi %[[C127]], %[[OF_LANE]] : i32
// CHECK: %[[BITS:.*]] = arith.shli %[[EXPONENT]], %[[C23]] : i32
// CHECK: llvm.store %[[BITS]]
tile.kernel @scale_of_lanes(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %s = tile.expand_scale part key format <key_bits = 4, value_bits = 2, group = 64, head_dim = 64, layout = reference> : tensor<32xf32, #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = []>>
  tile.store %s, %x[%c0] : tensor<32xf32, #tile.layout<rank = 1, registers = [], lanes = [(1), (2), (4), (8), (16)], warps = []>>, memref<?xf32>, index
  tile.return
}

// Codes that other ops have made: a byte is the sum of its codes where they lie.
// CHECK-LABEL: llvm.func @numbers
// CHECK-DAG: %[[FOUR:.*]] = arith.constant 4 : i32
// CHECK: %[[LOW:.*]] = arith.extui %{{.*}} : i8 to i32
// CHECK: %[[CODE:.*]] = arith.extui %{{.*}} : i8 to i32
// CHECK: %[[HIGH:.*]] = arith.shli %[[CODE]], %[[FOUR]] : i32
// CHECK: %[[BOTH:.*]] = arith.ori %[[HIGH]], %[[LOW]]
// CHECK: arith.trunci %[[BOTH]] : i32 to i16
#code_rows = #tile.layout<rank = 2, registers = [(2, 0), (0, 1)], lanes = [(1, 0), (4, 0), (8, 0), (0, 2), (0, 4)], warps = []>
#code_places = #tile.layout<rank = 1, registers = [(2)], lanes = [(1), (4), (8), (0), (0)], warps = []>
#few = #kvarn.format<key_bits = 4, value_bits = 4, group = 64, head_dim = 64, layout = mma16816>
tile.kernel @numbers(%p: memref<?x?xi8>, %z: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<16xindex, #code_places>
  %c = tile.load %p[%i, %c0] : memref<?x?xi8>, tensor<16xindex, #code_places>, index -> tensor<16x8xi8, #code_rows>
  %x = tile.expand subnormal whole_bytes %c part key format #few : tensor<16x8xi8, #code_rows> -> tensor<16x8xf16, #code_rows>
  tile.store %x, %z[%i, %c0] : tensor<16x8xf16, #code_rows>, memref<?x?xf16>, tensor<16xindex, #code_places>, index
  tile.return
}

// What is beside topmost codes is subtracted, with one rounding if it was a
// product.
// CHECK-LABEL: llvm.func @difference
// CHECK: %[[X0:.*]] = llvm.insertelement %{{.*}}[%c1_i32 : i32]
// CHECK: %[[X1:.*]] = llvm.insertelement %{{.*}}[%c1_i32 : i32]
// CHECK: %[[Y0:.*]] = llvm.insertelement %{{.*}}[%c1_i32 : i32]
// CHECK: %[[Y1:.*]] = llvm.insertelement %{{.*}}[%c1_i32 : i32]
// CHECK: %[[TOP:.*]] = arith.mulf %[[X1]], %[[Y1]] : vector<2xf16>
// CHECK: %[[MINUS:.*]] = arith.negf %[[TOP]] : vector<2xf16>
// CHECK: llvm.call_intrinsic "llvm.fma"(%[[X0]], %[[Y0]], %[[MINUS]]) : (vector<2xf16>, vector<2xf16>, vector<2xf16>) -> vector<2xf16>
// CHECK: %[[MINUS:.*]] = arith.negf %[[X1]] : vector<2xf16>
// CHECK: arith.addf %[[X0]], %[[MINUS]] : vector<2xf16>
// CHECK: llvm.return
#a = #tile.layout<rank = 2, registers = [(0, 1), (0, 2)], lanes = [(0, 4), (0, 8), (1, 0), (2, 0), (4, 0)], warps = []>
#a_rows = #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (1), (2), (4)], warps = []>
tile.kernel @difference(%p: memref<?x?xf16>, %q: memref<?x?xf16>, %z: memref<?x?xf16>, %n: memref<?x?xf16>) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<8xindex, #a_rows>
  %x = tile.load %p[%i, %c0] : memref<?x?xf16>, tensor<8xindex, #a_rows>, index -> tensor<8x16xf16, #a>
  %y = tile.load %q[%i, %c0] : memref<?x?xf16>, tensor<8xindex, #a_rows>, index -> tensor<8x16xf16, #a>
  %xy = arith.mulf %x, %y : tensor<8x16xf16, #a>
  %d = tile.subtract_top %xy part key format #few : tensor<8x16xf16, #a>
  %e = tile.subtract_top %x part key format #few : tensor<8x16xf16, #a>
  tile.store %d, %z[%i, %c0] : tensor<8x16xf16, #a>, memref<?x?xf16>, tensor<8xindex, #a_rows>, index
  tile.store %e, %n[%i, %c0] : tensor<8x16xf16, #a>, memref<?x?xf16>, tensor<8xindex, #a_rows>, index
  tile.return
}
