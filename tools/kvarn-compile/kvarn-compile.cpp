//===- kvarn-compile.cpp - From programs to kernel libraries --------------===//

#include "tools/kvarn-compile/kvarn-compile.h"

#include "tools/kvarn-compile/Inspect.h"
#include "tools/kvarn-compile/Lists.h"
#include "tools/kvarn-compile/Nesting.h"
#include "tools/kvarn-compile/Request.h"
#include "tools/kvarn-compile/StageFolder.h"

#include "codegen/library/Binary.h"
#include "codegen/library/Compile.h"
#include "codegen/nvptx/Assemble.h"
#include "dialect/Targets.h"
#include "format/Fingerprint.h"
#include "passes/Programs.h"
#include "passes/Schedules.h"
#include "tools/Registration.h"
#include "tools/kvarn-compile/Space.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::kvarn;

//===----------------------------------------------------------------------===//
// Finished libraries
//===----------------------------------------------------------------------===//

static int writeHeader(const Request &request, const std::string &library,
                       const ::kvarn::Manifest &manifest) {
  return request.write(headerPath(library), makeHeader(library, manifest));
}

static int inspect(const Request &request) {
  const std::string &library = request.options.inspect;
  std::string error;
  auto manifest = openManifest(library, error);
  if (!manifest)
    return request.fail(error);
  Inspection inspection = inspectLibrary(library, *manifest);
  request.out << inspection.text;
  if (request.options.header)
    if (int code = writeHeader(request, library, *manifest))
      return code;
  return inspection.damaged ? kCheckFailed : 0;
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
    std::pair<bool, const char *> features[] = {
        {model.causal, "causal"},   {model.lse, "lse"},
        {model.newTokens, "new"},   {model.sinks, "sinks"},
        {model.softcap, "softcap"}, {model.window, "window"}};
    for (auto [on, name] : features)
      if (on)
        key.features.push_back(name);
  }
  if (kernel == "flush" || kernel == "pack")
    key.options = {{"iterations", std::to_string(model.iterations)},
                   {"prescale", model.prescale ? "on" : "off"},
                   {"range", stringifyQuantRange(model.range).str()}};
  if (kernel == "materialize")
    key.options = {{"frame", stringifyFrame(model.frame).str()}};
  if (kernel == "relayout") {
    key.dtype.clear();
    key.options = {
        {"source", std::string(::kvarn::layoutName(model.sourceLayout))}};
  }
  return key;
}

namespace {

/// A program to compile and the key of its variants.
struct Program {
  OwningOpRef<ModuleOp> module;
  ::kvarn::VariantKey key;
  std::optional<Model> model; // what the program was made from, if not a file
};

/// One schedule of a program on its way to a library.
struct Job {
  Program &program;
  ::kvarn::VariantKey key;
  CompileOptions options;
  bool fromTable = false; // of schedules

  std::vector<::kvarn::Variant> variants = {};
  std::string messages = {};
  int code = 0;
  bool unwritten = false; // one of its stages
};

class Driver {
public:
  Driver(const Request &request, MLIRContext &context, llvm::SourceMgr &sources)
      : request(request), context(context), sources(sources) {}

  int run();

private:
  int checkNesting(const llvm::MemoryBuffer &file);
  int load();
  int checkTools();
  ScheduleAttr scheduleFor(const Target &target, func::FuncOp function);
  int printSchedules();
  void printSpecial(const Target &target, func::FuncOp function);
  int printResources();
  int listSchedules();
  int emit();
  int writeLibrary();
  bool needsProgram(Program &program, const Target &target);
  void addSchedules(Program &program, const CompileOptions &plain,
                    std::vector<Job> &jobs);
  std::vector<Job> listJobs();
  void run(Job &job, ModuleOp module, const LibraryWriter &writer,
           llvm::raw_ostream &err);
  void runInOwnContext(Job &job, const LibraryWriter &writer);
  void runAll(std::vector<Job> &jobs, const LibraryWriter &writer);
  int finish(std::vector<Job> &jobs, LibraryWriter &writer);
  CompileOptions optionsFor(const Target &target) const {
    return {&target, request.scheduleFrom, request.options.schedule,
            !request.options.noFuse};
  }

  const Request &request;
  MLIRContext &context;
  llvm::SourceMgr &sources;
  std::vector<Program> programs;
  DenseMap<const Target *, SmallVector<int64_t>> rowsOf; // of attend
  bool usesTuned = false;            // some kernel is in the table
  std::optional<StageFolder> stages; // of --save-temps
};

} // namespace

