// RUN: not kvarn-opt %s --split-input-file --allow-unregistered-dialect --convert-tile-to-cpu=target=x86-64-v4 2>&1 | FileCheck %s
// RUN: not kvarn-opt %s --allow-unregistered-dialect --convert-tile-to-cpu=target=z80 2>&1 | FileCheck %s --check-prefix=TARGET

// TARGET: convert-tile-to-cpu: unknown target 'z80'

// CHECK: 'math.erf' op has no expansion for the CPU target
tile.kernel @erf(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<16xf32>
  %b = math.erf %a : tensor<16xf32>
  tile.store %b, %x[%c0] : tensor<16xf32>, memref<?xf32>, index
  tile.return
}

// -----

// CHECK: 'arith.addui_extended' op is unknown to the CPU target
tile.kernel @two_results(%x: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xi32>, index -> tensor<16xi32>
  %s, %o = arith.addui_extended %a, %a : tensor<16xi32>, tensor<16xi1>
  tile.store %s, %x[%c0] : tensor<16xi32>, memref<?xi32>, index
  tile.return
}

// -----

// CHECK: 'memref.alloc' op expected a load, store or extent of an argument of the kernel
tile.kernel @alloc() {
  %c0 = arith.constant 0 : index
  %m = memref.alloc() : memref<4xf32>
  %x = memref.load %m[%c0] : memref<4xf32>
  tile.return
}

// -----

// CHECK: 'memref.dim' op expected a constant dimension of the memref
tile.kernel @dim(%x: memref<?xf32>) {
  %c9 = arith.constant 9 : index
  %d = memref.dim %x, %c9 : memref<?xf32>
  tile.return
}

// -----

// CHECK: 'scf.while' op expected all of the body in front of the condition, which hands on what is carried
tile.kernel @body_behind(%n: i64) {
  %n0 = arith.constant 0 : i64
  %n1 = arith.constant 1 : i64
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

// CHECK: 'foo.bar' op is unknown to the CPU target
tile.kernel @unregistered() {
  "foo.bar"() : () -> ()
  tile.return
}
