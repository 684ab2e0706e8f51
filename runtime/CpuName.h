//===- CpuName.h - What measurements call this CPU --------------*- C++ -*-===//
//
// Shared with the programs that measure: a table of schedules is for the CPU
// that they name.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_RUNTIME_CPUNAME_H
#define KVARN_RUNTIME_CPUNAME_H

#include <string>

namespace kvarn {

/// On how many threads of the CPU this process may run.
int cpuThreads();

/// "AMD EPYC 9654, 8 threads"
std::string cpuName(int threads);

} // namespace kvarn

#endif // KVARN_RUNTIME_CPUNAME_H
