//===- Select.cpp - select: from times to a library -----------------------===//

#include "autotune/measure/Choose.h"
#include "autotune/measure/Error.h"
#include "autotune/measure/LibraryFolder.h"
#include "tools/kvarn-run/Text.h"
#include "tools/kvarn-tune/Commands.h"

#include <cstdio>

namespace kvarn::tune {

void SelectStep::addTo(CLI::App &app) {
  const char *group = "Selecting";
  app.add_option("--tolerance", tolerance,
                 "A kernel that serves several shapes may take longer by this "
                 "share of the best time")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("X")
      ->capture_default_str()
      ->group(group);
  app.add_option("--gpu", device,
                 "Times of this GPU, if the records have several")
      ->type_name("NAME")
      ->group(group);
}

DeviceName findDevice(const Pack &pack, const std::vector<Record> &records,
                      const std::string &file, const std::string &wanted) {
  std::vector<DeviceName> devices;
  for (const DeviceName &each : measuredDevices(pack, records))
    if (wanted.empty() || each.name == wanted)
      devices.push_back(each);
  if (devices.empty())
    throw run::Error(run::kCheckFailed,
                     file + ": no times of the candidates of " + pack.folder +
                         " (" + pack.compiler() + ", " + pack.assembler + ")" +
                         (wanted.empty() ? "" : " on '" + wanted + "'"));
  if (devices.size() == 1)
    return devices.front();
  std::string names;
  for (const DeviceName &each : devices)
    names += (names.empty() ? "'" : ", '") + each.name + "' (driver '" +
             each.driver + "')";
  // The same GPU with several drivers: the last one that was measured.
  for (const DeviceName &each : devices)
    if (each.name != devices.back().name)
      throw InputError(file +
                       " has times of several GPUs, choose one with "
                       "--gpu: " +
                       names);
  return devices.back();
}

static void print(const Task &task, const TaskChoice &choice) {
  std::printf("%s\n", describe(task.key).c_str());
  std::vector<std::vector<std::string>> rows = {
      {"  shape", "time us", "best us", "default us", "schedule"}};
  auto micro = [](double seconds) {
    return seconds > 0 ? run::formatText("%.1f", seconds * 1e6) : "-";
  };
  for (const Choice &each : choice.choices)
    rows.push_back(
        {"  " + each.bucket.describe(), micro(each.seconds), micro(each.best),
         micro(each.defaultSeconds),
         describe(*parseSchedule(task.candidates[each.candidate].schedule))});
  std::fputs(run::formatTable(rows).c_str(), stdout);
}

int SelectStep::run(const std::string &packFolder,
                    const std::string &recordFile,
                    const std::string &output) const {
  Pack pack = readPack(packFolder);
  RecordFile file = readRecords(recordFile);
  warnOfDamage(file.damaged);
  DeviceName where = findDevice(pack, file.records, recordFile, device);
  LibraryFolder folder(output, pack.compiler());
  for (const Task &task : pack.tasks) {
    TaskChoice choice = choose(pack, task, file.records, where, tolerance);
    print(task, choice);
    if (choice.choices.empty() && choice.defaultFailed)
      throw run::Error(run::kCheckFailed,
                       describe(task.key) +
                           ": the default schedule failed on " + where.name +
                           ", and no other was measured");
    if (choice.choices.empty())
      std::printf("  not measured: the default schedule\n");
    for (auto &[variant, stem] : variantsOf(pack, task, choice))
      folder.add(variant, packFolder, stem);
  }
  for (const Variant &variant : pack.manifest.variants)
    if (!pack.isCandidate(variant.id))
      folder.add(variant, packFolder,
                 variant.binary.file.substr(0, variant.binary.file.rfind('.')));
  folder.commit();
  std::printf("%s: %zu variants, tuned on %s\n", output.c_str(),
              folder.contents().variants.size(), where.name.c_str());
  return run::kDone;
}

} // namespace kvarn::tune
