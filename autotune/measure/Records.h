//===- Records.h - What was measured ----------------------------*- C++ -*-===//
//
// A file of records is a list of JSON lines that only grows. Every line holds
// the SHA-256 of its content, so that a torn or changed line is noticed and a
// merge knows what it has. docs/tuning.md has the schema.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_AUTOTUNE_MEASURE_RECORDS_H
#define KVARN_AUTOTUNE_MEASURE_RECORDS_H

#include "autotune/measure/Task.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvarn::tune {

inline constexpr int64_t kRecordSchema = 1;

/// How a measurement ended.
enum class Status {
  Ok,
  Wrong, // the output is not what it should be
  Fault, // the kernel or its process crashed
  Hang,  // it was killed after a timeout
};
inline constexpr std::array<std::string_view, 4> kStatusNames = {
    "ok", "wrong", "fault", "hang"};
std::string_view statusName(Status status);

struct Record {
  VariantKey key;
  std::string schedule; // text of the attribute
  /// Nothing if it failed in the check before any shape.
  std::optional<Bucket> bucket;
  DeviceName device;
  std::string chip; // the target of the code, sm_90a
  std::string compiler, assembler;
  std::string binary; // SHA-256
  std::string date;   // "2026-11-24T12:00:00Z"
  Status status = Status::Ok;
  std::string message;         // of a failure
  std::vector<double> seconds; // one for each launch
  double bytes = 0;            // that a launch moves, see movedBytes
  double readBandwidth = 0;    // bytes per second, in the same run
  double predicted = 0;        // seconds, by the cost model

  double median() const;
  /// The SHA-256 of everything above.
  std::string hash() const;
};

/// The line of a record, with its hash and line break.
std::string writeRecord(const Record &record);
/// The record of a line, or nothing and why.
std::optional<Record> readRecord(std::string_view line, std::string &error);

/// What a file holds.
struct RecordFile {
  std::vector<Record> records;
  /// "FILE:12: expected ..." of each line that is none, a torn last one too.
  std::vector<std::string> damaged;
};

/// The records of a file; none if there is no such file. Throws InputError if
/// it cannot be read.
RecordFile readRecords(const std::string &path);

/// Adds records to a file, each with one write. Throws InputError.
class RecordWriter {
public:
  explicit RecordWriter(const std::string &path);
  ~RecordWriter();
  RecordWriter(const RecordWriter &) = delete;
  RecordWriter &operator=(const RecordWriter &) = delete;

  void add(const Record &record);

private:
  std::string path;
  int file = -1;
};

/// Appends those of `from` that `to` has not. Returns how many.
size_t mergeRecords(const std::vector<Record> &from, const std::string &to);

/// Now, as in Record::date.
std::string currentDate();

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_RECORDS_H
