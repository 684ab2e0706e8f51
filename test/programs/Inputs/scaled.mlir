// Attention with scales where fusion has to stop: between the rotation of the
// query and attention, and between attention and the rotation of its result.
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @attend(%q: tensor<?x?x128xf16> {kvarn.name = "q"}, %query_start: tensor<?xi32> {kvarn.name = "query_start"}, %pages: tensor<?x?x?xi8> {kvarn.name = "pages"},
                  %pool_k: tensor<?x128x?x128xf16> {kvarn.name = "pool_k"}, %pool_v: tensor<?x128x?x128xf16> {kvarn.name = "pool_v"}, %block_table: tensor<?x?xi32> {kvarn.name = "block_table"},
                  %block_to_slot: tensor<?xi32> {kvarn.name = "block_to_slot"}, %seq_lens: tensor<?xi32> {kvarn.name = "seq_lens"}, %scale: f32 {kvarn.name = "scale"},
                  %before: f32 {kvarn.name = "before"}, %after: f32 {kvarn.name = "after"}) -> (tensor<?x?x128xf16> {kvarn.name = "out"}) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %block_table, slots %block_to_slot, lengths %seq_lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x?x128xf16>
  %qs = kvarn.scale %qr by %before : tensor<?x?x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qs, %k, %v, %query_start, %seq_lens scale %scale ratio 4 causal : tensor<?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x?x128xf16>
  %os = kvarn.scale %o by %after : tensor<?x?x128xf16>
  %out = kvarn.rotate %os : tensor<?x?x128xf16>
  return %out : tensor<?x?x128xf16>
}
