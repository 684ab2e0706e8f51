//===- KVarNDialect.h - Level 1: what is computed, on tensors ---*- C++ -*-===//

#ifndef KVARN_DIALECT_KVARNDIALECT_H
#define KVARN_DIALECT_KVARNDIALECT_H

#include "format/Format.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/Enums.h.inc"
#include "dialect/KVarNOpsDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/KVarNOpsAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/KVarNOpsTypes.h.inc"

#define GET_OP_CLASSES
#include "dialect/KVarNOps.h.inc"

namespace mlir::kvarn {

/// Attributes of arguments and results of a program: the name under which the
/// runtime passes it, and whether the program writes it.
inline constexpr llvm::StringLiteral kNameAttr = "kvarn.name";
inline constexpr llvm::StringLiteral kOutputAttr = "kvarn.output";

/// Attribute of a program with attention: the query tokens of one request that
/// its default schedule is for; without it 1.
inline constexpr llvm::StringLiteral kQueryTokensAttr = "kvarn.query_tokens";

// The enums of the dialect and of `format/` have the same cases.
inline ::kvarn::Part toFormat(RecordPart part) {
  return static_cast<::kvarn::Part>(part);
}
inline ::kvarn::Vector toFormat(RecordField field) {
  return static_cast<::kvarn::Vector>(field);
}

} // namespace mlir::kvarn

#endif // KVARN_DIALECT_KVARNDIALECT_H
