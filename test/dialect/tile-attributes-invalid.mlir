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
