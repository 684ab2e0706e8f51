//===- kvarn-compile.cpp - From programs to kernel libraries --------------===//

#include "tools/kvarn-compile/Options.h"

#include "codegen/Codegen.h"
#include "codegen/library/Compile.h"
#include "dialect/Targets.h"
#include "passes/Programs.h"
#include "passes/Schedules.h"
#include "tools/Registration.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include <csignal>
#include <unistd.h>

using namespace mlir;
using namespace mlir::kvarn;

static constexpr int kUsage = 2, kMissingTool = 3, kInternal = 70;

static int fail(const Twine &message) {
  llvm::errs() << "kvarn-compile: error: " << message << "\n";
  return kUsage;
}

//===----------------------------------------------------------------------===//
// Lists
//===----------------------------------------------------------------------===//

static void printTargets() {
  auto line = [](StringRef name, const Twine &text) {
    llvm::outs() << llvm::left_justify(name, 12) << text << "\n";
  };
  for (const TargetFamily &family : targetFamilies())
    line(family.name, "the best that the machine has of " +
                          llvm::join(family.members, ", "));
  for (const Target &target : knownTargets()) {
    StringRef last = "library";
    for (auto [i, stage] : llvm::enumerate(kStages))
      if (describeUnsupported(target, Stage(i)).empty())
        last = stage.first;
    line(target.name, target.description + "; up to --emit=" + last);
  }
}

static void printFormats() {
  llvm::outs()
      << "format            bytes per token and KV head, head_dim 64 / "
         "128 / 256\n";
  for (int64_t keyBits : ::kvarn::kBits)
    for (int64_t valueBits : ::kvarn::kBits)
      for (int64_t group : ::kvarn::kGroups) {
        ::kvarn::Format format{keyBits, valueBits, group};
        llvm::outs() << llvm::left_justify(format.name(), 18);
        for (int64_t headDim : ::kvarn::kHeadDims) {
          format.headDim = headDim;
          llvm::outs() << (headDim == 64 ? "" : " / ")
                       << llvm::format("%g", format.bytesPerToken());
        }
        llvm::outs() << "\n";
      }
}

static void printStages() {
  for (auto [name, description] : kStages)
    llvm::outs() << llvm::left_justify(name, 10) << description << "\n";
}

//===----------------------------------------------------------------------===//
// From options to a request
//===----------------------------------------------------------------------===//

namespace {

/// The checked form of the options.
struct Request {
  explicit Request(const Options &options) : options(options) {}

  const Options &options;
  Stage stage = Stage::Library;
  SmallVector<const Target *> targets;
  const Target *scheduleFrom = nullptr;
  Model model;
  SmallVector<StringRef> kernels;
};

} // namespace

static bool setFeature(Model &model, StringRef name) {
  bool *flag = llvm::StringSwitch<bool *>(name)
                   .Case("causal", &model.causal)
                   .Case("window", &model.window)
                   .Case("softcap", &model.softcap)
                   .Case("sinks", &model.sinks)
                   .Case("lse", &model.lse)
                   .Default(nullptr);
  if (flag)
    *flag = true;
  return flag;
}

static int checkModel(Request &request) {
  const Options &o = request.options;
  Model &model = request.model;
  auto format = ::kvarn::parseFormatName(o.format);
  if (!format)
    return fail("unknown format '" + o.format + "', expected one of " +
                ::kvarn::knownFormatNames());
  auto layout = ::kvarn::parseLayout(o.layout);
  if (!layout)
    return fail("unknown layout '" + o.layout +
                "', expected reference or mma16816");
  model.format = *format;
  model.format.layout = *layout;
  model.format.headDim = o.headDim;
  std::string error = ::kvarn::describeFormatError(model.format);
  if (!error.empty())
    return fail(error);
  if (o.queryHeads < 1 || o.kvHeads < 1 || o.queryHeads % o.kvHeads)
    return fail("--query-heads=" + Twine(o.queryHeads) +
                " and --kv-heads=" + Twine(o.kvHeads) +
                ": expected positive numbers, the first a multiple of the "
                "second");
  model.ratio = o.queryHeads / o.kvHeads;
  if (model.ratio > 16)
    return fail(Twine(model.ratio) +
                " query heads per KV head, expected at most 16");
  if (o.dtype != "f16" && o.dtype != "bf16")
    return fail("unknown dtype '" + o.dtype + "', expected f16 or bf16");
  model.bfloat16 = o.dtype == "bf16";
  model.causal = false;
  for (const std::string &feature : o.features)
    if (!feature.empty() && feature != "none" && !setFeature(model, feature))
      return fail("unknown feature '" + feature +
                  "', expected causal, window, softcap, sinks, lse or none");
  if (o.iterations < 0 || o.iterations > 64)
    return fail("--iterations=" + Twine(o.iterations) + ": expected 0 to 64");
  model.iterations = o.iterations;
  model.prescale = o.prescale;
  auto range = symbolizeQuantRange(o.range);
  if (!range)
    return fail("unknown range '" + o.range + "', expected minmax or mse");
  model.range = *range;
  auto frame = symbolizeFrame(o.frame);
  if (!frame)
    return fail("unknown frame '" + o.frame +
                "', expected original or rotated");
  model.frame = *frame;
  for (const std::string &kernel : o.kernels)
    if (!llvm::is_contained(knownKernels(), kernel))
      return fail("unknown kernel '" + kernel + "', expected one of " +
                  llvm::join(knownKernels(), ", "));
  for (StringRef kernel : knownKernels())
    if (o.kernels.empty() || llvm::is_contained(o.kernels, kernel))
      request.kernels.push_back(kernel);
  return 0;
}

