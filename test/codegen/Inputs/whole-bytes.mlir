#f = #kvarn.format<key_bits = $KB, value_bits = $VB, group = $G, head_dim = $D, layout = mma16816>

// Codes of which the topmost of a byte are the whole byte, and products with
// them, of keys and of values.
tile.kernel @product(%pages: memref<?x?x?xi8>, %q: memref<?x?xf16>, %scores: memref<?x?xf32>, %p: memref<?x?xf16>, %out: memref<?x?xf32>, %keys: memref<?x?xf32>) attributes {schedule = #kvarn.schedule<rows = 1, tokens = 32, pool_tokens = 32, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 2, register_columns = 64>} {
  %c0 = arith.constant 0 : index
  %block = tile.program_id x
  %head = tile.program_id y
  %i = tile.iota 0 : tensor<3xindex>
  %d = tile.iota 0 : tensor<$Dxindex>
  %a = tile.load %q[%i, %c0] : memref<?x?xf16>, tensor<3xindex>, index -> tensor<3x$Dxf16>
  %as = tile.subtract_top %a part key format #f : tensor<3x$Dxf16>
  %k = tile.load_codes key %pages[%block, %head] start %c0 format #f : memref<?x?x?xi8> -> tensor<$Dx$Gxi8>
  %kx = tile.expand subnormal whole_bytes %k part key format #f : tensor<$Dx$Gxi8> -> tensor<$Dx$Gxf16>
  %none = arith.constant dense<0.0> : tensor<3x$Gxf32>
  %s = tile.dot %as, %kx, %none : tensor<3x$Dxf16>, tensor<$Dx$Gxf16> -> tensor<3x$Gxf32>
  %big = arith.constant dense<16777216.0> : tensor<3x$Gxf32>
  %sb = arith.mulf %s, %big : tensor<3x$Gxf32>
  tile.store %sb, %scores[%i, %c0] : tensor<3x$Gxf32>, memref<?x?xf32>, tensor<3xindex>, index
  %kf = arith.extf %kx : tensor<$Dx$Gxf16> to tensor<$Dx$Gxf32>
  tile.store %kf, %keys[%d, %c0] : tensor<$Dx$Gxf32>, memref<?x?xf32>, tensor<$Dxindex>, index
  %w = tile.load %p[%i, %c0] : memref<?x?xf16>, tensor<3xindex>, index -> tensor<3x$Gxf16>
  %w2 = arith.addf %w, %w : tensor<3x$Gxf16>
  %ws = tile.subtract_top %w2 part value format #f : tensor<3x$Gxf16>
  %v = tile.load_codes value %pages[%block, %head] start %c0 format #f : memref<?x?x?xi8> -> tensor<$Gx$Dxi8>
  %vx = tile.expand subnormal whole_bytes %v part value format #f : tensor<$Gx$Dxi8> -> tensor<$Gx$Dxf16>
  %nothing = arith.constant dense<0.0> : tensor<3x$Dxf32>
  %o = tile.dot %ws, %vx, %nothing : tensor<3x$Gxf16>, tensor<$Gx$Dxf16> -> tensor<3x$Dxf32>
  %large = arith.constant dense<8388608.0> : tensor<3x$Dxf32>
  %ob = arith.mulf %o, %large : tensor<3x$Dxf32>
  tile.store %ob, %out[%i, %c0] : tensor<3x$Dxf32>, memref<?x?xf32>, tensor<3xindex>, index
  tile.return
}
