// RUN: kvarn-opt %s --convert-tile-to-nvptx=target=sm_90a -split-input-file -verify-diagnostics

#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @alone() {
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  // expected-error @+1 {{'tile.stage' op needs a schedule with team = warpgroup}}
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @no_order() attributes {schedule = #together} {
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  // expected-error @+1 {{'tile.stage' op has no order in shared memory: 'tensor<64x8xf16}}
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #b>
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @other_use() attributes {schedule = #together} {
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  // expected-error @+1 {{'arith.addf' op uses a staged tile, which only products can}}
  %t = arith.addf %s, %s : tensor<64x8xf16, #staged>
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
tile.kernel @own_tiles() attributes {schedule = #together} {
  // expected-error @+1 {{'tile.warps' op stands in a kernel with team = warpgroup}}
  tile.warps 4 (%w) {
    tile.yield
  }
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#a = #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @not_staged() attributes {schedule = #together} {
  %a = arith.constant dense<1.0> : tensor<64x64xf16, #a>
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %c = arith.constant dense<1.0> : tensor<64x8xf32, #d>
  // expected-error @+1 {{'tile.dot' op has a right operand that is not staged}}
  %d = tile.dot %a, %b, %c : tensor<64x64xf16, #a>, tensor<64x8xf16, #b> -> tensor<64x8xf32, #d>
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#a = #tile.layout<rank = 2, registers = [(0, 1), (0, 8), (8, 0), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @other_layout() attributes {schedule = #together} {
  %a = arith.constant dense<1.0> : tensor<64x64xf16, #a>
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %c = arith.constant dense<1.0> : tensor<64x8xf32, #d>
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  // expected-error @+1 {{'tile.dot' op has the tile 'tensor<64x64xf16, #tile.layout<rank = 2, registers = [(0, 1), (0, 8), (8, 0), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>>', expected #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32)]}}
  %d = tile.dot %a, %s, %c : tensor<64x64xf16, #a>, tensor<64x8xf16, #staged> -> tensor<64x8xf32, #d>
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#a = #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0)], lanes = [(8, 0), (16, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @shallow() attributes {schedule = #together} {
  %a = arith.constant dense<1.0> : tensor<64x32xf16, #a>
  %b = arith.constant dense<1.0> : tensor<32x8xf16, #b>
  %c = arith.constant dense<1.0> : tensor<64x8xf32, #d>
  %s = tile.stage %b : tensor<32x8xf16, #b> -> tensor<32x8xf16, #staged>
  // expected-error @+1 {{'tile.dot' op multiplies 64 x 32 by 8 columns, expected 16 rows for each of 4 warps, a depth of 64 or more and 8 to 256 columns}}
  %d = tile.dot %a, %s, %c : tensor<64x32xf16, #a>, tensor<32x8xf16, #staged> -> tensor<64x8xf32, #d>
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#a = #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @staged_on_one_way(%n: i32) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.index_cast %n : i32 to index
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %other = arith.constant dense<1.0> : tensor<64x8xf16, #staged>
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  // expected-error @+1 {{'scf.for' op carries a tile that is not staged everywhere that it comes from}}
  %r = scf.for %i = %c0 to %count step %c1 iter_args(%t = %s) -> (tensor<64x8xf16, #staged>) {
    scf.yield %other : tensor<64x8xf16, #staged>
  }
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#a = #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @one_as_two(%n: i32) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.index_cast %n : i32 to index
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  // expected-error @+1 {{'scf.for' op carries one staged tile as two}}
  %r:2 = scf.for %i = %c0 to %count step %c1 iter_args(%t = %s, %u = %s) -> (tensor<64x8xf16, #staged>, tensor<64x8xf16, #staged>) {
    scf.yield %t, %u : tensor<64x8xf16, #staged>, tensor<64x8xf16, #staged>
  }
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#a = #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @overwritten(%n: i32) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.index_cast %n : i32 to index
  %a = arith.constant dense<1.0> : tensor<64x64xf16, #a>
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %c = arith.constant dense<1.0> : tensor<64x8xf32, #d>
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  %r = scf.for %i = %c0 to %count step %c1 iter_args(%t = %s) -> (tensor<64x8xf16, #staged>) {
    %next = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
    // expected-error @+1 {{'tile.dot' op uses a staged tile in whose place another one was staged}}
    %d = tile.dot %a, %t, %c : tensor<64x64xf16, #a>, tensor<64x8xf16, #staged> -> tensor<64x8xf32, #d>
    scf.yield %next : tensor<64x8xf16, #staged>
  }
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#a = #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @overwritten_in_last_round(%n: i32) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.index_cast %n : i32 to index
  %a = arith.constant dense<1.0> : tensor<64x64xf16, #a>
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %c = arith.constant dense<1.0> : tensor<64x8xf32, #d>
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  %r = scf.for %i = %c0 to %count step %c1 iter_args(%t = %s) -> (tensor<64x8xf16, #staged>) {
    // expected-error @+1 {{'tile.dot' op uses a staged tile in whose place another one was staged}}
    %d = tile.dot %a, %s, %c : tensor<64x64xf16, #a>, tensor<64x8xf16, #staged> -> tensor<64x8xf32, #d>
    %next = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
    scf.yield %next : tensor<64x8xf16, #staged>
  }
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#a = #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @overwritten_in_last_repetition(%n: i32) attributes {schedule = #together} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.index_cast %n : i32 to index
  %a = arith.constant dense<1.0> : tensor<64x64xf16, #a>
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %c = arith.constant dense<1.0> : tensor<64x8xf32, #d>
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  %r = scf.while (%k = %c0) : (index) -> index {
    %d = tile.dot %a, %s, %c : tensor<64x64xf16, #a>, tensor<64x8xf16, #staged> -> tensor<64x8xf32, #d>
    // expected-error @+1 {{'scf.for' op uses a staged tile in whose place another one was staged}}
    %o = scf.for %i = %c0 to %count step %c1 iter_args(%t = %s) -> (tensor<64x8xf16, #staged>) {
      %next = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
      scf.yield %next : tensor<64x8xf16, #staged>
    }
    %l = arith.addi %k, %c1 : index
    %q = arith.cmpi slt, %l, %count : index
    scf.condition(%q) %l : index
  } do {
  ^bb0(%k: index):
    scf.yield %k : index
  }
  tile.return
}

// -----

#together = #kvarn.schedule<rows = 64, tokens = 64, pool_tokens = 64, warps = 4, splits = 1, copy = direct, expand = convert, operand = f16, register_rows = 8, register_columns = 32, team = warpgroup>
#staged = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], lanes = [], warps = []>
#a = #tile.layout<rank = 2, registers = [(0, 1), (8, 0), (0, 8), (0, 16), (0, 32)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#d = #tile.layout<rank = 2, registers = [(0, 1), (8, 0)], lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = [(16, 0), (32, 0)]>
#b = #tile.layout<rank = 2, registers = [(1, 0), (2, 0), (4, 0), (8, 0)], lanes = [(16, 0), (32, 0), (0, 1), (0, 2), (0, 4)], warps = []>
tile.kernel @overwritten_before_yield(%n: i32) attributes {schedule = #together} {
  %no = arith.constant 0 : i32
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %s = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  %t = tile.stage %b : tensor<64x8xf16, #b> -> tensor<64x8xf16, #staged>
  %is = arith.cmpi eq, %n, %no : i32
  %r = scf.if %is -> (tensor<64x8xf16, #staged>) {
    scf.yield %t : tensor<64x8xf16, #staged>
  } else {
    // expected-error @+1 {{'scf.yield' op uses a staged tile in whose place another one was staged}}
    scf.yield %s : tensor<64x8xf16, #staged>
  }
  tile.return
}
