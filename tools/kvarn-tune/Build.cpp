//===- Build.cpp - build: candidates into a pack --------------------------===//

#include "autotune/measure/Error.h"
#include "autotune/measure/LibraryFolder.h"
#include "autotune/measure/Pack.h"
#include "format/Hash.h"
#include "tools/kvarn-run/Compiler.h"
#include "tools/kvarn-run/Text.h"
#include "tools/kvarn-tune/Child.h"
#include "tools/kvarn-tune/Commands.h"
#include "tools/kvarn-tune/Progress.h"
#include "tools/kvarn-tune/Wanted.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <span>
#include <thread>

namespace kvarn::tune {

using run::Error;
namespace fs = std::filesystem;

void BuildStep::addTo(CLI::App &app) {
  const char *group = "Model";
  app.add_option("--head-dim", shape.headDim, "Channels of a head")
      ->type_name("N")
      ->group(group);
  app.add_option("--layout", shape.layout, "reference or mma16816")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--dtype", shape.dtype, "f16 or bf16")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--features", features,
                 "Of attend: causal,window,softcap,sinks,lse,new or none; of a "
                 "library those that it has, if they are the same everywhere")
      ->delimiter(',')
      ->type_name("LIST")
      ->default_str("causal")
      ->group(group);
  group = "Building";
  app.add_option("--target", target, "One chip: sm_90a, x86-64-v4, ...")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--shapes", shapesFile,
                 "A JSON list of shapes: [{\"batch\": 1, \"context\": 4096, "
                 "\"query_heads\": 64, \"kv_heads\": 8}, ...]; \"kernel\" "
                 "names another one than attend")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--seed", seed, "The same seed, the same candidates and order")
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--candidates", candidates,
                 "Schedules of each kernel to measure; up to three times as "
                 "many are compiled")
      ->check(CLI::Range(1, 100000))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--jobs", jobs, "Compilers at a time, 0 = one per core")
      ->check(CLI::Range(0, 1024))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--compile-timeout", timeout,
                 "Seconds after which a compiler is killed")
      ->check(CLI::Range(1, 86400))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
}

namespace {

/// Schedules that are compiled for one that is measured, at most.
constexpr int64_t kTries = 3;

/// A schedule of the space that is left, and how it is expected to do.
struct Point {
  std::string schedule;
  std::vector<double> seconds; // by bucket
};

/// The result of one compiler.
struct Compiled {
  std::string schedule, folder, failure;
};

constexpr const char *kListedName = "schedules.json";

class Building {
public:
  Building(const BuildStep &options, std::string output)
      : options(options), output(std::move(output)), wanted(options),
        parts(this->output + ".parts") {}
  // What there is to go on from are candidates; a folder that has some stays.
  ~Building() {
    std::error_code ignored;
    fs::remove(parts / kListedName, ignored);
    fs::remove(parts, ignored);
  }

  int run();

private:
  Task &taskFor(const bench::Shape &shape);
  json listSchedules(const VariantKey &key, int64_t queryTokens) const;
  std::vector<std::string> order(Task &task, const json &listed) const;
  void buildTask(Task &task, const json &listed, LibraryFolder &folder);
  std::vector<Compiled> compileAll(const Task &task,
                                   std::span<const std::string> schedules,
                                   Progress &progress);
  std::string compile(const std::vector<std::string> &words,
                      std::string &failure) const;
  std::vector<Hint> defaultHints(const Task &task,
                                 const std::string &schedule) const;
  void add(Task &task, const Compiled &compiled, LibraryFolder &folder);
  void addOthers(LibraryFolder &folder);

  const BuildStep &options;
  std::string output;
  Wanted wanted;
  fs::path parts; // a library for each candidate, kept until all are there
  Pack pack;
  std::map<size_t, json> spaces; // by task
  int64_t allowedSpills = 0;     // bytes, of the task at hand
};

} // namespace

//===----------------------------------------------------------------------===//
// The space
//===----------------------------------------------------------------------===//

json Building::listSchedules(const VariantKey &key, int64_t queryTokens) const {
  std::vector<std::string> words = wanted.command(key, queryTokens);
  std::string file = parts / kListedName;
  words.insert(words.end(), {"--list-schedules", "-o", file});
  ProcessResult result =
      run::runCompiler(words, options.timeout, isInterrupted);
  std::ifstream stream(file, std::ios::binary);
  json listed = json::parse(stream, nullptr, false);
  if (result.exitCode == run::kDone && listed.is_object())
    return listed;
  std::string what = result.output;
  while (what.ends_with("\n"))
    what.pop_back();
  throw Error(result.exitCode == run::kInput ? run::kInput : run::kInternal,
              what.empty() ? "kvarn-compile " + result.describe() : what);
}

