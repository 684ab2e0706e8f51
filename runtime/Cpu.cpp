//===- Cpu.cpp - What the CPU of this process can do ----------------------===//

#include "runtime/Cpu.h"

#include "runtime/Status.h"

#include <array>
#include <cstdlib>
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

namespace {
struct CpuFeature {
  std::string_view name;
  int level; // the level that it belongs to; 5 = none
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
          KVARN_FEATURE("avx512vnni", 5),
          KVARN_FEATURE("avx512bf16", 5),
          KVARN_FEATURE("avx512fp16", 5),
          KVARN_FEATURE("avx512vbmi", 5),
          KVARN_FEATURE("avx512vbmi2", 5),
          KVARN_FEATURE("avx512bitalg", 5),
          KVARN_FEATURE("avx512vpopcntdq", 5),
          KVARN_FEATURE("avx512ifma", 5),
          KVARN_FEATURE("avxvnni", 5),
          KVARN_FEATURE("gfni", 5)};
#undef KVARN_FEATURE
#else
  return {};
#endif
}

static const std::vector<CpuFeature> &features() {
  static const std::vector<CpuFeature> detected = detectFeatures();
  return detected;
}

static std::string joinMissing(int level) {
  std::string missing;
  for (const CpuFeature &feature : features())
    if (feature.level <= level && !feature.present)
      missing += (missing.empty() ? "" : ", ") + std::string(feature.name);
  return missing;
}

/// Read at every selection, so that a program can set it late.
static const char *forcedCpu() {
  const char *value = std::getenv("KVARN_CPU");
  return value && *value ? value : nullptr;
}

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
  if (std::string missing = joinMissing(level); !missing.empty())
    return fail(KVARN_STATUS_UNSUPPORTED,
                "KVARN_CPU is '" + std::string(forced) +
                    "', but this CPU lacks " + missing);
  return KVARN_STATUS_OK;
}

static std::string missingFeature(const std::string &name, int limit) {
  for (const CpuFeature &feature : features()) {
    if (feature.name != name)
      continue;
    if (feature.present && feature.level > limit)
      return "needs " + name + ", but KVARN_CPU is " + forcedCpu();
    return feature.present ? "" : "needs " + name + ", which this CPU lacks";
  }
  return "needs the CPU feature '" + name +
         "', which this runtime cannot check";
}

std::string missingOnCpu(const Requirements &requirements) {
  const char *forced = forcedCpu();
  int limit = forced ? cpuLevel(forced) : 5;
  if (!requirements.cpu.empty()) {
    int level = cpuLevel(requirements.cpu);
    if (level == 0 || hostArch() != "x86_64")
      return "needs the CPU '" + requirements.cpu +
             "', which this runtime does not know";
    if (level > limit)
      return "needs " + requirements.cpu + ", but KVARN_CPU is " + forced;
    if (std::string missing = joinMissing(level); !missing.empty())
      return "needs " + requirements.cpu + ", but this CPU lacks " + missing;
  }
  for (const std::string &name : requirements.cpuFeatures)
    if (std::string missing = missingFeature(name, limit); !missing.empty())
      return missing;
  return {};
}

} // namespace kvarn::runtime
