//===- Tune.cpp - build, measure, select, and all of them -----------------===//

#include "autotune/measure/Error.h"
#include "tools/kvarn-run/Compiler.h"
#include "tools/kvarn-tune/Child.h"
#include "tools/kvarn-tune/Commands.h"
#include "tools/kvarn-tune/Worker.h"

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace kvarn::tune {

namespace {

/// All steps on one machine.
struct TuneCommand {
  BuildStep build;
  MeasureStep measure;
  SelectStep select;
  std::string pack, output;
  bool listSpace = false;

  int run();
  int runSteps(const std::string &folder) const;
};

} // namespace

/// What the compiler says of its space.
static int printSpace(const std::string &target) {
  if (target.empty())
    throw InputError("--list-space needs --target: sm_90a, x86-64-v4, ...");
  ProcessResult result = run::runCompiler(
      {run::findCompiler(), "--list-space", "--target=" + target}, 60);
  if (result.exitCode != run::kDone)
    throw run::Error(result.exitCode == run::kInput ? run::kInput
                                                    : run::kInternal,
                     result.output);
  std::fputs(result.output.c_str(), stdout);
  return run::kDone;
}

int TuneCommand::runSteps(const std::string &folder) const {
  if (int code = build.run(folder))
    return code;
  int code = measure.run(folder);
  if (code == kInterrupted)
    return code;
  int selected = select.run({folder}, measure.records, output);
  return selected ? selected : code;
}

int TuneCommand::run() {
  if (listSpace)
    return printSpace(build.target);
  if (build.input.empty())
    throw InputError("expected a format name or a library to tune");
  if (output.empty())
    throw InputError("expected -o: the library to write");
  measure.search.seed = build.seed;
  // Beside the output, where a run that was killed is taken up, and where a
  // report finds it.
  return runSteps(pack.empty() ? output + ".pack" : pack);
}

static void addOutput(CLI::App &app, std::string &output) {
  app.add_option("-o,--output", output, "Library to write, NAME.kvlib")
      ->type_name("DIR");
}

static void addInput(CLI::App &app, BuildStep &build) {
  app.add_option("MODEL-or-LIBRARY", build.input,
                 "A format name (kvarn_k4v2_g128), or a library whose "
                 "kernels are tuned")
      ->type_name("");
}

static CLI::Option *addPack(CLI::App &app, std::string &pack, bool required) {
  CLI::Option *option =
      app.add_option("--pack", pack, "Folder with the candidates")
          ->type_name("DIR");
  return required ? option->required() : option;
}

static void addWhole(CLI::App &app, Action &action) {
  auto all = std::make_shared<TuneCommand>();
  CLI::App &sub = *app.add_subcommand(
      "tune", "All steps on one machine; the word may be left out");
  addInput(sub, all->build);
  addOutput(sub, all->output);
  addPack(sub, all->pack, false)
      ->description("Folder for the candidates, NAME.kvlib.pack if not given; "
                    "it is kept");
  sub.add_flag("--list-space", all->listSpace,
               "Print which fields of schedules vary on --target, and stop");
  all->build.addTo(sub);
  all->measure.addTo(sub);
  all->select.addTo(sub);
  sub.callback([=, &action] { action = [=] { return all->run(); }; });
}

static void addWorker(CLI::App &app, Action &action) {
  auto worker = std::make_shared<WorkerOptions>();
  CLI::App &sub = *app.add_subcommand("worker", "")->group("");
  sub.add_option("--pack", worker->pack)->required();
  sub.add_option("--device", worker->running.device);
  sub.add_option("--threads", worker->running.threads);
  sub.add_option("--memory", worker->memoryMiB);
  sub.callback([=, &action] { action = [=] { return runWorker(*worker); }; });
}

void addTuneCommands(CLI::App &app, Action &action) {
  addWhole(app, action);
  {
    auto build = std::make_shared<BuildStep>();
    auto output = std::make_shared<std::string>();
    CLI::App &sub = *app.add_subcommand(
        "build", "Compile candidates into a pack; needs no GPU");
    addInput(sub, *build);
    sub.add_option("-o,--output", *output, "Pack to write")
        ->type_name("DIR")
        ->required();
    build->addTo(sub);
    sub.callback(
        [=, &action] { action = [=] { return build->run(*output); }; });
  }
  {
    auto measure = std::make_shared<MeasureStep>();
    auto pack = std::make_shared<std::string>();
    CLI::App &sub = *app.add_subcommand(
        "measure", "Time the candidates of a pack; needs no compiler");
    addPack(sub, *pack, true);
    sub.add_option("--seed", measure->search.seed,
                   "The same seed, the same order")
        ->type_name("N")
        ->capture_default_str();
    measure->addTo(sub);
    sub.callback(
        [=, &action] { action = [=] { return measure->run(*pack); }; });
  }
  {
    auto select = std::make_shared<SelectStep>();
    auto packs = std::make_shared<std::vector<std::string>>();
    auto records = std::make_shared<std::string>("kvarn-tune.jsonl");
    auto output = std::make_shared<std::string>();
    CLI::App &sub = *app.add_subcommand(
        "select", "Write a library of the best candidates of packs");
    sub.add_option("--pack", *packs,
                   "Folder with the candidates; may be given several times, "
                   "for several chips in one library")
        ->type_name("DIR")
        ->required();
    sub.add_option("--records", *records, "File with the times")
        ->type_name("FILE")
        ->capture_default_str();
    addOutput(sub, *output);
    select->addTo(sub);
    sub.callback([=, &action] {
      action = [=] { return select->run(*packs, *records, *output); };
    });
  }
  addWorker(app, action);
}

} // namespace kvarn::tune
