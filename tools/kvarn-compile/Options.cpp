//===- Options.cpp - The command line of kvarn-compile --------------------===//

#include "tools/kvarn-compile/Options.h"

#include "format/Environment.h"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdlib>
#include <sstream>

//===----------------------------------------------------------------------===//
// What CLI11 takes that we refuse
//===----------------------------------------------------------------------===//

/// It makes the largest number of one that is larger.
static std::string describeBadRange(const std::string &text) {
  errno = 0;
  (void)std::strtoll(text.c_str(), nullptr, 0);
  return errno == ERANGE ? text + " is out of range, expected 64 bits" : "";
}

static CLI::Option *addNumber(CLI::App &app, const std::string &name,
                              int64_t &value, const std::string &help) {
  return app.add_option(name, value, help)
      ->check(CLI::Validator(
          [](const std::string &text) { return describeBadRange(text); }, ""));
}

/// Its own lists with a delimiter have no empty items: it leaves them out.
static std::vector<std::string> splitList(const std::string &name,
                                          const CLI::results_t &words) {
  std::vector<std::string> items;
  for (const std::string &word : words) {
    if (!word.empty() && ("," + word + ",").find(",,") != std::string::npos)
      throw CLI::ValidationError(
          name, "'" + word + "' has an empty item, expected a list like A,B");
    for (std::string &item : CLI::detail::split(word, ','))
      items.push_back(std::move(item));
  }
  return items;
}

static void readItem(const std::string &, const std::string &item,
                     std::string &value) {
  value = item;
}

static void readItem(const std::string &name, const std::string &item,
                     int64_t &value) {
  std::string error = describeBadRange(item);
  if (!error.empty())
    throw CLI::ValidationError(name, error);
  if (!CLI::detail::lexical_cast(item, value))
    throw CLI::ConversionError(name, CLI::results_t{item});
}

template <typename T>
static CLI::Option *addList(CLI::App &app, const std::string &name,
                            std::vector<T> &list, const std::string &help) {
  auto read = [name, &list](const CLI::results_t &words) {
    list.clear();
    for (const std::string &item : splitList(name, words))
      readItem(name, item, list.emplace_back());
    return true;
  };
  return app.add_option(name, CLI::callback_t(read), help)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args()
      ->type_name(CLI::detail::type_name<T>())
      ->default_str(CLI::detail::join(list));
}

//===----------------------------------------------------------------------===//
// The options
//===----------------------------------------------------------------------===//

static void addOutputOptions(CLI::App &app, Options &o) {
  app.add_option("INPUT", o.input, "MLIR file, level 1 or 2; '-' = stdin");
  app.add_option("-o,--output", o.output,
                 "library folder (NAME.kvlib) or, with --emit, a file; '-' = "
                 "stdout")
      ->group("Output");
  app.add_option("--emit", o.emit, "stage to stop after, see --print-stages")
      ->group("Output")
      ->capture_default_str();
  app.add_flag("--header", o.header,
               "write a C header with requests for the kernels, NAME.h beside "
               "NAME.kvlib")
      ->group("Output");
  app.add_flag("--save-temps", o.saveTemps,
               "keep the stages beside the library, as NAME.kvlib.temps/")
      ->group("Output");
}

static constexpr const char *kModelGroup = "Model, instead of INPUT";

static void addModelOptions(CLI::App &app, Options &o) {
  const char *group = kModelGroup;
  app.add_option("--format", o.format, "record format, see --list-formats")
      ->group(group);
  app.add_option("--layout", o.layout, "order of codes: reference, mma16816")
      ->group(group)
      ->capture_default_str();
  addNumber(app, "--head-dim", o.headDim, "channels of a head: 64, 128, 256")
      ->group(group)
      ->capture_default_str();
  addNumber(app, "--query-heads", o.queryHeads, "query heads of the model")
      ->group(group);
  addNumber(app, "--kv-heads", o.kvHeads, "KV heads of the model")
      ->group(group);
  app.add_option("--dtype", o.dtype, "type of q, k, v and out: f16, bf16")
      ->group(group)
      ->capture_default_str();
  addList(app, "--kernels", o.kernels,
          "which kernels: "
          "attend,append,flush,pack,unflush,materialize,relayout")
      ->group(group)
      ->default_str("all but relayout");
  addList(app, "--features", o.features,
          "of attend: causal,window,softcap,sinks,lse,new or none")
      ->group(group);
  addList(app, "--query-tokens", o.queryTokens,
          "of attend: query tokens per request, a kernel for each that "
          "needs one of its own")
      ->group(group);
  addNumber(app, "--iterations", o.iterations,
            "of flush and pack: normalization rounds")
      ->group(group)
      ->capture_default_str();
  app.add_flag("--prescale", o.prescale,
               "of flush and pack: bring tiles to a deviation near 1 first")
      ->group(group);
  app.add_option("--range", o.range, "of flush and pack: minmax, mse")
      ->group(group)
      ->capture_default_str();
  app.add_option("--frame", o.frame, "of materialize: original, rotated")
      ->group(group)
      ->capture_default_str();
  app.add_option("--source-layout", o.sourceLayout,
                 "of relayout: the layout to read (default: both ways between "
                 "--layout and the other)")
      ->group(group);
}

