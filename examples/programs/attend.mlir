// A first program: attention over a paged cache, as one would write it down.
//
//   kvarn-compile attend.mlir --emit=kvarn -o -     # what fusion makes of it
//   kvarn-compile attend.mlir -o attend.kvlib       # kernels for this CPU
//   kvarn-run launch attend --library=attend.kvlib --arg q=q.npy ... \
//     --arg scale=0.0883883 --out out=3x8x128:f16=out.npy
//
// This is level 1: tensors with value semantics. Nothing says which dequantized
// numbers exist when; fused, none of them ever does.

// The format of the records: 4-bit keys, 2-bit values, blocks of 128 tokens.
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

// kvarn.name is the name under which the runtime passes an argument.
func.func @attend(%q: tensor<?x?x128xf16> {kvarn.name = "q"},
                  %query_start: tensor<?xi32> {kvarn.name = "query_start"},
                  %pages: tensor<?x?x?xi8> {kvarn.name = "pages"},
                  %pool_k: tensor<?x128x?x128xf16> {kvarn.name = "pool_k"},
                  %pool_v: tensor<?x128x?x128xf16> {kvarn.name = "pool_v"},
                  %block_table: tensor<?x?xi32> {kvarn.name = "block_table"},
                  %block_to_slot: tensor<?xi32> {kvarn.name = "block_to_slot"},
                  %seq_lens: tensor<?xi32> {kvarn.name = "seq_lens"},
                  %scale: f32 {kvarn.name = "scale"}) -> (tensor<?x?x128xf16> {kvarn.name = "out"}) {
  // Pages of records, exact blocks in a pool, and the tables that find them.
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %block_table, slots %block_to_slot, lengths %seq_lens
      : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  // K and V are stored rotated, so the query is rotated, and the result back.
  %qr = kvarn.rotate %q : tensor<?x?x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qr, %k, %v, %query_start, %seq_lens scale %scale ratio 4 causal
      : tensor<?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x?x128xf16>
  %out = kvarn.rotate %o : tensor<?x?x128xf16>
  return %out : tensor<?x?x128xf16>
}
