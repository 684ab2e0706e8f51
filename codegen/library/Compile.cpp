//===- Compile.cpp - A program through the stages -------------------------===//

#include "codegen/library/Compile.h"

#include "codegen/Codegen.h"
#include "codegen/library/Binary.h"
#include "codegen/library/LaunchPlan.h"
#include "codegen/nvptx/Assemble.h"
#include "codegen/nvptx/FatBinary.h"
#include "dialect/Names.h"
#include "dialect/TileDialect.h"
#include "format/Fingerprint.h"
#include "passes/Passes.h"
#include "passes/Schedules.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::kvarn;
using ::kvarn::Variant;

std::string mlir::kvarn::programName(const ::kvarn::VariantKey &key) {
  std::string name = key.kernel;
  if (auto source = key.options.find("source"); source != key.options.end())
    name += "-" + source->second;
  if (key.queryRows)
    name += "-rows" + std::to_string(key.queryRows);
  return name;
}

std::string mlir::kvarn::compilerVersion() {
  return std::string("kvarn " KVARN_VERSION " (build ") +
         ::kvarn::kFingerprint + "), LLVM " LLVM_VERSION_STRING;
}

SmallVector<const StageRow *> mlir::kvarn::stagesOf(const Target &target) {
  SmallVector<const StageRow *> rows;
  for (const StageRow &row : kStages)
    if ((target.backend == Backend::Cpu && row.cpu) ||
        (target.backend == Backend::Nvptx && row.nvptx) ||
        (target.backend == Backend::Amdgpu && row.amdgpu))
      rows.push_back(&row);
  return rows;
}

