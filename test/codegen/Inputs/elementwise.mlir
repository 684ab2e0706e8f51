// z = scale * max(x * y, 0.5) - x + iota, rows with gaps between them.
tile.kernel @elementwise(%x: memref<?x?xf32, strided<[?, 1]>>,
                         %y: memref<?x?xf16, strided<[?, 1]>>,
                         %z: memref<?x?xf32, strided<[?, 1]>>, %scale: f32) {
  %c0 = arith.constant 0 : index
  %first = tile.program_id y
  %iota = tile.iota 0 : tensor<3xindex>
  %start = tile.splat %first : tensor<3xindex>
  %rows = arith.addi %iota, %start : tensor<3xindex>
  %a = tile.load %x[%rows, %c0] : memref<?x?xf32, strided<[?, 1]>>, tensor<3xindex>, index -> tensor<3x45xf32>
  %b16 = tile.load %y[%rows, %c0] : memref<?x?xf16, strided<[?, 1]>>, tensor<3xindex>, index -> tensor<3x45xf16>
  %b = arith.extf %b16 : tensor<3x45xf16> to tensor<3x45xf32>
  %p = arith.mulf %a, %b : tensor<3x45xf32>
  %half = arith.constant dense<0.5> : tensor<3x45xf32>
  %m = arith.maximumf %p, %half : tensor<3x45xf32>
  %s = tile.splat %scale : tensor<3x45xf32>
  %sm = arith.mulf %s, %m : tensor<3x45xf32>
  %d = arith.subf %sm, %a : tensor<3x45xf32>
  %i = tile.iota 1 : tensor<3x45xi32>
  %if = arith.sitofp %i : tensor<3x45xi32> to tensor<3x45xf32>
  %r = arith.addf %d, %if : tensor<3x45xf32>
  tile.store %r, %z[%rows, %c0] : tensor<3x45xf32>, memref<?x?xf32, strided<[?, 1]>>, tensor<3xindex>, index
  tile.return
}

// A table of constants, bf16 and an integer argument.
tile.kernel @conversions(%x: memref<?xf32>, %y: memref<?xbf16>, %z: memref<?xi32>, %k: i32, %l: i64) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<11xf32>
  %b = arith.truncf %a : tensor<11xf32> to tensor<11xbf16>
  tile.store %b, %y[%c0] : tensor<11xbf16>, memref<?xbf16>, index
  %t = arith.constant dense<[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]> : tensor<11xi32>
  %l32 = arith.trunci %l : i64 to i32
  %kl = arith.addi %k, %l32 : i32
  %ks = tile.splat %kl : tensor<11xi32>
  %u = arith.muli %t, %ks : tensor<11xi32>
  tile.store %u, %z[%c0] : tensor<11xi32>, memref<?xi32>, index
  tile.return
}
