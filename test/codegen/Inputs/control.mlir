// Fibonacci numbers element by element: the carried tiles change places.
tile.kernel @fibonacci(%x: memref<?xf32>, %n: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.index_cast %n : i32 to index
  %a0 = arith.constant dense<0.0> : tensor<20xf32>
  %b0 = tile.load %x[%c0] : memref<?xf32>, index -> tensor<20xf32>
  %a, %b, %k = scf.for %i = %c0 to %count step %c1 iter_args(%a1 = %a0, %b1 = %b0, %k1 = %c0) -> (tensor<20xf32>, tensor<20xf32>, index) {
    %sum = arith.addf %a1, %b1 : tensor<20xf32>
    %k2 = arith.addi %k1, %i : index
    scf.yield %b1, %sum, %k2 : tensor<20xf32>, tensor<20xf32>, index
  }
  %k32 = arith.index_cast %k : index to i32
  %kf = arith.sitofp %k32 : i32 to f32
  %ks = tile.splat %kf : tensor<20xf32>
  %r = arith.addf %a, %ks : tensor<20xf32>
  tile.store %r, %x[%c0] : tensor<20xf32>, memref<?xf32>, index
  tile.return
}

// if with results, in a loop whose tiles pass through it.
tile.kernel @branches(%x: memref<?x?xf32>, %choice: memref<?xi32>, %y: memref<?x?xf32>, %n: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.index_cast %n : i64 to index
  %zero32 = arith.constant 0 : i32
  %i4 = tile.iota 0 : tensor<4xindex>
  %a = tile.load %x[%i4, %c0] : memref<?x?xf32>, tensor<4xindex>, index -> tensor<4x24xf32>
  %r, %t = scf.for %i = %c0 to %count step %c1 iter_args(%v = %a, %last = %zero32) -> (tensor<4x24xf32>, i32) {
    %c = memref.load %choice[%i] : memref<?xi32>
    %positive = arith.cmpi sgt, %c, %zero32 : i32
    %w, %u = scf.if %positive -> (tensor<4x24xf32>, i32) {
      %m = tile.reduce max %v dim 1 : tensor<4x24xf32> -> tensor<4xf32>
      %mb = tile.broadcast %m dims [0] : tensor<4xf32> -> tensor<4x24xf32>
      %d = arith.subf %mb, %v : tensor<4x24xf32>
      scf.yield %d, %c : tensor<4x24xf32>, i32
    } else {
      %h = arith.constant dense<0.5> : tensor<4x24xf32>
      %d = arith.mulf %v, %h : tensor<4x24xf32>
      %z = arith.cmpi eq, %c, %zero32 : i32
      %e = scf.if %z -> tensor<4x24xf32> {
        scf.yield %v : tensor<4x24xf32>
      } else {
        scf.yield %d : tensor<4x24xf32>
      }
      scf.yield %e, %last : tensor<4x24xf32>, i32
    }
    scf.yield %w, %u : tensor<4x24xf32>, i32
  }
  %tf = arith.sitofp %t : i32 to f32
  %ts = tile.splat %tf : tensor<4x24xf32>
  %s = arith.addf %r, %ts : tensor<4x24xf32>
  tile.store %s, %y[%i4, %c0] : tensor<4x24xf32>, memref<?x?xf32>, tensor<4xindex>, index
  tile.return
}

// Each warp sums every fourth row; the warps' sums are added.
tile.kernel @warps(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %rows = memref.dim %x, %c0 : memref<?x?xf32>
  %s = tile.warps 4 (%w) -> (tensor<4x20xf32>) {
    %zero = arith.constant dense<0.0> : tensor<20xf32>
    %sum = scf.for %i = %w to %rows step %c4 iter_args(%a = %zero) -> (tensor<20xf32>) {
      %v = tile.load %x[%i, %c0] : memref<?x?xf32>, index, index -> tensor<20xf32>
      %b = arith.addf %a, %v : tensor<20xf32>
      scf.yield %b : tensor<20xf32>
    }
    tile.yield %sum : tensor<20xf32>
  }
  %t = tile.reduce add %s dim 0 : tensor<4x20xf32> -> tensor<20xf32>
  tile.store %t, %y[%c0] : tensor<20xf32>, memref<?xf32>, index
  tile.return
}