static void addTargetOptions(CLI::App &app, Options &o) {
  const char *group = "Target and schedule";
  app.add_option("--target", o.target, "see --list-targets")
      ->group(group)
      ->capture_default_str();
  app.add_option("--schedule-from", o.scheduleFrom,
                 "take the default schedule of this target")
      ->group(group);
  app.add_option("--schedule", o.schedule,
                 "schedule to use, as --print-schedule writes it")
      ->group(group);
  CLI::Option *schedules =
      app.add_option("--schedules", o.schedules,
                     "take schedules from this table, which 'kvarn-tune "
                     "select' made")
          ->type_name("FILE")
          ->group(group);
  app.add_flag("--or-default", o.orDefault,
               "it is no error if the table has nothing for these kernels, "
               "they have the default schedule")
      ->needs(schedules)
      ->group(group);
  app.add_flag("--print-schedule", o.printSchedule,
               "print the schedule of each kernel and stop")
      ->group(group);
  app.add_flag("--print-resources", o.printResources,
               "NVIDIA: print registers and spills of each kernel and stop")
      ->group(group);
  app.add_flag("--no-fuse", o.noFuse, "make kernels of single level-1 ops")
      ->group(group);
}

static void addListOptions(CLI::App &app, Options &o) {
  const char *group = "Lists";
  app.add_flag("--print-stages", o.printStages, "the stages, in order")
      ->group(group);
  app.add_flag("--list-targets", o.listTargets, "the known targets")
      ->group(group);
  app.add_flag("--list-formats", o.listFormats, "the known formats")
      ->group(group);
  app.add_option("--inspect", o.inspect,
                 "what this library holds; checks its hashes")
      ->type_name("DIR")
      ->group(group);
  app.add_flag_callback(
         "--help-env",
         [] { throw CLI::CallForVersion(kvarn::describeEnvironment(), 0); },
         "the environment variables")
      ->group(group);
  app.add_flag("--list-space", o.listSpace,
               "what the autotuner varies in schedules for --target")
      ->group(group);
  app.add_flag("--list-schedules", o.listSchedules,
               "every schedule that the autotuner may try for one kernel, as "
               "JSON (to stdout without -o)")
      ->group(group);
}

/// An option that would have no effect, or "". --format beside INPUT is an
/// error of its own.
static std::string findIdleOption(const CLI::App &app, const Options &o) {
  if (!o.input.empty() && o.format.empty())
    for (const CLI::Option *option : app.get_options())
      if (option->get_group() == kModelGroup && option->count())
        return option->get_name();
  return {};
}

ParsedOptions parseOptions(int argc, const char *const *argv,
                           Options &options) {
  CLI::App app("Compiles kvarn programs, or the kernels of a model, into a "
               "kernel library.",
               "kvarn-compile");
  app.set_version_flag("--version", KVARN_VERSION);
  addOutputOptions(app, options);
  addModelOptions(app, options);
  addTargetOptions(app, options);
  addListOptions(app, options);
  app.footer("Exit codes: 0 done, 1 a check failed, 2 usage or input, "
             "3 a needed tool is missing, 70 internal.\n"
             "Example: kvarn-compile --format=kvarn_k4v2_g128 "
             "--query-heads=64 --kv-heads=8 -o qwen.kvlib");
  auto fail = [](const std::string &message) {
    return ParsedOptions{2, "kvarn-compile: error: " + message + "\n"};
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    std::ostringstream text;
    int code = app.exit(success, text, text);
    return {code, text.str()};
  } catch (const CLI::ParseError &error) {
    return fail(error.what());
  }
  std::string idle = findIdleOption(app, options);
  if (!idle.empty())
    return fail(idle + " describes a model and has no effect on an input file");
  return {};
}