std::string mlir::kvarn::describeUnsupported(const Target &target,
                                             const StageRow &row) {
  SmallVector<const StageRow *> rows = stagesOf(target);
  if (llvm::is_contained(rows, &row))
    return {};
  auto names = llvm::map_range(rows, [](auto *row) { return row->name; });
  return ("target '" + target.name + "' has no stage '" + row.name +
          "', expected one of " + llvm::join(names, ", "))
      .str();
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

LogicalResult mlir::kvarn::compileToLevelOne(ModuleOp module,
                                             const CompileOptions &options) {
  PassManager manager(module.getContext());
  if (options.fuse)
    addFuseStage(manager);
  return manager.run(module);
}

LogicalResult mlir::kvarn::compileToTiles(ModuleOp module,
                                          const CompileOptions &options) {
  if (failed(compileToLevelOne(module, options)))
    return failure();
  const Target *from =
      options.scheduleFrom ? options.scheduleFrom : options.target;
  PassManager manager(module.getContext());
  addTileStage(manager, from->name, options.schedule);
  return manager.run(module);
}

/// From tiles to the LLVM dialect, kernels only.
static LogicalResult compileToLlvm(ModuleOp module, const Target &target) {
  for (func::FuncOp host :
       llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    host.erase();
  PassManager manager(module.getContext());
  buildPipeline(manager, target);
  return manager.run(module);
}

static std::string print(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os);
  os << "\n";
  return text;
}

FailureOr<std::string> mlir::kvarn::emitStage(ModuleOp module, Stage stage,
                                              const CompileOptions &options) {
  if (stage == Stage::Fatbin)
    return emitFatBinary(module, options.target, options);
  if (stage == Stage::Kvarn) {
    if (failed(compileToLevelOne(module, options)))
      return failure();
    return print(module);
  }
  if (failed(compileToTiles(module, options)))
    return failure();
  if (stage == Stage::Tile)
    return print(module);
  if (failed(compileToLlvm(module, *options.target)))
    return failure();
  switch (stage) {
  case Stage::Llvm:
    return emitLlvmIr(module, *options.target);
  case Stage::Asm:
    return emitAssembly(module, *options.target);
  case Stage::Cubin: {
    FailureOr<nvptx::Cubin> cubin = nvptx::emitCubin(module, *options.target);
    if (failed(cubin))
      return failure();
    return std::move(cubin->bytes);
  }
  default:
    return emitObject(module, *options.target);
  }
}

FailureOr<std::string>
mlir::kvarn::emitFatBinary(ModuleOp module, ArrayRef<const Target *> targets,
                           CompileOptions options) {
  SmallVector<nvptx::Image> images;
  for (const Target *target : targets) {
    options.target = target;
    bool first = images.empty();
    OwningOpRef<ModuleOp> copy = module.clone();
    FailureOr<std::string> bytes =
        emitStage(*copy, first ? Stage::Cubin : Stage::Asm, options);
    if (failed(bytes))
      return failure();
    images.push_back({target->name.str(), /*ptx=*/!first, std::move(*bytes)});
  }
  return nvptx::makeFatBinary(images,
                              [&] { return emitError(module.getLoc()); });
}

FailureOr<std::string>
mlir::kvarn::describeResources(ModuleOp module, const CompileOptions &options) {
  if (failed(compileToTiles(module, options)) ||
      failed(compileToLlvm(module, *options.target)))
    return failure();
  FailureOr<nvptx::Cubin> cubin = nvptx::emitCubin(module, *options.target);
  if (failed(cubin))
    return failure();
  if (cubin->kernels.empty())
    return emitError(module.getLoc())
           << "the assembler does not say what kernels take";
  std::string text;
  llvm::raw_string_ostream os(text);
  for (const nvptx::Resources &kernel : cubin->kernels) {
    KernelNeeds needs =
        kernelNeeds(module, kernel.kernel).value_or(KernelNeeds());
    os << kernel.kernel << " " << options.target->name
       << " registers=" << kernel.registers
       << " spill_stores=" << kernel.spillStores
       << " spill_loads=" << kernel.spillLoads << " stack=" << kernel.stackBytes
       << " shared=" << needs.memoryBytes + kernel.staticSharedBytes
       << " threads=" << needs.threads << "\n";
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Libraries
//===----------------------------------------------------------------------===//

/// `name` and what it launches in a module of its own.
static OwningOpRef<ModuleOp> extractProgram(ModuleOp module, StringRef name) {
  OwningOpRef<ModuleOp> program = module.clone();
  llvm::StringSet<> kernels;
  auto host = program->lookupSymbol<func::FuncOp>(name);
  host.walk([&](tile::LaunchOp op) { kernels.insert(op.getKernel()); });
  for (Operation &op :
       llvm::make_early_inc_range(program->getBody()->getOperations())) {
    auto symbol = dyn_cast<SymbolOpInterface>(op);
    if (symbol && symbol.getName() != name &&
        !kernels.contains(symbol.getName()))
      op.erase();
  }
  return program;
}

static std::string familyOf(const Target &target) {
  for (const TargetFamily &family : targetFamilies())
    if (llvm::is_contained(family.members, target.name))
      return family.name.str();
  return target.name.str();
}

static void describeDevice(const Target &target, Variant &variant) {
  variant.requirements.arch = target.arch.str();
  if (target.backend != Backend::Cpu)
    variant.requirements.chip = target.name.str();
  else if (target.cpu != "generic")
    variant.requirements.cpu = target.cpu.str();
}

/// NVIDIA code reads and writes rows of heads and records 16 bytes at a time.
static constexpr size_t kRowRank = 3;
static constexpr int64_t kRowAlignment = 16;

static void requireAlignment(const Target &target, Variant &variant) {
  for (::kvarn::Parameter &parameter : variant.parameters)
    if (target.backend == Backend::Nvptx &&
        parameter.kind == ::kvarn::Parameter::Kind::Tensor &&
        parameter.shape.size() >= kRowRank)
      parameter.alignment = kRowAlignment;
}

/// Threads and memory become known during code generation.
static LogicalResult readNeeds(ModuleOp module, Variant &variant) {
  for (::kvarn::Launch &launch : variant.launches) {
    std::optional<KernelNeeds> needs = kernelNeeds(module, launch.entry);
    if (!needs)
      return module.emitError()
             << "no code for kernel '" << launch.entry << "'";
    launch.block = needs->threads;
    launch.sharedBytes = needs->memoryBytes;
    launch.early = needs->awaitsPrevious;
  }
  return success();
}

/// The schedule of the first kernel that has one; null if none has.
static ScheduleAttr findSchedule(ModuleOp module) {
  for (auto kernel : module.getOps<tile::KernelOp>())
    if (ScheduleAttr schedule = kernel.getScheduleAttr())
      return schedule;
  return {};
}

static LogicalResult compileProgram(ModuleOp program, func::FuncOp host,
                                    ::kvarn::VariantKey key,
                                    const CompileOptions &options,
                                    const LibraryWriter &writer,
                                    std::vector<Variant> &variants) {
  const Target &target = *options.target;
  if (failed(checkProgramName(host)))
    return failure();
  FailureOr<Variant> variant = planLaunches(host);
  if (failed(variant))
    return failure();
  if (key.kernel.empty())
    key.kernel = host.getName().str();
  key.target = familyOf(target);
  std::string name = programName(key);
  ScheduleAttr schedule = findSchedule(program);
  // Programs with query heads: how many query rows one tile takes.
  if (key.ratio && schedule)
    key.queryRows = schedule.getRows();
  variant->key = std::move(key);
  variant->id = name + "." + target.name.str() + options.suffix;
  variant->schedule = scheduleText(schedule);
  variant->scheduleFrom =
      (options.scheduleFrom ? options.scheduleFrom : &target)->name.str();
  describeDevice(target, *variant);
  requireAlignment(target, *variant);
  if (failed(compileToLlvm(program, target)) ||
      failed(readNeeds(program, *variant)))
    return failure();
  if (failed(writeBinary(program, target, options.portable, writer, *variant)))
    return failure();
  if (options.hints.empty())
    variants.push_back(*variant);
  for (const ::kvarn::Hint &hint : options.hints) {
    Variant &tuned = variants.emplace_back(*variant);
    tuned.hint = hint;
    tuned.id += "." + ::kvarn::shortName(hint);
  }
  return success();
}

FailureOr<std::vector<Variant>>
mlir::kvarn::compileVariants(ModuleOp module, const ::kvarn::VariantKey &key,
                             const CompileOptions &options,
                             const LibraryWriter &writer) {
  if (failed(compileToTiles(module, options)))
    return failure();
  std::vector<Variant> variants;
  for (func::FuncOp host : module.getOps<func::FuncOp>()) {
    if (host.isExternal())
      continue;
    OwningOpRef<ModuleOp> program = extractProgram(module, host.getName());
    if (failed(compileProgram(
            *program, program->lookupSymbol<func::FuncOp>(host.getName()), key,
            options, writer, variants)))
      return failure();
  }
  if (variants.empty())
    return module.emitError()
           << "holds no program, expected a func.func of level 1 or one that "
              "launches tile kernels";
  return variants;
}