/// One model, one for each number of query tokens, or for both ways of a change
/// of layout two.
static SmallVector<Model> modelsFor(const Request &request, StringRef kernel) {
  Model model = request.model;
  if (kernel == "attend") {
    SmallVector<Model> models;
    for (int64_t tokens : request.options.queryTokens) {
      model.queryTokens = tokens;
      models.push_back(model);
    }
    return models;
  }
  if (kernel != "relayout" || !request.options.sourceLayout.empty())
    return {model};
  Model back = model;
  model.sourceLayout = model.format.layout == ::kvarn::Layout::Reference
                           ? ::kvarn::Layout::Mma16816
                           : ::kvarn::Layout::Reference;
  back.format.layout = model.sourceLayout;
  back.sourceLayout = model.format.layout;
  return {model, back};
}

/// Bytecode has no brackets.
int Driver::checkNesting(const llvm::MemoryBuffer &file) {
  StringRef text = file.getBuffer();
  if (isBytecode(file))
    return 0;
  std::optional<size_t> place = findTooDeep(text);
  if (!place)
    return 0;
  // Without the line, which may be long.
  StringRef before = text.take_front(*place);
  request.err << file.getBufferIdentifier() << ":" << before.count('\n') + 1
              << ":" << before.size() - before.rfind('\n')
              << ": error: " << describeTooDeep() << "\n";
  return kUsage;
}

int Driver::load() {
  if (request.options.input.empty()) {
    for (StringRef kernel : request.kernels)
      for (const Model &model : modelsFor(request, kernel))
        programs.push_back({buildProgram(&context, model, kernel),
                            makeKey(model, kernel), model});
    return 0;
  }
  std::string error;
  auto file = openInputFile(request.options.input, &error);
  if (!file)
    return request.fail(error);
  if (int code = checkNesting(*file))
    return code;
  sources.AddNewSourceBuffer(std::move(file), llvm::SMLoc());
  auto module = parseSourceFile<ModuleOp>(sources, &context);
  if (!module)
    return kUsage;
  programs.push_back({std::move(module), {}, {}});
  return 0;
}

/// What is needed for the best target is needed for all of a family.
int Driver::checkTools() {
  const Target &target = *request.targets.front();
  Stage stage = request.stage->stage;
  // Registers are known to assemblers only.
  if (request.options.printResources)
    stage = Stage::Cubin;
  std::string missing = describeMissingTool(target, stage);
  if (!missing.empty()) {
    request.fail(missing);
    return kMissingTool;
  }
  if (target.backend == Backend::Nvptx && stage == Stage::Library) {
    missing = nvptx::describeMissingAssembler();
    if (!missing.empty())
      request.err << "kvarn-compile: note: " << missing
                  << "; the library holds PTX\n";
  }
  return 0;
}

/// The one given, or else the default.
ScheduleAttr Driver::scheduleFor(const Target &target, func::FuncOp function) {
  if (!request.options.schedule.empty())
    return parseSchedule(&context, request.options.schedule);
  return defaultSchedule(&context,
                         request.scheduleFrom ? *request.scheduleFrom : target,
                         function);
}

/// The default schedules for special work: "attend sm_90a <...> near
/// b1.h8.c4096".
void Driver::printSpecial(const Target &target, func::FuncOp function) {
  std::vector<HintedSchedule> all =
      defaultSchedules(&context, target, function);
  for (const HintedSchedule &special : llvm::drop_begin(all)) {
    request.out << function.getName() << " " << target.name << " "
                << Attribute(special.schedule) << " near";
    for (const ::kvarn::Hint &hint : special.hints)
      request.out << " " << ::kvarn::shortName(hint);
    request.out << "\n";
  }
}

int Driver::printSchedules() {
  for (Program &program : programs)
    for (auto function : program.module->getOps<func::FuncOp>())
      for (const Target *target : request.targets) {
        request.out << function.getName() << " " << target->name << " "
                    << Attribute(scheduleFor(*target, function)) << "\n";
        if (request.options.schedule.empty() && !request.scheduleFrom)
          printSpecial(*target, function);
      }
  return 0;
}

int Driver::printResources() {
  for (Program &program : programs)
    for (const Target *target : request.targets) {
      OwningOpRef<ModuleOp> copy = program.module->clone();
      FailureOr<std::string> text =
          describeResources(*copy, optionsFor(*target));
      if (failed(text))
        return kUsage;
      request.out << *text;
    }
  return 0;
}

