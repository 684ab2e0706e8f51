//===- Fixture.h - Records and schedules for tests --------------*- C++ -*-===//

#ifndef KVARN_TEST_UNIT_AUTOTUNE_FIXTURE_H
#define KVARN_TEST_UNIT_AUTOTUNE_FIXTURE_H

#include "autotune/measure/Error.h"
#include "autotune/measure/Pack.h"
#include "autotune/measure/Records.h"
#include "autotune/measure/Schedule.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace kvarn::tune::test {

/// A folder that is gone at the end.
class TempFolder {
public:
  TempFolder() {
    std::string pattern = testing::TempDir() + "kvarn-tune-XXXXXX";
    folder = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(folder); }
  std::string path(const std::string &name) const { return folder / name; }
  std::string read(const std::string &name) const {
    std::ifstream stream(path(name), std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
  }
  void write(const std::string &name, const std::string &text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }

private:
  std::filesystem::path folder;
};

/// The text of a schedule for an NVIDIA GPU; more than a warp or two are told
/// from each other by `splits` and `programs`.
inline std::string scheduleText(int64_t warps, int64_t splits,
                                int64_t programs = 2, int64_t tokens = 128,
                                bool async = true) {
  std::string text =
      "#kvarn.schedule<rows = 8, tokens = " + std::to_string(tokens) +
      ", pool_tokens = 32, warps = " + std::to_string(warps) +
      ", splits = " + std::to_string(splits) +
      ", copy = " + (async ? "async" : "direct") +
      ", expand = subnormal, operand = f16, register_rows = 8, "
      "register_columns = 128";
  if (splits == 0)
    text += ", programs = " + std::to_string(programs);
  return text + ">";
}

inline VariantKey attendKey(int64_t ratio = 8) {
  VariantKey key;
  key.kernel = "attend";
  key.format = "kvarn_k4v2_g128";
  key.layout = "mma16816";
  key.headDim = 128;
  key.ratio = ratio;
  key.dtype = "f16";
  key.queryRows = 8;
  key.features = {"causal"};
  key.target = "nvidia";
  return key;
}

/// A kernel that writes a cache or reads it back, as on an H200.
inline VariantKey storeKey(const std::string &kernel) {
  VariantKey key = attendKey();
  key.kernel = kernel;
  key.ratio = key.queryRows = 0;
  key.features.clear();
  if (kernel == "flush" || kernel == "pack")
    key.options = {{"iterations", "8"}};
  return key;
}

inline Bucket pairsBucket(int64_t pairs) {
  Bucket bucket;
  bucket.pairs = pairs;
  bucket.kvHeads = 8;
  return bucket;
}

inline Bucket tokensBucket(int64_t tokens) {
  Bucket bucket;
  bucket.tokens = tokens;
  bucket.kvHeads = 8;
  return bucket;
}

/// The text of a schedule of such a kernel.
inline std::string storeSchedule(int64_t warps, int64_t rows = 16,
                                 int64_t tokens = 32, int64_t programs = 0) {
  return "#kvarn.schedule<rows = " + std::to_string(rows) +
         ", tokens = " + std::to_string(tokens) +
         ", pool_tokens = 32, warps = " + std::to_string(warps) +
         ", splits = " + (programs ? "0" : "1") +
         ", copy = direct, expand = convert, operand = f32, register_rows = 8, "
         "register_columns = 128" +
         (programs ? ", programs = " + std::to_string(programs) : "") + ">";
}

inline const DeviceName kH200 = {"NVIDIA H200", 132, "CUDA 13.0"};
inline const DeviceName kH100 = {"NVIDIA H100", 114, "CUDA 12.4"};

/// A record of attendKey() that is ok.
inline Record makeRecord(const std::string &schedule, Bucket bucket,
                         double seconds, const DeviceName &device = kH200) {
  Record r;
  r.key = attendKey();
  r.schedule = schedule;
  r.bucket = bucket;
  r.device = device;
  r.chip = "sm_90a";
  r.compiler = "kvarn 1";
  r.assembler = "ptxas";
  r.binary = std::string(64, 'a');
  r.date = "2026-01-02T03:04:05Z";
  r.seconds = {seconds * 1.1, seconds, seconds * 0.9};
  r.bytes = 1e6;
  r.readBandwidth = 4.5e12;
  r.predicted = seconds;
  return r;
}

/// The message of the InputError that `body` throws.
template <typename Body> std::string inputError(Body body) {
  try {
    body();
  } catch (const InputError &error) {
    return error.what();
  }
  return "no error";
}

/// Rates of an H200.
inline Chip hopper() {
  return {true, 32, 132, 2048, 65536, 233472, 7e9, 4.54e12};
}

} // namespace kvarn::tune::test

#endif // KVARN_TEST_UNIT_AUTOTUNE_FIXTURE_H
