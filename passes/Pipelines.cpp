//===- Pipelines.cpp - The stages of compilation --------------------------===//

#include "passes/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void mlir::kvarn::addFuseStage(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createKVarNFuse());
  manager.addPass(createCSEPass());
}

void mlir::kvarn::addTileStage(OpPassManager &manager, StringRef target,
                               StringRef schedule) {
  manager.addPass(createKVarNTile({target.str(), schedule.str()}));
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  manager.addPass(createTileDistribute({target.str()}));
  manager.addPass(createCSEPass());
}
