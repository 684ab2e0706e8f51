//===- Tuned.cpp - Tables of schedules that were found --------------------===//

#include "autotune/measure/Tuned.h"

#include "autotune/measure/Error.h"

#include <algorithm>
#include <cmath>
#include <fstream>

namespace kvarn::tune {

//===----------------------------------------------------------------------===//
// From choices
//===----------------------------------------------------------------------===//

static TunedKernel kernelOf(const Pack &pack, const Task &task,
                            const TaskChoice &choice, double readBandwidth) {
  TunedKernel kernel = {task.key, {}, {}};
  for (auto &[variant, stem] : variantsOf(pack, task, choice)) {
    if (kernel.schedules.empty() ||
        kernel.schedules.back().schedule != variant.schedule)
      kernel.schedules.push_back({variant.schedule, {}});
    if (variant.hint != Hint())
      kernel.schedules.back().hints.push_back(variant.hint);
  }
  for (const Choice &each : choice.choices) {
    double bytes = movedBytes(task.key, each.bucket);
    kernel.times.push_back(
        {each.bucket, task.candidates[each.candidate].schedule, each.seconds,
         each.defaultSeconds,
         each.seconds > 0 ? bytes / each.seconds / readBandwidth : 0});
  }
  return kernel;
}

Tuned makeTuned(const Pack &pack, const std::vector<TaskChoice> &choices,
                const std::vector<Record> &records, const DeviceName &device) {
  Tuned tuned = {pack.chip,
                 device,
                 pack.compiler(),
                 pack.assembler,
                 "",
                 pack.facts.readBandwidth,
                 {}};
  for (const Record &record : records)
    if (record.device == device && record.compiler == pack.compiler()) {
      tuned.date = std::max(tuned.date, record.date);
      if (record.readBandwidth > 0)
        tuned.readBandwidth = record.readBandwidth;
    }
  for (size_t i = 0; i < choices.size(); ++i)
    if (!choices[i].choices.empty())
      tuned.kernels.push_back(
          kernelOf(pack, pack.tasks[i], choices[i], tuned.readBandwidth));
  return tuned;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

/// A list of which each item has a line.
template <typename List, typename Function>
static std::string lines(const List &list, const Function &toJson) {
  std::string text;
  for (const auto &item : list)
    text += (text.empty() ? "\n    " : ",\n    ") +
            toJson(item).dump(-1, ' ', false, json::error_handler_t::replace);
  return "[" + text + "]";
}

static json toJson(const TunedSchedule &schedule) {
  json object = {{"schedule", schedule.schedule}, {"hints", json::array()}};
  for (const Hint &hint : schedule.hints)
    object["hints"].push_back(toJson(hint));
  return object;
}

/// Microseconds are easier to read.
static json toJson(const TunedTime &time) {
  auto rounded = [](double value, double parts) {
    return std::round(value * parts) / parts;
  };
  json object = toJson(time.bucket);
  object["schedule"] = time.schedule;
  object["microseconds"] = rounded(time.seconds * 1e6, 100);
  object["default_microseconds"] = rounded(time.defaultSeconds * 1e6, 100);
  object["share_of_read_bandwidth"] = rounded(time.share, 1000);
  return object;
}

std::string writeTuned(const Tuned &tuned) {
  json head = {{"schema", kTunedSchema},
               {"chip", tuned.chip},
               {"device", toJson(tuned.device)},
               {"compiler", tuned.compiler},
               {"assembler", tuned.assembler},
               {"date", tuned.date},
               {"read_bytes_per_second", tuned.readBandwidth}};
  std::string text = head.dump(1, ' ', false, json::error_handler_t::replace);
  text.resize(text.rfind('\n')); // open again
  text += ",\n \"kernels\": [";
  const char *separator = "\n";
  for (const TunedKernel &kernel : tuned.kernels) {
    auto write = [](const auto &item) { return toJson(item); };
    text += std::string(separator) +
            "  {\"key\": " + toJson(kernel.key).dump() +
            ",\n   \"schedules\": " + lines(kernel.schedules, write) +
            ",\n   \"times\": " + lines(kernel.times, write) + "}";
    separator = ",\n";
  }
  return text + "\n ]\n}\n";
}

static TunedSchedule scheduleFromJson(const json &object,
                                      const VariantKey &key) {
  TunedSchedule result;
  object.at("schedule").get_to(result.schedule);
  std::optional<Schedule> schedule = parseSchedule(result.schedule);
  if (!schedule)
    throw InputError("'" + result.schedule + "' is no schedule");
  if (key.ratio > 0 && schedule->rows != key.queryRows)
    throw InputError(
        "a schedule with rows = " + std::to_string(schedule->rows) +
        ", the kernel has " + std::to_string(key.queryRows));
  for (const json &hint : object.at("hints"))
    result.hints.push_back(hintFromJson(hint));
  return result;
}

static TunedKernel kernelFromJson(const json &object) {
  TunedKernel kernel;
  kernel.key = keyFromJson(object.at("key"));
  if (!isTunable(kernel.key.kernel))
    throw InputError("kernel '" + kernel.key.kernel + "' is never tuned");
  for (const json &each : object.at("schedules"))
    kernel.schedules.push_back(scheduleFromJson(each, kernel.key));
  if (kernel.schedules.empty())
    throw InputError("expected schedules of " + describe(kernel.key));
  for (const json &each : object.at("times"))
    kernel.times.push_back(
        {bucketFromJson(each, kernel.key.kernel),
         each.at("schedule").get<std::string>(),
         each.at("microseconds").get<double>() * 1e-6,
         each.at("default_microseconds").get<double>() * 1e-6,
         each.at("share_of_read_bandwidth").get<double>()});
  return kernel;
}

static Tuned tunedFromJson(const json &object) {
  if (object.at("schema").get<int64_t>() != kTunedSchema)
    throw InputError("schema " + object.at("schema").dump() + ", expected " +
                     std::to_string(kTunedSchema));
  Tuned tuned;
  object.at("chip").get_to(tuned.chip);
  tuned.device = deviceFromJson(object.at("device"));
  object.at("compiler").get_to(tuned.compiler);
  object.at("assembler").get_to(tuned.assembler);
  object.at("date").get_to(tuned.date);
  object.at("read_bytes_per_second").get_to(tuned.readBandwidth);
  for (const json &each : object.at("kernels")) {
    TunedKernel kernel = kernelFromJson(each);
    for (const TunedKernel &other : tuned.kernels)
      if (other.key == kernel.key)
        throw InputError("two entries for " + describe(kernel.key));
    tuned.kernels.push_back(std::move(kernel));
  }
  return tuned;
}

Tuned readTuned(const std::string &path) {
  requireFile(path);
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    throw InputError(path + ": cannot read");
  json object = json::parse(stream, nullptr, false);
  if (!object.is_object())
    throw InputError(path + ": expected a JSON object");
  try {
    return tunedFromJson(object);
  } catch (const std::exception &problem) {
    throw InputError(path + ": " + problem.what());
  }
}

} // namespace kvarn::tune