Task &Building::taskFor(const bench::Shape &shape) {
  VariantKey key = wanted.keyFor(shape);
  json listed = listSchedules(key, shape.queryTokens);
  std::optional<Schedule> standard = parseSchedule(
      listed.at("schedules").at(0).at("schedule").get<std::string>());
  if (!standard)
    throw Error(run::kInternal, "kvarn-compile lists no schedule");
  if (key.kernel == "attend")
    key.queryRows = standard->rows;
  pack.manifest.compiler = listed.at("compiler").get<std::string>();
  pack.assembler = listed.at("assembler").get<std::string>();
  pack.chip = listed.at("target").get<std::string>();
  pack.facts = chipFromJson(listed.at("chip"));
  for (Task &task : pack.tasks)
    if (task.key == key)
      return task;
  Task &task = pack.tasks.emplace_back();
  task.key = key;
  spaces[pack.tasks.size() - 1] = std::move(listed);
  return task;
}

/// The points in the order of what the cost model expects: the best of each
/// bucket, then the next ones.
static std::vector<size_t> rank(const std::vector<Point> &points,
                                size_t buckets) {
  std::vector<std::vector<size_t>> orders;
  for (size_t b = 0; b < buckets; ++b) {
    std::vector<size_t> &order = orders.emplace_back(points.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::sort(order.begin(), order.end(), [&](size_t x, size_t y) {
      return std::pair(points[x].seconds[b], x) <
             std::pair(points[y].seconds[b], y);
    });
  }
  std::vector<size_t> ranked;
  std::vector<bool> known(points.size());
  for (size_t place = 0; place < points.size(); ++place)
    for (const std::vector<size_t> &order : orders)
      if (!known[order[place]]) {
        known[order[place]] = true;
        ranked.push_back(order[place]);
      }
  return ranked;
}

/// The schedules worth compiling, in this order: the default ones; then those
/// that the cost model expects most of, and at each fourth place one at random,
/// for a model may be wrong.
std::vector<std::string> Building::order(Task &task, const json &listed) const {
  const json &standard = listed.at("schedules").at(0);
  if (standard.contains("broken"))
    throw Error(run::kCheckFailed,
                describe(task.key) + ": the default schedule does not fit " +
                    options.target + ": " +
                    standard.at("broken").get<std::string>());
  std::vector<Point> points;
  for (const json &each : listed.at("schedules")) {
    if (each.contains("broken")) {
      ++task.pruned["chip"];
      continue;
    }
    Point point = {each.at("schedule").get<std::string>(), {}};
    Schedule schedule = *parseSchedule(point.schedule);
    bool isOpen = false;
    for (const Bucket &bucket : task.buckets) {
      bool open =
          !needsEqualRequests(task.key, options.target, bucket, schedule);
      isOpen |= open;
      point.seconds.push_back(
          open ? predict(pack.facts, task.key, schedule, bucket).seconds
               : std::numeric_limits<double>::infinity());
    }
    if (isOpen || points.empty())
      points.push_back(std::move(point));
    else
      ++task.pruned["requests"];
  }
  std::vector<size_t> ranked = rank(points, task.buckets.size());
  std::vector<size_t> shuffled = ranked;
  std::mt19937_64 random(options.seed);
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  std::vector<std::string> schedules = {points.front().schedule};
  std::vector<bool> known(points.size());
  known[0] = true;
  for (const json &special : listed.at("specials"))
    for (size_t i = 0; i < points.size(); ++i)
      if (!known[i] &&
          points[i].schedule == special.at("schedule").get<std::string>()) {
        known[i] = true;
        schedules.push_back(points[i].schedule);
      }
  auto addFirst = [&](std::vector<size_t> &from, size_t &next) {
    while (next < from.size() && known[from[next]])
      ++next;
    if (next < from.size()) {
      known[from[next]] = true;
      schedules.push_back(points[from[next]].schedule);
    }
  };
  auto most = std::min(points.size(), size_t(kTries * options.candidates));
  size_t good = 0, any = 0;
  while (schedules.size() < most)
    schedules.size() % 4 ? addFirst(ranked, good) : addFirst(shuffled, any);
  task.pruned["cost model"] =
      static_cast<int64_t>(points.size() - schedules.size());
  return schedules;
}

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

/// The folder of the library that `words` make; one that a killed run left is
/// as good. "" and why not.
std::string Building::compile(const std::vector<std::string> &words,
                              std::string &failure) const {
  std::string all = pack.manifest.compiler + pack.assembler;
  for (const std::string &word : words)
    all += "\n" + word;
  std::string folder = (parts / (sha256Hex(all).substr(0, 24) + ".kvlib"));
  std::error_code ignored;
  if (fs::exists(folder + "/manifest.json", ignored))
    return folder;
  std::vector<std::string> full = words;
  full.insert(full.end(), {"-o", folder});
  ProcessResult result = run::runCompiler(full, options.timeout, isInterrupted);
  if (result.exitCode == run::kDone)
    return folder;
  if (result.exitCode == run::kMissing)
    throw Error(run::kMissing, result.output);
  failure = "kvarn-compile " + result.describe() + ": " +
            result.output.substr(0, 400);
  return "";
}

std::vector<Compiled>
Building::compileAll(const Task &task, std::span<const std::string> schedules,
                     Progress &progress) {
  std::vector<Compiled> results(schedules.size());
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr problem;
  int64_t tokens = std::max<int64_t>(task.buckets.front().queryTokens, 1);
  std::vector<std::string> base = wanted.command(task.key, tokens);
  auto work = [&] {
    for (size_t i; (i = next++) < schedules.size() && !isInterrupted();) {
      std::vector<std::string> words = base;
      words.push_back("--schedule=" + schedules[i]);
      results[i].schedule = schedules[i];
      try {
        results[i].folder = compile(words, results[i].failure);
      } catch (...) {
        std::lock_guard lock(mutex);
        problem = std::current_exception();
        next = schedules.size();
      }
      std::lock_guard lock(mutex);
      progress.step();
    }
  };
  size_t count = options.jobs ? static_cast<size_t>(options.jobs)
                              : std::thread::hardware_concurrency();
  std::vector<std::jthread> workers;
  for (size_t i = 0; i < std::max<size_t>(count, 1); ++i)
    workers.emplace_back(work);
  workers.clear(); // joins
  if (problem)
    std::rethrow_exception(problem);
  return results;
}

static int64_t spillsOf(const Variant &variant) {
  int64_t bytes = 0;
  for (const Launch &launch : variant.launches)
    bytes = std::max(bytes, launch.spillBytes.value_or(0));
  return bytes;
}

/// Fields of a schedule may be without effect.
static bool isSameCode(const Variant &a, const Variant &b) {
  return a.binary.sha256 == b.binary.sha256 && a.launches == b.launches &&
         a.buffers == b.buffers;
}

/// The work for which `schedule` is the default, if that is special.
std::vector<Hint> Building::defaultHints(const Task &task,
                                         const std::string &schedule) const {
  std::vector<Hint> hints;
  auto index = static_cast<size_t>(&task - pack.tasks.data());
  for (const json &special : spaces.at(index).at("specials"))
    if (special.at("schedule").get<std::string>() == schedule)
      for (const json &hint : special.at("hints"))
        hints.push_back(hintFromJson(hint));
  return hints;
}

/// Puts what may be measured into the pack. Of spills as many are fine as the
/// default schedule has, which comes first; all default ones are measured.
void Building::add(Task &task, const Compiled &compiled,
                   LibraryFolder &folder) {
  bool first = task.candidates.empty();
  if (compiled.folder.empty()) {
    if (first)
      throw Error(run::kCheckFailed, compiled.failure);
    task.dropped.push_back({compiled.schedule, "compiler", compiled.failure});
    return;
  }
  Variant variant = readLibrary(compiled.folder).variants.at(0);
  int64_t spills = spillsOf(variant);
  std::vector<Hint> hints = defaultHints(task, compiled.schedule);
  if (first) {
    task.key.target = variant.key.target;
    task.key.options = variant.key.options;
    allowedSpills = spills;
  }
  if (spills > allowedSpills && hints.empty()) {
    task.dropped.push_back({compiled.schedule, "spills",
                            std::to_string(spills) + " bytes of registers"});
    return;
  }
  for (Candidate &other : task.candidates)
    if (isSameCode(variant, folder.variant(other.id))) {
      other.defaultFor.insert(other.defaultFor.end(), hints.begin(),
                              hints.end());
      task.dropped.push_back(
          {compiled.schedule, "same code", "as " + other.id});
      return;
    }
  variant.id =
      task.key.kernel + "-" + std::to_string(&task - pack.tasks.data()) + "-" +
      run::formatText("%03zu", task.candidates.size()) + "." + options.target;
  variant.key = task.key;
  std::string id = folder.add(variant, compiled.folder, variant.id);
  task.candidates.push_back({id, compiled.schedule, std::move(hints)});
}

/// Compiles until there are enough candidates.
void Building::buildTask(Task &task, const json &listed,
                         LibraryFolder &folder) {
  std::vector<std::string> schedules = order(task, listed);
  std::span<const std::string> rest = schedules;
  // All default schedules are.
  size_t wanted = std::max(static_cast<size_t>(options.candidates),
                           1 + listed.at("specials").size());
  Progress progress("compile", options.candidates);
  while (task.candidates.size() < wanted && !rest.empty()) {
    size_t count = std::min(rest.size(), wanted - task.candidates.size());
    for (const Compiled &each : compileAll(task, rest.first(count), progress)) {
      if (isInterrupted())
        return;
      add(task, each, folder);
    }
    rest = rest.subspan(count);
    progress.expect(static_cast<int64_t>(
        std::min(rest.size(), wanted - task.candidates.size())));
  }
  task.pruned["cost model"] += static_cast<int64_t>(rest.size());
}

/// What else a library needs, and what packs the caches that are measured: all
/// of the library that was given but what is tuned, else all that kvarn-compile
/// makes but attend. relayout needs nothing else.
void Building::addOthers(LibraryFolder &folder) {
  auto isTuned = [&](const Variant &variant) {
    return isFor(variant, options.target) &&
           std::any_of(
               pack.tasks.begin(), pack.tasks.end(),
               [&](const Task &task) { return task.key == variant.key; });
  };
  if (const std::string &base = wanted.library; !base.empty()) {
    for (const Variant &variant : readLibrary(base).variants)
      if (!isTuned(variant))
        folder.add(variant, base,
                   fs::path(variant.binary.file).stem().string());
    return;
  }
  std::set<std::string> done;
  for (const Task &task : pack.tasks) {
    // The ratio is no part of them.
    if (task.key.kernel == "relayout" ||
        !done.insert(task.key.format + " " + task.key.layout + " " +
                     task.key.dtype + " " + std::to_string(task.key.headDim))
             .second)
      continue;
    std::string failure,
        made = compile(wanted.commandForAll(task.key), failure);
    if (made.empty())
      throw Error(run::kCheckFailed, failure);
    for (const Variant &variant : readLibrary(made).variants)
      if (variant.key.kernel != "attend" && !isTuned(variant))
        folder.add(variant, made, variant.id);
  }
}

int Building::run() {
  std::error_code error;
  if (fs::exists(output, error) &&
      !fs::exists(fs::path(output) / kPackFileName, error))
    throw InputError(output + ": exists and is no pack, expected a new name");
  fs::create_directories(parts, error);
  if (error)
    throw InputError(parts.string() + ": cannot create: " + error.message());
  for (const bench::Shape &shape : wanted.shapes) {
    Bucket bucket = bucketOf(shape);
    std::vector<Bucket> &buckets = taskFor(shape).buckets;
    if (std::find(buckets.begin(), buckets.end(), bucket) == buckets.end())
      buckets.push_back(bucket);
  }
  if (pack.chip != options.target)
    throw InputError("--target=" + options.target +
                     " stands for several chips, "
                     "expected one of them: " +
                     pack.chip);
  LibraryFolder folder(output, pack.manifest.compiler);
  for (size_t i = 0; i < pack.tasks.size(); ++i) {
    Task &task = pack.tasks[i];
    buildTask(task, spaces[i], folder);
    if (isInterrupted())
      return kInterrupted;
    std::printf("%s: %zu candidates of %lld schedules (%lld beyond the chip, "
                "%lld for one request only, %lld by the cost model, %zu "
                "dropped)\n",
                describe(task.key).c_str(), task.candidates.size(),
                static_cast<long long>(spaces[i].at("schedules").size()),
                static_cast<long long>(task.pruned["chip"]),
                static_cast<long long>(task.pruned["requests"]),
                static_cast<long long>(task.pruned["cost model"]),
                task.dropped.size());
  }
  addOthers(folder);
  folder.addFile(kPackFileName, writePack(pack));
  folder.commit();
  fs::remove_all(parts, error);
  std::printf("%s: %zu variants\n", output.c_str(),
              folder.contents().variants.size());
  return run::kDone;
}

int BuildStep::run(const std::string &pack) const {
  handleInterrupts();
  if (target.empty())
    throw InputError("--target is required: sm_90a, x86-64-v4, ...");
  if (shapesFile.empty())
    throw InputError("--shapes is required: a JSON list of shapes");
  int code = kInterrupted;
  try {
    code = Building(*this, pack).run();
  } catch (const std::exception &) {
    if (!isInterrupted()) // else a compiler was, too
      throw;
  }
  if (code == kInterrupted)
    std::printf("interrupted; the same command goes on from here\n");
  return code;
}

} // namespace kvarn::tune
