//===- TileMemoryOps.td - Level 2: memory and records -----------*- tablegen -*-===//
//
// The part of TileOps.td that reads and writes.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_DIALECT_TILEMEMORYOPS_TD
#define KVARN_DIALECT_TILEMEMORYOPS_TD

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

class Tile_MemoryOp<string mnemonic, list<Trait> traits = []>
    : Tile_Op<mnemonic, traits> {
  string indexDescription = [{
    One index per dimension of the memref: a scalar, or a rank-1 tile that gives
    each row of the tile (its dimension 0) a place of its own. Rows whose
    element of `mask` is false are not accessed.
  }];
}

def Tile_LoadOp : Tile_MemoryOp<"load", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "load a tile whose last dimension is contiguous";
  let description = indexDescription # [{
    Masked rows are 0. The last index is scalar: the first element of every row.

    Example:
    ```mlir
    %x = tile.load %q[%token, %head, %c0] mask %valid
        : memref<?x?x128xf16, strided<[?, ?, 1], offset: ?>>, tensor<8xindex>, tensor<8xindex>, index
        -> tensor<8x128xf16>
    ```
  }];
  let arguments = (ins Tile_MemRef:$memory, Variadic<Tile_IndexOrTile>:$indices,
                       Optional<Tile_VectorOf<[I1]>>:$mask);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{
    $memory `[` $indices `]` (`mask` $mask^ `:` type($mask))? attr-dict `:`
    type($memory) `,` type($indices) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_StoreOp : Tile_MemoryOp<"store", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "store a tile whose last dimension is contiguous";
  let description = indexDescription # [{
    The last index is scalar: the first element of every row.

    Example:
    ```mlir
    tile.store %x, %out[%token, %head, %c0]
        : tensor<8x128xf16>, memref<?x?x128xf16>, tensor<8xindex>, tensor<8xindex>, index
    ```
  }];
  let arguments = (ins Tile_Tile:$value, Tile_MemRef:$memory,
                       Variadic<Tile_IndexOrTile>:$indices,
                       Optional<Tile_VectorOf<[I1]>>:$mask);
  let assemblyFormat = [{
    $value `,` $memory `[` $indices `]` (`mask` $mask^ `:` type($mask))?
    attr-dict `:` type($value) `,` type($memory) `,` type($indices)
  }];
  let hasVerifier = 1;
}

def Tile_GatherOp : Tile_MemoryOp<"gather", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "load one element per row";
  let description = indexDescription # [{
    Masked elements are 0.

    Example:
    ```mlir
    %s = tile.gather %slots[%block] : memref<?xi32>, tensor<8xindex> -> tensor<8xi32>
    ```
  }];
  let arguments = (ins Tile_MemRef:$memory, Variadic<Tile_IndexOrTile>:$indices,
                       Optional<Tile_VectorOf<[I1]>>:$mask);
  let results = (outs Tile_VectorOf<[AnyFloat, AnySignlessInteger]>:$result);
  let assemblyFormat = [{
    $memory `[` $indices `]` (`mask` $mask^ `:` type($mask))? attr-dict `:`
    type($memory) `,` type($indices) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_ScatterOp : Tile_MemoryOp<"scatter", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "store one element per row";
  let description = indexDescription # [{

    Example:
    ```mlir
    tile.scatter %lse, %out[%token, %head] : tensor<8xf32>, memref<?x?xf32>, tensor<8xindex>, tensor<8xindex>
    ```
  }];
  let arguments = (ins Tile_VectorOf<[AnyFloat, AnySignlessInteger]>:$value,
                       Tile_MemRef:$memory, Variadic<Tile_IndexOrTile>:$indices,
                       Optional<Tile_VectorOf<[I1]>>:$mask);
  let assemblyFormat = [{
    $value `,` $memory `[` $indices `]` (`mask` $mask^ `:` type($mask))?
    attr-dict `:` type($value) `,` type($memory) `,` type($indices)
  }];
  let hasVerifier = 1;
}

