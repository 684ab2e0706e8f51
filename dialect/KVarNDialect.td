//===- KVarNDialect.td - The two dialects -----------------------*- tablegen -*-===//

#ifndef KVARN_DIALECT_KVARNDIALECT_TD
#define KVARN_DIALECT_KVARNDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def KVarN_Dialect : Dialect {
  let name = "kvarn";
  let summary = "Level 1: what is computed, on tensors";
  let description = [{
    Rotation, variance normalization, quantization and attention over a
    KVarN-quantized KV cache (arXiv 2606.03458), with value semantics. Every op
    can be executed on its own; fusion only removes intermediate tensors.
  }];
  let cppNamespace = "::mlir::kvarn";
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def Tile_Dialect : Dialect {
  let name = "tile";
  let summary = "Level 2: how it is computed, on tiles";
  let description = [{
    A kernel is a loop nest over tiles. A tile is a ranked tensor with static
    shape; its encoding `#tile.layout` says which lane of which warp holds
    which element, and no encoding leaves that to the target. `arith`, `math`
    and `scf` work on tiles as they are; the ops here do the rest. Memory is a
    `memref` with run-time strides, a slot or nothing: tiles are values.
  }];
  let cppNamespace = "::mlir::kvarn::tile";
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::kvarn::KVarNDialect"];
}

#endif // KVARN_DIALECT_KVARNDIALECT_TD
