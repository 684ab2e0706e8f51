//===- KVarNTypes.td - Cache, slot, token -----------------------*- tablegen -*-===//

#ifndef KVARN_DIALECT_KVARNTYPES_TD
#define KVARN_DIALECT_KVARNTYPES_TD

include "dialect/KVarNAttrs.td"

def KVarN_CacheType : TypeDef<KVarN_Dialect, "Cache"> {
  let mnemonic = "cache";
  let summary = "a paged KV cache: pages, side pool, tables and lengths";
  let description = [{
    What `kvarn.cache` bundles. Pages hold records of the given format; blocks
    whose `block_to_slot` is not negative live rotated in fp16 in the pool.

    Example: `!kvarn.cache<#kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>>`
  }];
  let parameters = (ins "::mlir::kvarn::FormatAttr":$format);
  let assemblyFormat = "`<` $format `>`";
}

def Tile_SlotType : TypeDef<Tile_Dialect, "Slot"> {
  let mnemonic = "slot";
  let summary = "fast memory for one part of one record";
  let description = [{
    Shared memory on a GPU, scratch memory on a CPU. A slot holds the codes and
    vectors of the key or the value part of a record, in the record's order.

    Example: `!tile.slot<#kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, key>`
  }];
  let parameters = (ins "::mlir::kvarn::FormatAttr":$format,
                        "::mlir::kvarn::RecordPart":$part);
  let assemblyFormat = "`<` $format `,` $part `>`";
}

def Tile_TokenType : TypeDef<Tile_Dialect, "Token"> {
  let mnemonic = "token";
  let summary = "an asynchronous copy under way";
}

#endif // KVARN_DIALECT_KVARNTYPES_TD
