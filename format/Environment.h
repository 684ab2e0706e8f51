//===- Environment.h - Environment variables --------------------*- C++ -*-===//
//
// Every environment variable that the project reads is a row of one table, and
// is read through it. `--help-env` prints the table.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_FORMAT_ENVIRONMENT_H
#define KVARN_FORMAT_ENVIRONMENT_H

#include <string>

namespace kvarn {

enum class Variable {
  CacheDir,
  CacheSize,
  Compiler,
  Cpu,
  CudaDriver,
  PtxAssembler,
  Schedules,
  CudaHome,
  XdgCacheHome,
  Home,
  Path
};

/// The value of `variable`; NULL if it is not set, or set to nothing.
const char *environment(Variable variable);

/// The table, for people: a line for each variable, and what its values mean.
std::string describeEnvironment();

} // namespace kvarn

#endif // KVARN_FORMAT_ENVIRONMENT_H
