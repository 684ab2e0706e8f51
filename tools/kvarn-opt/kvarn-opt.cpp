//===- kvarn-opt.cpp - Runs passes on MLIR files --------------------------===//

#include "tools/Registration.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::kvarn::registerDialects(registry);
  mlir::kvarn::registerPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "KVarN optimizer driver\n", registry));
}
