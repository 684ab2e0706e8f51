//===- Passes.td - Passes between the levels --------------------*- tablegen -*-===//

#ifndef KVARN_PASSES_PASSES_TD
#define KVARN_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

def KVarNFuse : Pass<"kvarn-fuse", "::mlir::ModuleOp"> {
  let summary = "Turn compositions of level-1 ops into kernel ops";
  let description = [{
    In: level 1. Out: level 1 with `attend`, `append` and `materialize` in the
    place of the compositions they stand for:

    * `attention` over the K and V of one `dequantize`, with the lengths of its
      cache, becomes `attend`;
    * a `rotate` before or after `attend` is drawn into it, the one after it
      only if nothing else uses the unrotated result;
    * `attend` whose new K and V are both rotated does so itself, and so does an
      `append` or `pack` of two rotated tensors;
    * a `dequantize` whose K and V are only rotated becomes `materialize` in the
      original frame.

    Left to others: ops without a kernel of their own stay as they are and are
    tiled one by one.
  }];
  let dependentDialects = ["::mlir::kvarn::KVarNDialect"];
}

def KVarNTile : Pass<"kvarn-tile", "::mlir::ModuleOp"> {
  let summary = "Level 1 to level 2: ops become launches of tile kernels";
  let description = [{
    In: functions of level-1 ops on tensors. Out: for each of them a function on
    memrefs that holds nothing but grid arithmetic, intermediate buffers and
    `tile.launch`, and the kernels it launches. Results become arguments;
    arguments that no kernel needs are dropped.

    Every decision comes from the schedule: the one given, or the default of the
    target for the program (`passes/Schedules.cpp`).
  }];
  let options = [
    Option<"target", "target", "std::string", /*default=*/"\"x86-64-v3\"",
           "Name of the target whose default schedule is used">,
    Option<"schedule", "schedule", "std::string", /*default=*/"\"\"",
           "Schedule to use instead, as <rows = ...>">];
  let dependentDialects = [
    "::mlir::kvarn::tile::TileDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def TileDistribute : Pass<"tile-distribute", "::mlir::ModuleOp"> {
  let summary = "Say which lane holds which element of every tile";
  let description = [{
    In: tile kernels without encodings. Out: the same kernels, every tile with a
    `#tile.layout`, and `tile.convert_layout` where a tile is needed in two
    layouts and costs too much to be made twice.

    Operands and results of `tile.dot` lie as the target's matrix instruction
    and the order of codes in a record want it; what operands are made from and
    what becomes of results follows. Everything else is spread over the lanes
    evenly. Where the schedule has `team = warpgroup`, warps share all tiles, and
    what `tile.stage` gives lies in shared memory as products of four warps read
    it, also where loops and branches carry it. Targets without matrix
    instructions leave tiles as they are: a tile then belongs to one thread.
  }];
  let options = [Option<"target", "target", "std::string",
                        /*default=*/"\"sm_90a\"", "Name of the target">];
}

#endif // KVARN_PASSES_PASSES_TD
