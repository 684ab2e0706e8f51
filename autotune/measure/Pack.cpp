//===- Pack.cpp - Candidates on their way to a GPU ------------------------===//

#include "autotune/measure/Pack.h"

#include "autotune/measure/Error.h"
#include "autotune/measure/LibraryFolder.h"
#include "autotune/measure/Lookup.h"

#include <fstream>

namespace kvarn::tune {

static constexpr int64_t kPackSchema = 1;

const Variant &Pack::variant(const std::string &id) const {
  for (const Variant &each : manifest.variants)
    if (each.id == id)
      return each;
  throw InputError(folder + "/" + kPackFileName + ": no variant '" + id +
                   "' in the manifest");
}

bool Pack::isCandidate(const std::string &id) const {
  for (const Task &task : tasks)
    for (const Candidate &each : task.candidates)
      if (each.id == id)
        return true;
  return false;
}

bool Pack::isRuledOut(const Task &task, const Candidate &candidate,
                      const Bucket &bucket) const {
  return needsEqualRequests(task.key, chip, bucket,
                            *parseSchedule(candidate.schedule));
}

size_t Pack::defaultFor(const Task &task, const Bucket &bucket) const {
  size_t best = 0;
  double least = kNearHint;
  for (size_t c = 0; c < task.candidates.size(); ++c) {
    if (isRuledOut(task, task.candidates[c], bucket))
      continue;
    for (const Hint &hint : task.candidates[c].defaultFor) {
      Bucket special = bucket;
      special.batch = hint.maxBatch.value_or(bucket.batch);
      special.kvHeads = hint.kvHeads.value_or(bucket.kvHeads);
      special.context = hint.context.value_or(bucket.context);
      special.queryTokens = hint.maxQueryTokens.value_or(bucket.queryTokens);
      if (double away = distance(special, bucket); away < least) {
        least = away;
        best = c;
      }
    }
  }
  return best;
}

static json toJson(const Task &task) {
  json object = {{"key", toJson(task.key)},
                 {"pruned", task.pruned},
                 {"buckets", json::array()},
                 {"candidates", json::array()},
                 {"dropped", json::array()}};
  for (const Bucket &bucket : task.buckets)
    object["buckets"].push_back(toJson(bucket));
  for (const Candidate &each : task.candidates) {
    json item = {{"id", each.id}, {"schedule", each.schedule}};
    for (const Hint &hint : each.defaultFor)
      item["default_for"].push_back(toJson(hint));
    object["candidates"].push_back(std::move(item));
  }
  for (const Dropped &each : task.dropped)
    object["dropped"].push_back({{"schedule", each.schedule},
                                 {"cause", each.cause},
                                 {"message", each.message}});
  return object;
}

static Task taskFromJson(const json &object) {
  Task task;
  task.key = keyFromJson(object.at("key"));
  object.at("pruned").get_to(task.pruned);
  for (const json &each : object.at("buckets"))
    task.buckets.push_back(bucketFromJson(each, task.key.kernel));
  for (const json &each : object.at("candidates")) {
    Candidate &candidate = task.candidates.emplace_back();
    each.at("id").get_to(candidate.id);
    each.at("schedule").get_to(candidate.schedule);
    for (const json &hint : each.value("default_for", json::array()))
      candidate.defaultFor.push_back(hintFromJson(hint));
  }
  for (const json &each : object.at("dropped"))
    task.dropped.push_back({each.at("schedule").get<std::string>(),
                            each.at("cause").get<std::string>(),
                            each.at("message").get<std::string>()});
  for (const Candidate &each : task.candidates)
    if (!parseSchedule(each.schedule))
      throw InputError("'" + each.schedule + "' is no schedule");
  return task;
}

std::string writePack(const Pack &pack) {
  json object = {{"schema", kPackSchema},
                 {"chip", pack.chip},
                 {"assembler", pack.assembler},
                 {"facts", toJson(pack.facts)},
                 {"tasks", json::array()}};
  for (const Task &task : pack.tasks)
    object["tasks"].push_back(toJson(task));
  return object.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Pack readPack(const std::string &folder) {
  Pack pack;
  pack.folder = folder;
  std::string path = folder + "/" + kPackFileName;
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    throw InputError(folder + ": cannot read " + kPackFileName +
                     ", expected a pack that 'kvarn-tune build' made");
  json object = json::parse(stream, nullptr, false);
  try {
    if (object.is_discarded())
      throw InputError("expected JSON");
    if (object.at("schema").get<int64_t>() != kPackSchema)
      throw InputError("schema " + object.at("schema").dump() + ", expected " +
                       std::to_string(kPackSchema));
    object.at("chip").get_to(pack.chip);
    object.at("assembler").get_to(pack.assembler);
    pack.facts = chipFromJson(object.at("facts"));
    for (const json &task : object.at("tasks"))
      pack.tasks.push_back(taskFromJson(task));
  } catch (const std::exception &problem) {
    throw InputError(path + ": " + problem.what());
  }
  pack.manifest = readLibrary(folder);
  for (const Task &task : pack.tasks)
    for (const Candidate &each : task.candidates)
      pack.variant(each.id);
  return pack;
}

} // namespace kvarn::tune
