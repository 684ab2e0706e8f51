//===- Roundtrip.cpp - roundtrip: a cache over many steps -----------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/OptionChecks.h"
#include "tools/kvarn-run/Roundtrip/Simulation.h"
#include "tools/kvarn-run/Text.h"

#include <memory>

namespace kvarn::run {

namespace {
struct RoundtripCommand {
  RoundtripOptions options;
  LibrarySource source;

  int run();
};
} // namespace

int RoundtripCommand::run() {
  for (const char *kernel : {"attend", "append", "flush", "pack", "unflush"})
    if (!source.wants(kernel))
      throw Error(kInput, std::string("--kernels: roundtrip needs '") + kernel +
                              "' too");
  if (options.need.queryHeads % options.need.kvHeads != 0)
    throw Error(kInput,
                formatText("%lld query heads are not a multiple of "
                           "%lld KV heads",
                           static_cast<long long>(options.need.queryHeads),
                           static_cast<long long>(options.need.kvHeads)));
  source.open();
  if (source.onlyCompiles())
    return source.compileAll({options.need});
  const Library *library = source.find(options.need);
  if (!library)
    throw Error(kInput, "the libraries given lack a kernel for " +
                            options.need.describe());
  std::string where = "roundtrip " + options.need.describe();
  Kernel flush = source.select(*library, options.need, "flush");
  CacheSizes sizes = {kBlocks, kSlots, options.need.kvHeads,
                      formatOf(flush.info())->recordBytes() + 64};
  Engine engine(source, *library, options.need, sizes);
  Simulation simulation(options, engine);
  Report report;
  int64_t number = 1;
  try {
    for (; number <= options.steps; ++number)
      simulation.step(number);
    simulation.report(report, where);
  } catch (const Difference &difference) {
    report.add(where, formatText("step %lld", static_cast<long long>(number)),
               {"failed", "as the shadow", false, difference.what()},
               flush.hash());
  } catch (const kvarn::Error &error) {
    report.add(where, formatText("step %lld", static_cast<long long>(number)),
               {"failed", "runs", false, error.what()}, flush.hash());
  }
  return report.finish();
}

/// What is wrong with the text of --format, or "".
static std::string describeFormatError(const std::string &text) {
  return parseFormatName(text)
             ? ""
             : "found '" + text +
                   "', expected a format of kvarn-compile --list-formats";
}

void addRoundtripCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<RoundtripCommand>();
  RoundtripOptions &options = command->options;
  options.need.format = "kvarn_k4v2_g64";
  options.need.headDim = 64;
  options.need.queryHeads = 4;
  options.need.kvHeads = 2;
  CLI::App &sub = *app.add_subcommand(
      "roundtrip", "Many steps of requests that share a cache, checked");
  const char *group = "Steps";
  sub.add_option("--steps", options.steps, "How many")
      ->check(CLI::Range(1, 100000000))
      ->capture_default_str()
      ->group(group);
  sub.add_option("--seed", options.seed, "The same seed, the same steps")
      ->check(integerFrom<uint64_t>(0, UINT64_MAX))
      ->capture_default_str()
      ->group(group);
  sub.add_option("--every", options.every, "Check attention at each Nth step")
      ->check(CLI::Range(1, 100000000))
      ->capture_default_str()
      ->group(group);
  sub.add_flag("--first-block-packed", options.firstBlockPacked,
               "First blocks are flushed like the others")
      ->group(group);
  const char *model = "Model";
  sub.add_option("--format", options.need.format, "Of the records")
      ->check(CLI::Validator(describeFormatError, ""))
      ->capture_default_str()
      ->group(model);
  sub.add_option("--head-dim", options.need.headDim, "Elements of a head")
      ->check(CLI::IsMember({64, 128, 256}))
      ->capture_default_str()
      ->group(model);
  sub.add_option("--query-heads", options.need.queryHeads, "Heads of q")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->group(model);
  sub.add_option("--kv-heads", options.need.kvHeads, "Heads of the cache")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->group(model);
  sub.add_option("--dtype", options.need.dtype, "f16 or bf16")
      ->check(CLI::IsMember({"f16", "bf16"}))
      ->capture_default_str()
      ->group(model);
  command->source.addTo(sub);
  sub.callback([=, &action] { action = [=] { return command->run(); }; });
}

} // namespace kvarn::run
