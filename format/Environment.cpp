//===- Environment.cpp - Environment variables ----------------------------===//

#include "format/Environment.h"

#include <cstdlib>
#include <iterator>

namespace kvarn {

namespace {
struct VariableRow {
  Variable variable;
  const char *name, *readBy, *meaning;
};
} // namespace

static constexpr VariableRow kVariables[] = {
    {Variable::CacheDir, "KVARN_CACHE_DIR", "runtime",
     "folder of kernels compiled on demand (default: XDG_CACHE_HOME/kvarn, "
     "else HOME/.cache/kvarn)"},
    {Variable::CacheSize, "KVARN_CACHE_SIZE", "runtime",
     "size of that folder, above which the kernels that were not used for the "
     "longest time go: 500M, 2G (default: 1G)"},
    {Variable::Compiler, "KVARN_COMPILER", "runtime, kvarn-run",
     "the program kvarn-compile, run as a child; none = compile nothing "
     "(default: the runtime compiles in its process, kvarn-run looks beside "
     "itself and in PATH)"},
    {Variable::Cpu, "KVARN_CPU", "runtime",
     "treat the CPU as one of this level: x86-64, x86-64-v2, x86-64-v3, "
     "x86-64-v4"},
    {Variable::CudaDriver, "KVARN_CUDA_DRIVER", "runtime",
     "file of the NVIDIA driver (default: libcuda.so.1)"},
    {Variable::PtxAssembler, "KVARN_PTX_ASSEMBLER", "compiler",
     "what assembles PTX: nvjitlink, ptxas, none (default: the first that is "
     "there)"},
    {Variable::Schedules, "KVARN_SCHEDULES", "runtime",
     "tables of tuned schedules for kernels compiled on demand: a folder, of "
     "which the table for the device is taken, or one file; none = default "
     "schedules (default: the folder that is installed with the runtime)"},
    {Variable::CudaHome, "CUDA_HOME", "compiler",
     "folder of a CUDA toolkit (default: /usr/local/cuda)"},
    {Variable::XdgCacheHome, "XDG_CACHE_HOME", "runtime",
     "folder of caches, see KVARN_CACHE_DIR"},
    {Variable::Home, "HOME", "runtime", "see KVARN_CACHE_DIR"},
    {Variable::Path, "PATH", "kvarn-run, runtime, compiler",
     "where kvarn-compile, ld.lld-19 and ptxas are looked for"}};

static constexpr bool isOrdered() {
  for (size_t i = 0; i < std::size(kVariables); ++i)
    if (kVariables[i].variable != static_cast<Variable>(i))
      return false;
  return true;
}
static_assert(isOrdered(), "a row for each Variable, in its order");

const char *environment(Variable variable) {
  const char *value =
      std::getenv(kVariables[static_cast<size_t>(variable)].name);
  return value && *value ? value : nullptr;
}

std::string describeEnvironment() {
  std::string text;
  for (const VariableRow &row : kVariables)
    text += std::string(row.name) + "  (" + row.readBy + ")\n    " +
            row.meaning + "\n";
  return text;
}

} // namespace kvarn
