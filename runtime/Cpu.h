//===- Cpu.h - What the CPU of this process can do --------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_CPU_H
#define KVARN_RUNTIME_CPU_H

#include "format/Manifest.h"
#include "runtime/kvarn.h"

#include <string>

namespace kvarn::runtime {

/// "x86_64", "aarch64", or "" for an unknown one.
std::string_view hostArch();

/// 1 for x86-64, ... 4 for x86-64-v4; 0 for "" and for unknown names.
int cpuLevel(std::string_view name);

/// KVARN_CPU, or NULL. Read at every selection, so that a program can set it
/// late.
const char *forcedCpu();

/// Whether KVARN_CPU, if set, is a level that this CPU has. Fails with a
/// message otherwise.
kvarn_status checkForcedCpu();

/// What of the CPU part of `requirements` is missing here, for people; "" =
/// nothing. Respects KVARN_CPU.
std::string missingOnCpu(const Requirements &requirements);

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_CPU_H