static int checkTargets(Request &request) {
  const Options &o = request.options;
  request.targets = expandTarget(o.target);
  if (request.targets.empty())
    return fail("unknown target '" + o.target + "', expected one of " +
                knownTargetNames());
  if (!o.scheduleFrom.empty()) {
    SmallVector<const Target *> from = expandTarget(o.scheduleFrom);
    if (from.empty())
      return fail("unknown target '" + o.scheduleFrom +
                  "' in --schedule-from, expected one of " +
                  knownTargetNames());
    request.scheduleFrom = from.front();
  }
  // A schedule can be shown for every target.
  if (o.printSchedule)
    return 0;
  std::string error = describeUnsupported(*request.targets[0], request.stage);
  return error.empty() ? 0 : fail(error);
}

static int check(Request &request) {
  const Options &o = request.options;
  auto stage = llvm::find_if(
      kStages, [&](const auto &entry) { return entry.first == o.emit; });
  if (stage == std::end(kStages)) {
    SmallVector<StringRef> names;
    for (auto [name, description] : kStages)
      names.push_back(name);
    return fail("unknown stage '" + o.emit + "' in --emit, expected one of " +
                llvm::join(names, ", "));
  }
  request.stage = Stage(stage - kStages);
  if (o.input.empty() == o.format.empty())
    return fail(o.input.empty() ? "expected an input file or --format"
                                : "both an input file and --format are given");
  if (int code = checkTargets(request))
    return code;
  if (o.input.empty())
    if (int code = checkModel(request))
      return code;
  if (o.printSchedule)
    return 0;
  if (o.output.empty())
    return fail("expected -o");
  if (request.stage != Stage::Library && o.input.empty() &&
      request.kernels.size() != 1)
    return fail("--emit=" + o.emit +
                " writes one kernel, choose it with --kernels");
  return 0;
}

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

static ::kvarn::VariantKey makeKey(const Model &model, StringRef kernel) {
  ::kvarn::VariantKey key;
  key.kernel = kernel.str();
  key.format = model.format.name();
  key.layout = ::kvarn::layoutName(model.format.layout);
  key.headDim = model.format.headDim;
  key.dtype = model.bfloat16 ? "bf16" : "f16";
  if (kernel == "attend") {
    key.ratio = model.ratio;
    // Sorted, as the manifest wants them.
    std::pair<bool, const char *> features[] = {{model.causal, "causal"},
                                                {model.lse, "lse"},
                                                {model.sinks, "sinks"},
                                                {model.softcap, "softcap"},
                                                {model.window, "window"}};
    for (auto [on, name] : features)
      if (on)
        key.features.push_back(name);
  }
  if (kernel == "flush")
    key.options = {{"iterations", std::to_string(model.iterations)},
                   {"prescale", model.prescale ? "on" : "off"},
                   {"range", stringifyQuantRange(model.range).str()}};
  if (kernel == "materialize")
    key.options = {{"frame", stringifyFrame(model.frame).str()}};
  return key;
}

namespace {

/// A program to compile and the key of its variants.
struct Program {
  OwningOpRef<ModuleOp> module;
  ::kvarn::VariantKey key;
};

class Driver {
public:
  Driver(const Request &request, MLIRContext &context, llvm::SourceMgr &sources)
      : request(request), context(context), sources(sources) {}

  int run();

private:
  int load();
  int printSchedules();
  int emit();
  int writeLibrary();
  int saveStages(StringRef kernel, ModuleOp module, CompileOptions compile);
  CompileOptions optionsFor(const Target &target) const {
    return {&target, request.scheduleFrom, request.options.schedule,
            !request.options.noFuse};
  }

