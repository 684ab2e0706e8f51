// The fusions of kvarn-fuse: what each turns into what, and what stays.
// BEFORE lines show the program as it is written, CHECK lines what it becomes.

// RUN: kvarn-opt %s | FileCheck %s --check-prefix=BEFORE
// RUN: kvarn-opt %s --kvarn-fuse | FileCheck %s
// A second run finds nothing more.
// RUN: kvarn-opt %s --kvarn-fuse --kvarn-fuse | FileCheck %s

#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

//===----------------------------------------------------------------------===//
// attention(dequantize) and its rotations -> attend
//===----------------------------------------------------------------------===//

// All four at once: the program that a user writes.
// BEFORE-LABEL: func.func @attend
// BEFORE: kvarn.rotate
// BEFORE: kvarn.dequantize
// BEFORE: kvarn.attention
// BEFORE: kvarn.rotate
// CHECK-LABEL: func.func @attend(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x8x128xf16>, %[[START:[a-z0-9]+]]: tensor<?xi32>,
// CHECK-SAME: %[[SCALE:[a-z0-9]+]]: f32)
// CHECK-NEXT: %[[CACHE:.*]] = kvarn.cache
// CHECK-NEXT: %[[OUT:.*]] = kvarn.attend %[[Q]], %[[START]], %[[CACHE]] scale %[[SCALE]] ratio 4 causal rotate_query rotate_output
// CHECK-SAME: : tensor<?x8x128xf16>, tensor<?xi32>, {{.*}} -> tensor<?x8x128xf16>
// CHECK-NEXT: return %[[OUT]]
func.func @attend(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x8x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qr, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  %out = kvarn.rotate %o : tensor<?x8x128xf16>
  return %out : tensor<?x8x128xf16>
}

// Every option is kept, and the second result.
// BEFORE-LABEL: func.func @options
// BEFORE: kvarn.attention
// CHECK-LABEL: func.func @options(
// CHECK-SAME: %[[SCALE:[a-z0-9]+]]: f32, %[[WINDOW:[a-z0-9]+]]: i32, %[[CAP:[a-z0-9]+]]: f32, %[[SINKS:[a-z0-9]+]]: tensor<?xf32>
// CHECK: %[[OUT:.*]], %[[LSE:.*]] = kvarn.attend {{.*}} scale %[[SCALE]] ratio 4 window %[[WINDOW]] softcap %[[CAP]] sinks %[[SINKS]] : tensor<?xf32> rotate_query rotate_output :
// CHECK-SAME: -> tensor<?x8x128xbf16>, tensor<?x8xf32>
// CHECK-NEXT: return %[[OUT]], %[[LSE]]
func.func @options(%q: tensor<?x8x128xbf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %window: i32, %cap: f32, %sinks: tensor<?xf32>) -> (tensor<?x8x128xbf16>, tensor<?x8xf32>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x8x128xbf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf32>
  %o, %lse = kvarn.attention %qr, %k, %v, %start, %lens scale %scale ratio 4 window %window softcap %cap sinks %sinks : tensor<?xf32> : tensor<?x8x128xbf16>, tensor<?x?x?x128xf32>, tensor<?x?x?x128xf32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xbf16>, tensor<?x8xf32>
  %out = kvarn.rotate %o : tensor<?x8x128xbf16>
  return %out, %lse : tensor<?x8x128xbf16>, tensor<?x8xf32>
}

// New K and V, both rotated: attend rotates them.
// BEFORE-LABEL: func.func @new_tokens
// BEFORE-COUNT-3: kvarn.rotate
// BEFORE: kvarn.attention {{.*}} new
// CHECK-LABEL: func.func @new_tokens(
// CHECK-SAME: %[[NK:[a-z0-9]+]]: tensor<?x2x128xf16>, %[[NV:[a-z0-9]+]]: tensor<?x2x128xf16>)
// CHECK-NOT: kvarn.rotate
// CHECK: kvarn.attend {{.*}} ratio 4 new %[[NK]], %[[NV]] : tensor<?x2x128xf16>, tensor<?x2x128xf16> causal rotate_query rotate_new :
// CHECK-NEXT: return
func.func @new_tokens(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %nk: tensor<?x2x128xf16>, %nv: tensor<?x2x128xf16>) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x8x128xf16>
  %nkr = kvarn.rotate %nk : tensor<?x2x128xf16>
  %nvr = kvarn.rotate %nv : tensor<?x2x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qr, %k, %v, %start, %lens scale %scale ratio 4 causal new %nkr, %nvr : tensor<?x2x128xf16>, tensor<?x2x128xf16> : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// One of them alone is not drawn in, in whatever frame q came.
