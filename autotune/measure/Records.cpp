//===- Records.cpp - What was measured ------------------------------------===//

#include "autotune/measure/Records.h"

#include "autotune/measure/Error.h"
#include "format/Hash.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <sstream>
#include <unistd.h>

namespace kvarn::tune {

std::string_view statusName(Status status) {
  return kStatusNames[static_cast<size_t>(status)];
}

static Status parseStatus(const std::string &name) {
  for (size_t i = 0; i < kStatusNames.size(); ++i)
    if (kStatusNames[i] == name)
      return static_cast<Status>(i);
  throw InputError("status: expected ok, wrong, fault or hang");
}

double Record::median() const {
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty())
    return 0;
  size_t half = sorted.size() / 2;
  return sorted.size() % 2 ? sorted[half]
                           : (sorted[half - 1] + sorted[half]) / 2;
}

//===----------------------------------------------------------------------===//
// Lines
//===----------------------------------------------------------------------===//

/// Text from a driver may be no UTF-8.
static std::string dump(const json &object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

static json contentOf(const Record &r) {
  json object = {{"schema", kRecordSchema},
                 {"key", toJson(r.key)},
                 {"schedule", r.schedule},
                 {"device", toJson(r.device)},
                 {"chip", r.chip},
                 {"compiler", r.compiler},
                 {"assembler", r.assembler},
                 {"binary", r.binary},
                 {"date", r.date},
                 {"status", statusName(r.status)},
                 {"seconds", r.seconds},
                 {"bytes", r.bytes},
                 {"read_bandwidth", r.readBandwidth},
                 {"predicted_seconds", r.predicted}};
  if (r.bucket)
    object["bucket"] = toJson(*r.bucket);
  if (!r.message.empty())
    object["message"] = r.message;
  return object;
}

std::string Record::hash() const { return sha256Hex(dump(contentOf(*this))); }

std::string writeRecord(const Record &record) {
  json object = contentOf(record);
  object["hash"] = record.hash();
  return dump(object) + "\n";
}

static Record fromJson(const json &object) {
  if (object.at("schema").get<int64_t>() != kRecordSchema)
    throw InputError("schema " + object.at("schema").dump() + ", expected " +
                     std::to_string(kRecordSchema));
  Record r;
  r.key = keyFromJson(object.at("key"));
  object.at("schedule").get_to(r.schedule);
  if (object.contains("bucket"))
    r.bucket = bucketFromJson(object.at("bucket"), r.key.kernel);
  r.device = deviceFromJson(object.at("device"));
  object.at("chip").get_to(r.chip);
  object.at("compiler").get_to(r.compiler);
  object.at("assembler").get_to(r.assembler);
  object.at("binary").get_to(r.binary);
  object.at("date").get_to(r.date);
  r.status = parseStatus(object.at("status").get<std::string>());
  r.message = object.value("message", "");
  object.at("seconds").get_to(r.seconds);
  object.at("bytes").get_to(r.bytes);
  object.at("read_bandwidth").get_to(r.readBandwidth);
  object.at("predicted_seconds").get_to(r.predicted);
  for (double time : r.seconds)
    if (!(time > 0))
      throw InputError("seconds: expected positive numbers");
  if (r.status == Status::Ok && (r.seconds.empty() || !r.bucket))
    throw InputError("expected a bucket and times of what is ok");
  return r;
}

std::optional<Record> readRecord(std::string_view line, std::string &error) {
  json object = json::parse(line, nullptr, false);
  if (!object.is_object()) {
    error = "expected a JSON object";
    return std::nullopt;
  }
  try {
    Record record = fromJson(object);
    if (object.at("hash").get<std::string>() == record.hash())
      return record;
    error = "the hash is not that of the content";
  } catch (const std::exception &problem) {
    error = problem.what();
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

RecordFile readRecords(const std::string &path) {
  RecordFile result;
  requireFile(path);
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    if (errno == ENOENT)
      return result;
    throw InputError(path + ": cannot read: " + std::strerror(errno));
  }
  std::string line, error;
  for (size_t number = 1; std::getline(stream, line); ++number) {
    if (line.empty())
      continue;
    if (std::optional<Record> record = readRecord(line, error))
      result.records.push_back(std::move(*record));
    else
      result.damaged.push_back(path + ":" + std::to_string(number) + ": " +
                               error);
  }
  if (stream.bad())
    throw InputError(path + ": cannot read");
  return result;
}

static void writeAll(int file, const std::string &text,
                     const std::string &path) {
  ssize_t written = write(file, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()))
    throw InputError(path + ": cannot write: " +
                     (written < 0 ? std::strerror(errno) : "no space left"));
}

RecordWriter::RecordWriter(const std::string &path) : path(path) {
  file = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0)
    throw InputError(path + ": cannot write: " + std::strerror(errno));
  // What a killed process left unfinished becomes a line of its own.
  off_t size = lseek(file, 0, SEEK_END);
  char last = '\n';
  if (size > 0 && pread(file, &last, 1, size - 1) == 1 && last != '\n')
    writeAll(file, "\n", path);
}

RecordWriter::~RecordWriter() {
  if (file >= 0)
    close(file);
}

void RecordWriter::add(const Record &record) {
  writeAll(file, writeRecord(record), path);
}

size_t mergeRecords(const std::vector<Record> &from, const std::string &to) {
  std::set<std::string> known;
  for (const Record &record : readRecords(to).records)
    known.insert(record.hash());
  RecordWriter writer(to);
  size_t added = 0;
  for (const Record &record : from)
    if (known.insert(record.hash()).second) {
      writer.add(record);
      ++added;
    }
  return added;
}

std::string currentDate() {
  char date[32];
  std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return date;
}

} // namespace kvarn::tune
