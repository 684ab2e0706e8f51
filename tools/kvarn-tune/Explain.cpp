//===- Explain.cpp - explain: which schedule, and from where --------------===//

#include "autotune/measure/Error.h"
#include "autotune/measure/Lookup.h"
#include "autotune/measure/Schedule.h"
#include "format/Format.h"
#include "tools/kvarn-run/Text.h"
#include "tools/kvarn-tune/Commands.h"

#include <algorithm>
#include <cstdio>
#include <memory>

namespace kvarn::tune {

namespace {

struct ExplainCommand {
  std::string records = "kvarn-tune.jsonl", format, layout, dtype, features;
  std::string kernel = "attend", gpu, chip, compiler;
  int64_t headDim = 0, queryHeads = 64, processors = 0;
  Bucket bucket;

  int run() const;

private:
  /// Query heads per KV head, which other kernels than attend do not have.
  int64_t ratio() const {
    return kernel == "attend" ? queryHeads / bucket.kvHeads : 0;
  }
  void checkBucket() const;
  bool isAsked(const Record &record) const;
  bool isRows(const Record &record) const;
};

} // namespace

/// Whether a record is of a kernel that was asked for.
bool ExplainCommand::isAsked(const Record &record) const {
  const VariantKey &key = record.key;
  std::string names;
  for (const std::string &feature : key.features)
    names += (names.empty() ? "" : ",") + feature;
  return key.kernel == kernel && key.format == format &&
         (layout.empty() || key.layout == layout) &&
         (dtype.empty() || key.dtype == dtype) &&
         (headDim == 0 || key.headDim == headDim) && key.ratio == ratio() &&
         names == (kernel == "attend" ? features : "") &&
         (chip.empty() || record.chip == chip);
}

/// The shape has all that the kernel's buckets have, and nothing else.
void ExplainCommand::checkBucket() const {
  if (!isTunable(kernel))
    throw InputError("kernel '" + kernel + "' is never tuned");
  for (const BucketMember &member : kBucketMembers) {
    std::string option = "--" + std::string(member.name);
    std::replace(option.begin(), option.end(), '_', '-');
    bool given = bucket.*member.value > 0;
    if (member.isOf(kernel) && !given)
      throw InputError(kernel + " needs " + option);
    if (!member.isOf(kernel) && given)
      throw InputError(option + " says nothing of " + kernel);
  }
}

int ExplainCommand::run() const {
  checkBucket();
  if (!parseFormatName(format))
    throw InputError("unknown format '" + format + "', expected one of " +
                     knownFormatNames());
  if (kernel == "attend" && queryHeads % bucket.kvHeads)
    throw InputError(
        "--query-heads=" + std::to_string(queryHeads) +
        " is not a multiple of --kv-heads=" + std::to_string(bucket.kvHeads));
  RecordFile file = readRecords(records);
  warnOfDamage(file.damaged);
  Question question;
  question.bucket = bucket;
  question.device = {gpu, processors, ""};
  question.compiler = compiler;
  // What was not said is as in the latest record that fits.
  int64_t rows = 0, wanted = bucket.queryTokens * ratio();
  for (const Record &record : file.records) {
    if (!isAsked(record))
      continue;
    int64_t own = record.key.queryRows;
    bool fits = rows == 0 || (own >= wanted ? rows < wanted || own <= rows
                                            : rows < wanted && own >= rows);
    if (!fits)
      continue;
    rows = own;
    question.key = record.key;
    question.chip = record.chip;
    if (compiler.empty())
      question.compiler = record.compiler;
    if (gpu.empty())
      question.device = record.device;
  }
  Answer answer = lookUp(file.records, question);
  std::printf(
      "source: %s\n",
      std::string(kSourceNames[static_cast<size_t>(answer.source)]).c_str());
  if (!question.key.kernel.empty())
    std::printf("kernel: %s\n", describe(question.key).c_str());
  if (answer.source == Source::Heuristic) {
    std::printf("schedule: the compiler's default for the target "
                "(kvarn-compile --print-schedule)\n");
  } else {
    std::printf("schedule: %s\n", answer.schedule.c_str());
    std::printf("measured: %s, %.1f us on %s (%lld processors)\n",
                answer.bucket.describe().c_str(), answer.seconds * 1e6,
                answer.device.name.c_str(),
                static_cast<long long>(answer.device.processors));
  }
  std::printf("records: %zu of this kernel by %s, %zu by other compilers, "
              "which are not trusted\n",
              answer.records,
              question.compiler.empty() ? "any compiler"
                                        : question.compiler.c_str(),
              answer.untrusted);
  return run::kDone;
}

void addExplainCommand(CLI::App &app, Action &action) {
  auto o = std::make_shared<ExplainCommand>();
  o->features = "causal";
  o->bucket.kvHeads = 8;
  CLI::App &sub = *app.add_subcommand(
      "explain", "Which schedule the records give for a shape, and why");
  auto text = [&](const char *name, std::string &value, const char *help) {
    return sub.add_option(name, value, help)->type_name("NAME");
  };
  auto number = [&](const char *name, int64_t &value, const char *help) {
    return sub.add_option(name, value, help)
        ->check(CLI::Range(int64_t(1), int64_t(1) << 32))
        ->type_name("N");
  };
  sub.add_option("--records", o->records, "The records")
      ->type_name("FILE")
      ->capture_default_str();
  text("--kernel", o->kernel, "attend, flush, ...")->capture_default_str();
  text("--format", o->format, "kvarn_k4v2_g128, ...")->required();
  text("--layout", o->layout, "reference or mma16816; any if not given");
  text("--dtype", o->dtype, "f16 or bf16; any if not given");
  text("--features", o->features, "Of attend, sorted")->capture_default_str();
  number("--head-dim", o->headDim, "Channels of a head; any if not given");
  number("--query-heads", o->queryHeads, "Heads of q")->capture_default_str();
  number("--kv-heads", o->bucket.kvHeads, "Heads of the cache")
      ->capture_default_str();
  number("--batch", o->bucket.batch, "Requests");
  number("--context", o->bucket.context, "Tokens of each");
  number("--query-tokens", o->bucket.queryTokens, "New tokens of each, or 1");
  number("--pairs", o->bucket.pairs, "Blocks that are flushed or packed");
  number("--tokens", o->bucket.tokens, "Tokens that are appended");
  text("--gpu", o->gpu, "Name of the GPU; that of the latest record");
  number("--sm-count", o->processors,
         "Multiprocessors of --gpu; any if not given");
  text("--target", o->chip, "sm_90a, ...; that of the latest record");
  text("--compiler", o->compiler,
       "Version to trust; that of the latest record");
  sub.callback([=, &action] {
    if (o->kernel == "attend" && o->bucket.queryTokens == 0)
      o->bucket.queryTokens = 1;
    action = [=] { return o->run(); };
  });
}

} // namespace kvarn::tune