// CHECK-LABEL: func.func @new_keys_rotated(
// CHECK: %[[NK:.*]] = kvarn.rotate
// CHECK: kvarn.attend {{.*}} ratio 4 new %[[NK]], %{{[a-z0-9]+}} : tensor<?x2x128xf16>, tensor<?x2x128xf16> : tensor<?x8x128xf16>
func.func @new_keys_rotated(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32, %nk: tensor<?x2x128xf16>, %nv: tensor<?x2x128xf16>) -> tensor<?x8x128xf16> {
  %nkr = kvarn.rotate %nk : tensor<?x2x128xf16>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 new %nkr, %nv : tensor<?x2x128xf16>, tensor<?x2x128xf16> : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// CHECK-LABEL: func.func @new_values_rotated(
// CHECK: %[[NV:.*]] = kvarn.rotate
// CHECK: kvarn.attend {{.*}} ratio 4 new %{{[a-z0-9]+}}, %[[NV]] : tensor<?x2x128xf16>, tensor<?x2x128xf16> : tensor<?x8x128xf16>
func.func @new_values_rotated(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32, %nk: tensor<?x2x128xf16>, %nv: tensor<?x2x128xf16>) -> tensor<?x8x128xf16> {
  %nvr = kvarn.rotate %nv : tensor<?x2x128xf16>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 new %nk, %nvr : tensor<?x2x128xf16>, tensor<?x2x128xf16> : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// What attend rotates by itself may have been rotated before: that stays.
// CHECK-LABEL: func.func @new_rotated_twice(
// CHECK-SAME: %[[NK:[a-z0-9]+]]: tensor<?x2x128xf16>, %[[NV:[a-z0-9]+]]: tensor<?x2x128xf16>)
// CHECK: %[[R:.*]] = kvarn.rotate %[[NV]]
// CHECK: kvarn.attend {{.*}} new %[[NK]], %[[R]] : {{.*}} rotate_new :
func.func @new_rotated_twice(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32, %nk: tensor<?x2x128xf16>, %nv: tensor<?x2x128xf16>) -> tensor<?x8x128xf16> {
  %nvr = kvarn.rotate %nv : tensor<?x2x128xf16>
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 new %nk, %nvr : tensor<?x2x128xf16>, tensor<?x2x128xf16> rotate_new : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// Without rotations attend does not rotate.
// BEFORE-LABEL: func.func @no_rotations
// CHECK-LABEL: func.func @no_rotations(
// CHECK-NOT: kvarn.rotate
// CHECK: kvarn.attend {{.*}} ratio 4 causal : tensor<?x8x128xf16>
// CHECK-NEXT: return
func.func @no_rotations(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// Only the query is rotated.
// CHECK-LABEL: func.func @query_rotation(
// CHECK-NOT: kvarn.rotate
// CHECK: kvarn.attend {{.*}} ratio 4 rotate_query : tensor
func.func @query_rotation(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> tensor<?x8x128xf16> {
  %qr = kvarn.rotate %q : tensor<?x8x128xf16>
  %o = kvarn.attend %qr, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// Only the result is rotated.
// CHECK-LABEL: func.func @output_rotation(
// CHECK-NOT: kvarn.rotate
// CHECK: kvarn.attend {{.*}} ratio 4 rotate_output : tensor
func.func @output_rotation(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> tensor<?x8x128xf16> {
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  %out = kvarn.rotate %o : tensor<?x8x128xf16>
  return %out : tensor<?x8x128xf16>
}

// A rotated query with another user is drawn in and kept for the other.
// CHECK-LABEL: func.func @query_rotation_shared(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x8x128xf16>
// CHECK: %[[QR:.*]] = kvarn.rotate %[[Q]]
// CHECK-NEXT: %[[OUT:.*]] = kvarn.attend %[[Q]], {{.*}} rotate_query :
// CHECK-NEXT: return %[[OUT]], %[[QR]]
func.func @query_rotation_shared(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> (tensor<?x8x128xf16>, tensor<?x8x128xf16>) {
  %qr = kvarn.rotate %q : tensor<?x8x128xf16>
  %o = kvarn.attend %qr, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %o, %qr : tensor<?x8x128xf16>, tensor<?x8x128xf16>
}

// A scale between attention and rotation: the rotation is not drawn across it.
// CHECK-LABEL: func.func @scale_after(
// CHECK: %[[O:.*]] = kvarn.attend {{.*}} ratio 4 causal rotate_query :
// CHECK-NEXT: %[[S:.*]] = kvarn.scale %[[O]]
// CHECK-NEXT: %[[R:.*]] = kvarn.rotate %[[S]]
// CHECK-NEXT: return %[[R]]
func.func @scale_after(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %by: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x8x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qr, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  %s = kvarn.scale %o by %by : tensor<?x8x128xf16>
  %out = kvarn.rotate %s : tensor<?x8x128xf16>
  return %out : tensor<?x8x128xf16>
}

// A scale between rotation and attention.
// CHECK-LABEL: func.func @scale_before(
// CHECK: %[[R:.*]] = kvarn.rotate
// CHECK: %[[S:.*]] = kvarn.scale %[[R]]
// CHECK: %[[O:.*]] = kvarn.attend %[[S]], {{.*}} ratio 4 causal rotate_output :
// CHECK-NEXT: return %[[O]]
func.func @scale_before(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %by: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x8x128xf16>
  %qs = kvarn.scale %qr by %by : tensor<?x8x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qs, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  %out = kvarn.rotate %o : tensor<?x8x128xf16>
  return %out : tensor<?x8x128xf16>
}

// A scale between dequantize and attention: no attend at all.
// CHECK-LABEL: func.func @scaled_keys(
// CHECK-NOT: kvarn.attend
// CHECK: kvarn.dequantize
// CHECK: kvarn.scale
// CHECK: kvarn.attention
func.func @scaled_keys(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32, %by: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %ks = kvarn.scale %k by %by : tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %ks, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

//===----------------------------------------------------------------------===//
// Who else uses what
//===----------------------------------------------------------------------===//

// Two attentions share one dequantize: two attends, and the dequantize dies.
// CHECK-LABEL: func.func @shared_dequantize(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<?x8x128xf16>, %[[B:[a-z0-9]+]]: tensor<?x8x128xf16>
// CHECK-NOT: kvarn.dequantize
// CHECK: %[[X:.*]] = kvarn.attend %[[A]], {{.*}} ratio 4 causal : tensor
// CHECK-NEXT: %[[Y:.*]] = kvarn.attend %[[B]], {{.*}} ratio 4 : tensor
// CHECK-NOT: kvarn.dequantize
// CHECK: return %[[X]], %[[Y]]
func.func @shared_dequantize(%a: tensor<?x8x128xf16>, %b: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> (tensor<?x8x128xf16>, tensor<?x8x128xf16>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %x = kvarn.attention %a, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  %y = kvarn.attention %b, %k, %v, %start, %lens scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %x, %y : tensor<?x8x128xf16>, tensor<?x8x128xf16>
}

// A dequantize with another user is kept for it.
// CHECK-LABEL: func.func @other_user(
// CHECK: %[[K:.*]], %{{.*}} = kvarn.dequantize
// CHECK: %[[O:.*]] = kvarn.attend
// CHECK: return %[[O]], %[[K]]
func.func @other_user(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> (tensor<?x8x128xf16>, tensor<?x?x?x128xf16>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o, %k : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>
}

// The other users are rotations: they become materialize once attention is gone.
// CHECK-LABEL: func.func @attend_and_materialize(
// CHECK-NOT: kvarn.dequantize
// CHECK-DAG: %[[K:.*]], %[[V:.*]] = kvarn.materialize %{{.*}} {frame = {{.*}}original{{.*}}}
// CHECK-DAG: %[[O:.*]] = kvarn.attend
// CHECK: return %[[O]], %[[K]], %[[V]]
func.func @attend_and_materialize(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> (tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  %kr = kvarn.rotate %k : tensor<?x?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x?x128xf16>
  return %o, %kr, %vr : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// The result is used unrotated as well: the rotation stays.
// CHECK-LABEL: func.func @output_used_twice(
// CHECK: %[[O:.*]] = kvarn.attend {{.*}} ratio 4 : tensor
// CHECK-NEXT: %[[R:.*]] = kvarn.rotate %[[O]]
// CHECK-NEXT: return %[[R]], %[[O]]
func.func @output_used_twice(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> (tensor<?x8x128xf16>, tensor<?x8x128xf16>) {
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  %out = kvarn.rotate %o : tensor<?x8x128xf16>
  return %out, %o : tensor<?x8x128xf16>, tensor<?x8x128xf16>
}

// The lse is not rotated, and no use of it counts as one of the output.
// CHECK-LABEL: func.func @lse_used(
// CHECK: %[[O:.*]], %[[LSE:.*]] = kvarn.attend {{.*}} rotate_output :
// CHECK-NOT: kvarn.rotate
// CHECK: return %[[O]], %[[LSE]], %[[LSE]]
func.func @lse_used(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> (tensor<?x8x128xf16>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %o, %lse = kvarn.attend %q, %start, %cache scale %scale ratio 4 : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>, tensor<?x8xf32>
  %out = kvarn.rotate %o : tensor<?x8x128xf16>
  return %out, %lse, %lse : tensor<?x8x128xf16>, tensor<?x8xf32>, tensor<?x8xf32>
}

//===----------------------------------------------------------------------===//
// K and V that are not a cache's
//===----------------------------------------------------------------------===//

// K and V swapped.
// CHECK-LABEL: func.func @swapped(
// CHECK: %[[K:.*]], %[[V:.*]] = kvarn.dequantize
// CHECK: kvarn.attention %{{.*}}, %[[V]], %[[K]],
func.func @swapped(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %v, %k, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// Keys taken for values as well.
// CHECK-LABEL: func.func @keys_twice(
// CHECK: %[[K:.*]], %{{.*}} = kvarn.dequantize
// CHECK: kvarn.attention %{{.*}}, %[[K]], %[[K]],
func.func @keys_twice(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %k, %k, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// Keys of one cache, values of another.
// CHECK-LABEL: func.func @two_caches(
// CHECK-DAG: %[[K:.*]], %{{.*}} = kvarn.dequantize
// CHECK-DAG: %{{.*}}, %[[V:.*]] = kvarn.dequantize
// CHECK-NOT: kvarn.attend{{ }}
// CHECK: kvarn.attention %{{.*}}, %[[K]], %[[V]],
func.func @two_caches(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %more: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %a = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %b = kvarn.cache pages %more, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %unused = kvarn.dequantize %a : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %nothing, %v = kvarn.dequantize %b : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// Other lengths than the cache's.
// CHECK-LABEL: func.func @other_lengths(
// CHECK: kvarn.dequantize
// CHECK: kvarn.attention
func.func @other_lengths(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %pages: tensor<?x?x?xi8>, %pool: tensor<?x128x?x128xf16>, %table: tensor<?x?xi32>, %slots: tensor<?xi32>, %lens: tensor<?xi32>, %other: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %cache = kvarn.cache pages %pages, pool %pool, %pool, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %k, %v, %start, %other scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// A cache from elsewhere has unknown lengths.
// CHECK-LABEL: func.func @unknown_lengths(
// CHECK: kvarn.dequantize
// CHECK: kvarn.attention
func.func @unknown_lengths(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %q, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// Dense K and V have nothing to do with a cache.
// CHECK-LABEL: func.func @dense(
// CHECK: kvarn.rotate
// CHECK: kvarn.attention
// CHECK: kvarn.rotate
func.func @dense(%q: tensor<?x8x128xf16>, %k: tensor<?x?x?x128xf16>, %v: tensor<?x?x?x128xf16>, %start: tensor<?xi32>, %lens: tensor<?xi32>, %scale: f32) -> tensor<?x8x128xf16> {
  %qr = kvarn.rotate %q : tensor<?x8x128xf16>
  %o = kvarn.attention %qr, %k, %v, %start, %lens scale %scale ratio 4 causal : tensor<?x8x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8x128xf16>
  %out = kvarn.rotate %o : tensor<?x8x128xf16>
  return %out : tensor<?x8x128xf16>
}

//===----------------------------------------------------------------------===//
// An attend that rotates already
//===----------------------------------------------------------------------===//

// A second rotation of the query is not the same as one.
// CHECK-LABEL: func.func @query_rotated_twice(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x8x128xf16>
// CHECK: %[[R:.*]] = kvarn.rotate %[[Q]]
// CHECK-NEXT: kvarn.attend %[[R]], {{.*}} ratio 4 rotate_query :
func.func @query_rotated_twice(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> tensor<?x8x128xf16> {
  %qr = kvarn.rotate %q : tensor<?x8x128xf16>
  %o = kvarn.attend %qr, %start, %cache scale %scale ratio 4 rotate_query : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  return %o : tensor<?x8x128xf16>
}

// CHECK-LABEL: func.func @output_rotated_twice(
// CHECK: %[[O:.*]] = kvarn.attend {{.*}} ratio 4 rotate_output :
// CHECK-NEXT: %[[R:.*]] = kvarn.rotate %[[O]]
// CHECK-NEXT: return %[[R]]
func.func @output_rotated_twice(%q: tensor<?x8x128xf16>, %start: tensor<?xi32>, %cache: !kvarn.cache<#fmt>, %scale: f32) -> tensor<?x8x128xf16> {
  %o = kvarn.attend %q, %start, %cache scale %scale ratio 4 rotate_output : tensor<?x8x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x8x128xf16>
  %out = kvarn.rotate %o : tensor<?x8x128xf16>
  return %out : tensor<?x8x128xf16>
}

//===----------------------------------------------------------------------===//
// append(rotate, rotate) -> append rotate
//===----------------------------------------------------------------------===//

// BEFORE-LABEL: func.func @append
// BEFORE-COUNT-2: kvarn.rotate
// BEFORE: kvarn.append %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} :
// CHECK-LABEL: func.func @append(
// CHECK-SAME: %[[K:[a-z0-9]+]]: tensor<?x?x128xf16>, %[[V:[a-z0-9]+]]: tensor<?x?x128xf16>, %[[MAP:[a-z0-9]+]]: tensor<?xi64>, %[[CACHE:[a-z0-9]+]]:
// CHECK-NEXT: %[[NEW:.*]] = kvarn.append %[[K]], %[[V]], %[[MAP]], %[[CACHE]] rotate :
// CHECK-NEXT: return %[[NEW]]
func.func @append(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !kvarn.cache<#fmt>) -> !kvarn.cache<#fmt> {
  %kr = kvarn.rotate %k : tensor<?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x128xf16>
  %new = kvarn.append %kr, %vr, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// pack alike.
// BEFORE-LABEL: func.func @pack
// BEFORE-COUNT-2: kvarn.rotate
// BEFORE: kvarn.pack %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {prescale} :
// CHECK-LABEL: func.func @pack(
// CHECK-SAME: %[[K:[a-z0-9]+]]: tensor<?x?x128xf16>, %[[V:[a-z0-9]+]]: tensor<?x?x128xf16>, %[[PAIRS:[a-z0-9]+]]: tensor<?x2xi32>, %[[COUNT:[a-z0-9]+]]: tensor<1xi32>, %[[CACHE:[a-z0-9]+]]:
// CHECK-NEXT: %[[NEW:.*]] = kvarn.pack %[[K]], %[[V]], %[[PAIRS]], %[[COUNT]], %[[CACHE]] rotate {prescale} :
// CHECK-NEXT: return %[[NEW]]
func.func @pack(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %pairs: tensor<?x2xi32>, %count: tensor<1xi32>, %cache: !kvarn.cache<#fmt>) -> !kvarn.cache<#fmt> {
  %kr = kvarn.rotate %k : tensor<?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x128xf16>
  %new = kvarn.pack %kr, %vr, %pairs, %count, %cache {prescale} : tensor<?x?x128xf16>, tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// CHECK-LABEL: func.func @append_keys_only(
// CHECK: %[[KR:.*]] = kvarn.rotate
// CHECK-NEXT: kvarn.append %[[KR]], %{{.*}}, %{{.*}}, %{{[a-z0-9]+}} :
func.func @append_keys_only(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !kvarn.cache<#fmt>) -> !kvarn.cache<#fmt> {
  %kr = kvarn.rotate %k : tensor<?x?x128xf16>
  %new = kvarn.append %kr, %v, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// CHECK-LABEL: func.func @append_values_only(
// CHECK: %[[VR:.*]] = kvarn.rotate
// CHECK-NEXT: kvarn.append %{{.*}}, %[[VR]], %{{.*}}, %{{[a-z0-9]+}} :
func.func @append_values_only(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !kvarn.cache<#fmt>) -> !kvarn.cache<#fmt> {
  %vr = kvarn.rotate %v : tensor<?x?x128xf16>
  %new = kvarn.append %k, %vr, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// CHECK-LABEL: func.func @append_scaled(
// CHECK: kvarn.rotate
// CHECK: kvarn.scale
// CHECK: kvarn.append %{{.*}}, %{{.*}}, %{{.*}}, %{{[a-z0-9]+}} :
func.func @append_scaled(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !kvarn.cache<#fmt>, %by: f32) -> !kvarn.cache<#fmt> {
  %kr = kvarn.rotate %k : tensor<?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x128xf16>
  %vs = kvarn.scale %vr by %by : tensor<?x?x128xf16>
  %new = kvarn.append %kr, %vs, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// CHECK-LABEL: func.func @append_rotated_twice(
// CHECK: %[[KR:.*]] = kvarn.rotate
// CHECK: %[[VR:.*]] = kvarn.rotate
// CHECK: kvarn.append %[[KR]], %[[VR]], %{{.*}}, %{{.*}} rotate :
func.func @append_rotated_twice(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !kvarn.cache<#fmt>) -> !kvarn.cache<#fmt> {
  %kr = kvarn.rotate %k : tensor<?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x128xf16>
  %new = kvarn.append %kr, %vr, %map, %cache rotate : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new : !kvarn.cache<#fmt>
}

// K is rotated for someone else as well.
// CHECK-LABEL: func.func @append_rotation_shared(
// CHECK-SAME: %[[K:[a-z0-9]+]]: tensor<?x?x128xf16>, %[[V:[a-z0-9]+]]: tensor<?x?x128xf16>
// CHECK: %[[KR:.*]] = kvarn.rotate %[[K]]
// CHECK-NOT: kvarn.rotate
// CHECK: kvarn.append %[[K]], %[[V]], %{{.*}}, %{{.*}} rotate :
// CHECK: return %{{.*}}, %[[KR]]
func.func @append_rotation_shared(%k: tensor<?x?x128xf16>, %v: tensor<?x?x128xf16>, %map: tensor<?xi64>, %cache: !kvarn.cache<#fmt>) -> (!kvarn.cache<#fmt>, tensor<?x?x128xf16>) {
  %kr = kvarn.rotate %k : tensor<?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x128xf16>
  %new = kvarn.append %kr, %vr, %map, %cache : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
  return %new, %kr : !kvarn.cache<#fmt>, tensor<?x?x128xf16>
}

//===----------------------------------------------------------------------===//
// rotate(dequantize), twice -> materialize
//===----------------------------------------------------------------------===//

// BEFORE-LABEL: func.func @materialize
// BEFORE: kvarn.dequantize
// BEFORE-COUNT-2: kvarn.rotate
// CHECK-LABEL: func.func @materialize(
// CHECK-SAME: %[[CACHE:[a-z0-9]+]]:
// CHECK-NEXT: %[[K:.*]], %[[V:.*]] = kvarn.materialize %[[CACHE]] {frame = {{.*}}original{{.*}}} : {{.*}} -> tensor<?x?x?x128xf16>
// CHECK-NEXT: return %[[K]], %[[V]]
func.func @materialize(%cache: !kvarn.cache<#fmt>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %kr = kvarn.rotate %k : tensor<?x?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x?x128xf16>
  return %kr, %vr : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// In the other order of rotations and results.
// CHECK-LABEL: func.func @materialize_crossed(
// CHECK: %[[K:.*]], %[[V:.*]] = kvarn.materialize
// CHECK-NEXT: return %[[V]], %[[K]]
func.func @materialize_crossed(%cache: !kvarn.cache<#fmt>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x?x128xf16>
  %kr = kvarn.rotate %k : tensor<?x?x?x128xf16>
  return %vr, %kr : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// CHECK-LABEL: func.func @materialize_rotated(
// CHECK-NEXT: %[[K:.*]], %[[V:.*]] = kvarn.dequantize
// CHECK-NEXT: return %[[K]], %[[V]]
func.func @materialize_rotated(%cache: !kvarn.cache<#fmt>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  return %k, %v : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// CHECK-LABEL: func.func @materialize_unrotated_values(
// CHECK-NEXT: %[[K:.*]], %[[V:.*]] = kvarn.dequantize
// CHECK-NEXT: %[[KR:.*]] = kvarn.rotate %[[K]]
// CHECK-NEXT: return %[[KR]], %[[V]]
func.func @materialize_unrotated_values(%cache: !kvarn.cache<#fmt>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %kr = kvarn.rotate %k : tensor<?x?x?x128xf16>
  return %kr, %v : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// CHECK-LABEL: func.func @materialize_unrotated_keys(
// CHECK-NEXT: %[[K:.*]], %[[V:.*]] = kvarn.dequantize
// CHECK-NEXT: %[[VR:.*]] = kvarn.rotate %[[V]]
// CHECK-NEXT: return %[[K]], %[[VR]]
func.func @materialize_unrotated_keys(%cache: !kvarn.cache<#fmt>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x?x128xf16>
  return %k, %vr : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// Both rotated, but K is used unrotated as well.
// CHECK-LABEL: func.func @materialize_other_use(
// CHECK-NEXT: %[[K:.*]], %[[V:.*]] = kvarn.dequantize
// CHECK-NEXT: %[[KR:.*]] = kvarn.rotate %[[K]]
// CHECK-NEXT: %[[VR:.*]] = kvarn.rotate %[[V]]
// CHECK-NEXT: return %[[KR]], %[[VR]], %[[K]]
func.func @materialize_other_use(%cache: !kvarn.cache<#fmt>) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %kr = kvarn.rotate %k : tensor<?x?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x?x128xf16>
  return %kr, %vr, %k : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// The other use stands in front of the rotations.
// CHECK-LABEL: func.func @materialize_other_use_first(
// CHECK-NEXT: %[[K:.*]], %[[V:.*]] = kvarn.dequantize
// CHECK-NEXT: %[[KS:.*]] = kvarn.scale %[[K]]
// CHECK-NEXT: %[[KR:.*]] = kvarn.rotate %[[K]]
// CHECK-NEXT: %[[VR:.*]] = kvarn.rotate %[[V]]
// CHECK-NEXT: return %[[KR]], %[[VR]], %[[KS]]
func.func @materialize_other_use_first(%cache: !kvarn.cache<#fmt>, %by: f32) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %ks = kvarn.scale %k by %by : tensor<?x?x?x128xf16>
  %kr = kvarn.rotate %k : tensor<?x?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x?x128xf16>
  return %kr, %vr, %ks : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}

// A scale in between.
// CHECK-LABEL: func.func @materialize_scaled(
// CHECK: kvarn.dequantize
// CHECK: kvarn.scale
// CHECK-COUNT-2: kvarn.rotate
func.func @materialize_scaled(%cache: !kvarn.cache<#fmt>, %by: f32) -> (tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>) {
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %ks = kvarn.scale %k by %by : tensor<?x?x?x128xf16>
  %kr = kvarn.rotate %ks : tensor<?x?x?x128xf16>
  %vr = kvarn.rotate %v : tensor<?x?x?x128xf16>
  return %kr, %vr : tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>
}
