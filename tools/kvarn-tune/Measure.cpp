//===- Measure.cpp - measure: times of all candidates ---------------------===//

#include "autotune/measure/Error.h"
#include "autotune/measure/Lookup.h"
#include "autotune/measure/Pack.h"
#include "autotune/measure/Search.h"
#include "tools/kvarn-run/OptionChecks.h"
#include "tools/kvarn-run/RunningOptions.h"
#include "tools/kvarn-run/Text.h"
#include "tools/kvarn-tune/Child.h"
#include "tools/kvarn-tune/Commands.h"
#include "tools/kvarn-tune/Progress.h"

#include <algorithm>
#include <chrono>
#include <set>

namespace kvarn::tune {

using run::Error;
using Clock = std::chrono::steady_clock;

void MeasureStep::addTo(CLI::App &app) {
  const char *group = "Measuring";
  app.add_option("--records", records, "File that times are added to")
      ->type_name("FILE")
      ->capture_default_str()
      ->group(group);
  run::addRunningOptions(app, running, group);
  app.add_option("--time-budget", timeBudget,
                 "Seconds for all measurements, shared by the shapes; 0 = no "
                 "limit")
      ->check(CLI::Range(0.0, 1e9))
      ->check(run::notNan())
      ->type_name("X")
      ->capture_default_str()
      ->group(group);
  app.add_option("--timeout", timeout,
                 "Seconds after which a candidate that does not end is killed")
      ->check(CLI::Range(0.1, 1e6))
      ->check(run::notNan())
      ->type_name("X")
      ->capture_default_str()
      ->group(group);
  app.add_option("--memory", memoryMiB, "MiB for the caches of one shape")
      ->check(CLI::Range(1, 1 << 30))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_flag("--retry-failed", retryFailed,
               "Try candidates again that hung, crashed or were wrong")
      ->group(group);
}

namespace {

/// For a start of the child, the oracle, a cache.
constexpr double kPrepareSeconds = 600;

/// One run of `measure`.
class Measuring {
public:
  Measuring(const MeasureStep &options, const std::string &folder);

  int run();

private:
  void start();
  void measureBucket(size_t task, size_t bucket);
  std::vector<Entry> entriesOf(const Task &task, const Bucket &bucket) const;
  Outcome measure(size_t task, size_t bucket, const Entry &entry,
                  int64_t launches);
  std::optional<Outcome> check(size_t task, const Candidate &candidate);
  bool prepare(const json &question, const std::string &what, json &answer);
  Outcome ask(const json &question, double seconds, json &answer);
  Outcome askCandidate(const json &question, json &answer);
  void checkGpu(const std::string &failure);
  void keep(const Task &task, const Candidate &candidate,
            const std::optional<Bucket> &bucket, const Outcome &outcome,
            double predicted);
  bool isOver(Clock::time_point deadline) const {
    return isInterrupted() || Clock::now() >= deadline;
  }

