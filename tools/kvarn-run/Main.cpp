//===- Main.cpp - kvarn-run -----------------------------------------------===//

#include "format/Environment.h"
#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/Help.h"

#include <cstdio>
#include <exception>
#include <memory>
#include <new>

using namespace kvarn::run;

/// Runs `action`; whatever it throws becomes a message and an exit code.
static int guarded(const Action &action) {
  try {
    return action();
  } catch (const Error &error) {
    std::fflush(stdout);
    std::fprintf(stderr, "kvarn-run: error: %s\n", error.what());
    return error.code;
  } catch (const std::bad_alloc &) {
    std::fprintf(stderr, "kvarn-run: error: out of memory\n");
  } catch (const std::exception &error) {
    std::fprintf(stderr, "kvarn-run: error: internal: %s\n", error.what());
  }
  return kInternal;
}

int main(int argc, char **argv) {
  CLI::App app("Runs the kernels of a KVarN kernel library, and checks them.",
               "kvarn-run");
  app.set_version_flag("--version",
                       std::string("kvarn-run ") + kvarn_version());
  app.require_subcommand(0, 1); // none: see below
  app.formatter(std::make_shared<HelpFormatter>());
  Action action;
  addKernelCommands(app, action);
  addLaunchCommand(app, action);
  addListCommands(app, action);
  addConformanceCommand(app, action);
  addRandomCommand(app, action);
  addRoundtripCommand(app, action);
  addDemoCommand(app, action);
  addJitCommand(app, action);
  app.add_flag_callback(
      "--help-env",
      [] { throw CLI::CallForVersion(kvarn::describeEnvironment(), 0); },
      "List the environment variables and exit");
  // Last, or every command would inherit it.
  app.footer(
      "kvarn-run COMMAND --help lists the options of a command; (*) must "
      "be given.\nExit codes: 0 done, 1 a check failed, 2 usage or "
      "input, 3 a tool or device is\nmissing, 70 internal.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // --help and --version
    std::fprintf(stderr, "kvarn-run: error: %s\n", error.what());
    return kInput;
  }
  if (!action) {
    std::fprintf(stderr, "kvarn-run: error: a command is required; kvarn-run "
                         "--help lists them\n");
    return kInput;
  }
  int code = guarded(action);
  if (std::fflush(stdout) != 0 && code == kDone) {
    std::fprintf(stderr, "kvarn-run: error: cannot write to standard output\n");
    return kInput;
  }
  return code;
}
