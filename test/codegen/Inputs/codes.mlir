#f = #kvarn.format<key_bits = $KB, value_bits = $VB, group = $G, head_dim = $D, layout = $LAYOUT>

// A part of the tokens of both parts of a record.
tile.kernel @load(%pages: memref<?x?x?xi8>, %start32: i32, %keys: memref<?x?xf32>, %values: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %block = tile.program_id x
  %head = tile.program_id y
  %start = arith.index_cast %start32 : i32 to index
  %d = tile.iota 0 : tensor<$Dxindex>
  %t = tile.iota 0 : tensor<$Txindex>
  %k = tile.load_codes key %pages[%block, %head] start %start format #f : memref<?x?x?xi8> -> tensor<$Dx$Txi8>
  %kf = tile.expand convert %k part key format #f : tensor<$Dx$Txi8> -> tensor<$Dx$Txf32>
  tile.store %kf, %keys[%d, %c0] : tensor<$Dx$Txf32>, memref<?x?xf32>, tensor<$Dxindex>, index
  %v = tile.load_codes value %pages[%block, %head] start %start format #f : memref<?x?x?xi8> -> tensor<$Tx$Dxi8>
  %vf = tile.expand convert %v part value format #f : tensor<$Tx$Dxi8> -> tensor<$Tx$Dxf32>
  tile.store %vf, %values[%t, %c0] : tensor<$Tx$Dxf32>, memref<?x?xf32>, tensor<$Txindex>, index
  tile.return
}

// Codes as subnormal numbers through slots; brought back to integers.
tile.kernel @slots(%pages: memref<?x?x?xi8>, %start32: i32, %keys: memref<?x?xf32>, %values: memref<?x?xf32>, %vectors: memref<?xf16>) {
  %c0 = arith.constant 0 : index
  %cG = arith.constant $G : index
  %true = arith.constant true
  %false = arith.constant false
  %block = tile.program_id x
  %head = tile.program_id y
  %start = arith.index_cast %start32 : i32 to index
  %d = tile.iota 0 : tensor<$Dxindex>
  %t = tile.iota 0 : tensor<$Txindex>
  %ks = tile.alloc_slot : !tile.slot<#f, key>
  %vs = tile.alloc_slot : !tile.slot<#f, value>
  %t0 = tile.async_copy %pages[%block, %head] to %ks if %true : memref<?x?x?xi8>, !tile.slot<#f, key>
  %t1 = tile.async_copy %pages[%block, %head] to %vs if %true : memref<?x?x?xi8>, !tile.slot<#f, value>
  tile.wait %t0
  tile.wait %t1
  %t2 = tile.async_copy %pages[%c0, %c0] to %vs if %false : memref<?x?x?xi8>, !tile.slot<#f, value>
  tile.wait %t2
  %two24 = arith.constant 16777216.0 : f32
  %k = tile.load_codes key %ks[] start %start format #f : !tile.slot<#f, key> -> tensor<$Dx$Txi8>
  %k16 = tile.expand subnormal %k part key format #f : tensor<$Dx$Txi8> -> tensor<$Dx$Txf16>
  %kf = arith.extf %k16 : tensor<$Dx$Txf16> to tensor<$Dx$Txf32>
  %ke = tile.expand_scale part key format #f : tensor<$KEY_SCALESxf32>
  %keb = tile.broadcast %ke dims [$KEY_AXIS] : tensor<$KEY_SCALESxf32> -> tensor<$Dx$Txf32>
  %big = tile.splat %two24 : tensor<$Dx$Txf32>
  %k1 = arith.mulf %kf, %keb : tensor<$Dx$Txf32>
  %k2 = arith.mulf %k1, %big : tensor<$Dx$Txf32>
  tile.store %k2, %keys[%d, %c0] : tensor<$Dx$Txf32>, memref<?x?xf32>, tensor<$Dxindex>, index
  %v = tile.load_codes value %vs[] start %start format #f : !tile.slot<#f, value> -> tensor<$Tx$Dxi8>
  %v16 = tile.expand subnormal %v part value format #f : tensor<$Tx$Dxi8> -> tensor<$Tx$Dxf16>
  %vf = arith.extf %v16 : tensor<$Tx$Dxf16> to tensor<$Tx$Dxf32>
  %ve = tile.expand_scale part value format #f : tensor<$VALUE_SCALESxf32>
  %veb = tile.broadcast %ve dims [$VALUE_AXIS] : tensor<$VALUE_SCALESxf32> -> tensor<$Tx$Dxf32>
  %vbig = tile.splat %two24 : tensor<$Tx$Dxf32>
  %v1 = arith.mulf %vf, %veb : tensor<$Tx$Dxf32>
  %v2 = arith.mulf %v1, %vbig : tensor<$Tx$Dxf32>
  tile.store %v2, %values[%t, %c0] : tensor<$Tx$Dxf32>, memref<?x?xf32>, tensor<$Txindex>, index
  %zero = tile.load_vector value_zero %vs[] start %start format #f : !tile.slot<#f, value> -> tensor<$Txf16>
  tile.store %zero, %vectors[%c0] : tensor<$Txf16>, memref<?xf16>, index
  %token = tile.load_vector key_token %ks[] start %start format #f : !tile.slot<#f, key> -> tensor<$Txf16>
  tile.store %token, %vectors[%cG] : tensor<$Txf16>, memref<?xf16>, index
  tile.return
}

