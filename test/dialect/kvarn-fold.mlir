// RUN: kvarn-opt %s --canonicalize | FileCheck %s

// Two rotations cancel.
// CHECK-LABEL: func.func @twice
// CHECK-SAME: (%[[X:.*]]: tensor<?x8x128xf16>)
// CHECK-NEXT: return %[[X]]
func.func @twice(%x: tensor<?x8x128xf16>) -> tensor<?x8x128xf16> {
  %0 = kvarn.rotate %x : tensor<?x8x128xf16>
  %1 = kvarn.rotate %0 : tensor<?x8x128xf16>
  return %1 : tensor<?x8x128xf16>
}

// Of three, one is left.
// CHECK-LABEL: func.func @thrice
// CHECK-SAME: (%[[X:.*]]: tensor<64xf32>)
// CHECK-NEXT: %[[R:.*]] = kvarn.rotate %[[X]]
// CHECK-NEXT: return %[[R]]
func.func @thrice(%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = kvarn.rotate %x : tensor<64xf32>
  %1 = kvarn.rotate %0 : tensor<64xf32>
  %2 = kvarn.rotate %1 : tensor<64xf32>
  return %2 : tensor<64xf32>
}

// The first rotation has another user and stays.
// CHECK-LABEL: func.func @other_user
// CHECK-SAME: (%[[X:.*]]: tensor<64xf32>)
// CHECK-NEXT: %[[R:.*]] = kvarn.rotate %[[X]]
// CHECK-NEXT: return %[[R]], %[[X]]
func.func @other_user(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %0 = kvarn.rotate %x : tensor<64xf32>
  %1 = kvarn.rotate %0 : tensor<64xf32>
  return %0, %1 : tensor<64xf32>, tensor<64xf32>
}

// Something between them: nothing cancels.
// CHECK-LABEL: func.func @between
// CHECK: kvarn.rotate
// CHECK: math.exp
// CHECK: kvarn.rotate
func.func @between(%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = kvarn.rotate %x : tensor<64xf32>
  %1 = math.exp %0 : tensor<64xf32>
  %2 = kvarn.rotate %1 : tensor<64xf32>
  return %2 : tensor<64xf32>
}

// Unused ops without effects disappear.
// CHECK-LABEL: func.func @dead
// CHECK-NEXT: return
func.func @dead(%x: tensor<64xf32>) {
  %0 = kvarn.rotate %x : tensor<64xf32>
  return
}
