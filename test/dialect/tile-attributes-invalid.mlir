// RUN: kvarn-opt %s --allow-unregistered-dialect -split-input-file -verify-diagnostics

// expected-error @+1 {{warps, lanes, elements and order differ in length}}
"test.op"() {a = #tile.fragment<warps = [1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>} : () -> ()

// -----

// expected-error @+1 {{warps, lanes and elements must be positive}}
"test.op"() {a = #tile.fragment<warps = [1, 1], lanes = [8, 0], elements = [1, 2], order = [1, 0]>} : () -> ()

// -----

// expected-error @+1 {{order must be a permutation of the dimensions}}
"test.op"() {a = #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 1]>} : () -> ()

// -----

// expected-error @+1 {{order must be a permutation of the dimensions}}
"test.op"() {a = #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [2, 0]>} : () -> ()

// -----

// expected-error @+1 {{dim is 2, expected 0 to 1}}
"test.op"() {a = #tile.slice<dim = 2, parent = #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>} : () -> ()

// -----

// expected-error @+1 {{dim is 1, expected 0 to 0}}
"test.op"() {a = #tile.slice<dim = 1, parent = #tile.slice<dim = 0, parent = #tile.fragment<warps = [1, 1], lanes = [8, 4], elements = [1, 2], order = [1, 0]>>>} : () -> ()

// -----

// expected-error @+1 {{parent must be a fragment or a slice of one}}
"test.op"() {a = #tile.slice<dim = 0, parent = 1 : i64>} : () -> ()

// -----

// expected-error @+2 {{invalid part of a record specification: both}}
// expected-error @+1 {{failed to parse Tile_SlotType parameter 'part' which is to be a `::mlir::kvarn::RecordPart`}}
"test.op"() {a = !tile.slot<#kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>, both>} : () -> ()
