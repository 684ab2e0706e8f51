//===- DialectFuzzer.cpp - Parser, verifiers and printers of the dialects -===//

#include "dialect/KVarNDialect.h"
#include "dialect/TileDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <memory>

using namespace mlir;

static std::unique_ptr<MLIRContext> makeContext() {
  auto context =
      std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  context->loadDialect<arith::ArithDialect, func::FuncDialect,
                       mlir::kvarn::KVarNDialect,
                       mlir::kvarn::tile::TileDialect>();
  // Diagnostics are expected.
  context->getDiagEngine().registerHandler([](Diagnostic &) {});
  return context;
}

static std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  op->print(stream);
  return text;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // A context keeps every attribute and type it has seen: take a new one now
  // and then.
  static std::unique_ptr<MLIRContext> context;
  static unsigned runs = 0;
  if (runs++ % 512 == 0)
    context = makeContext();

  // MLIR's lexer needs a zero byte at the end, and takes the first for it.
  std::string text(reinterpret_cast<const char *>(data), size);
  // The parser verifies what it has read.
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(text, context.get());
  if (!module)
    return 0;
  // What was accepted prints as something that parses to the same.
  std::string first = print(*module);
  OwningOpRef<ModuleOp> again =
      parseSourceString<ModuleOp>(first, context.get());
  if (!again || print(*again) != first) {
    llvm::errs() << "not a round trip:\n" << first << "\n";
    std::abort();
  }
  return 0;
}
