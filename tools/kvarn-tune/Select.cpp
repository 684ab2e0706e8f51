//===- Select.cpp - select: from times to a library -----------------------===//

#include "autotune/measure/Choose.h"
#include "autotune/measure/Error.h"
#include "autotune/measure/LibraryFolder.h"
#include "autotune/measure/Tuned.h"
#include "tools/kvarn-run/OptionChecks.h"
#include "tools/kvarn-run/Tensors.h"
#include "tools/kvarn-run/Text.h"
#include "tools/kvarn-tune/Commands.h"
#include "tools/npy/Files.h"

#include <cstdio>

namespace kvarn::tune {

void SelectStep::addTo(CLI::App &app) {
  const char *group = "Selecting";
  app.add_option("--tolerance", tolerance,
                 "A kernel that serves several shapes may take longer by this "
                 "share of the best time")
      ->check(CLI::Range(0.0, 1.0))
      ->check(run::notNan())
      ->type_name("X")
      ->capture_default_str()
      ->group(group);
  app.add_option("--gpu", device,
                 "Times of this GPU, if the records have several")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--schedules", schedules,
                 "Table of the chosen schedules to write, NAME.json, for "
                 "kvarn-compile --schedules")
      ->type_name("FILE")
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
         describe(*parseSchedule(task.candidates[each.candidate].schedule),
                  task.key.kernel)});
  std::fputs(run::formatTable(rows).c_str(), stdout);
}

namespace {

/// A pack and what was chosen of it.
struct Selected {
  Pack pack;
  DeviceName device;
  std::vector<TaskChoice> choices; // by task
};

} // namespace

static Selected selectFrom(const std::string &folder,
                           const std::vector<Record> &records,
                           const std::string &recordFile,
                           const SelectStep &options) {
  Selected selected = {readPack(folder), {}, {}};
  const Pack &pack = selected.pack;
  selected.device = findDevice(pack, records, recordFile, options.device);
  for (const Task &task : pack.tasks) {
    TaskChoice choice =
        choose(pack, task, records, selected.device, options.tolerance);
    print(task, choice);
    if (choice.choices.empty() && choice.defaultFailed())
      throw run::Error(
          run::kCheckFailed,
          describe(task.key) + ": the default schedule failed on " +
              selected.device.name + ", and no other was measured");
    if (choice.choices.empty())
      std::printf("  not measured: the default schedule\n");
    selected.choices.push_back(std::move(choice));
  }
  return selected;
}

/// Of variants for one kernel and chip the first would always win.
static void checkDifferent(const std::vector<Selected> &all) {
  for (size_t i = 0; i < all.size(); ++i) {
    const Pack &pack = all[i].pack, &first = all.front().pack;
    if (pack.compiler() != first.compiler())
      throw InputError(pack.folder + " is by " + pack.compiler() + ", but " +
                       first.folder + " by " + first.compiler());
    for (size_t j = 0; j < i; ++j)
      for (const Task &task : pack.tasks)
        for (const Task &other : all[j].pack.tasks)
          if (pack.chip == all[j].pack.chip && task.key == other.key)
            throw InputError(pack.folder + " and " + all[j].pack.folder +
                             " both have " + describe(task.key) + " for " +
                             pack.chip);
  }
}

/// What is chosen, then what else the packs hold; of several packs once.
static void addAll(LibraryFolder &folder, const std::vector<Selected> &all) {
  for (const auto &[pack, device, choices] : all)
    for (size_t i = 0; i < choices.size(); ++i)
      for (auto &[variant, stem] : variantsOf(pack, pack.tasks[i], choices[i]))
        folder.add(variant, pack.folder, stem);
  auto isThere = [&](const Variant &variant) {
    for (const Variant &other : folder.contents().variants)
      if (other.key == variant.key && other.hint == variant.hint &&
          other.requirements == variant.requirements &&
          other.binary.kind == variant.binary.kind)
        return true;
    return false;
  };
  for (const auto &[pack, device, choices] : all) {
    std::vector<const Variant *> others;
    for (const Variant &variant : pack.manifest.variants)
      if (!pack.isCandidate(variant.id) && !isThere(variant))
        others.push_back(&variant);
    for (const Variant *variant : others)
      folder.add(
          *variant, pack.folder,
          variant->binary.file.substr(0, variant->binary.file.rfind('.')));
  }
}

/// The kernels of all packs. One GPU has a table of its own: another one with
/// the same chip would want other schedules.
static void writeTable(const std::string &path,
                       const std::vector<Selected> &all,
                       const std::vector<Record> &records) {
  Tuned tuned;
  for (const Selected &each : all) {
    Tuned own = makeTuned(each.pack, each.choices, records, each.device);
    if (&each == &all.front())
      tuned = std::move(own);
    else if (own.chip != tuned.chip || own.device.name != tuned.device.name)
      throw InputError("--schedules is for one GPU, found " +
                       tuned.device.name + " (" + tuned.chip + ") and " +
                       own.device.name + " (" + own.chip + ")");
    else
      tuned.kernels.insert(tuned.kernels.end(), own.kernels.begin(),
                           own.kernels.end());
  }
  std::string text = writeTuned(tuned), error;
  OutputFiles files;
  if (!files.add(path, {text}, error) || !files.commit(error))
    throw InputError(error);
  std::printf("%s: written, schedules for %s\n", path.c_str(),
              tuned.device.name.c_str());
}

int SelectStep::run(const std::vector<std::string> &packs,
                    const std::string &recordFile,
                    const std::string &output) const {
  if (output.empty() && schedules.empty())
    throw InputError("expected -o, the library to write, or --schedules");
  std::vector<std::pair<std::string, std::string>> files = {
      {"--records", recordFile}, {"-o", output}, {"--schedules", schedules}};
  for (const std::string &folder : packs)
    files.emplace_back("--pack", folder);
  run::requireDistinct(files);
  RecordFile file = readRecords(recordFile);
  warnOfDamage(file.damaged);
  std::vector<Selected> all;
  for (const std::string &folder : packs)
    all.push_back(selectFrom(folder, file.records, recordFile, *this));
  checkDifferent(all);
  if (!schedules.empty())
    writeTable(schedules, all, file.records);
  if (output.empty())
    return run::kDone;
  LibraryFolder folder(output, all.front().pack.compiler());
  addAll(folder, all);
  folder.commit();
  std::string devices;
  for (const Selected &each : all)
    devices += (devices.empty() ? "" : " and ") + each.device.name;
  std::printf("%s: %zu variants, tuned on %s\n", output.c_str(),
              folder.contents().variants.size(), devices.c_str());
  return run::kDone;
}

} // namespace kvarn::tune
