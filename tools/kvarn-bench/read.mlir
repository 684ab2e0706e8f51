// A plain read of memory, for kvarn-bench to compare with what the memory of a
// GPU can deliver. A round is eight tiles of each program, of 16 rows of 128
// words; of each tile, all programs read theirs side by side:
//
//   bytes read = rounds * 8 * 16 * 128 * 4 * programs
//
// The words are mixed, and stored if the result is one value of 2^32, so that no
// load is left out. Beside this file is what kvarn-bench loads, made of it:
//   kvarn-compile read.mlir --target=sm_80 --emit=ptx -o read.ptx

tile.kernel @kvarn_read(%from: memref<?x128xi32>, %programs: i32, %rounds: i32, %sink: memref<?xi32>)
    attributes {schedule = #kvarn.schedule<rows = 1, tokens = 32, pool_tokens = 32, warps = 16, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 1, register_columns = 32, programs = 2>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %c16 = arith.constant 16 : index
  %rare = arith.constant 0x1e3779b9 : i32
  %none = arith.constant dense<0> : tensor<16x128xi32>
  %n = arith.index_cast %programs : i32 to index
  %end = arith.index_cast %rounds : i32 to index
  %program = tile.program_id x
  %before = arith.muli %program, %c16 : index
  %tile_rows = arith.muli %n, %c16 : index
  %round_rows = arith.muli %tile_rows, %c8 : index
  %row = tile.iota 0 : tensor<16xindex>
  %mine = tile.splat %before : tensor<16xindex>
  %own = arith.addi %row, %mine : tensor<16xindex>
  %apart = tile.splat %tile_rows : tensor<16xindex>
  %mixed = scf.for %round = %c0 to %end step %c1 iter_args(%sum = %none) -> tensor<16x128xi32> {
    %begin = arith.muli %round, %round_rows : index
    %first = tile.splat %begin : tensor<16xindex>
    %r0 = arith.addi %first, %own : tensor<16xindex>
    %r1 = arith.addi %r0, %apart : tensor<16xindex>
    %r2 = arith.addi %r1, %apart : tensor<16xindex>
    %r3 = arith.addi %r2, %apart : tensor<16xindex>
    %r4 = arith.addi %r3, %apart : tensor<16xindex>
    %r5 = arith.addi %r4, %apart : tensor<16xindex>
    %r6 = arith.addi %r5, %apart : tensor<16xindex>
    %r7 = arith.addi %r6, %apart : tensor<16xindex>
    %v0 = tile.load %from[%r0, %c0] : memref<?x128xi32>, tensor<16xindex>, index -> tensor<16x128xi32>
    %v1 = tile.load %from[%r1, %c0] : memref<?x128xi32>, tensor<16xindex>, index -> tensor<16x128xi32>
    %v2 = tile.load %from[%r2, %c0] : memref<?x128xi32>, tensor<16xindex>, index -> tensor<16x128xi32>
    %v3 = tile.load %from[%r3, %c0] : memref<?x128xi32>, tensor<16xindex>, index -> tensor<16x128xi32>
    %v4 = tile.load %from[%r4, %c0] : memref<?x128xi32>, tensor<16xindex>, index -> tensor<16x128xi32>
    %v5 = tile.load %from[%r5, %c0] : memref<?x128xi32>, tensor<16xindex>, index -> tensor<16x128xi32>
    %v6 = tile.load %from[%r6, %c0] : memref<?x128xi32>, tensor<16xindex>, index -> tensor<16x128xi32>
    %v7 = tile.load %from[%r7, %c0] : memref<?x128xi32>, tensor<16xindex>, index -> tensor<16x128xi32>
    %x0 = arith.xori %v0, %v1 : tensor<16x128xi32>
    %x1 = arith.xori %v2, %v3 : tensor<16x128xi32>
    %x2 = arith.xori %v4, %v5 : tensor<16x128xi32>
    %x3 = arith.xori %v6, %v7 : tensor<16x128xi32>
    %s0 = arith.addi %x0, %x1 : tensor<16x128xi32>
    %s1 = arith.addi %x2, %x3 : tensor<16x128xi32>
    %s2 = arith.xori %s0, %s1 : tensor<16x128xi32>
    %next = arith.addi %sum, %s2 : tensor<16x128xi32>
    scf.yield %next : tensor<16x128xi32>
  }
  %of_rows = tile.reduce add %mixed dim 1 : tensor<16x128xi32> -> tensor<16xi32>
  %all = tile.reduce add %of_rows dim 0 : tensor<16xi32> -> i32
  %found = arith.cmpi eq, %all, %rare : i32
  scf.if %found {
    %word = tile.splat %all : tensor<1xi32>
    tile.scatter %word, %sink[%c0] : tensor<1xi32>, memref<?xi32>, index
  }
  tile.return
}
