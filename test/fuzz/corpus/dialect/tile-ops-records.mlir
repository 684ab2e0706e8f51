#fmt = #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
func.func @records(%pages: memref<?x?x?xi8>, %b: index, %h: index, %t: index, %packed: i1, %s: tensor<128xf16>, %all: tensor<128x128xi8>) {
  %0 = tile.load_vector value_scale %pages[%b, %h] start %t format #fmt : memref<?x?x?xi8> -> tensor<32xf16>
  %1 = tile.load_codes key %pages[%b, %h] start %t format #fmt : memref<?x?x?xi8> -> tensor<128x32xi8>
  %2 = tile.load_codes value %pages[%b, %h] start %t format #fmt : memref<?x?x?xi8> -> tensor<32x128xi8>
  %3 = tile.expand subnormal %1 part key format #fmt : tensor<128x32xi8> -> tensor<128x32xf16>
  %4 = tile.expand convert %2 part value format #fmt : tensor<32x128xi8> -> tensor<32x128xf32>
  %5 = tile.expand_scale part key format #fmt : tensor<128xf32>
  tile.store_vector key_scale %s, %pages[%b, %h] format #fmt : tensor<128xf16>, memref<?x?x?xi8>
  tile.store_codes value %all, %pages[%b, %h] format #fmt : tensor<128x128xi8>, memref<?x?x?xi8>
  %slot = tile.alloc_slot : !tile.slot<#fmt, key>
  %token = tile.async_copy %pages[%b, %h] to %slot if %packed : memref<?x?x?xi8>, !tile.slot<#fmt, key>
  tile.wait %token
  %6 = tile.load_codes key %slot[] start %t format #fmt : !tile.slot<#fmt, key> -> tensor<128x64xi8>
  %7 = tile.load_vector key_token %slot[] start %t format #fmt : !tile.slot<#fmt, key> -> tensor<64xf16>
  return
}
