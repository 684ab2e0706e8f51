// A tile program that is not attention: out = softmax(x * y) along each row.
//
//   x [M, 32], y [32, N] and out [M, N] are f32; M is any number, N a multiple
//   of 16. Compile and run it with
//
//     kvarn-compile softmax_of_product.mlir -o softmax.kvlib
//     kvarn-run launch softmax_of_product --library=softmax.kvlib \
//       --arg x=x.npy --arg y=y.npy --out out=100x48:f32=out.npy
//
// This is level 2: the program says which tile is computed where, and nothing
// about lanes, vectors or registers.

// One program of the grid takes 8 rows. It walks over the columns twice: first
// for the maximum and the sum of each row, then to write the quotients.
tile.kernel @rows(%x: memref<?x32xf32, strided<[?, 1]>>, %y: memref<32x?xf32, strided<[?, 1]>>, %out: memref<?x?xf32, strided<[?, 1]>>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %c16 = arith.constant 16 : index
  %zeros = arith.constant dense<0.0> : tensor<8xf32>
  %lowest = arith.constant dense<0xFF800000> : tensor<8xf32>
  %none = arith.constant dense<0.0> : tensor<8x16xf32>

  // The places of these 8 rows. The last tile may reach behind the last row:
  // what the mask excludes is neither loaded nor stored.
  %tile = tile.program_id x
  %start = arith.muli %tile, %c8 : index
  %first = tile.splat %start : tensor<8xindex>
  %offset = tile.iota 0 : tensor<8xindex>
  %row = arith.addi %first, %offset : tensor<8xindex>
  %count = memref.dim %x, %c0 : memref<?x32xf32, strided<[?, 1]>>
  %counts = tile.splat %count : tensor<8xindex>
  %valid = arith.cmpi slt, %row, %counts : tensor<8xindex>
  %a = tile.load %x[%row, %c0] mask %valid : tensor<8xi1> : memref<?x32xf32, strided<[?, 1]>>, tensor<8xindex>, index -> tensor<8x32xf32>

  %depth = tile.iota 0 : tensor<32xindex>
  %columns = memref.dim %y, %c1 : memref<32x?xf32, strided<[?, 1]>>

  // Maximum and sum so far; older sums shrink when the maximum grows.
  %max, %sum = scf.for %column = %c0 to %columns step %c16 iter_args(%max0 = %lowest, %sum0 = %zeros) -> (tensor<8xf32>, tensor<8xf32>) {
    %b = tile.load %y[%depth, %column] : memref<32x?xf32, strided<[?, 1]>>, tensor<32xindex>, index -> tensor<32x16xf32>
    %s = tile.dot %a, %b, %none : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
    %highest = tile.reduce max %s dim 1 : tensor<8x16xf32> -> tensor<8xf32>
    %max1 = arith.maximumf %max0, %highest : tensor<8xf32>
    %base = tile.broadcast %max1 dims [0] : tensor<8xf32> -> tensor<8x16xf32>
    %lower = arith.subf %s, %base : tensor<8x16xf32>
    %p = math.exp %lower : tensor<8x16xf32>
    %part = tile.reduce add %p dim 1 : tensor<8x16xf32> -> tensor<8xf32>
    %growth = arith.subf %max0, %max1 : tensor<8xf32>
    %shrink = math.exp %growth : tensor<8xf32>
    %older = arith.mulf %sum0, %shrink : tensor<8xf32>
    %sum1 = arith.addf %older, %part : tensor<8xf32>
    scf.yield %max1, %sum1 : tensor<8xf32>, tensor<8xf32>
  }

  %base = tile.broadcast %max dims [0] : tensor<8xf32> -> tensor<8x16xf32>
  %divisor = tile.broadcast %sum dims [0] : tensor<8xf32> -> tensor<8x16xf32>
  scf.for %column = %c0 to %columns step %c16 {
    %b = tile.load %y[%depth, %column] : memref<32x?xf32, strided<[?, 1]>>, tensor<32xindex>, index -> tensor<32x16xf32>
    %s = tile.dot %a, %b, %none : tensor<8x32xf32>, tensor<32x16xf32> -> tensor<8x16xf32>
    %lower = arith.subf %s, %base : tensor<8x16xf32>
    %p = math.exp %lower : tensor<8x16xf32>
    %q = arith.divf %p, %divisor : tensor<8x16xf32>
    tile.store %q, %out[%row, %column] mask %valid : tensor<8xi1> : tensor<8x16xf32>, memref<?x?xf32, strided<[?, 1]>>, tensor<8xindex>, index
  }
  tile.return
}

// The host function is not code but data: its parameters, grids and buffers go
// to the manifest of the kernel library, and the runtime follows them.
func.func @softmax_of_product(%x: memref<?x32xf32, strided<[?, 1]>> {kvarn.name = "x"},
                              %y: memref<32x?xf32, strided<[?, 1]>> {kvarn.name = "y"},
                              %out: memref<?x?xf32, strided<[?, 1]>> {kvarn.name = "out", kvarn.output}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %rows = memref.dim %x, %c0 : memref<?x32xf32, strided<[?, 1]>>
  %tiles = arith.ceildivsi %rows, %c8 : index
  tile.launch @rows grid(%tiles, %c1, %c1) (%x, %y, %out) : memref<?x32xf32, strided<[?, 1]>>, memref<32x?xf32, strided<[?, 1]>>, memref<?x?xf32, strided<[?, 1]>>
  return
}
