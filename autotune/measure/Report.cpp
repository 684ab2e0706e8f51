//===- Report.cpp - What a report shows, as data --------------------------===//

#include "autotune/measure/Report.h"

#include "autotune/measure/Error.h"
#include "autotune/measure/Lookup.h"

#include <algorithm>
#include <cmath>

namespace kvarn::tune {

/// Text from a driver may be no UTF-8.
static std::string dumpText(const json &value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

/// The candidate of `task` with this schedule and binary, if it is one.
static const Candidate *findCandidate(const Pack &pack, const Task &task,
                                      const std::string &schedule,
                                      const std::string &binary) {
  for (const Candidate &each : task.candidates)
    if (each.schedule == schedule &&
        pack.variant(each.id).binary.sha256 == binary)
      return &each;
  return nullptr;
}

/// Times of one candidate in one bucket, with what the model says.
static json pointOf(const Pack &pack, const Task &task,
                    const Measured &measured) {
  Schedule schedule = *parseSchedule(measured.schedule);
  Prediction p = predict(pack.facts, task.key, schedule, measured.bucket);
  double bytes = movedBytes(task.key, measured.bucket);
  return {{"shape", measured.bucket.describe()},
          {"schedule", describe(schedule, task.key.kernel)},
          {"seconds", measured.median},
          {"predicted", p.seconds},
          {"launches", measured.seconds.size()},
          {"bytes", bytes},
          {"share", bytes / measured.median / pack.facts.readBandwidth}};
}

/// Of a whole call.
static double instructionsOf(const Pack &pack, const Task &task,
                             const Measured &measured) {
  Prediction p = predict(pack.facts, task.key,
                         *parseSchedule(measured.schedule), measured.bucket);
  return p.instructions * p.units;
}

/// What was left out of the pack, and failures among `own`, records of it.
static json failuresOf(const Pack &pack, const std::vector<Record> &own) {
  std::map<std::string, int64_t> causes;
  for (const Task &task : pack.tasks) {
    for (auto &[cause, count] : task.pruned)
      if (count > 0)
        causes["pruned: " + cause] += count;
    for (const Dropped &each : task.dropped)
      ++causes["dropped: " + each.cause];
    for (const Record &record : own)
      if (record.status != Status::Ok && record.key == task.key &&
          findCandidate(pack, task, record.schedule, record.binary))
        ++causes["measured: " + std::string(statusName(record.status))];
  }
  return causes;
}

json reportData(const Pack &given, const std::vector<Record> &records,
                const DeviceName &device) {
  Pack pack = given;
  pack.facts.processors = device.processors;
  std::vector<Record> own;
  for (const Record &record : records)
    if (record.device == device && record.chip == pack.chip &&
        record.compiler == pack.compiler() &&
        record.assembler == pack.assembler) {
      own.push_back(record);
      if (record.readBandwidth > 0)
        pack.facts.readBandwidth = record.readBandwidth;
    }
  json data = {{"device", toJson(device)},
               {"chip", pack.chip},
               {"compiler", pack.compiler()},
               {"assembler", pack.assembler},
               {"date", own.empty() ? "" : own.back().date},
               {"readBandwidth", pack.facts.readBandwidth},
               {"instructionRate",
                pack.facts.instructionRate * double(pack.facts.processors)},
               {"failures", failuresOf(pack, own)},
               {"tasks", json::array()}};
  std::vector<Measured> all = collect(own, pack.compiler());
  for (const Task &task : pack.tasks) {
    json item = {{"kernel", describe(task.key)},
                 {"best", json::array()},
                 {"points", json::array()}};
    std::map<Bucket, std::pair<json, double>> best, standard;
    for (const Measured &each : all) {
      if (each.last.key != task.key)
        continue;
      const Candidate *candidate =
          findCandidate(pack, task, each.schedule, each.last.binary);
      if (!candidate)
        continue;
      json point = pointOf(pack, task, each);
      point["instructions"] = instructionsOf(pack, task, each);
      item["points"].push_back(point);
      bool isDefault =
          candidate == &task.candidates[pack.defaultFor(task, each.bucket)];
      auto &place = best[each.bucket];
      if (each.comparable && !pack.isRuledOut(task, *candidate, each.bucket) &&
          (place.second == 0 || each.median < place.second))
        place = {point, each.median};
      if (isDefault)
        standard[each.bucket] = {point, each.median};
    }
    for (auto &[bucket, entry] : best) {
      if (entry.second == 0)
        continue;
      json row = entry.first;
      row["defaultSeconds"] = standard[bucket].second;
      item["best"].push_back(row);
    }
    data["tasks"].push_back(std::move(item));
  }
  return data;
}

std::string predictionText(const json &data) {
  auto microseconds = [](const json &seconds) {
    return std::round(seconds.get<double>() * 1e8) / 100;
  };
  json head = {{"device", data.at("device")},
               {"chip", data.at("chip")},
               {"compiler", data.at("compiler")},
               {"date", data.at("date")},
               {"read_bytes_per_second", data.at("readBandwidth")}};
  std::string text = dumpText(head, 1);
  text.resize(text.rfind('\n')); // open again
  text += ",\n \"kernels\": [";
  const char *separator = "\n";
  for (const json &task : data.at("tasks")) {
    text += std::string(separator) +
            "  {\"kernel\": " + dumpText(task.at("kernel")) + ", \"points\": [";
    const char *inner = "\n";
    for (const json &point : task.at("points")) {
      json line = {{"shape", point.at("shape")},
                   {"schedule", point.at("schedule")},
                   {"launches", point.at("launches")},
                   {"microseconds", microseconds(point.at("seconds"))},
                   {"predicted", microseconds(point.at("predicted"))}};
      text += std::string(inner) + "   " + dumpText(line);
      inner = ",\n";
    }
    text += "]}";
    separator = ",\n";
  }
  return text + "\n ]\n}\n";
}

/// The first `mark` of `text` becomes `value`.
static void replace(std::string &text, std::string_view mark,
                    std::string_view value) {
  size_t at = text.find(mark);
  if (at == std::string::npos)
    throw InputError("the page has no " + std::string(mark));
  text.replace(at, mark.size(), value);
}

std::string makePage(std::string_view page, std::string_view script,
                     const json &data) {
  std::string text = dumpText(data);
  // Text from outside must not end the element that holds it.
  for (size_t at; (at = text.find('<')) != std::string::npos;)
    text.replace(at, 1, "\\u003c");
  std::string result(page);
  // The data last: it may contain anything.
  replace(result, "@SCRIPT@", script);
  replace(result, "@DATA@", text);
  return result;
}

} // namespace kvarn::tune
