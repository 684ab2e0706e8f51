//===- Main.cpp - kvarn-bench ---------------------------------------------===//

#include "format/Environment.h"
#include "tools/kvarn-bench/Suite.h"
#include "tools/kvarn-run/Help.h"
#include "tools/kvarn-run/OptionChecks.h"
#include "tools/kvarn-run/RunningOptions.h"

#include <cstdio>
#include <exception>
#include <list>
#include <memory>
#include <new>

using namespace kvarn::bench;
using kvarn::run::Error;

/// Those of the members that `suite.shape.kernel` has.
static void addShapeOptions(CLI::App &sub, Suite &suite) {
  const char *group = "Shape";
  Shape &shape = suite.shape;
  auto number = [&](const char *member, const char *name, int64_t &value,
                    int64_t most, const char *help, int64_t least = 1) {
    if (!shape.has(member))
      return;
    CLI::Option *option = sub.add_option(name, value, help)
                              ->check(CLI::Range(least, most))
                              ->type_name("N")
                              ->group(group);
    if (value) // 0 = not given
      option->capture_default_str();
  };
  number("batch", "--batch", shape.batch, kMostBatch, "Requests");
  number("context", "--context", shape.context, kMostContext,
         "Tokens of each request in the cache", 0);
  number("context_from", "--context-from", shape.contextFrom, kMostContext,
         "Tokens of the shortest request, if they differ");
  number("pairs", "--pairs", shape.pairs, kMostPairs, "Blocks, with all heads");
  number("tokens", "--tokens", shape.tokens, kMostContext, "New tokens");
  number("query_heads", "--query-heads", shape.queryHeads, kMostHeads,
         "Heads of q");
  number("kv_heads", "--kv-heads", shape.kvHeads, kMostHeads,
         "Heads of the cache");
  number("query_tokens", "--query-tokens", shape.queryTokens, kMostQueryTokens,
         "New tokens of each request");
  if (shape.has("new"))
    sub.add_flag("--new", shape.newTokens,
                 "K and V of the query tokens are raw, and the cache holds "
                 "what comes before them")
        ->group(group);
  if (shape.has("pool_fraction"))
    sub.add_option("--pool-fraction", shape.poolFraction,
                   "Blocks in the fp16 pool, 0 to 1")
        ->check(CLI::Range(0.0, 1.0))
        ->check(kvarn::run::notNan())
        ->type_name("X")
        ->capture_default_str()
        ->group(group);
  if (shape.has("pool_ends"))
    sub.add_flag("--pool-ends", shape.poolEnds,
                 "First blocks and unfinished last ones are in the pool")
        ->group(group);
  if (shape.has("compare_pool"))
    sub.add_flag("--compare-pool", shape.comparePool,
                 "Measure with every block in the pool too, in turn")
        ->group(group);
  sub.add_option("--suite", suite.suiteFile,
                 "A JSON list of shapes: [{\"kv_heads\": 1, ...}, ...]; "
                 "\"kernel\" names another one")
      ->type_name("FILE")
      ->group(group);
}

static void addOptions(CLI::App &sub, Suite &suite) {
  sub.add_option("--library", suite.libraries,
                 "A kernel library, or a folder of NAME.kvlib; may be "
                 "repeated")
      ->required()
      ->type_name("DIR")
      ->allow_extra_args(false)
      ->group("Kernel");
  auto text = [&](const char *name, std::string &value, const char *help) {
    sub.add_option(name, value, help)->type_name("NAME")->group("Kernel");
  };
  text("--format", suite.shape.format, "kvarn_k4v2_g128, ...");
  text("--layout", suite.shape.layout, "reference or mma16816");
  if (suite.shape.has("dtype"))
    text("--dtype", suite.shape.dtype, "f16 or bf16");
  sub.add_option("--head-dim", suite.shape.headDim, "Elements of a head")
      ->type_name("N")
      ->group("Kernel");
  addShapeOptions(sub, suite);
  kvarn::run::addRunningOptions(sub, suite.running, "Measuring");
  sub.add_option("--repeat", suite.repeat, "Launches; the median counts")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N")
      ->capture_default_str()
      ->group("Measuring");
  sub.add_option("--memory", suite.memoryMiB, "MiB for the caches of one shape")
      ->check(CLI::Range(1, 1 << 30))
      ->type_name("N")
      ->capture_default_str()
      ->group("Measuring");
  sub.add_option("--json", suite.jsonFile, "Write the results here too")
      ->type_name("FILE")
      ->group("Measuring");
}

/// Whatever `suite` throws becomes a message and an exit code.
static int guarded(Suite &suite) {
  try {
    return suite.run();
  } catch (const Error &error) {
    std::fflush(stdout);
    std::fprintf(stderr, "kvarn-bench: error: %s\n", error.what());
    return error.code;
  } catch (const std::bad_alloc &) {
    std::fprintf(stderr, "kvarn-bench: error: out of memory\n");
  } catch (const std::exception &error) {
    std::fprintf(stderr, "kvarn-bench: error: internal: %s\n", error.what());
  }
  return kvarn::run::kInternal;
}

int main(int argc, char **argv) {
  CLI::App app("Measures the kernels of a KVarN kernel library.",
               "kvarn-bench");
  app.formatter(std::make_shared<kvarn::run::HelpFormatter>());
  app.set_version_flag("--version",
                       std::string("kvarn-bench ") + kvarn_version());
  app.add_flag_callback(
      "--help-env",
      [] { throw CLI::CallForVersion(kvarn::describeEnvironment(), 0); },
      "List the environment variables and exit");
  app.require_subcommand(0, 1);
  std::string command;
  for (int i = 0; i < argc; ++i)
    command += (i ? " " : "") + std::string(argv[i]);
  // One suite for each, as only one is run.
  std::list<Suite> suites;
  Suite *chosen = nullptr;
  for (const MeasuredKernel &each : kMeasuredKernels) {
    Suite &suite = suites.emplace_back();
    suite.command = command;
    suite.shape.kernel = each.name;
    CLI::App &sub = *app.add_subcommand(each.name, each.help);
    addOptions(sub, suite);
    sub.callback([&chosen, &suite] { chosen = &suite; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // --help and --version
    std::fprintf(stderr, "kvarn-bench: error: %s\n", error.what());
    return kvarn::run::kInput;
  }
  if (!chosen) {
    std::fprintf(stderr, "kvarn-bench: error: a command is required; "
                         "kvarn-bench --help lists them\n");
    return kvarn::run::kInput;
  }
  return guarded(*chosen);
}
