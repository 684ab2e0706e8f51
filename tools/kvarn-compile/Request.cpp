//===- Request.cpp - What kvarn-compile is asked for ----------------------===//

#include "tools/kvarn-compile/Request.h"

#include "codegen/nvptx/Assemble.h"
#include "tools/kvarn-compile/Nesting.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;

int Request::write(StringRef path, StringRef text) const {
  std::string error;
  if (path == "-")
    out << text;
  else if (failed(writeFileAtomically(path, text, error)))
    return fail(error);
  return 0;
}

static bool setFeature(Model &model, StringRef name) {
  bool *flag = llvm::StringSwitch<bool *>(name)
                   .Case("causal", &model.causal)
                   .Case("window", &model.window)
                   .Case("softcap", &model.softcap)
                   .Case("sinks", &model.sinks)
                   .Case("lse", &model.lse)
                   .Case("new", &model.newTokens)
                   .Default(nullptr);
  if (flag)
    *flag = true;
  return flag;
}

static int checkFormat(Request &request) {
  const Options &o = request.options;
  ::kvarn::Format &format = request.model.format;
  auto named = ::kvarn::parseFormatName(o.format);
  if (!named)
    return request.fail("unknown format '" + o.format + "', expected one of " +
                        ::kvarn::knownFormatNames());
  auto layout = ::kvarn::parseLayout(o.layout);
  if (!layout)
    return request.fail("unknown layout '" + o.layout +
                        "', expected reference or mma16816");
  format = *named;
  format.layout = *layout;
  format.headDim = o.headDim;
  std::string error = ::kvarn::describeFormatError(format);
  if (!error.empty())
    return request.fail(error);
  if (o.sourceLayout.empty())
    return 0;
  auto source = ::kvarn::parseLayout(o.sourceLayout);
  if (!source)
    return request.fail("unknown layout '" + o.sourceLayout +
                        "' in --source-layout, expected reference or mma16816");
  request.model.sourceLayout = *source;
  return 0;
}

static int checkAttention(Request &request) {
  const Options &o = request.options;
  Model &model = request.model;
  if (o.queryHeads < 1 || o.kvHeads < 1 || o.queryHeads % o.kvHeads)
    return request.fail(
        "--query-heads=" + Twine(o.queryHeads) +
        " and --kv-heads=" + Twine(o.kvHeads) +
        ": expected positive numbers, the first a multiple of the "
        "second");
  model.ratio = o.queryHeads / o.kvHeads;
  for (int64_t tokens : o.queryTokens)
    if (tokens < 1)
      return request.fail("--query-tokens=" + Twine(tokens) +
                          ": expected positive numbers");
  if (model.ratio > 16)
    return request.fail(Twine(model.ratio) +
                        " query heads per KV head, expected at most 16");
  if (o.dtype != "f16" && o.dtype != "bf16")
    return request.fail("unknown dtype '" + o.dtype +
                        "', expected f16 or bf16");
  model.bfloat16 = o.dtype == "bf16";
  model.causal = false;
  auto isNone = [](StringRef name) { return name.empty() || name == "none"; };
  if (o.features.size() > 1 && llvm::any_of(o.features, isNone))
    return request.fail("--features=" + llvm::join(o.features, ",") +
                        ": expected features, or none alone");
  for (const std::string &feature : o.features)
    if (!isNone(feature) && !setFeature(model, feature))
      return request.fail(
          "unknown feature '" + feature +
          "', expected causal, window, softcap, sinks, lse, new or none");
  return 0;
}

/// How the cache is written, and given back.
static int checkStoring(Request &request) {
  const Options &o = request.options;
  Model &model = request.model;
  if (o.iterations < 0 || o.iterations > 64)
    return request.fail("--iterations=" + Twine(o.iterations) +
                        ": expected 0 to 64");
  model.iterations = o.iterations;
  model.prescale = o.prescale;
  auto range = symbolizeQuantRange(o.range);
  if (!range)
    return request.fail("unknown range '" + o.range +
                        "', expected minmax or mse");
  model.range = *range;
  auto frame = symbolizeFrame(o.frame);
  if (!frame)
    return request.fail("unknown frame '" + o.frame +
                        "', expected original or rotated");
  model.frame = *frame;
  return 0;
}

static int checkKernels(Request &request) {
  const Options &o = request.options;
  for (const std::string &kernel : o.kernels)
    if (!llvm::is_contained(knownKernels(), kernel))
      return request.fail("unknown kernel '" + kernel + "', expected one of " +
                          llvm::join(knownKernels(), ", "));
  for (StringRef kernel : knownKernels())
    if (llvm::is_contained(o.kernels, kernel))
      request.kernels.push_back(kernel);
  if (request.kernels.empty())
    request.kernels = llvm::to_vector(servingKernels());
  return 0;
}

