//===- RecordsTest.cpp - Files of records ---------------------------------===//

#include "test/unit/autotune/Fixture.h"

#include <nlohmann/json.hpp>

using namespace kvarn::tune;
using namespace kvarn::tune::test;

static const Bucket kBucket = {8, 4096, 1, 8};

TEST(Records, RoundTrip) {
  Record record = makeRecord(scheduleText(4, 0), kBucket, 12.3456789e-6);
  record.message = "quote \" and line\nbreak";
  std::string line = writeRecord(record), error;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  std::optional<Record> read = readRecord(line, error);
  ASSERT_TRUE(read) << error;
  EXPECT_EQ(read->hash(), record.hash());
  EXPECT_EQ(read->key, record.key);
  EXPECT_EQ(read->bucket, record.bucket);
  EXPECT_EQ(read->seconds, record.seconds);
  EXPECT_EQ(read->message, record.message);
  EXPECT_NEAR(read->median(), 12.3456789e-6, 1e-15);
}

TEST(Records, TextThatIsNoUtf8) {
  Record record = makeRecord(scheduleText(4, 0), kBucket, 1e-5);
  record.message = "\xff\xfe";
  std::string error;
  EXPECT_TRUE(readRecord(writeRecord(record), error)) << error;
}

/// Everything that the issue lists is in a line.
TEST(Records, Members) {
  json line =
      json::parse(writeRecord(makeRecord(scheduleText(4, 0), kBucket, 1e-5)));
  for (const char *name :
       {"schema", "hash", "key", "schedule", "bucket", "device", "chip",
        "compiler", "assembler", "binary", "date", "status", "seconds", "bytes",
        "read_bandwidth", "predicted_seconds"})
    EXPECT_TRUE(line.contains(name)) << name;
  EXPECT_EQ(line["device"]["sm_count"], 132);
  EXPECT_EQ(line["device"]["gpu"], "NVIDIA H200");
  EXPECT_EQ(line["device"]["driver"], "CUDA 13.0");
  EXPECT_EQ(line["hash"].get<std::string>().size(), 64u);
}

static std::string lineError(const std::function<void(json &)> &change,
                             bool rehash = false) {
  json object =
      json::parse(writeRecord(makeRecord(scheduleText(4, 0), kBucket, 1e-5)));
  change(object);
  std::string error;
  return readRecord(object.dump(), error) ? "" : error;
}

TEST(Records, DamagedLines) {
  EXPECT_EQ(lineError([](json &) {}), "");
  EXPECT_EQ(lineError([](json &r) { r["seconds"][0] = 2e-5; }),
            "the hash is not that of the content");
  EXPECT_EQ(lineError([](json &r) { r["schema"] = 7; }),
            "schema 7, expected 1");
  EXPECT_EQ(lineError([](json &r) { r["seconds"] = {-1.0}; }),
            "seconds: expected positive numbers");
  EXPECT_EQ(lineError([](json &r) { r["seconds"] = json::array(); }),
            "expected a bucket and times of what is ok");
  EXPECT_EQ(lineError([](json &r) { r["status"] = "fine"; }),
            "status: expected ok, wrong, fault or hang");
  EXPECT_NE(lineError([](json &r) { r.erase("chip"); }), "");
  EXPECT_NE(lineError([](json &r) { r["key"] = 3; }), "");
  std::string error;
  EXPECT_FALSE(readRecord("[1]", error));
  EXPECT_EQ(error, "expected a JSON object");
}

TEST(Records, MissingFileIsEmpty) {
  TempFolder folder;
  RecordFile file = readRecords(folder.path("none"));
  EXPECT_TRUE(file.records.empty() && file.damaged.empty());
}

/// What a killed process leaves: the line is left out, and the next record has
/// a line of its own.
TEST(Records, TornLastLine) {
  TempFolder folder;
  std::string path = folder.path("r");
  {
    RecordWriter writer(path);
    writer.add(makeRecord(scheduleText(4, 0), kBucket, 1e-5));
    writer.add(makeRecord(scheduleText(8, 0), kBucket, 2e-5));
  }
  std::string text = folder.read("r");
  folder.write("r", text.substr(0, text.size() - 40));
  RecordFile torn = readRecords(path);
  EXPECT_EQ(torn.records.size(), 1u);
  ASSERT_EQ(torn.damaged.size(), 1u);
  EXPECT_EQ(torn.damaged[0], path + ":2: expected a JSON object");
  {
    RecordWriter writer(path);
    writer.add(makeRecord(scheduleText(2, 0), kBucket, 3e-5));
  }
  RecordFile repaired = readRecords(path);
  ASSERT_EQ(repaired.records.size(), 2u);
  EXPECT_EQ(repaired.records[1].schedule, scheduleText(2, 0));
  EXPECT_EQ(repaired.damaged.size(), 1u);
  // Nothing that was there was changed.
  EXPECT_EQ(folder.read("r").find(text.substr(0, text.size() - 40)), 0u);
}

TEST(Records, MergeAddsWhatIsMissing) {
  TempFolder folder;
  Record a = makeRecord(scheduleText(4, 0), kBucket, 1e-5),
         b = makeRecord(scheduleText(8, 0), kBucket, 2e-5), c = a;
  c.date = "2026-01-03T00:00:00Z"; // another measurement of the same
  EXPECT_EQ(mergeRecords({a, b, a}, folder.path("r")), 2u);
  EXPECT_EQ(mergeRecords({b, c, a}, folder.path("r")), 1u);
  EXPECT_EQ(readRecords(folder.path("r")).records.size(), 3u);
}

TEST(Records, WriteErrors) {
  EXPECT_EQ(inputError([] { RecordWriter writer("/nowhere/r"); }),
            "/nowhere/r: cannot write: No such file or directory");
  TempFolder folder;
  EXPECT_NE(inputError([&] { RecordWriter writer(folder.path("")); }),
            "no error");
}