int Driver::emit() {
  ModuleOp module = *programs[0].module;
  CompileOptions compile = optionsFor(*request.targets[0]);
  FailureOr<std::string> text =
      request.stage->stage == Stage::Fatbin
          ? emitFatBinary(module, request.targets, compile)
          : emitStage(module, request.stage->stage, compile);
  if (failed(text))
    return kUsage;
  return request.write(request.options.output, *text);
}

/// Whether `target` has no program of as many query rows yet; if it has others,
/// the number goes into the key.
bool Driver::needsProgram(Program &program, const Target &target) {
  if (program.key.kernel != "attend")
    return true;
  SmallVector<int64_t> &known = rowsOf[&target];
  func::FuncOp function = *program.module->getOps<func::FuncOp>().begin();
  int64_t rows = scheduleFor(target, function).getRows();
  if (llvm::is_contained(known, rows))
    return false;
  program.key.queryRows = known.empty() ? 0 : rows;
  known.push_back(rows);
  return true;
}

/// A job for each schedule of a kernel: those of the table, if it is there,
/// else the default ones. Only the general one is for code that other chips run
/// too, or that shows what another target does.
void Driver::addSchedules(Program &program, const CompileOptions &plain,
                          std::vector<Job> &jobs) {
  if (!plain.schedule.empty() || !program.model) {
    jobs.push_back({program, program.key, plain});
    return;
  }
  func::FuncOp function = *program.module->getOps<func::FuncOp>().begin();
  const Target &from = plain.scheduleFrom ? *plain.scheduleFrom : *plain.target;
  std::vector<HintedSchedule> defaults =
      defaultSchedules(&context, from, function);
  const TunedEntry *kernel = nullptr;
  if (request.tuned && plain.target->name == request.tuned->chip)
    kernel =
        request.tuned->find(program.key, defaults.front().schedule.getRows());
  int64_t count = 0;
  auto add = [&](std::string schedule, std::vector<::kvarn::Hint> hints) {
    CompileOptions own = plain;
    own.schedule = std::move(schedule);
    own.hints = std::move(hints);
    own.suffix = "-" + std::to_string(++count);
    jobs.push_back({program, program.key, std::move(own), kernel != nullptr});
  };
  if (kernel) {
    usesTuned = true;
    for (const TunedVariant &variant : kernel->variants)
      add(variant.schedule, variant.hints);
    return;
  }
  jobs.push_back({program, program.key, plain});
  ++count;
  if (!plain.portable && !plain.scheduleFrom)
    for (const HintedSchedule &special : llvm::drop_begin(defaults))
      add(scheduleText(special.schedule), special.hints);
}

std::vector<Job> Driver::listJobs() {
  std::vector<Job> jobs;
  for (Program &program : programs)
    for (const Target *target : request.targets) {
      CompileOptions plain = optionsFor(*target);
      plain.portable = target != request.targets.front();
      if (needsProgram(program, *target))
        addSchedules(program, plain, jobs);
    }
  return jobs;
}

/// `module` is that of the program, in a context whose diagnostics go to `err`.
void Driver::run(Job &job, ModuleOp module, const LibraryWriter &writer,
                 llvm::raw_ostream &err) {
  std::string name = programName(job.key);
  if (name.empty())
    name = "program";
  job.code = kUsage;
  if (stages)
    if (std::optional<std::string> error =
            stages->save(name + job.options.suffix, module, job.options)) {
      job.unwritten = !error->empty();
      if (job.unwritten)
        err << "kvarn-compile: error: " << *error << "\n";
      return;
    }
  FailureOr<std::vector<::kvarn::Variant>> variants =
      compileVariants(module, job.key, job.options, writer);
  if (failed(variants)) {
    if (job.fromTable)
      err << "kvarn-compile: note: the schedule is of "
          << request.options.schedules << "\n";
    return;
  }
  job.variants = std::move(*variants);
  job.code = 0;
}

/// Makes the program again: contexts are not for several threads.
void Driver::runInOwnContext(Job &job, const LibraryWriter &writer) {
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext own(registry, MLIRContext::Threading::DISABLED);
  own.printOpOnDiagnostic(false);
  llvm::SourceMgr none;
  llvm::raw_string_ostream err(job.messages);
  SourceMgrDiagnosticHandler handler(none, &own, err);
  OwningOpRef<ModuleOp> module =
      buildProgram(&own, *job.program.model, job.key.kernel);
  run(job, *module, writer, err);
}

void Driver::runAll(std::vector<Job> &jobs, const LibraryWriter &writer) {
  llvm::DefaultThreadPool pool;
  for (Job &job : jobs)
    if (job.program.model) {
      pool.async([this, &job, &writer] { runInOwnContext(job, writer); });
    } else {
      OwningOpRef<ModuleOp> copy = job.program.module->clone();
      run(job, *copy, writer, request.err);
    }
  pool.wait();
}

