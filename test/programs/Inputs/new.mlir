// Attention over a cache and new tokens: rotated as a prompt's are; with a scale
// before the query's rotation or behind those of K and V, which stay then.
#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>

func.func @attend(%q: tensor<?x?x128xf16> {kvarn.name = "q"}, %start: tensor<?xi32> {kvarn.name = "query_start"}, %pages: tensor<?x?x?xi8> {kvarn.name = "pages"}, %pool_k: tensor<?x128x?x128xf16> {kvarn.name = "pool_k"}, %pool_v: tensor<?x128x?x128xf16> {kvarn.name = "pool_v"}, %table: tensor<?x?xi32> {kvarn.name = "block_table"}, %slots: tensor<?xi32> {kvarn.name = "block_to_slot"}, %lens: tensor<?xi32> {kvarn.name = "seq_lens"}, %scale: f32 {kvarn.name = "scale"}, %nk: tensor<?x?x128xf16> {kvarn.name = "new_k"}, %nv: tensor<?x?x128xf16> {kvarn.name = "new_v"}) -> (tensor<?x?x128xf16> {kvarn.name = "out"}) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x?x128xf16>
  %nkr = kvarn.rotate %nk : tensor<?x?x128xf16>
  %nvr = kvarn.rotate %nv : tensor<?x?x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qr, %k, %v, %start, %lens scale %scale ratio 4 new %nkr, %nvr : tensor<?x?x128xf16>, tensor<?x?x128xf16> causal : tensor<?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x?x128xf16>
  %out = kvarn.rotate %o : tensor<?x?x128xf16>
  return %out : tensor<?x?x128xf16>
}

func.func @rotated_query(%q: tensor<?x?x128xf16> {kvarn.name = "q"}, %start: tensor<?xi32> {kvarn.name = "query_start"}, %pages: tensor<?x?x?xi8> {kvarn.name = "pages"}, %pool_k: tensor<?x128x?x128xf16> {kvarn.name = "pool_k"}, %pool_v: tensor<?x128x?x128xf16> {kvarn.name = "pool_v"}, %table: tensor<?x?xi32> {kvarn.name = "block_table"}, %slots: tensor<?xi32> {kvarn.name = "block_to_slot"}, %lens: tensor<?xi32> {kvarn.name = "seq_lens"}, %scale: f32 {kvarn.name = "scale"}, %one: f32 {kvarn.name = "one"}, %nk: tensor<?x?x128xf16> {kvarn.name = "new_k"}, %nv: tensor<?x?x128xf16> {kvarn.name = "new_v"}) -> (tensor<?x?x128xf16> {kvarn.name = "out"}) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x?x128xf16>
  %qs = kvarn.scale %qr by %one : tensor<?x?x128xf16>
  %nkr = kvarn.rotate %nk : tensor<?x?x128xf16>
  %nvr = kvarn.rotate %nv : tensor<?x?x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qs, %k, %v, %start, %lens scale %scale ratio 4 new %nkr, %nvr : tensor<?x?x128xf16>, tensor<?x?x128xf16> causal : tensor<?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x?x128xf16>
  %out = kvarn.rotate %o : tensor<?x?x128xf16>
  return %out : tensor<?x?x128xf16>
}

func.func @rotated_new(%q: tensor<?x?x128xf16> {kvarn.name = "q"}, %start: tensor<?xi32> {kvarn.name = "query_start"}, %pages: tensor<?x?x?xi8> {kvarn.name = "pages"}, %pool_k: tensor<?x128x?x128xf16> {kvarn.name = "pool_k"}, %pool_v: tensor<?x128x?x128xf16> {kvarn.name = "pool_v"}, %table: tensor<?x?xi32> {kvarn.name = "block_table"}, %slots: tensor<?xi32> {kvarn.name = "block_to_slot"}, %lens: tensor<?xi32> {kvarn.name = "seq_lens"}, %scale: f32 {kvarn.name = "scale"}, %one: f32 {kvarn.name = "one"}, %nk: tensor<?x?x128xf16> {kvarn.name = "new_k"}, %nv: tensor<?x?x128xf16> {kvarn.name = "new_v"}) -> (tensor<?x?x128xf16> {kvarn.name = "out"}) {
  %cache = kvarn.cache pages %pages, pool %pool_k, %pool_v, table %table, slots %slots, lengths %lens : tensor<?x?x?xi8>, tensor<?x128x?x128xf16>, tensor<?x?xi32>, tensor<?xi32>, tensor<?xi32> -> !kvarn.cache<#fmt>
  %qr = kvarn.rotate %q : tensor<?x?x128xf16>
  %nkr = kvarn.rotate %nk : tensor<?x?x128xf16>
  %nks = kvarn.scale %nkr by %one : tensor<?x?x128xf16>
  %nvr = kvarn.rotate %nv : tensor<?x?x128xf16>
  %k, %v = kvarn.dequantize %cache : !kvarn.cache<#fmt> -> tensor<?x?x?x128xf16>
  %o = kvarn.attention %qr, %k, %v, %start, %lens scale %scale ratio 4 new %nks, %nvr : tensor<?x?x128xf16>, tensor<?x?x128xf16> causal : tensor<?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?x?x?x128xf16>, tensor<?xi32>, tensor<?xi32> -> tensor<?x?x128xf16>
  %out = kvarn.rotate %o : tensor<?x?x128xf16>
  return %out : tensor<?x?x128xf16>
}
