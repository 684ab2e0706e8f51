//===- LlvmPasses.cpp - What LLVM does to kernels -------------------------===//

#include "codegen/nvptx/LlvmPasses.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

//===----------------------------------------------------------------------===//
// Optimization
//===----------------------------------------------------------------------===//

// The order of -O3, without what finds nothing in kernels: they call nothing,
// and loops that should be unrolled are. A barrier may change all memory, so
// that loads which are the same stand near each other, for early-cse.
static constexpr char kBeforeLoops[] =
    "function(nvvm-intr-range,simplifycfg,sroa,early-cse),ipsccp,function("
    "instcombine<no-verify-fixpoint>,simplifycfg<switch-range-to-icmp>,"
    "early-cse<memssa>,speculative-execution<only-if-divergent-target>,"
    "correlated-propagation,instcombine<no-verify-fixpoint>,reassociate,"
    "constraint-elimination,";
static constexpr char kAfterLoops[] =
    "simplifycfg<switch-range-to-icmp>,instcombine<no-verify-fixpoint>,"
    "loop(indvars),vector-combine,gvn<no-memdep>,sccp,bdce,"
    "correlated-propagation,"
    "simplifycfg<switch-range-to-icmp;hoist-common-insts;sink-common-insts>,"
    "loop(loop-rotate),infer-alignment,instcombine<no-verify-fixpoint>,"
    "div-rem-pairs,"
    "simplifycfg<switch-range-to-icmp;speculate-unpredictables>),globaldce";

static constexpr char kLoops[] =
    "loop-mssa(licm<no-allowspeculation>,loop-rotate,licm),";
// Out of the loops over row tiles, what does not change would take registers
// from the loop over records. The assembler moves it as far as it has room.
static constexpr char kFullLoops[] = "loop(loop-rotate),";

ModulePassManager mlir::kvarn::nvptx::createOptimizations(PassBuilder &builder,
                                                          bool fillsRegisters) {
  ModulePassManager manager;
  StringRef loops = fillsRegisters ? kFullLoops : kLoops;
  std::string passes = (kBeforeLoops + loops + kAfterLoops).str();
  cantFail(builder.parsePassPipeline(manager, passes));
  return manager;
}

//===----------------------------------------------------------------------===//
// Code generation
//===----------------------------------------------------------------------===//

namespace {

/// Changes of a register's type, of which kernels have hundreds, are
/// instructions until LLVM's own pass erases them. It looks through the whole
/// function for each.
struct EraseProxies : MachineFunctionPass {
  static char ID;
  EraseProxies() : MachineFunctionPass(ID) {}

  StringRef getPassName() const override { return "KVarN proxy erasure"; }

  bool runOnMachineFunction(MachineFunction &function) override {
    const TargetInstrInfo &info = *function.getSubtarget().getInstrInfo();
    MachineRegisterInfo &registers = function.getRegInfo();
    bool changed = false;
    for (MachineBasicBlock &block : function)
      for (MachineInstr &instruction : make_early_inc_range(block)) {
        if (!info.getName(instruction.getOpcode()).starts_with("ProxyReg"))
          continue;
        registers.replaceRegWith(instruction.getOperand(0).getReg(),
                                 instruction.getOperand(1).getReg());
        instruction.eraseFromParent();
        changed = true;
      }
    return changed;
  }
};

char EraseProxies::ID = 0;

} // namespace

bool mlir::kvarn::nvptx::addPassesToEmitPtx(TargetMachine &target,
                                            legacy::PassManagerBase &passes,
                                            raw_pwrite_stream &out) {
  auto &machine = static_cast<LLVMTargetMachine &>(target);
  auto *module = new MachineModuleInfoWrapperPass(&machine);
  TargetPassConfig *config = machine.createPassConfig(passes);
  config->setDisableVerify(true);
  // Right before LLVM's own.
  config->insertPass(&PeepholeOptimizerID, new EraseProxies());
  passes.add(config);
  passes.add(module);
  if (config->addISelPasses())
    return true;
  config->addMachinePasses();
  config->setInitialized();
  if (machine.addAsmPrinter(passes, out, nullptr, CodeGenFileType::AssemblyFile,
                            module->getMMI().getContext()))
    return true;
  passes.add(createFreeMachineFunctionPass());
  return false;
}