def Tile_ArriveOp : Tile_Op<"arrive", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "count the programs that have got here";
  let description = [{
    True for the last of `count` programs that arrive at the counter: it sees
    everything that the others stored before they arrived. The counter is 0
    before the first and after the last of them.

    Example: `%last = tile.arrive %counters[%i] of %n : memref<?xi32>`
  }];
  let arguments = (ins MemRefRankOf<[I32], [1]>:$counters, Index:$index,
                       Index:$count);
  let results = (outs I1:$last);
  let assemblyFormat = [{
    $counters `[` $index `]` `of` $count attr-dict `:` type($counters)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Records
//===----------------------------------------------------------------------===//

def Tile_LoadVectorOp : Tile_Op<"load_vector", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "load a part of one of a record's fp16 vectors";
  let description = [{
    From pages at [block, head] or from a slot, elements `start` and up.

    Example:
    ```mlir
    %s = tile.load_vector value_scale %pages[%block, %head] start %t format #fmt
        : memref<?x?x?xi8> -> tensor<32xf16>
    ```
  }];
  let arguments = (ins KVarN_FieldAttr:$field, Tile_Source:$source,
                       Variadic<Index>:$indices, Index:$start,
                       KVarN_FormatAttr:$format);
  let results = (outs Tile_VectorOf<[F16]>:$result);
  let assemblyFormat = [{
    $field $source `[` $indices `]` `start` $start `format` $format attr-dict
    `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_LoadCodesOp : Tile_Op<"load_codes", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "load codes of some tokens of a record";
  let description = [{
    All channels of the tokens `start` and up, as [channels, tokens] for the key
    part and [tokens, channels] for the value part. Codes of a slot are read
    where products use them: no copy into it may start in between.

    Example:
    ```mlir
    %c = tile.load_codes key %pages[%block, %head] start %t format #fmt
        : memref<?x?x?xi8> -> tensor<128x32xi8>
    ```
  }];
  let arguments = (ins KVarN_PartAttr:$part, Tile_Source:$source,
                       Variadic<Index>:$indices, Index:$start,
                       KVarN_FormatAttr:$format);
  let results = (outs Tile_CodeTile:$result);
  let assemblyFormat = [{
    $part $source `[` $indices `]` `start` $start `format` $format attr-dict `:`
    type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_ExpandOp : Tile_Op<"expand", [Pure]> {
  let summary = "codes to matrix operands";
  let description = [{
    `convert`: the integer as a float. `subnormal`: the fp16 number whose bits
    are the code where it lies in its byte, that is code * 2^(-24 + bit % 8);
    `tile.expand_scale` gives the power of two to multiply with afterwards.

    With `whole_bytes`, which is for `subnormal`, the topmost code of each byte
    becomes the number that the whole byte is: the sum of all operands of this
    byte as they are without it. One instruction less extracts them.
    `tile.subtract_top` makes the left operand of a product that is to come to
    the same. The codes of a byte must share a column of the tile.

    Example:
    ```mlir
    %x = tile.expand subnormal %c part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf16>
    ```
  }];
  let arguments = (ins KVarN_ExpandAttr:$mode, UnitAttr:$whole_bytes,
                       Tile_CodeTile:$codes, KVarN_PartAttr:$part,
                       KVarN_FormatAttr:$format);
  let results = (outs Tile_TileOf<[F16, F32]>:$result);
  let assemblyFormat = [{
    $mode (`whole_bytes` $whole_bytes^)? $codes `part` $part `format` $format attr-dict `:` type($codes) `->`
    type($result)
  }];
  let hasVerifier = 1;
}

def Tile_ExpandScaleOp : Tile_Op<"expand_scale", [Pure]> {
  let summary = "what expanded codes still have to be multiplied with";
  let description = [{
    2^-(bit % 8) of each token or channel, whichever the bit position of the
    layout depends on (`kvarn::Format::bitAxis`). With the constant 2^24 it
    turns `subnormal` operands into codes.

    Example: `%e = tile.expand_scale part key format #fmt : tensor<128xf32>`
  }];
  let arguments = (ins KVarN_PartAttr:$part, KVarN_FormatAttr:$format);
  let results = (outs Tile_VectorOf<[F32]>:$result);
  let assemblyFormat = [{
    `part` $part `format` $format attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_SubtractTopOp : Tile_Op<"subtract_top", [
    Pure, SameOperandsAndResultType]> {
  let summary = "a left operand for codes of which the topmost are whole bytes";
  let description = [{
    Of [rows, depth], from each element the one of the same row is subtracted
    that is beside the topmost code of its byte; those beside topmost codes stay
    as they are. A product of this with `tile.expand subnormal whole_bytes` is
    then one of the input with `tile.expand subnormal`: the topmost operand
    counts all codes of its byte, each of the others what is still missing. If
    the input is a product, it need not be rounded before.

    Example: `%y = tile.subtract_top %x part key format #fmt : tensor<16x128xf16>`
  }];
  let arguments = (ins Tile_TileOf<[F16]>:$input, KVarN_PartAttr:$part,
                       KVarN_FormatAttr:$format);
  let results = (outs Tile_TileOf<[F16]>:$result);
  let assemblyFormat = [{
    $input `part` $part `format` $format attr-dict `:` type($input)
  }];
  let hasVerifier = 1;
}

def Tile_StoreVectorOp : Tile_Op<"store_vector", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "store one of a record's fp16 vectors";
  let description = [{
    Example:
    ```mlir
    tile.store_vector key_scale %s, %pages[%block, %head] format #fmt : tensor<128xf16>, memref<?x?x?xi8>
    ```
  }];
  let arguments = (ins KVarN_FieldAttr:$field, Tile_VectorOf<[F16]>:$value,
                       MemRefOf<[I8]>:$pages, Index:$block, Index:$head,
                       KVarN_FormatAttr:$format);
  let assemblyFormat = [{
    $field $value `,` $pages `[` $block `,` $head `]` `format` $format attr-dict
    `:` type($value) `,` type($pages)
  }];
  let hasVerifier = 1;
}

def Tile_StoreCodesOp : Tile_Op<"store_codes", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "pack the codes of one part of a record";
  let description = [{
    `codes` is [tokens, channels] of the whole block, for both parts.

    Example:
    ```mlir
    tile.store_codes value %c, %pages[%block, %head] format #fmt : tensor<128x128xi8>, memref<?x?x?xi8>
    ```
  }];
  let arguments = (ins KVarN_PartAttr:$part, Tile_CodeTile:$codes,
                       MemRefOf<[I8]>:$pages, Index:$block, Index:$head,
                       KVarN_FormatAttr:$format);
  let assemblyFormat = [{
    $part $codes `,` $pages `[` $block `,` $head `]` `format` $format attr-dict
    `:` type($codes) `,` type($pages)
  }];
  let hasVerifier = 1;
}

def Tile_SlotOp : Tile_Op<"alloc_slot", [MemoryEffects<[MemAlloc]>]> {
  let summary = "reserve a slot for the whole kernel";
  let description = "Example: `%s = tile.alloc_slot : !tile.slot<#fmt, key>`";
  let results = (outs Tile_SlotType:$slot);
  let assemblyFormat = "attr-dict `:` type($slot)";
}

def Tile_AsyncCopyOp : Tile_Op<"async_copy", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "start copying one part of a record into a slot";
  let description = [{
    Nothing is copied where `predicate` is false. The slot must not be read
    before `tile.wait` on the token, nor may a copy into it be under way.

    Example:
    ```mlir
    %t = tile.async_copy %pages[%block, %head] to %slot if %packed
        : memref<?x?x?xi8>, !tile.slot<#fmt, key>
    ```
  }];
  let arguments = (ins MemRefOf<[I8]>:$pages, Index:$block, Index:$head,
                       Tile_SlotType:$slot, I1:$predicate);
  let results = (outs Tile_TokenType:$token);
  let assemblyFormat = [{
    $pages `[` $block `,` $head `]` `to` $slot `if` $predicate attr-dict `:`
    type($pages) `,` type($slot)
  }];
  let hasVerifier = 1;
}

def Tile_WaitOp : Tile_Op<"wait", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "wait for an asynchronous copy";
  let description = "Example: `tile.wait %t`";
  let arguments = (ins Tile_TokenType:$token);
  let assemblyFormat = "$token attr-dict";
}

#endif // KVARN_DIALECT_TILEMEMORYOPS_TD