/// Says what came of the jobs, and puts the library in its place.
int Driver::finish(std::vector<Job> &jobs, LibraryWriter &writer) {
  for (Job &job : jobs) {
    request.err << job.messages;
    if (job.code && job.program.model)
      request.err << "kvarn-compile: note: in the kernel "
                  << programName(job.key) << job.options.suffix << " for "
                  << job.options.target->name << "\n";
  }
  for (Job &job : jobs) {
    if (job.code)
      return job.code;
    for (::kvarn::Variant &variant : job.variants)
      if (failed(writer.add(std::move(variant))))
        return request.fail(writer.error());
  }
  return failed(writer.finish()) ? request.fail(writer.error()) : 0;
}

int Driver::writeLibrary() {
  LibraryWriter writer(request.options.output, compilerVersion());
  if (!writer.error().empty())
    return request.fail(writer.error());
  std::vector<Job> jobs = listJobs();
  if (request.tuned && !usesTuned && !request.options.orDefault)
    return request.fail(request.options.schedules +
                        ": has no schedules for these kernels, but for " +
                        request.tuned->describe());
  if (request.options.saveTemps) {
    std::string error =
        stages.emplace().create(request.options.output + ".temps");
    if (!error.empty())
      return request.fail(error);
  }
  runAll(jobs, writer);
  int code = finish(jobs, writer);
  // Those of a program that failed are what its author wants to see.
  auto isUnwritten = [](const Job &job) { return job.unwritten; };
  if (stages && (writer.lacksFile() || llvm::any_of(jobs, isUnwritten)))
    stages->discard();
  if (code || !request.options.header)
    return code;
  std::string error;
  auto manifest = openManifest(request.options.output, error);
  return manifest ? writeHeader(request, request.options.output, *manifest)
                  : request.fail(error);
}

int Driver::listSchedules() {
  Program &program = programs.front();
  std::string text =
      listSchedulesOfSpace(*request.targets.front(), program.key.kernel,
                           *program.module->getOps<func::FuncOp>().begin(),
                           FormatAttr::get(&context, request.model.format));
  const std::string &output = request.options.output;
  return request.write(output.empty() ? "-" : output, text);
}

int Driver::run() {
  if (int code = load())
    return code;
  const std::string &schedule = request.options.schedule;
  if (!schedule.empty() && !parseSchedule(&context, schedule))
    return kUsage;
  if (request.options.listSchedules)
    return listSchedules();
  if (request.options.printSchedule)
    return printSchedules();
  if (int code = checkTools())
    return code;
  if (request.options.printResources)
    return printResources();
  return request.stage->stage == Stage::Library ? writeLibrary() : emit();
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

int mlir::kvarn::runCompiler(int argc, const char *const *argv,
                             llvm::raw_ostream &out, llvm::raw_ostream &err) {
  Options options;
  ParsedOptions parsed = parseOptions(argc, argv, options);
  if (parsed.exitCode) {
    (*parsed.exitCode ? err : out) << parsed.text;
    return *parsed.exitCode;
  }
  if (options.printStages)
    return printStages(out), 0;
  if (options.listTargets)
    return printTargets(out), 0;
  if (options.listFormats)
    return printFormats(out), 0;
  for (std::string *path : {&options.output, &options.inspect})
    while (path->size() > 1 && path->back() == '/')
      path->pop_back();
  Request request(options, out, err);
  if (options.listSpace) {
    const Target *target = bestOf(options.target);
    if (!target)
      return request.fail("unknown target '" + options.target +
                          "', expected one of " + knownTargetNames());
    return printSpace(*target, out), 0;
  }
  if (!options.inspect.empty())
    return inspect(request);
  if (int code = check(request))
    return code;

  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  // Ops of programs that are made here mean nothing to somebody who has not
  // written them; those of a file are shown where they stand there.
  context.printOpOnDiagnostic(false);
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler handler(sources, &context, err);
  return Driver(request, context, sources).run();
}

//===----------------------------------------------------------------------===//
// The C interface
//===----------------------------------------------------------------------===//

const char *kvarn_compiler_fingerprint() { return ::kvarn::kFingerprint; }

int kvarn_compiler_run(int argc, const char *const *argv,
                       void (*print)(void *context, const char *text,
                                     size_t size),
                       void *context) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  int code = runCompiler(argc, argv, stream, stream);
  print(context, text.data(), text.size());
  return code;
}
