//===- KVarNOps.td - Level 1: tensors ---------------------------*- tablegen -*-===//

#ifndef KVARN_DIALECT_KVARNOPS_TD
#define KVARN_DIALECT_KVARNOPS_TD

include "dialect/KVarNTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class KVarN_Op<string mnemonic, list<Trait> traits = []>
    : Op<KVarN_Dialect, mnemonic, traits>;

// AllTypesMatch would infer one result from the other.
class KVarN_SameType<string a, string b>
    : TypesMatchWith<a # " and " # b # " have the same type", a, b, "$_self">;

def KVarN_Float : AnyTypeOf<[F16, BF16, F32]>;
def KVarN_Half : AnyTypeOf<[F16, BF16]>;

def KVarN_RotateOp : KVarN_Op<"rotate", [Pure, SameOperandsAndResultType]> {
  let summary = "multiply the last dimension by the Hadamard matrix";
  let description = [{
    `out = x H` over the last dimension D (64, 128 or 256), H = Sylvester
    Hadamard matrix in natural order times fp16(1/sqrt(D)). Sums are fp32,
    rounded once to the element type and saturated to +-65504 if that is f16.
    Two rotations cancel.

    Example:
    ```mlir
    %r = kvarn.rotate %x : tensor<?x8x128xf16>
    ```
  }];
  let arguments = (ins RankedTensorOf<[KVarN_Float]>:$input);
  let results = (outs RankedTensorOf<[KVarN_Float]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def KVarN_ScaleOp : KVarN_Op<"scale", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "multiply a tensor by a number";
  let description = [{
    Products are f32, rounded once to the element type.

    Example: `%y = kvarn.scale %x by %s : tensor<?x8x128xf16>`
  }];
  let arguments = (ins RankedTensorOf<[KVarN_Float]>:$input, F32:$factor);
  let results = (outs RankedTensorOf<[KVarN_Float]>:$result);
  let assemblyFormat = "$input `by` $factor attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def KVarN_NormalizeOp : KVarN_Op<"normalize", [Pure, AllTypesMatch<["input", "balanced"]>]> {
  let summary = "equalise the variance of rows and columns of tiles";
  let description = [{
    The variance normalization of KVarN over the last two dimensions [R, C] of
    `input`: alternates between columns and rows for `iterations` rounds, keeps
    the iterate of least imbalance, and returns `input / row_scale /
    column_scale` with the two scales. With `prescale` a tile is first brought
    to a standard deviation near 1 by a power of two, which is taken out of both
    scales again.

    Example:
    ```mlir
    %y, %r, %c = kvarn.normalize %x {iterations = 8 : i64} : tensor<4x128x128xf32>
        -> tensor<4x128xf32>, tensor<4x128xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[F32]>:$input,
                       DefaultValuedAttr<I64Attr, "8">:$iterations,
                       UnitAttr:$prescale);
  let results = (outs RankedTensorOf<[F32]>:$balanced,
                      RankedTensorOf<[F32]>:$rowScale,
                      RankedTensorOf<[F32]>:$columnScale);
  let assemblyFormat = [{
    $input attr-dict `:` type($input) `->` type($rowScale) `,`
    type($columnScale)
  }];
  let hasVerifier = 1;
}

def KVarN_QuantizeOp : KVarN_Op<"quantize", [Pure, KVarN_SameType<"scale", "zero">]> {
  let summary = "round rows to codes of a few bits";
  let description = [{
    Asymmetric round-to-nearest over the last dimension: `zero` = the row's
    minimum, `scale = max((max - min) / (2^bits - 1), 1e-10)`, `code =
    clamp(roundeven((x - zero) / scale), 0, 2^bits - 1)`. `range = mse` searches
    the range of least squared error instead of taking minimum and maximum.

    Example:
    ```mlir
    %q, %s, %z = kvarn.quantize %x {bits = 4 : i64} : tensor<4x128x128xf32>
        -> tensor<4x128x128xi8>, tensor<4x128xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[F32]>:$input, I64Attr:$bits,
                       DefaultValuedAttr<KVarN_RangeAttr,
                         "::mlir::kvarn::QuantRange::MinMax">:$range);
  let results = (outs RankedTensorOf<[I8]>:$codes, RankedTensorOf<[F32]>:$scale,
                      RankedTensorOf<[F32]>:$zero);
  let assemblyFormat = [{
    $input attr-dict `:` type($input) `->` type($codes) `,` type($scale)
  }];
  let hasVerifier = 1;
}

def KVarN_CacheOp : KVarN_Op<"cache", [Pure, AllTypesMatch<["poolK", "poolV"]>]> {
  let summary = "bundle the tensors of a paged cache";
  let description = [{
    `pages` [blocks, Hk, record bytes], `pool_k` and `pool_v` [slots, G, Hk, D]
    rotated, `block_table` [B, max_blocks], `block_to_slot` [blocks] (-1 =
    packed), `seq_lens` [B].

    Example:
    ```mlir
    %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens
        : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
    ```
  }];
  let arguments = (ins TensorOf<[I8]>:$pages, TensorOf<[F16]>:$poolK,
                       TensorOf<[F16]>:$poolV, TensorOf<[I32]>:$blockTable,
                       TensorOf<[I32]>:$blockToSlot, TensorOf<[I32]>:$seqLens);
  let results = (outs KVarN_CacheType:$cache);
  let assemblyFormat = [{
    `pages` $pages `,` `pool` $poolK `,` $poolV `,` `table` $blockTable `,`
    `slots` $blockToSlot `,` `lengths` $seqLens attr-dict `:` type($pages) `,`
    type($poolK) `,` type($blockTable) `,` type($blockToSlot) `,`
    type($seqLens) `->` type($cache)
  }];
  let hasVerifier = 1;
}

def KVarN_DequantizeOp : KVarN_Op<"dequantize", [Pure, KVarN_SameType<"k", "v">]> {
  let summary = "the K and V of a cache as dense tensors";
  let description = [{
    K and V of every request, [B, max_blocks * G, Hk, D], in the rotated frame;
    positions at or beyond a request's length are 0. The element type is f16,
    bf16 or f32.

    Example:
    ```mlir
    %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
    ```
  }];
  let arguments = (ins KVarN_CacheType:$cache);
  let results = (outs RankedTensorOf<[KVarN_Float]>:$k,
                      RankedTensorOf<[KVarN_Float]>:$v);
  let assemblyFormat = "$cache attr-dict `:` type($cache) `->` type($k)";
  let hasVerifier = 1;
}

class KVarN_AttentionLike<string mnemonic>
    : KVarN_Op<mnemonic, [Pure, AttrSizedOperandSegments]> {
  // Options shared by `attention` and `attend`.
  dag optional = (ins F32:$scale, Optional<I32>:$window, Optional<F32>:$softcap,
                      Optional<RankedTensorOf<[F32]>>:$sinks,
                      Optional<RankedTensorOf<[KVarN_Half]>>:$newK,
                      Optional<RankedTensorOf<[KVarN_Half]>>:$newV,
                      UnitAttr:$causal, I64Attr:$ratio);
}

def KVarN_AttentionOp : KVarN_AttentionLike<"attention"> {
  let summary = "attention over dense K and V";
  let description = [{
    `q` [T, Hq, D] ragged by `query_start` [B + 1]; `k` and `v` [B, L, Hk, D];
    `seq_lens` [B] counts all tokens including the new ones. Query row j of n of
    a request sees positions below `len - n + j + 1` (causal) or `len`, and with
    a window W only the last W of those. The result of a row that sees nothing
    is 0 and its `lse` (natural logarithm) is -inf. `softcap`: `s = cap *
    tanh(s * scale / cap)`. `sinks` [Hq]: an extra logit per head that takes
    weight and has no value. `ratio` = Hq / Hk: query head h attends to KV head
    h / ratio.

    `new` [T, Hk, D], K and V: the last n of the `len` tokens of a request with
    n query rows are the rows of `new` that stand beside them, in the frame of
    `k` and `v`, of which only what lies before position len - n is read.

    Example:
    ```mlir
    %o = kvarn.attention %q, %k, %v, %start, %lens scale %s ratio 8 causal
          new %nk, %nv : tensor<?x?x128xf16>, tensor<?x?x128xf16>
        : tensor<?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32>
        -> tensor<?x?x128xf16>
    ```
  }];
  let arguments = !con((ins RankedTensorOf<[KVarN_Half]>:$q,
                            RankedTensorOf<[KVarN_Float]>:$k,
                            RankedTensorOf<[KVarN_Float]>:$v,
                            TensorOf<[I32]>:$queryStart,
                            TensorOf<[I32]>:$seqLens), optional);
  let results = (outs RankedTensorOf<[KVarN_Half]>:$out,
                      Optional<RankedTensorOf<[F32]>>:$lse);
  let assemblyFormat = [{
    $q `,` $k `,` $v `,` $queryStart `,` $seqLens `scale` $scale `ratio` $ratio
    oilist(`window` $window | `softcap` $softcap
           | `sinks` $sinks `:` type($sinks)
           | `new` $newK `,` $newV `:` type($newK) `,` type($newV)
           | `causal` $causal)
    attr-dict `:` type($q) `,` type($k) `,` type($v) `,` type($queryStart) `,`
    type($seqLens) `->` type($out) (`,` type($lse)^)?
  }];
  let hasVerifier = 1;
}

def KVarN_AttendOp : KVarN_AttentionLike<"attend"> {
  let summary = "attention over a paged cache";
  let description = [{
    The fused form of `dequantize` and `attention`: takes each block from its
    record or from the pool and folds the scales into queries and weights. With
    `rotate_query` q is rotated first, with `rotate_new` so are the K and V of
    `new`, with `rotate_output` the result is rotated back. With `new` the cache
    holds the first len - n tokens of a request, and no entry of the block table
    behind them is read. All else as in `kvarn.attention`.

    Example:
    ```mlir
    %o = kvarn.attend %q, %start, %cache scale %s ratio 8 causal rotate_query rotate_output
        : tensor<?x?x128xf16>, tensor<?xi32>, !kvarn.cache<#fmt> -> tensor<?x?x128xf16>
    ```
  }];
  let arguments = !con((ins RankedTensorOf<[KVarN_Half]>:$q,
                            TensorOf<[I32]>:$queryStart,
                            KVarN_CacheType:$cache), optional,
                       (ins UnitAttr:$rotateQuery, UnitAttr:$rotateNew,
                            UnitAttr:$rotateOutput));
  let results = (outs RankedTensorOf<[KVarN_Half]>:$out,
                      Optional<RankedTensorOf<[F32]>>:$lse);
  let assemblyFormat = [{
    $q `,` $queryStart `,` $cache `scale` $scale `ratio` $ratio
    oilist(`window` $window | `softcap` $softcap
           | `sinks` $sinks `:` type($sinks)
           | `new` $newK `,` $newV `:` type($newK) `,` type($newV)
           | `causal` $causal | `rotate_query` $rotateQuery
           | `rotate_new` $rotateNew | `rotate_output` $rotateOutput)
    attr-dict `:` type($q) `,` type($queryStart) `,` type($cache) `->`
    type($out) (`,` type($lse)^)?
  }];
  let hasVerifier = 1;
}

def KVarN_AppendOp : KVarN_Op<"append", [Pure, AllTypesMatch<["k", "v"]>,
                                   AllTypesMatch<["cache", "result"]>]> {
  let summary = "write new K and V into the side pool";
  let description = [{
    `k`, `v` [T, Hk, D]; `slot_mapping` [T] int64 = block * G + offset, negative
    = skip. Token t goes to the pool slot of its block; a block without a slot
    is skipped. With `rotate` K and V are rotated first. The cache is updated in
    place: its operand has no other use.

    Example:
    ```mlir
    %c = kvarn.append %k, %v, %map, %cache rotate : tensor<?x?x128xf16>, tensor<?xi64>, !kvarn.cache<#fmt>
    ```
  }];
  let arguments = (ins RankedTensorOf<[KVarN_Half]>:$k,
                       RankedTensorOf<[KVarN_Half]>:$v,
                       TensorOf<[I64]>:$slotMapping, KVarN_CacheType:$cache,
                       UnitAttr:$rotate);
  let results = (outs KVarN_CacheType:$result);
  let assemblyFormat = [{
    $k `,` $v `,` $slotMapping `,` $cache (`rotate` $rotate^)? attr-dict `:`
    type($k) `,` type($slotMapping) `,` type($cache)
  }];
  let hasVerifier = 1;
}

def KVarN_FlushOp : KVarN_Op<"flush", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "quantize complete blocks of the pool into pages";
  let description = [{
    `pairs` [capacity, 2] = (block, slot), of which the first `count` [1] are
    flushed: K and V of each head are normalized, rounded and packed. The cache
    is updated in place: its operand has no other use. The options are those of
    `kvarn.normalize` and `kvarn.quantize`.

    Example:
    ```mlir
    %c = kvarn.flush %pairs, %count, %cache {iterations = 8 : i64, range = #kvarn<range mse>}
        : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
    ```
  }];
  let arguments = (ins TensorOf<[I32]>:$pairs, TensorOf<[I32]>:$count,
                       KVarN_CacheType:$cache,
                       DefaultValuedAttr<I64Attr, "8">:$iterations,
                       UnitAttr:$prescale,
                       DefaultValuedAttr<KVarN_RangeAttr,
                         "::mlir::kvarn::QuantRange::MinMax">:$range);
  let results = (outs KVarN_CacheType:$result);
  let assemblyFormat = [{
    $pairs `,` $count `,` $cache attr-dict `:` type($pairs) `,` type($count)
    `,` type($cache)
  }];
  let hasVerifier = 1;
}

def KVarN_PackOp : KVarN_Op<"pack", [Pure, AllTypesMatch<["k", "v"]>,
                               AllTypesMatch<["cache", "result"]>]> {
  let summary = "quantize whole blocks of new K and V into pages";
  let description = [{
    `k`, `v` [T, Hk, D]; `pairs` [capacity, 2] = (block, first token), of which
    the first `count` [1] are packed: the record of each head becomes what
    `append` and `flush` would make of the G tokens from `first token` on, all
    of which exist, without a slot of the pool between them. With `rotate` K and
    V are rotated first. The cache is updated in place: its operand has no other
    use. The options are those of `flush`.

    Example:
    ```mlir
    %c = kvarn.pack %k, %v, %pairs, %count, %cache rotate {iterations = 8 : i64}
        : tensor<?x?x128xf16>, tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
    ```
  }];
  let arguments = (ins RankedTensorOf<[KVarN_Half]>:$k,
                       RankedTensorOf<[KVarN_Half]>:$v, TensorOf<[I32]>:$pairs,
                       TensorOf<[I32]>:$count, KVarN_CacheType:$cache,
                       UnitAttr:$rotate, DefaultValuedAttr<I64Attr, "8">:$iterations,
                       UnitAttr:$prescale,
                       DefaultValuedAttr<KVarN_RangeAttr,
                         "::mlir::kvarn::QuantRange::MinMax">:$range);
  let results = (outs KVarN_CacheType:$result);
  let assemblyFormat = [{
    $k `,` $v `,` $pairs `,` $count `,` $cache (`rotate` $rotate^)? attr-dict
    `:` type($k) `,` type($pairs) `,` type($count) `,` type($cache)
  }];
  let hasVerifier = 1;
}

def KVarN_UnflushOp : KVarN_Op<"unflush", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "copy records of packed blocks back to the pool";
  let description = [{
    `pairs` [capacity, 2] = (block, slot), of which the first `count` [1] are
    copied: what `dequantize` gives for K and V of each head, all G tokens,
    rounded to f16 and saturated to +-65504, goes to the slot. The cache is
    updated in place: its operand has no other use.

    Example:
    ```mlir
    %c = kvarn.unflush %pairs, %count, %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#fmt>
    ```
  }];
  let arguments = (ins TensorOf<[I32]>:$pairs, TensorOf<[I32]>:$count,
                       KVarN_CacheType:$cache);
  let results = (outs KVarN_CacheType:$result);
  let assemblyFormat = [{
    $pairs `,` $count `,` $cache attr-dict `:` type($pairs) `,` type($count)
    `,` type($cache)
  }];
  let hasVerifier = 1;
}

