//===- Report.cpp - report: one page about all that was measured ----------===//

#include "autotune/measure/Report.h"
#include "autotune/measure/Error.h"
#include "tools/kvarn-tune/Commands.h"
#include "tools/npy/Files.h"

#include <cstdio>
#include <memory>

namespace kvarn::tune {

// report.html and Chart.js, by the build.
extern const std::string_view kReportPage, kChartScript;

static int writeReport(const std::string &packFolder,
                       const std::string &recordFile, const std::string &gpu,
                       const std::string &output) {
  Pack pack = readPack(packFolder);
  RecordFile file = readRecords(recordFile);
  warnOfDamage(file.damaged);
  DeviceName device = findDevice(pack, file.records, recordFile, gpu);
  std::string page = makePage(kReportPage, kChartScript,
                              reportData(pack, file.records, device));
  std::string error;
  OutputFiles files;
  if (!files.add(output, {page}, error) || !files.commit(error))
    throw InputError(error);
  std::printf("%s: written\n", output.c_str());
  return run::kDone;
}

void addReportCommand(CLI::App &app, Action &action) {
  struct Options {
    std::string pack, records = "kvarn-tune.jsonl", gpu, output;
  };
  auto o = std::make_shared<Options>();
  CLI::App &sub = *app.add_subcommand(
      "report", "Write an HTML page about what was measured");
  sub.add_option("--pack", o->pack, "Folder with the candidates")
      ->type_name("DIR")
      ->required();
  sub.add_option("--records", o->records, "File with the times")
      ->type_name("FILE")
      ->capture_default_str();
  sub.add_option("--gpu", o->gpu, "Times of this GPU, if there are several")
      ->type_name("NAME");
  sub.add_option("-o,--output", o->output, "Page to write, NAME.html")
      ->type_name("FILE")
      ->required();
  sub.callback([=, &action] {
    action = [=] {
      return writeReport(o->pack, o->records, o->gpu, o->output);
    };
  });
}

} // namespace kvarn::tune
