//===- Records.cpp - export, import, merge and top ------------------------===//

#include "autotune/measure/Error.h"
#include "autotune/measure/Lookup.h"
#include "autotune/measure/Schedule.h"
#include "tools/kvarn-run/Text.h"
#include "tools/kvarn-tune/Commands.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <tuple>

namespace kvarn::tune {

namespace {

/// Which records a command is about.
struct Filter {
  std::string gpu, format, kernel;

  void addTo(CLI::App &app) {
    app.add_option("--gpu", gpu, "Only of this GPU")->type_name("NAME");
    app.add_option("--format", format, "Only of this format")
        ->type_name("NAME");
    app.add_option("--kernel", kernel, "Only of this kernel")
        ->type_name("NAME");
  }
  bool takes(const Record &record) const {
    return (gpu.empty() || record.device.name == gpu) &&
           (format.empty() || record.key.format == format) &&
           (kernel.empty() || record.key.kernel == kernel);
  }
};

} // namespace

/// The records of files that must exist.
static std::vector<Record> readAll(const std::vector<std::string> &files,
                                   const Filter &filter) {
  std::vector<Record> all;
  for (const std::string &path : files) {
    RecordFile file = readRecords(path);
    warnOfDamage(file.damaged);
    for (Record &record : file.records)
      if (filter.takes(record))
        all.push_back(std::move(record));
  }
  return all;
}

static int merge(const std::vector<std::string> &files,
                 const std::string &target, const Filter &filter) {
  std::vector<Record> records = readAll(files, filter);
  size_t added = mergeRecords(records, target);
  std::printf("%s: %zu records added, %zu were there\n", target.c_str(), added,
              records.size() - added);
  return run::kDone;
}

/// The fastest schedules of each kernel, bucket and device.
static int printTop(const std::string &path, const Filter &filter,
                    size_t count) {
  std::vector<Record> records = readAll({path}, filter);
  std::set<std::string> compilers;
  for (const Record &record : records)
    compilers.insert(record.compiler);
  std::map<std::string, std::vector<Measured>> groups;
  for (const std::string &compiler : compilers)
    for (Measured &each : collect(records, compiler)) {
      std::string name = describe(each.last.key) + ", " +
                         each.bucket.describe() + ", " + each.device.name +
                         ", " + compiler;
      groups[name].push_back(std::move(each));
    }
  for (auto &[name, list] : groups) {
    std::printf("%s\n", name.c_str());
    std::sort(list.begin(), list.end(), [](const auto &a, const auto &b) {
      return std::tuple(!a.comparable, a.median, a.schedule) <
             std::tuple(!b.comparable, b.median, b.schedule);
    });
    std::vector<std::vector<std::string>> rows = {
        {"  ", "time us", "launches", "schedule"}};
    for (size_t i = 0; i < std::min(count, list.size()); ++i) {
      std::optional<Schedule> schedule = parseSchedule(list[i].schedule);
      rows.push_back({"  ", run::formatText("%.1f", list[i].median * 1e6),
                      std::to_string(list[i].seconds.size()),
                      schedule ? describe(*schedule, list[i].last.key.kernel)
                               : list[i].schedule});
    }
    std::fputs(run::formatTable(rows).c_str(), stdout);
  }
  if (!groups.empty())
    return run::kDone;
  throw run::Error(run::kCheckFailed, path + ": no times");
}

static CLI::Option *addFiles(CLI::App &app, std::vector<std::string> &files,
                             const char *help) {
  return app.add_option("FILES", files, help)
      ->required()
      ->check(CLI::ExistingFile)
      ->type_name("");
}

void addRecordCommands(CLI::App &app, Action &action) {
  struct Options {
    std::string records = "kvarn-tune.jsonl", output;
    std::vector<std::string> files;
    Filter filter;
    size_t count = 5;
  };
  auto addRecords = [](CLI::App &sub, Options &o, bool exists) {
    CLI::Option *option = sub.add_option("--records", o.records, "The records")
                              ->type_name("FILE")
                              ->capture_default_str();
    if (exists)
      option->check(CLI::ExistingFile);
  };
  {
    auto o = std::make_shared<Options>();
    CLI::App &sub = *app.add_subcommand(
        "export", "Copy records, all or some, to another file");
    addRecords(sub, *o, true);
    sub.add_option("-o,--output", o->output, "File that they are added to")
        ->type_name("FILE")
        ->required();
    o->filter.addTo(sub);
    sub.callback([=, &action] {
      action = [=] { return merge({o->records}, o->output, o->filter); };
    });
  }
  {
    auto o = std::make_shared<Options>();
    CLI::App &sub =
        *app.add_subcommand("import", "Add the records of other files");
    addRecords(sub, *o, false);
    addFiles(sub, o->files, "Files with records");
    o->filter.addTo(sub);
    sub.callback([=, &action] {
      action = [=] { return merge(o->files, o->records, o->filter); };
    });
  }
  {
    auto o = std::make_shared<Options>();
    CLI::App &sub = *app.add_subcommand("merge", "Make one file of several");
    addFiles(sub, o->files, "Files with records");
    sub.add_option("-o,--output", o->output, "File that they are added to")
        ->type_name("FILE")
        ->required();
    sub.callback([=, &action] {
      action = [=] { return merge(o->files, o->output, {}); };
    });
  }
  {
    auto o = std::make_shared<Options>();
    CLI::App &sub =
        *app.add_subcommand("top", "The fastest schedules of each shape");
    addRecords(sub, *o, true);
    sub.add_option("-n,--count", o->count, "Schedules of each shape")
        ->check(CLI::Range(1, 1000000))
        ->type_name("N")
        ->capture_default_str();
    o->filter.addTo(sub);
    sub.callback([=, &action] {
      action = [=] { return printTop(o->records, o->filter, o->count); };
    });
  }
}

} // namespace kvarn::tune