static int checkTargets(Request &request) {
  const Options &o = request.options;
  request.targets = expandTarget(o.target);
  if (request.targets.empty())
    return request.fail("unknown target '" + o.target + "', expected one of " +
                        knownTargetNames());
  if (!o.scheduleFrom.empty()) {
    SmallVector<const Target *> from = expandTarget(o.scheduleFrom);
    if (from.empty())
      return request.fail("unknown target '" + o.scheduleFrom +
                          "' in --schedule-from, expected one of " +
                          knownTargetNames());
    request.scheduleFrom = from.front();
  }
  // A schedule can be shown for every target.
  if (o.printSchedule)
    return 0;
  const Target &target = *request.targets[0];
  if (o.printResources && target.backend != Backend::Nvptx)
    return request.fail("--print-resources is for NVIDIA targets, not for '" +
                        target.name + "'");
  std::string error = describeUnsupported(target, *request.stage);
  if (error.empty() && target.backend == Backend::Nvptx)
    error = nvptx::describeBadAssemblerName();
  return error.empty() ? 0 : request.fail(error);
}

static int checkStage(Request &request) {
  SmallVector<StringRef> names;
  for (const StageRow &row : kStages) {
    names.push_back(row.name);
    if (row.name == request.options.emit)
      request.stage = &row;
  }
  if (request.stage)
    return 0;
  return request.fail("unknown stage '" + request.options.emit +
                      "' in --emit, expected one of " +
                      llvm::join(names, ", "));
}

/// That the model's options name one program; `what` says what for.
static int checkOneProgram(const Request &request, const std::string &what) {
  const Options &o = request.options;
  if (!o.input.empty())
    return request.fail(what + " a model, expected --format");
  if (request.kernels.size() != 1)
    return request.fail(what + " one kernel, choose it with --kernels");
  if (request.kernels[0] == "attend" && o.queryTokens.size() != 1)
    return request.fail(what + " one kernel, choose it with one number in "
                               "--query-tokens");
  if (request.kernels[0] == "relayout" && o.sourceLayout.empty())
    return request.fail(what +
                        " one kernel, choose its way with --source-layout");
  return 0;
}

/// --schedules: the table, and that it can have an effect.
static int checkTuned(Request &request) {
  const Options &o = request.options;
  if (o.schedules.empty())
    return 0;
  if (!o.input.empty())
    return request.fail("--schedules is for a model, expected --format");
  if (!o.schedule.empty() || !o.scheduleFrom.empty())
    return request.fail("--schedules beside --schedule or --schedule-from, "
                        "expected one of them");
  if (request.stage->stage != Stage::Library || o.printSchedule ||
      o.printResources || o.listSchedules)
    return request.fail("--schedules makes a library, nothing else");
  std::string error;
  request.tuned = openTuned(o.schedules, error);
  if (!request.tuned)
    return request.fail(error);
  for (const TunedEntry &entry : request.tuned->entries)
    for (const TunedVariant &variant : entry.variants)
      if (findTooDeep(variant.schedule))
        return request.fail(o.schedules + ": a schedule is " +
                            describeTooDeep());
  for (const Target *target : request.targets)
    if (o.orDefault || target->name == request.tuned->chip)
      return 0;
  return request.fail(o.schedules + ": is for " + request.tuned->chip +
                      ", which --target=" + o.target + " has not");
}

int mlir::kvarn::check(Request &request) {
  const Options &o = request.options;
  if (int code = checkStage(request))
    return code;
  if (o.input.empty() == o.format.empty())
    return request.fail(o.input.empty()
                            ? "expected an input file or --format"
                            : "both an input file and --format are given");
  if (int code = checkTargets(request))
    return code;
  if (o.input.empty())
    for (auto check : {checkFormat, checkAttention, checkStoring, checkKernels})
      if (int code = check(request))
        return code;
  if (findTooDeep(o.schedule))
    return request.fail("--schedule is " + describeTooDeep());
  if (int code = checkTuned(request))
    return code;
  if (o.listSchedules)
    return checkOneProgram(request, "--list-schedules is for");
  if (o.printSchedule || o.printResources)
    return 0;
  if (o.output.empty())
    return request.fail("expected -o");
  if (o.header && request.stage->stage != Stage::Library)
    return request.fail("--header describes a library, --emit=" + o.emit +
                        " makes none");
  if (request.stage->stage == Stage::Library && o.output == "-")
    return request.fail("a library cannot go to stdout, expected -o "
                        "NAME.kvlib");
  if (request.stage->stage == Stage::Library || !o.input.empty())
    return 0;
  return checkOneProgram(request, "--emit=" + o.emit + " writes");
}
