//===- RunningOptions.h - --device and --threads --------------------------===//

#ifndef KVARN_TOOLS_RUN_RUNNINGOPTIONS_H
#define KVARN_TOOLS_RUN_RUNNINGOPTIONS_H

#include "tools/kvarn-run/Running.h"

#include <CLI/CLI.hpp>

#include <string>

namespace kvarn::run {

/// The options of `running`. It must outlive the parsing.
inline void addRunningOptions(CLI::App &app, Running &running,
                              const std::string &group = "Running") {
  app.add_option("--device", running.device,
                 "cpu, cuda or cuda:N; auto is a GPU if the library has "
                 "kernels for no CPU")
      ->type_name("NAME")
      ->check(CLI::Validator(Running::describeDeviceError, ""))
      ->capture_default_str()
      ->group(group);
  app.add_option("--threads", running.threads, "Worker threads, 0 = all")
      ->type_name("N")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str()
      ->group(group);
}

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_RUNNINGOPTIONS_H
