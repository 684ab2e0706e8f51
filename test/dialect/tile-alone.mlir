// RUN: kvarn-opt %s | FileCheck %s

// A program that names level 1 nowhere before the parts of a record: its
// attributes are known all the same.
// CHECK: tile.load_codes key
func.func @f(%p: memref<?x?x?xi8>, %i: index) -> tensor<64x64xi8> {
  %0 = tile.load_codes key %p[%i, %i] start %i format <key_bits = 4, value_bits = 4, group = 64, head_dim = 64, layout = reference> : memref<?x?x?xi8> -> tensor<64x64xi8>
  return %0 : tensor<64x64xi8>
}