// Products straight from codes, both expansions.
tile.kernel @product(%pages: memref<?x?x?xi8>, %q: memref<?x?xf32>, %scores: memref<?x?xf32>, %p: memref<?x?xf32>, %out: memref<?x?xf32>) attributes {schedule = #kvarn.schedule<rows = 1, tokens = 32, pool_tokens = 32, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = $RR, register_columns = $RC>} {
  %c0 = arith.constant 0 : index
  %block = tile.program_id x
  %head = tile.program_id y
  %i = tile.iota 0 : tensor<$Mxindex>
  %a = tile.load %q[%i, %c0] : memref<?x?xf32>, tensor<$Mxindex>, index -> tensor<$Mx$Dxf32>
  %k = tile.load_codes key %pages[%block, %head] start %c0 format #f : memref<?x?x?xi8> -> tensor<$Dx$Gxi8>
  %kf = tile.expand convert %k part key format #f : tensor<$Dx$Gxi8> -> tensor<$Dx$Gxf32>
  %none = arith.constant dense<0.0> : tensor<$Mx$Gxf32>
  %s = tile.dot %a, %kf, %none : tensor<$Mx$Dxf32>, tensor<$Dx$Gxf32> -> tensor<$Mx$Gxf32>
  tile.store %s, %scores[%i, %c0] : tensor<$Mx$Gxf32>, memref<?x?xf32>, tensor<$Mxindex>, index
  %w = tile.load %p[%i, %c0] : memref<?x?xf32>, tensor<$Mxindex>, index -> tensor<$Mx$Gxf32>
  %ve = tile.expand_scale part value format #f : tensor<$VALUE_LENGTHxf32>
  %veb = tile.broadcast %ve dims [1] : tensor<$VALUE_LENGTHxf32> -> tensor<$Mx$VALUE_LENGTHxf32>
  %w1 = arith.constant dense<1.0> : tensor<$Mx$Gxf32>
  %o1 = arith.constant dense<1.0> : tensor<$Mx$Dxf32>
  %ws = arith.mulf %w, $W_FACTOR : tensor<$Mx$Gxf32>
  %v = tile.load_codes value %pages[%block, %head] start %c0 format #f : memref<?x?x?xi8> -> tensor<$Gx$Dxi8>
  %vf = tile.expand subnormal %v part value format #f : tensor<$Gx$Dxi8> -> tensor<$Gx$Dxf16>
  %nothing = arith.constant dense<0.0> : tensor<$Mx$Dxf32>
  %o = tile.dot %ws, %vf, %nothing : tensor<$Mx$Gxf32>, tensor<$Gx$Dxf16> -> tensor<$Mx$Dxf32>
  %big = arith.constant dense<16777216.0> : tensor<$Mx$Dxf32>
  %os = arith.mulf %o, $O_FACTOR : tensor<$Mx$Dxf32>
  %ob = arith.mulf %os, %big : tensor<$Mx$Dxf32>
  tile.store %ob, %out[%i, %c0] : tensor<$Mx$Dxf32>, memref<?x?xf32>, tensor<$Mxindex>, index
  tile.return
}

tile.kernel @store(%k: memref<?x?xi8>, %v: memref<?x?xi8>, %ks: memref<?xf16>, %vz: memref<?xf16>, %pages: memref<?x?x?xi8>) {
  %c0 = arith.constant 0 : index
  %block = tile.program_id x
  %head = tile.program_id y
  %t = tile.iota 0 : tensor<$Gxindex>
  %a = tile.load %k[%t, %c0] : memref<?x?xi8>, tensor<$Gxindex>, index -> tensor<$Gx$Dxi8>
  tile.store_codes key %a, %pages[%block, %head] format #f : tensor<$Gx$Dxi8>, memref<?x?x?xi8>
  %b = tile.load %v[%t, %c0] : memref<?x?xi8>, tensor<$Gxindex>, index -> tensor<$Gx$Dxi8>
  tile.store_codes value %b, %pages[%block, %head] format #f : tensor<$Gx$Dxi8>, memref<?x?x?xi8>
  %s = tile.load %ks[%c0] : memref<?xf16>, index -> tensor<$Dxf16>
  tile.store_vector key_scale %s, %pages[%block, %head] format #f : tensor<$Dxf16>, memref<?x?x?xi8>
  %z = tile.load %vz[%c0] : memref<?xf16>, index -> tensor<$Gxf16>
  tile.store_vector value_zero %z, %pages[%block, %head] format #f : tensor<$Gxf16>, memref<?x?x?xi8>
  tile.return
}
