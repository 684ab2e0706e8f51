//===- Cpu.cpp - What the CPU of this process can do ----------------------===//

#include "runtime/Cpu.h"

#include "format/Environment.h"
#include "runtime/Status.h"

#include <array>
#include <vector>

namespace kvarn::runtime {

static constexpr std::array<std::string_view, 5> kLevels = {
    "", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};

std::string_view hostArch() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "";
#endif
}

int cpuLevel(std::string_view name) {
  for (size_t i = 1; i < kLevels.size(); ++i)
    if (kLevels[i] == name)
      return static_cast<int>(i);
  return 0;
}

/// Of features that belong to no level.
static constexpr int kNoLevel = 5;

namespace {
struct CpuFeature {
  std::string_view name;
  int level;
  bool present;
};
} // namespace

/// All features that are known, with the names of LLVM. __builtin_cpu_supports
/// also asks whether the system saves the registers.
static std::vector<CpuFeature> detectFeatures() {
#if defined(__x86_64__)
#define KVARN_FEATURE(name, level)                                             \
  CpuFeature{name, level, __builtin_cpu_supports(name) != 0}
  __builtin_cpu_init();
  return {KVARN_FEATURE("sse3", 2),
          KVARN_FEATURE("ssse3", 2),
          KVARN_FEATURE("sse4.1", 2),
          KVARN_FEATURE("sse4.2", 2),
          KVARN_FEATURE("popcnt", 2),
          KVARN_FEATURE("avx", 3),
          KVARN_FEATURE("avx2", 3),
          KVARN_FEATURE("bmi", 3),
          KVARN_FEATURE("bmi2", 3),
          KVARN_FEATURE("f16c", 3),
          KVARN_FEATURE("fma", 3),
          KVARN_FEATURE("lzcnt", 3),
          KVARN_FEATURE("movbe", 3),
          KVARN_FEATURE("avx512f", 4),
          KVARN_FEATURE("avx512bw", 4),
          KVARN_FEATURE("avx512cd", 4),
          KVARN_FEATURE("avx512dq", 4),
          KVARN_FEATURE("avx512vl", 4),
          KVARN_FEATURE("avx512vnni", kNoLevel),
          KVARN_FEATURE("avx512bf16", kNoLevel),
          KVARN_FEATURE("avx512fp16", kNoLevel),
          KVARN_FEATURE("avx512vbmi", kNoLevel),
          KVARN_FEATURE("avx512vbmi2", kNoLevel),
          KVARN_FEATURE("avx512bitalg", kNoLevel),
          KVARN_FEATURE("avx512vpopcntdq", kNoLevel),
          KVARN_FEATURE("avx512ifma", kNoLevel),
          KVARN_FEATURE("avxvnni", kNoLevel),
          KVARN_FEATURE("gfni", kNoLevel)};
#undef KVARN_FEATURE
#else
  return {};
#endif
}

static const std::vector<CpuFeature> &features() {
  static const std::vector<CpuFeature> detected = detectFeatures();
  return detected;
}

/// Features of `level` that are missing when those above level `limit` do not
/// count.
static std::string joinMissing(int level, int limit) {
  std::string missing;
  for (const CpuFeature &feature : features())
    if (feature.level <= level && !(feature.present && feature.level <= limit))
      missing += (missing.empty() ? "" : ", ") + std::string(feature.name);
  return missing;
}

const char *forcedCpu() { return environment(Variable::Cpu); }

kvarn_status checkForcedCpu() {
  const char *forced = forcedCpu();
  if (!forced)
    return KVARN_STATUS_OK;
  int level = cpuLevel(forced);
  if (level == 0)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "KVARN_CPU is '" + std::string(forced) +
                    "', expected x86-64, x86-64-v2, x86-64-v3 or x86-64-v4");
  if (hostArch() != "x86_64")
    return fail(KVARN_STATUS_UNSUPPORTED,
                "KVARN_CPU is '" + std::string(forced) + "', but this CPU is " +
                    std::string(hostArch()));
  if (std::string missing = joinMissing(level, kNoLevel); !missing.empty())
    return fail(KVARN_STATUS_UNSUPPORTED,
                "KVARN_CPU is '" + std::string(forced) +
                    "', but this CPU lacks " + missing);
  return KVARN_STATUS_OK;
}

/// That KVARN_CPU may be the reason, for messages.
static std::string printForced() {
  const char *forced = forcedCpu();
  return forced ? " (KVARN_CPU is " + std::string(forced) + ")" : "";
}

static std::string missingFeature(const std::string &name, int limit) {
  for (const CpuFeature &feature : features())
    if (feature.name == name)
      return feature.present && feature.level <= limit
                 ? ""
                 : "needs " + name + ", which this CPU lacks" + printForced();
  return "needs the CPU feature '" + name +
         "', which this runtime cannot check";
}

std::string missingOnCpu(const Requirements &requirements) {
  const char *forced = forcedCpu();
  int limit = forced ? cpuLevel(forced) : kNoLevel;
  if (!requirements.cpu.empty()) {
    int level = cpuLevel(requirements.cpu);
    if (level == 0 || hostArch() != "x86_64")
      return "needs the CPU '" + requirements.cpu +
             "', which this runtime does not know";
    if (std::string missing = joinMissing(level, limit); !missing.empty())
      return "needs " + requirements.cpu + ", but this CPU lacks " + missing +
             printForced();
  }
  for (const std::string &name : requirements.cpuFeatures)
    if (std::string missing = missingFeature(name, limit); !missing.empty())
      return missing;
  return {};
}

} // namespace kvarn::runtime
