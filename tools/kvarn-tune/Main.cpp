//===- Main.cpp - kvarn-tune ----------------------------------------------===//

#include "autotune/measure/Error.h"
#include "format/Environment.h"
#include "tools/kvarn-run/Help.h"
#include "tools/kvarn-tune/Commands.h"

#include <cstdio>
#include <exception>
#include <memory>
#include <new>

using namespace kvarn;
using namespace kvarn::tune;

static int fail(const std::string &message, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "kvarn-tune: error: %s\n", message.c_str());
  return code;
}

void kvarn::tune::warnOfDamage(const std::vector<std::string> &damaged) {
  for (const std::string &line : damaged)
    std::fprintf(stderr, "kvarn-tune: warning: %s; the line is left out\n",
                 line.c_str());
}

/// Runs `action`; whatever it throws becomes a message and an exit code.
static int guarded(const Action &action) {
  try {
    return action();
  } catch (const run::Error &error) {
    return fail(error.what(), error.code);
  } catch (const InputError &error) {
    return fail(error.what(), run::kInput);
  } catch (const std::bad_alloc &) {
    return fail("out of memory", run::kInternal);
  } catch (const std::exception &error) {
    return fail(std::string("internal: ") + error.what(), run::kInternal);
  }
}

/// `kvarn-tune kvarn_k4v2_g128 ...` is `kvarn-tune tune kvarn_k4v2_g128 ...`.
static std::vector<std::string> arguments(const CLI::App &app, int argc,
                                          char **argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  auto isCommand = [&](const std::string &word) {
    for (const CLI::App *sub : app.get_subcommands(nullptr))
      if (sub->get_name() == word)
        return true;
    return word == "--help" || word == "-h" || word == "--version" ||
           word == "--help-env";
  };
  if (!words.empty() && !isCommand(words.front()))
    words.insert(words.begin(), "tune");
  // CLI11 wants them last first.
  return {words.rbegin(), words.rend()};
}

int main(int argc, char **argv) {
  CLI::App app("Finds the fastest kernels for one chip.", "kvarn-tune");
  app.set_version_flag("--version",
                       std::string("kvarn-tune ") + kvarn_version());
  app.add_flag_callback(
      "--help-env",
      [] { throw CLI::CallForVersion(kvarn::describeEnvironment(), 0); },
      "List the environment variables and exit");
  app.require_subcommand(0, 1); // none: see below
  app.formatter(std::make_shared<run::HelpFormatter>());
  Action action;
  addTuneCommands(app, action);
  addRecordCommands(app, action);
  addExplainCommand(app, action);
  addReportCommand(app, action);
  // Last, or every command would inherit it.
  app.footer("kvarn-tune COMMAND --help lists the options of a command.\n"
             "kvarn-tune MODEL-or-LIBRARY --target=CHIP --shapes=FILE -o "
             "NAME.kvlib does all steps.\nExit codes: 0 done, 1 a check failed "
             "or nothing could be measured, 2 usage or\ninput, 3 a tool or "
             "device is missing, 70 internal, 130 interrupted.");
  try {
    app.parse(arguments(app, argc, argv));
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // --help and --version
    return fail(error.what(), run::kInput);
  }
  if (!action)
    return fail("a command is required; kvarn-tune --help lists them",
                run::kInput);
  int code = guarded(action);
  if (std::fflush(stdout) != 0 && code == run::kDone)
    return fail("cannot write to standard output", run::kInput);
  return code;
}
