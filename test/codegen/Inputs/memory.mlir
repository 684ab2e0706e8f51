// Rows at places of their own; what is masked is neither read nor written.
tile.kernel @permute(%x: memref<?x?xf32>, %index: memref<?xi32>, %y: memref<?x?xf32>, %z: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %i = tile.iota 0 : tensor<6xindex>
  %zero = arith.constant dense<0> : tensor<6xi32>
  %p32 = tile.gather %index[%i] : memref<?xi32>, tensor<6xindex> -> tensor<6xi32>
  %valid = arith.cmpi sge, %p32, %zero : tensor<6xi32>
  %p = arith.index_cast %p32 : tensor<6xi32> to tensor<6xindex>
  %a = tile.load %x[%p, %c2] mask %valid : tensor<6xi1> : memref<?x?xf32>, tensor<6xindex>, index -> tensor<6x20xf32>
  %one = arith.constant dense<1.0> : tensor<6x20xf32>
  %b = arith.addf %a, %one : tensor<6x20xf32>
  tile.store %b, %y[%i, %c0] : tensor<6x20xf32>, memref<?x?xf32>, tensor<6xindex>, index
  %g = tile.gather %x[%p, %c0] mask %valid : tensor<6xi1> : memref<?x?xf32>, tensor<6xindex>, index -> tensor<6xf32>
  %two = arith.constant dense<2.0> : tensor<6xf32>
  %h = arith.mulf %g, %two : tensor<6xf32>
  tile.scatter %h, %z[%p] mask %valid : tensor<6xi1> : tensor<6xf32>, memref<?xf32>, tensor<6xindex>
  tile.return
}

tile.kernel @masked_store(%x: memref<?x?xf32>, %y: memref<?x?xf32>, %n: i32) {
  %c0 = arith.constant 0 : index
  %i = tile.iota 0 : tensor<6xindex>
  %j = tile.iota 0 : tensor<6xi32>
  %limit = tile.splat %n : tensor<6xi32>
  %valid = arith.cmpi slt, %j, %limit : tensor<6xi32>
  %a = tile.load %x[%i, %c0] mask %valid : tensor<6xi1> : memref<?x?xf32>, tensor<6xindex>, index -> tensor<6x20xf32>
  tile.store %a, %y[%i, %c0] mask %valid : tensor<6xi1> : tensor<6x20xf32>, memref<?x?xf32>, tensor<6xindex>, index
  tile.return
}

// The tile is loaded before it is overwritten.
tile.kernel @swap(%x: memref<?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<20xf32>
  %b = tile.load %y[%c0] : memref<?xf32>, index -> tensor<20xf32>
  tile.store %a, %y[%c0] : tensor<20xf32>, memref<?xf32>, index
  tile.store %b, %x[%c0] : tensor<20xf32>, memref<?xf32>, index
  tile.return
}

// All of the tile is loaded before any of it is stored, one place further.
tile.kernel @shift(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = tile.load %x[%c0] : memref<?xf32>, index -> tensor<60xf32>
  tile.store %a, %x[%c1] : tensor<60xf32>, memref<?xf32>, index
  tile.return
}
