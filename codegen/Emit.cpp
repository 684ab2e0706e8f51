//===- Emit.cpp - LLVM dialect to IR, assembly, object --------------------===//

#include "codegen/Codegen.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringExtras.h"
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
    module.emitError() << "no code generator for target '" << target.name
                       << "': " << error;
    return nullptr;
  }
  llvm::TargetOptions options;
  return std::unique_ptr<llvm::TargetMachine>(backend->createTargetMachine(
      target.triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
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
  }
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
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
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(module, modules);
}

static std::unique_ptr<llvm::Module> translate(ModuleOp module,
                                               llvm::LLVMContext &context,
                                               const Target &target,
                                               llvm::TargetMachine &machine) {
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  module->getContext()->appendDialectRegistry(registry);
  std::unique_ptr<llvm::Module> result =
      translateModuleToLLVMIR(module, context, target.name);
  if (!result)
    return nullptr;
  result->setTargetTriple(target.triple);
  result->setDataLayout(machine.createDataLayout());
  setAttributes(*result, target);
  optimize(*result, machine);
  return result;
}

FailureOr<std::string> mlir::kvarn::emitLlvmIr(ModuleOp module,
                                               const Target &target) {
  auto machine = createMachine(module, target);
  llvm::LLVMContext context;
  auto result =
      machine ? translate(module, context, target, *machine) : nullptr;
  if (!result)
    return failure();
  std::string text;
  llvm::raw_string_ostream stream(text);
  result->print(stream, nullptr);
  return text;
}

static FailureOr<std::string> emitFile(ModuleOp module, const Target &target,
                                       llvm::CodeGenFileType type) {
  auto machine = createMachine(module, target);
  llvm::LLVMContext context;
  auto result =
      machine ? translate(module, context, target, *machine) : nullptr;
  if (!result)
    return failure();
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, type)) {
    module.emitError() << "target '" << target.name
                       << "' cannot write this kind of file";
    return failure();
  }
  passes.run(*result);
  return bytes.str().str();
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
  module.emitError() << "code for target '" << target.name << "' calls '"
                     << undefined << "', which nothing defines";
  return failure();
}

FailureOr<std::string> mlir::kvarn::emitObject(ModuleOp module,
                                               const Target &target) {
  return emitFile(module, target, llvm::CodeGenFileType::ObjectFile);
}
