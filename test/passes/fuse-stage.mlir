// The stage before tiling: canonicalize, kvarn-fuse, cse, as --emit=kvarn runs it.

// RUN: kvarn-compile %s --emit=kvarn -o - | FileCheck %s
// RUN: kvarn-compile %s --emit=kvarn --no-fuse -o - | FileCheck %s --check-prefix=NOFUSE

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

// Two rotations cancel, so attend need not rotate.
// CHECK-LABEL: func.func @rotations_cancel(
// CHECK-NOT: kvarn.rotate
// CHECK: kvarn.attend {{.*}} ratio 4 : tensor
// CHECK-NEXT: return
// NOFUSE-LABEL: func.func @rotations_cancel(
// NOFUSE-COUNT-4: kvarn.rotate
func.func @rotations_cancel(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> tensor<?x8x128xf16> {
  %q1 = kvarn.rotate %q : tensor<?x8x128xf16>
  %q2 = kvarn.rotate %q1 : tensor<?x8x128xf16>
  %o = kvarn.attend %q2, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  %o1 = kvarn.rotate %o : tensor<?x8x128xf16>
  %o2 = kvarn.rotate %o1 : tensor<?x8x128xf16>
  return %o2 : tensor<?x8x128xf16>
}

// Equal attentions are computed once.
// CHECK-LABEL: func.func @twice(
// CHECK: %[[O:.*]] = kvarn.attend {{.*}} rotate_query :
// CHECK-NEXT: return %[[O]], %[[O]]
func.func @twice(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> (tensor<?x8x128xf16>, tensor<?x8x128xf16>) {
  %q1 = kvarn.rotate %q : tensor<?x8x128xf16>
  %q2 = kvarn.rotate %q : tensor<?x8x128xf16>
  %a = kvarn.attend %q1, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  %b = kvarn.attend %q2, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %a, %b : tensor<?x8x128xf16>, tensor<?x8x128xf16>
}