  const MeasureStep &options;
  Pack pack;
  std::vector<Record> known;
  RecordWriter writer;
  Child child;
  DeviceName device;
  double bandwidth = 0;
  Progress progress{"measure", 0};
  size_t bucketsLeft = 0;
  Clock::time_point deadline = Clock::time_point::max();
  /// What the child has in its memory.
  std::optional<std::pair<size_t, size_t>> current;
  std::set<size_t> prepared; // tasks whose kernels can be checked
  double bytes = 0;
  std::set<std::string> checked;
  int64_t measurements = 0, failures = 0;
  bool nothing = false; // some bucket has no candidate
};

} // namespace

static std::vector<std::string> childCommand(const MeasureStep &options,
                                             const std::string &pack) {
  return {"/proc/self/exe",
          "worker",
          "--pack=" + pack,
          "--device=" + options.running.device,
          "--threads=" + std::to_string(options.running.threads),
          "--memory=" + std::to_string(options.memoryMiB)};
}

Measuring::Measuring(const MeasureStep &options, const std::string &folder)
    : options(options), pack(readPack(folder)), writer(options.records),
      child(childCommand(options, folder)) {
  RecordFile file = readRecords(options.records);
  warnOfDamage(file.damaged);
  known = std::move(file.records);
  if (options.retryFailed) { // as if they had never been tried
    Failures failures(known);
    std::erase_if(known, [&](const Record &r) { return failures.has(r); });
  }
}

//===----------------------------------------------------------------------===//
// The child
//===----------------------------------------------------------------------===//

/// What is no answer becomes the outcome of what was asked for.
Outcome Measuring::ask(const json &question, double seconds, json &answer) {
  if (!child.isRunning()) {
    current.reset();
    prepared.clear();
  }
  switch (child.ask(question, seconds, answer)) {
  case Reply::Answered:
    break;
  case Reply::Died:
    return {Status::Fault, "the process " + child.ending(), {}};
  case Reply::TimedOut:
    return {Status::Hang,
            run::formatText("killed after %.3g seconds", seconds),
            {}};
  case Reply::Interrupted:
    return {Status::Fault, "interrupted", {}};
  }
  if (!answer.contains("error"))
    return {};
  child.stop();
  int code = answer.value("code", int(run::kInternal));
  // The machine's fault or ours, not that of the kernel.
  if (code == run::kMissing || code == run::kInput)
    throw Error(static_cast<run::ExitCode>(code),
                answer["error"].get<std::string>());
  return {Status::Fault, answer["error"].get<std::string>(), {}};
}

/// What is no candidate's work, so that its --timeout does not count. False if
/// the run was interrupted; throws Error if it fails.
bool Measuring::prepare(const json &question, const std::string &what,
                        json &answer) {
  Outcome outcome =
      ask(question, std::max(kPrepareSeconds, options.timeout), answer);
  if (isInterrupted())
    return false;
  if (outcome.status != Status::Ok)
    throw Error(run::kCheckFailed, what + ": " + outcome.message);
  return true;
}

void Measuring::start() {
  json answer;
  Outcome outcome = ask({{"do", "start"}}, kPrepareSeconds, answer);
  if (outcome.status == Status::Ok) {
    device = deviceFromJson(answer.at("device"));
    for (const Record &record : known)
      if (record.device == device && record.readBandwidth > 0)
        bandwidth = record.readBandwidth;
  }
  // Once for a device and a file of records.
  if (outcome.status == Status::Ok && bandwidth == 0) {
    outcome = ask({{"do", "bandwidth"}}, kPrepareSeconds, answer);
    if (outcome.status == Status::Ok)
      bandwidth = answer.at("bytes_per_second").get<double>();
  }
  if (isInterrupted())
    return;
  if (outcome.status != Status::Ok)
    throw Error(run::kMissing, "cannot start measuring: " + outcome.message);
  pack.facts.processors = device.processors;
  pack.facts.readBandwidth = bandwidth;
  progress.note(run::formatText("%s: reads %.4g GB/s", device.name.c_str(),
                                bandwidth * 1e-9));
}

/// What was answered may be that the results are wrong.
static void judge(const json &answer, Outcome &outcome) {
  if (outcome.status == Status::Ok && answer.value("status", "") != "ok")
    outcome = {Status::Wrong, answer.value("message", ""), {}};
}

/// A GPU that is gone fails for any kernel, in another process too. Throws
/// Error then, with the `failure` that was first.
void Measuring::checkGpu(const std::string &failure) {
  json answer;
  try {
    prepare({{"do", "bandwidth"}}, "reading memory", answer);
  } catch (const Error &error) {
    throw Error(error.code == run::kInput ? run::kInput : run::kMissing,
                failure + "; after that, " + error.what());
  }
}

/// What a candidate can be blamed for.
Outcome Measuring::askCandidate(const json &question, json &answer) {
  Outcome outcome = ask(question, options.timeout, answer);
  judge(answer, outcome);
  if (outcome.status == Status::Fault && pack.facts.gpu && !isInterrupted())
    checkGpu(outcome.message);
  return outcome;
}

/// Nothing if the results are right.
std::optional<Outcome> Measuring::check(size_t task,
                                        const Candidate &candidate) {
  if (checked.contains(candidate.id))
    return std::nullopt;
  json answer;
  if (!child.isRunning() || !prepared.contains(task)) {
    if (!prepare({{"do", "prepare"}, {"task", task}},
                 describe(pack.tasks[task].key), answer))
      return Outcome{Status::Fault, "interrupted", {}};
    prepared.insert(task);
  }
  Outcome outcome = askCandidate(
      {{"do", "check"}, {"task", task}, {"id", candidate.id}}, answer);
  if (outcome.status != Status::Ok)
    return outcome;
  checked.insert(candidate.id);
  return std::nullopt;
}

Outcome Measuring::measure(size_t task, size_t bucket, const Entry &entry,
                           int64_t launches) {
  const Task &t = pack.tasks[task];
  const Candidate &candidate = t.candidates[entry.candidate];
  if (std::optional<Outcome> failed = check(task, candidate)) {
    if (!isInterrupted())
      keep(t, candidate, std::nullopt, *failed, entry.predicted);
    return *failed;
  }
  json answer;
  if (!child.isRunning() || current != std::pair(task, bucket)) {
    if (!prepare({{"do", "bucket"}, {"task", task}, {"bucket", bucket}},
                 t.buckets[bucket].describe(), answer))
      return {Status::Fault, "interrupted", {}};
    bytes = answer.at("bytes").get<double>();
    current = std::pair(task, bucket);
  }
  Outcome outcome = askCandidate(
      {{"do", "time"}, {"id", candidate.id}, {"launches", launches}}, answer);
  if (outcome.status == Status::Ok)
    answer.at("seconds").get_to(outcome.seconds);
  if (!isInterrupted() || outcome.status == Status::Ok)
    keep(t, candidate, t.buckets[bucket], outcome, entry.predicted);
  return outcome;
}

//===----------------------------------------------------------------------===//
// Records
//===----------------------------------------------------------------------===//

void Measuring::keep(const Task &task, const Candidate &candidate,
                     const std::optional<Bucket> &bucket,
                     const Outcome &outcome, double predicted) {
  Record record;
  record.key = task.key;
  record.schedule = candidate.schedule;
  record.bucket = bucket;
  record.device = device;
  record.chip = pack.chip;
  record.compiler = pack.compiler();
  record.assembler = pack.assembler;
  record.binary = pack.variant(candidate.id).binary.sha256;
  record.date = currentDate();
  record.status = outcome.status;
  record.message = outcome.message;
  record.seconds = outcome.seconds;
  record.bytes = bucket ? bytes : 0;
  record.readBandwidth = bandwidth;
  record.predicted = predicted;
  writer.add(record);
  known.push_back(record);
  ++measurements;
  if (outcome.status == Status::Ok)
    return;
  ++failures;
  progress.note(candidate.id + ": " + std::string(statusName(outcome.status)) +
                ": " + outcome.message);
}

/// With all that is known of them.
std::vector<Entry> Measuring::entriesOf(const Task &task,
                                        const Bucket &bucket) const {
  Failures failures(known);
  std::vector<Entry> entries;
  size_t standard = pack.defaultFor(task, bucket);
  for (size_t i = 0; i < task.candidates.size(); ++i) {
    const Candidate &candidate = task.candidates[i];
    const std::string &binary = pack.variant(candidate.id).binary.sha256;
    Entry entry = {i, 0, i == standard, false, {}};
    entry.predicted = predict(pack.facts, task.key,
                              *parseSchedule(candidate.schedule), bucket)
                          .seconds;
    entry.ruledOut = pack.isRuledOut(task, candidate, bucket) ||
                     failures.has(binary, candidate.schedule, device.name);
    // Kernels of several formats may be the same code, append for one.
    for (const Record &record : known)
      if (record.status == Status::Ok && record.key == task.key &&
          record.binary == binary && record.schedule == candidate.schedule &&
          record.device == device && record.compiler == pack.compiler() &&
          record.assembler == pack.assembler &&
          distance(*record.bucket, bucket) == 0)
        entry.seconds.insert(entry.seconds.end(), record.seconds.begin(),
                             record.seconds.end());
    entries.push_back(std::move(entry));
  }
  return entries;
}

//===----------------------------------------------------------------------===//
// The search
//===----------------------------------------------------------------------===//

/// Of a kernel that is not chosen by hints one schedule must do for all shapes:
/// every candidate is timed to the end.
static SearchOptions searchFor(const Task &task, SearchOptions options) {
  if (!isChosenByHints(task.key))
    options.rungs = {options.rungs.back()};
  return options;
}

static std::string timeText(double seconds) {
  return run::formatText("%.1f us", seconds * 1e6);
}

void Measuring::measureBucket(size_t task, size_t index) {
  const Task &t = pack.tasks[task];
  const Bucket &bucket = t.buckets[index];
  std::vector<Entry> entries = entriesOf(t, bucket);
  SearchOptions rungs = searchFor(t, options.search);
  int64_t planned = countMeasurements(entries.size(), rungs), steps = 0;
  Clock::time_point end = deadline;
  if (options.timeBudget > 0) // what others leave is for those after them
    end = Clock::now() + (deadline - Clock::now()) / int64_t(bucketsLeft);
  SearchCalls calls;
  calls.measure = [&](const Entry &entry, int64_t launches) {
    return measure(task, index, entry, launches);
  };
  calls.stop = [&] { return isOver(end); };
  calls.done = [&](const Entry &, const Outcome &outcome) {
    ++steps;
    if (const Entry *best = bestOf(entries))
      progress.best(bucket.describe() + " " + timeText(best->median()));
    progress.step(!outcome.seconds.empty());
  };
  bool whole = search(entries, rungs, calls);
  progress.expect(steps - planned);
  const Entry *best = bestOf(entries);
  if (!best) {
    nothing = true;
    progress.note(bucket.describe() + ": nothing measured");
    return;
  }
  const Entry &standard = entries[pack.defaultFor(t, bucket)];
  std::string line =
      bucket.describe() + ": " + timeText(best->median()) + ", " +
      describe(*parseSchedule(t.candidates[best->candidate].schedule),
               t.key.kernel);
  if (!standard.seconds.empty() && !standard.ruledOut)
    line +=
        run::formatText(" (default %s)", timeText(standard.median()).c_str());
  progress.note(line + (whole ? "" : ", stopped early"));
}

int Measuring::run() {
  start();
  Clock::time_point begin = Clock::now();
  if (options.timeBudget > 0)
    deadline = begin + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(options.timeBudget));
  for (const Task &task : pack.tasks)
    for (size_t b = 0; b < task.buckets.size(); ++b) {
      ++bucketsLeft;
      progress.expect(countMeasurements(task.candidates.size(),
                                        searchFor(task, options.search)));
    }
  for (size_t t = 0; t < pack.tasks.size(); ++t) {
    progress.note(describe(pack.tasks[t].key) + ": " +
                  std::to_string(pack.tasks[t].candidates.size()) +
                  " candidates");
    for (size_t b = 0; b < pack.tasks[t].buckets.size(); ++b, --bucketsLeft)
      if (!isInterrupted())
        measureBucket(t, b);
  }
  progress.note(run::formatText(
      "%lld measurements, %lld failed, in %.1f s; records in %s",
      static_cast<long long>(measurements), static_cast<long long>(failures),
      std::chrono::duration<double>(Clock::now() - begin).count(),
      options.records.c_str()));
  if (isInterrupted()) {
    progress.note("interrupted; the same command goes on from here");
    return kInterrupted;
  }
  return nothing ? run::kCheckFailed : run::kDone;
}

int MeasureStep::run(const std::string &pack) const {
  handleInterrupts();
  return Measuring(*this, pack).run();
}

} // namespace kvarn::tune