def KVarN_RelayoutOp : KVarN_Op<"relayout", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "copy records into a cache with another order of codes";
  let description = [{
    `pairs` [capacity, 2] = (block of `source`, block of `cache`), of which the
    first `count` [1] are copied, with all heads: the same codes and vectors, bit
    by bit, the codes in the order of the format of `cache`. The two formats
    differ in their layout at most. Bytes behind a record keep. The cache is
    updated in place: its operand has no other use.

    Example:
    ```mlir
    %c = kvarn.relayout %pairs, %count, %source to %cache : tensor<?x2xi32>, tensor<1xi32>, !kvarn.cache<#reference>, !kvarn.cache<#mma>
    ```
  }];
  let arguments = (ins TensorOf<[I32]>:$pairs, TensorOf<[I32]>:$count,
                       KVarN_CacheType:$source, KVarN_CacheType:$cache);
  let results = (outs KVarN_CacheType:$result);
  let assemblyFormat = [{
    $pairs `,` $count `,` $source `to` $cache attr-dict `:` type($pairs) `,`
    type($count) `,` type($source) `,` type($cache)
  }];
  let hasVerifier = 1;
}

def KVarN_MaterializeOp : KVarN_Op<"materialize", [Pure, KVarN_SameType<"k", "v">]> {
  let summary = "copy a cache to dense K and V, rotated back if asked";
  let description = [{
    As `kvarn.dequantize`, in the `rotated` or the `original` frame.

    Example:
    ```mlir
    %k, %v = kvarn.materialize %cache {frame = #kvarn<frame original>} : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
    ```
  }];
  let arguments = (ins KVarN_CacheType:$cache, KVarN_FrameAttr:$frame);
  let results = (outs RankedTensorOf<[KVarN_Float]>:$k,
                      RankedTensorOf<[KVarN_Float]>:$v);
  let assemblyFormat = "$cache attr-dict `:` type($cache) `->` type($k)";
  let hasVerifier = 1;
}

#endif // KVARN_DIALECT_KVARNOPS_TD
