// RUN: kvarn-opt %s --allow-unregistered-dialect -split-input-file -verify-diagnostics

// expected-error @+1 {{rank is 0, expected 1 to 8}}
"test.op"() {a = #tile.layout<rank = 0, registers = [], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{rank is 1152921504606846976, expected 1 to 8}}
"test.op"() {a = #tile.layout<rank = 1152921504606846976, registers = [], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{rank is -2, expected 1 to 8}}
"test.op"() {a = #tile.layout<rank = -2, registers = [], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected 2 coordinates, got 1}}
"test.op"() {a = #tile.layout<rank = 2, registers = [(0, 1), (8)], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected 1 coordinates, got 0}}
"test.op"() {a = #tile.layout<rank = 1, registers = [()], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected 1 coordinates, got 2}}
"test.op"() {a = #tile.layout<rank = 1, registers = [], lanes = [(1, 2)], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected 'registers'}}
"test.op"() {a = #tile.layout<rank = 1, lanes = [], registers = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected 'lanes'}}
"test.op"() {a = #tile.layout<rank = 1, registers = [], warps = [], lanes = []>} : () -> ()

// -----

// expected-error @+1 {{expected 'warps'}}
"test.op"() {a = #tile.layout<rank = 1, registers = [], lanes = [], wraps = []>} : () -> ()

// -----

// expected-error @+1 {{expected ','}}
"test.op"() {a = #tile.layout<rank = 1, registers = [], lanes = []>} : () -> ()

// -----

// expected-error @+1 {{expected '['}}
"test.op"() {a = #tile.layout<rank = 1, registers = (1), lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected '('}}
"test.op"() {a = #tile.layout<rank = 1, registers = [1], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected integer value}}
"test.op"() {a = #tile.layout<rank = 1, registers = [(x)], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{more than 16 vectors of one kind}}
"test.op"() {a = #tile.layout<rank = 1, registers = [], lanes = [(0), (0), (0), (0), (0), (0), (0), (0), (0), (0), (0), (0), (0), (0), (0), (0), (0)], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected vectors of zeros and at most one power of two}}
"test.op"() {a = #tile.layout<rank = 2, registers = [(0, 3)], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected vectors of zeros and at most one power of two}}
"test.op"() {a = #tile.layout<rank = 2, registers = [], lanes = [(-1, 0)], warps = []>} : () -> ()

// -----

// expected-error @+1 {{expected vectors of zeros and at most one power of two}}
"test.op"() {a = #tile.layout<rank = 2, registers = [], lanes = [], warps = [(1, 1)]>} : () -> ()

// -----

// expected-error @+1 {{two vectors add 2 to dimension 1}}
"test.op"() {a = #tile.layout<rank = 2, registers = [(0, 1), (0, 2), (0, 2)], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{two vectors add 1 to dimension 0}}
"test.op"() {a = #tile.layout<rank = 2, registers = [(1, 0)], lanes = [(1, 0)], warps = []>} : () -> ()

// -----

// expected-error @+1 {{two vectors add 4 to dimension 0}}
"test.op"() {a = #tile.layout<rank = 1, registers = [], lanes = [(1), (4)], warps = [(4)]>} : () -> ()

// -----

// expected-error @+1 {{a register bit must add something}}
"test.op"() {a = #tile.layout<rank = 2, registers = [(0, 1), (0, 0)], lanes = [], warps = []>} : () -> ()

// -----

// expected-error @+1 {{layout of rank 1 on a tile of rank 2}}
"test.op"() {a = tensor<2x2xf32, #tile.layout<rank = 1, registers = [(1)], lanes = [], warps = []>>} : () -> ()

// -----

// expected-error @+1 {{layout covers [2, 4], expected the shape [2, 8]}}
"test.op"() {a = tensor<2x8xf32, #tile.layout<rank = 2, registers = [(1, 0)], lanes = [(0, 1), (0, 2)], warps = []>>} : () -> ()

// -----

// expected-error @+1 {{layout covers [8], expected the shape [4]}}
"test.op"() {a = tensor<4xf32, #tile.layout<rank = 1, registers = [(1)], lanes = [(2)], warps = [(4)]>>} : () -> ()

// -----

// expected-error @+2 {{invalid part of a record specification: both}}
// expected-error @+1 {{failed to parse Tile_SlotType parameter 'part' which is to be a `::mlir::kvarn::RecordPart`}}
"test.op"() {a = !tile.slot<#kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, both>} : () -> ()
