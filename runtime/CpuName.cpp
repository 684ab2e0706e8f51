//===- CpuName.cpp - What measurements call this CPU ----------------------===//

#include "runtime/CpuName.h"

#include <algorithm>
#include <fstream>
#include <sched.h>
#include <thread>

namespace kvarn {

int cpuThreads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  int threads = sched_getaffinity(0, sizeof allowed, &allowed) == 0
                    ? CPU_COUNT(&allowed)
                    : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(threads, 1);
}

std::string cpuName(int threads) {
  std::ifstream file("/proc/cpuinfo");
  std::string model = "CPU";
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      model = line.substr(std::min(line.find(':') + 2, line.size()));
      break;
    }
  return model + ", " + std::to_string(threads) +
         (threads == 1 ? " thread" : " threads");
}

} // namespace kvarn
