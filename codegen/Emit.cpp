//===- Emit.cpp - LLVM dialect to IR, assembly, object --------------------===//

#include "codegen/Codegen.h"
#include "codegen/nvptx/LlvmPasses.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace mlir;
using namespace mlir::kvarn;

static void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAMDGPUTargetInfo();
    LLVMInitializeAMDGPUTarget();
    LLVMInitializeAMDGPUTargetMC();
    LLVMInitializeAMDGPUAsmPrinter();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
}

static std::unique_ptr<llvm::TargetMachine>
createMachine(ModuleOp module, const Target &target) {
  initializeTargets();
  std::string error;
  const llvm::Target *backend =
      llvm::TargetRegistry::lookupTarget(target.triple.str(), error);
  if (!backend) {
    emitError(module.getLoc())
        << "no code generator for target '" << target.name << "': " << error;
    return nullptr;
  }
  llvm::TargetOptions options;
  return std::unique_ptr<llvm::TargetMachine>(backend->createTargetMachine(
      target.triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// Instructions for all lanes together stay where all lanes come by.
static void keepTogether(llvm::Function &function) {
  for (llvm::Instruction &instruction : llvm::instructions(function)) {
    auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction);
    if (!call || !call->isInlineAsm())
      continue;
    auto *text = llvm::cast<llvm::InlineAsm>(call->getCalledOperand());
    if (StringRef(text->getAsmString()).contains(".sync"))
      call->addFnAttr(llvm::Attribute::Convergent);
  }
}

static void setAttributes(llvm::Module &module, const Target &target) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty())
      function.addFnAttr("target-features", target.features);
    // Loops that copy stay loops: no library.
    function.addFnAttr("no-builtins");
    function.addFnAttr(llvm::Attribute::NoUnwind);
    if (target.backend == Backend::Cpu)
      function.addFnAttr("prefer-vector-width",
                         std::to_string(target.vectorBits));
    if (target.backend == Backend::Amdgpu)
      function.setCallingConv(llvm::CallingConv::AMDGPU_KERNEL);
    if (target.backend == Backend::Nvptx)
      keepTogether(function);
  }
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine,
                     Backend backend, bool fillsRegisters) {
  llvm::PipelineTuningOptions tuning;
  // The code is in vectors already.
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager passes =
      backend == Backend::Nvptx
          ? nvptx::createOptimizations(builder, fillsRegisters)
          : builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3);
  passes.run(module, modules);
}

//===----------------------------------------------------------------------===//
// One module on its way
//===----------------------------------------------------------------------===//

namespace {

/// A module in LLVM's form, optimized, and the machine that it is for.
class Emission {
public:
  Emission(ModuleOp source, const Target &target);

  LogicalResult translate();
  std::string print();
  FailureOr<std::string> write(llvm::CodeGenFileType type);

private:
  static void report(const llvm::DiagnosticInfo *info, void *emission);

  ModuleOp source;
  const Target &target;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::Module> module;
  bool hasErrors = false;
};

} // namespace

Emission::Emission(ModuleOp source, const Target &target)
    : source(source), target(target) {
  context.setDiagnosticHandlerCallBack(report, this);
}

/// Without a handler LLVM prints an error and ends the process.
void Emission::report(const llvm::DiagnosticInfo *info, void *emission) {
  auto &self = *static_cast<Emission *>(emission);
  if (info->getSeverity() != llvm::DS_Error)
    return;
  self.hasErrors = true;
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::DiagnosticPrinterRawOStream printer(stream);
  info->print(printer);
  emitError(self.source.getLoc())
      << "LLVM for target '" << self.target.name << "': " << text;
}

LogicalResult Emission::translate() {
  machine = createMachine(source, target);
  if (!machine)
    return failure();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  source->getContext()->appendDialectRegistry(registry);
  module = translateModuleToLLVMIR(source, context, target.name);
  if (!module)
    return failure();
  module->setTargetTriple(target.triple);
  module->setDataLayout(machine->createDataLayout());
  setAttributes(*module, target);
  bool fillsRegisters = llvm::any_of(
      source.getOps<LLVM::LLVMFuncOp>(), [](LLVM::LLVMFuncOp function) {
        return function->hasAttr(nvptx::kFillsRegisters);
      });
  optimize(*module, *machine, target.backend, fillsRegisters);
  return failure(hasErrors);
}

std::string Emission::print() {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, nullptr);
  return text;
}

FailureOr<std::string> Emission::write(llvm::CodeGenFileType type) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  bool isPtx = target.backend == Backend::Nvptx &&
               type == llvm::CodeGenFileType::AssemblyFile;
  if (isPtx ? nvptx::addPassesToEmitPtx(*machine, passes, stream)
            : machine->addPassesToEmitFile(passes, stream, nullptr, type))
    return emitError(source.getLoc())
           << "target '" << target.name << "' cannot write this kind of file";
  passes.run(*module);
  if (hasErrors)
    return failure();
  return bytes.str().str();
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

FailureOr<std::string> mlir::kvarn::emitLlvmIr(ModuleOp module,
                                               const Target &target) {
  Emission emission(module, target);
  if (failed(emission.translate()))
    return failure();
  return emission.print();
}

static FailureOr<std::string> emitFile(ModuleOp module, const Target &target,
                                       llvm::CodeGenFileType type) {
  Emission emission(module, target);
  if (failed(emission.translate()))
    return failure();
  return emission.write(type);
}

/// The first function that PTX declares and does not define; "" if there is
/// none. LLVM says nothing where it would need a library: `exp` of libdevice,
/// say, becomes a call of __nv_expf.
static StringRef findUndefined(StringRef ptx) {
  size_t at = ptx.find(".extern .func");
  if (at == StringRef::npos)
    return {};
  // .extern .func (.param .b32 func_retval0) __nv_expf\n(
  StringRef rest = ptx.substr(at + StringRef(".extern .func").size()).ltrim();
  if (rest.starts_with("("))
    rest = rest.drop_until([](char c) { return c == ')'; }).drop_front();
  return rest.ltrim().take_until(
      [](char c) { return c == '(' || c == ';' || llvm::isSpace(c); });
}

FailureOr<std::string> mlir::kvarn::emitAssembly(ModuleOp module,
                                                 const Target &target) {
  FailureOr<std::string> text =
      emitFile(module, target, llvm::CodeGenFileType::AssemblyFile);
  if (failed(text) || target.backend != Backend::Nvptx)
    return text;
  StringRef undefined = findUndefined(*text);
  if (undefined.empty())
    return text;
  return emitError(module.getLoc())
         << "code for target '" << target.name << "' calls '" << undefined
         << "', which nothing defines";
}

FailureOr<std::string> mlir::kvarn::emitObject(ModuleOp module,
                                               const Target &target) {
  return emitFile(module, target, llvm::CodeGenFileType::ObjectFile);
}
