//===- Worker.cpp - The measuring end -------------------------------------===//

#include "tools/kvarn-tune/Worker.h"

#include "autotune/measure/Error.h"
#include "autotune/measure/Pack.h"
#include "tools/kvarn-bench/Workload.h"
#include "tools/kvarn-tune/Check.h"
#include "tools/kvarn-tune/Wanted.h"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <map>
#include <memory>
#include <sys/prctl.h>

namespace kvarn::tune {

namespace {

class Worker {
public:
  explicit Worker(const WorkerOptions &options)
      : running(options.running), memory(options.memoryMiB << 20),
        pack(readPack(options.pack)) {
    libraries.emplace_back(options.pack);
  }

  json answer(const json &question);

private:
  json start();
  json prepare(size_t task);
  json check(size_t task, const std::string &id);
  const bench::Tiles &tilesFor(size_t task, int64_t kvHeads);
  json setBucket(size_t task, size_t bucket);
  json time(const std::string &id, int64_t launches);
  const Task &task(size_t number) const { return pack.tasks.at(number); }
  run::Kernel kernel(const std::string &id) const {
    return running.selectId(libraries.front(), id);
  }

  run::Running running;
  int64_t memory;
  Pack pack;
  std::list<run::Library> libraries;
  std::unique_ptr<bench::Device> device;
  std::map<size_t, std::unique_ptr<Checker>> checkers;
  /// By task and KV heads: making them takes longer than all launches of a
  /// bucket.
  std::map<std::pair<size_t, int64_t>, bench::Tiles> tiles;
  std::unique_ptr<bench::Workload> workload; // after the device: goes first
};

} // namespace

json Worker::start() {
  if (!device)
    device = pack.facts.gpu ? bench::makeCudaDevice(running)
                            : bench::makeCpuDevice(running);
  return {{"device", toJson(DeviceName{device->name(), device->processors(),
                                       device->driver()})}};
}

json Worker::prepare(size_t number) {
  int64_t tokens = 1;
  for (const Bucket &bucket : task(number).buckets)
    tokens = std::max(tokens, bucket.queryTokens);
  if (!checkers.contains(number))
    checkers[number] = makeChecker(task(number).key, tokens);
  return json::object();
}

static json verdict(const std::string &wrong) {
  return {{"status", wrong.empty() ? "ok" : "wrong"}, {"message", wrong}};
}

json Worker::check(size_t number, const std::string &id) {
  return verdict(checkers.at(number)->check(kernel(id), running));
}

const bench::Tiles &Worker::tilesFor(size_t number, int64_t kvHeads) {
  auto found = tiles.find({number, kvHeads});
  if (found == tiles.end())
    found =
        tiles
            .try_emplace({number, kvHeads},
                         bench::makePackedTiles(
                             {libraries, running},
                             kernel(task(number).candidates.at(0).id), kvHeads))
            .first;
  return found->second;
}

json Worker::setBucket(size_t number, size_t index) {
  const Bucket &bucket = task(number).buckets.at(index);
  bench::Shape shape = shapeOf(task(number).key, bucket);
  bool reads = shape.has("context"); // a cache that must be there
  workload.reset();                  // its memory first
  workload = bench::makeWorkload(
      {*device, bench::TileSource{libraries, running},
       kernel(task(number).candidates.at(0).id), shape, memory,
       reads ? &tilesFor(number, bucket.kvHeads) : nullptr});
  return {{"bytes", workload->bytes()}};
}

json Worker::time(const std::string &id, int64_t launches) {
  workload->use(kernel(id));
  // Once, to have everything in its place.
  workload->run(0);
  try {
    workload->checkOutput();
  } catch (const run::Error &error) {
    if (error.code == run::kCheckFailed)
      return verdict(error.what());
    throw;
  }
  std::vector<double> seconds;
  for (int64_t i = 1; i <= launches; ++i)
    seconds.push_back(workload->run(i % workload->layers()));
  return {{"status", "ok"}, {"seconds", seconds}};
}

/// What `work` on a candidate answers. A launch that the driver refuses is the
/// candidate's doing, as one that fails while it runs is.
template <typename Work> static json onCandidate(Work work) {
  try {
    return work();
  } catch (const run::RuntimeError &error) {
    if (error.status == KVARN_STATUS_DEVICE)
      throw run::Error(run::kCheckFailed, error.what());
    throw;
  }
}

json Worker::answer(const json &question) {
  const auto what = question.at("do").get<std::string>();
  json device = start();
  if (what == "start")
    return device;
  if (what == "bandwidth")
    return {{"bytes_per_second", this->device->readBandwidth()}};
  if (what == "prepare")
    return prepare(question.at("task").get<size_t>());
  if (what == "check")
    return onCandidate([&] {
      return check(question.at("task").get<size_t>(),
                   question.at("id").get<std::string>());
    });
  if (what == "bucket")
    return setBucket(question.at("task").get<size_t>(),
                     question.at("bucket").get<size_t>());
  if (what == "time")
    return onCandidate([&] {
      return time(question.at("id").get<std::string>(),
                  question.at("launches").get<int64_t>());
    });
  throw InputError("unknown question '" + what + "'");
}

int runWorker(const WorkerOptions &options) {
  // It may hang in a kernel when the parent goes away.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::unique_ptr<Worker> worker;
  for (std::string line; std::getline(std::cin, line);) {
    json reply;
    try {
      if (!worker)
        worker = std::make_unique<Worker>(options);
      reply = worker->answer(json::parse(line));
    } catch (const run::Error &error) {
      reply = {{"error", error.what()}, {"code", error.code}};
    } catch (const InputError &error) {
      reply = {{"error", error.what()}, {"code", run::kInput}};
    } catch (const std::exception &error) {
      reply = {{"error", error.what()}, {"code", run::kInternal}};
    }
    std::cout << reply.dump(-1, ' ', false, json::error_handler_t::replace)
              << std::endl;
    // A GPU that has seen a fault can be used by another process only.
    if (reply.contains("error"))
      _exit(reply["code"].get<int>());
  }
  return run::kDone;
}

} // namespace kvarn::tune
