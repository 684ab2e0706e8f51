#include "dialect/KVarNDialect.h"

#include "mlir/IR/MLIRContext.h"

int main() {
  mlir::MLIRContext context;
  context.loadDialect<mlir::kvarn::KVarNDialect>();
  auto format = mlir::kvarn::FormatAttr::get(&context, kvarn::Format());
  return format.get().recordBytes() == 13824 ? 0 : 1;
}
