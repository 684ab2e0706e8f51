//===- TileDialect.h - Level 2: how it is computed, on tiles ----*- C++ -*-===//

#ifndef KVARN_DIALECT_TILEDIALECT_H
#define KVARN_DIALECT_TILEDIALECT_H

#include "dialect/KVarNDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include "dialect/TileOpsDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/TileOpsAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/TileOpsTypes.h.inc"

#define GET_OP_CLASSES
#include "dialect/TileOps.h.inc"

#endif // KVARN_DIALECT_TILEDIALECT_H