  const Request &request;
  MLIRContext &context;
  llvm::SourceMgr &sources;
  std::vector<Program> programs;
};

} // namespace

int Driver::load() {
  if (request.options.input.empty()) {
    for (StringRef kernel : request.kernels)
      programs.push_back({buildProgram(&context, request.model, kernel),
                          makeKey(request.model, kernel)});
    return 0;
  }
  std::string error;
  auto file = openInputFile(request.options.input, &error);
  if (!file)
    return fail(error);
  sources.AddNewSourceBuffer(std::move(file), llvm::SMLoc());
  auto module = parseSourceFile<ModuleOp>(sources, &context);
  if (!module)
    return kUsage;
  programs.push_back({std::move(module), {}});
  return 0;
}

int Driver::printSchedules() {
  ScheduleAttr given;
  if (!request.options.schedule.empty()) {
    given = parseSchedule(&context, request.options.schedule);
    if (!given)
      return kUsage;
  }
  for (Program &program : programs)
    for (auto function : program.module->getOps<func::FuncOp>())
      for (const Target *target : request.targets) {
        const Target *from =
            request.scheduleFrom ? request.scheduleFrom : target;
        ScheduleAttr schedule =
            given ? given : defaultSchedule(&context, *from, function);
        llvm::outs() << function.getName() << " " << target->name << " "
                     << Attribute(schedule) << "\n";
      }
  return 0;
}

int Driver::emit() {
  FailureOr<std::string> text = emitStage(*programs[0].module, request.stage,
                                          optionsFor(*request.targets[0]));
  if (failed(text))
    return kUsage;
  std::string error;
  if (failed(writeFileAtomically(request.options.output, *text, error)))
    return fail(error);
  return 0;
}

/// Every stage before the library of one program, as files.
int Driver::saveStages(StringRef kernel, ModuleOp module,
                       CompileOptions compile) {
  std::string folder = request.options.output + ".temps", error;
  if (std::error_code code = llvm::sys::fs::create_directories(folder))
    return fail("cannot create '" + folder + "': " + code.message());
  for (auto [i, stage] : llvm::enumerate(ArrayRef(kStages).drop_back())) {
    OwningOpRef<ModuleOp> copy = module.clone();
    FailureOr<std::string> text = emitStage(*copy, Stage(i), compile);
    if (failed(text))
      return kUsage;
    std::string path = folder + "/" + kernel.str() + "." +
                       compile.target->name.str() + "." + stage.first.str();
    if (failed(writeFileAtomically(path, *text, error)))
      return fail(error);
  }
  return 0;
}

int Driver::writeLibrary() {
  if (findLinker().empty()) {
    fail("cannot find ld.lld-19 (Debian package lld-19), which links kernels");
    return kMissingTool;
  }
  LibraryWriter writer(request.options.output, compilerVersion());
  for (Program &program : programs)
    for (const Target *target : request.targets) {
      CompileOptions compile = optionsFor(*target);
      StringRef name = program.key.kernel;
      if (name.empty())
        name = "program";
      if (request.options.saveTemps)
        if (int code = saveStages(name, *program.module, compile))
          return code;
      OwningOpRef<ModuleOp> copy = program.module->clone();
      if (failed(addToLibrary(*copy, program.key, compile, writer)))
        return writer.error().empty() ? kUsage : fail(writer.error());
    }
  if (failed(writer.finish()))
    return fail(writer.error());
  return 0;
}

int Driver::run() {
  if (int code = load())
    return code;
  if (request.options.printSchedule)
    return printSchedules();
  return request.stage == Stage::Library ? writeLibrary() : emit();
}

/// A crash is our mistake, not the input's.
static void endAsInternalError(int) {
  static constexpr char message[] =
      "kvarn-compile: internal error, please report it with the command\n";
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, message, sizeof message - 1);
  _exit(kInternal);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE})
    std::signal(number, endAsInternalError);
  Options options;
  int exitCode = 0;
  if (!parseOptions(argc, argv, options, exitCode))
    return exitCode;
  if (options.printStages)
    return printStages(), 0;
  if (options.listTargets)
    return printTargets(), 0;
  if (options.listFormats)
    return printFormats(), 0;
  while (options.output.size() > 1 && options.output.back() == '/')
    options.output.pop_back();
  Request request(options);
  if (int code = check(request))
    return code;

  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler handler(sources, &context);
  return Driver(request, context, sources).run();
}
