//===- KVarNDialect.cpp - Registration of level 1 -------------------------===//

#include "dialect/KVarNDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;

#include "dialect/Enums.cpp.inc"
#include "dialect/KVarNOpsDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/KVarNOpsAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/KVarNOpsTypes.cpp.inc"

void KVarNDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/KVarNOpsAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/KVarNOpsTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/KVarNOps.cpp.inc"
      >();
}
