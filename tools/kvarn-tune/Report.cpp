//===- Report.cpp - report: one page about all that was measured ----------===//

#include "autotune/measure/Report.h"
#include "autotune/measure/Error.h"
#include "tools/kvarn-run/Tensors.h"
#include "tools/kvarn-tune/Commands.h"
#include "tools/npy/Files.h"

#include <cstdio>
#include <memory>

namespace kvarn::tune {

// report.html and Chart.js, by the build.
extern const std::string_view kReportPage, kChartScript;

static int writeReport(const std::string &packFolder,
                       const std::string &recordFile, const std::string &gpu,
                       const std::string &output, const std::string &pairs) {
  if (output.empty() && pairs.empty())
    throw InputError("expected -o, the page to write, or --json");
  run::requireDistinct({{"--records", recordFile},
                        {"--pack", packFolder},
                        {"-o", output},
                        {"--json", pairs}});
  Pack pack = readPack(packFolder);
  RecordFile file = readRecords(recordFile);
  warnOfDamage(file.damaged);
  DeviceName device = findDevice(pack, file.records, recordFile, gpu);
  json data = reportData(pack, file.records, device);
  std::string page = makePage(kReportPage, kChartScript, data);
  std::string text = predictionText(data), error;
  OutputFiles files;
  if ((!output.empty() && !files.add(output, {page}, error)) ||
      (!pairs.empty() && !files.add(pairs, {text}, error)) ||
      !files.commit(error))
    throw InputError(error);
  for (const std::string &path : {output, pairs})
    if (!path.empty())
      std::printf("%s: written\n", path.c_str());
  return run::kDone;
}

void addReportCommand(CLI::App &app, Action &action) {
  struct Options {
    std::string pack, records = "kvarn-tune.jsonl", gpu, output, pairs;
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
      ->type_name("FILE");
  sub.add_option("--json", o->pairs,
                 "Pairs of prediction and measurement to write, NAME.json")
      ->type_name("FILE");
  sub.callback([=, &action] {
    action = [=] {
      return writeReport(o->pack, o->records, o->gpu, o->output, o->pairs);
    };
  });
}

} // namespace kvarn::tune
