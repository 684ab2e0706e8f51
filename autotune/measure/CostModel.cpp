//===- CostModel.cpp - What a schedule will take --------------------------===//

#include "autotune/measure/CostModel.h"

#include "autotune/measure/Error.h"
#include "autotune/measure/StoreModel.h"

#include <algorithm>
#include <cmath>

namespace kvarn::tune {

json toJson(const Chip &chip) {
  return {{"gpu", chip.gpu},
          {"lanes", chip.lanes},
          {"processors", chip.processors},
          {"threads", chip.threads},
          {"registers", chip.registers},
          {"shared_bytes", chip.sharedBytes},
          {"instruction_rate", chip.instructionRate},
          {"read_bandwidth", chip.readBandwidth}};
}

Chip chipFromJson(const json &object) {
  Chip chip;
  object.at("gpu").get_to(chip.gpu);
  object.at("lanes").get_to(chip.lanes);
  object.at("processors").get_to(chip.processors);
  object.at("threads").get_to(chip.threads);
  object.at("registers").get_to(chip.registers);
  object.at("shared_bytes").get_to(chip.sharedBytes);
  object.at("instruction_rate").get_to(chip.instructionRate);
  object.at("read_bandwidth").get_to(chip.readBandwidth);
  if (chip.lanes < 1 || chip.processors < 1 || chip.threads < 1 ||
      !(chip.instructionRate > 0) || !(chip.readBandwidth > 0))
    throw InputError("chip: expected positive numbers");
  return chip;
}

Format cost::formatOf(const VariantKey &key) {
  std::optional<Format> format = parseFormatName(key.format);
  if (!format)
    throw InputError("no cost model for a kernel without a format");
  format->headDim = key.headDim;
  return *format;
}

namespace {

using namespace cost;

constexpr double kTileSeconds = 2e-6;    // begin and end of a row tile
constexpr double kShareSeconds = 1.5e-6; // to find an equal share
constexpr double kCombineSeconds = 3e-6; // waiting for the last of the parts
constexpr double kSecondKernelSeconds = 1.5e-6;
constexpr double kDirectBytes = 2048; // that a warp loads ahead without slots

/// Of CPUs.
constexpr double kCpuTileSeconds = 1e-6;

/// The work of one call in terms of records.
struct Work {
  Work(const VariantKey &key, const Schedule &s, const Bucket &b) {
    format = formatOf(key);
    int64_t rows = b.queryTokens * std::max<int64_t>(key.ratio, 1);
    tiles = static_cast<double>(b.batch * b.kvHeads *
                                ((rows + s.rows - 1) / s.rows));
    blocks = static_cast<double>((b.context + format.group - 1) / format.group);
  }

  Format format;
  double tiles = 0;  // of query rows
  double blocks = 0; // that each of them sees
};

/// Programs of a call, and the records of each.
struct Grid {
  double programs = 0, records = 0, tiles = 0; // tiles: that a program touches
};

Grid gridOf(const Work &work, const Schedule &s, double together) {
  double items = work.tiles * work.blocks;
  if (s.splits > 0)
    return {work.tiles * double(s.splits),
            std::ceil(work.blocks / double(s.splits)), 1};
  double records = std::max(std::ceil(items / together),
                            double(std::max<int64_t>(s.warps, 1)));
  double programs = std::ceil(items / records);
  return {programs, records, std::max(1.0, std::ceil(records / work.blocks))};
}

//===----------------------------------------------------------------------===//
// GPUs
//===----------------------------------------------------------------------===//

/// Of a thread, for the fp16 query of its warp.
double queryRegisters(const Format &f, const Schedule &s) {
  return double(f.headDim * s.rows) / 64;
}

/// Instructions of a warp for one record and one row tile.
double gpuInstructions(const Format &f, const Schedule &s) {
  double codes = 2.0 * double(f.group * f.headDim);
  double expand = codes / 32 * (s.subnormal ? 0.6 : 2.0);
  double products = codes / 256 * double(s.rows) / 8;
  double softmax = 8 * double(f.group * s.rows) / 32;
  double tiles = double(f.group) / double(s.tokens);
  double fold = tiles * (3 * double(f.headDim * s.rows) / 32 + 60);
  double load = s.async ? 0 : double(f.recordBytes()) / 512;
  // Of a query in shared memory, four registers of a lane at a time.
  double query = s.sharedQuery ? tiles * queryRegisters(f, s) / 4 : 0;
  return expand + products + softmax + fold + load + query + 200;
}

/// Registers that a thread would like to have.
double registersWanted(const Format &f, const Schedule &s) {
  double tile = double((s.tokens + f.headDim) * s.rows) / 32;
  return 130 + 1.6 * tile + (s.sharedQuery ? 0 : queryRegisters(f, s));
}

double programsTogether(const Chip &chip, const Work &work, const Schedule &s) {
  if (s.splits == 0)
    return double(s.programs);
  double threads = double(s.warps * chip.lanes);
  double registers = std::min(255.0, registersWanted(work.format, s));
  double most = std::min(double(chip.threads) / threads,
                         double(chip.registers) / (threads * registers));
  double query = s.sharedQuery ? 128 * queryRegisters(work.format, s) : 0;
  double shared = (s.async ? double(work.format.recordBytes()) : 0) + query;
  if (shared > 0)
    most =
        std::min(most, double(chip.sharedBytes) / (double(s.warps) * shared));
  return std::max(1.0, std::floor(most));
}

Prediction predictGpu(const Chip &chip, const Work &work, const Schedule &s) {
  const Format &f = work.format;
  double processors = double(chip.processors);
  Prediction p;
  double resident = programsTogether(chip, work, s);
  Grid grid = gridOf(work, s, processors * resident);
  p.waves = std::ceil(grid.programs / (processors * resident));
  // Of one wave.
  double programs = std::min(grid.programs, processors * resident);
  p.occupancy = std::min(resident, std::ceil(programs / processors));
  double active = std::min(processors, programs);
  double warps = p.occupancy * double(s.warps);
  p.instructions = gpuInstructions(f, s);
  double available =
      double(chip.registers) / (p.occupancy * double(s.warps * chip.lanes));
  double wanted = registersWanted(f, s);
  if (double most = std::min(255.0, available); wanted > most)
    p.instructions *= 1 + 2 * (wanted - most) / most;
  double slots = warps / (warps + kHidingWarps);
  double issue = p.occupancy * grid.records * p.instructions /
                 (chip.instructionRate * slots);
  double alone = std::ceil(grid.records / double(s.warps)) * p.instructions *
                 kSlotsPerIssue / chip.instructionRate;
  p.bytesInFlight = warps * (s.async ? double(f.recordBytes()) : kDirectBytes);
  double share = chip.readBandwidth / processors;
  double rate =
      std::min({share * kMostOfShare, p.bytesInFlight / kMemoryLatency}) *
      active;
  rate = std::min(rate, chip.readBandwidth);
  double memory = programs * grid.records * double(f.recordBytes()) / rate;
  p.seconds = kLaunchSeconds + p.waves * std::max({issue, alone, memory}) +
              p.waves * grid.tiles * kTileSeconds;
  if (s.splits == 0)
    p.seconds +=
        kShareSeconds + (grid.records < work.blocks ? kCombineSeconds : 0);
  if (s.splits > 1) // a kernel of its own, which reads the parts
    p.seconds += kSecondKernelSeconds + work.tiles * double(s.splits * s.rows) *
                                            4 * double(f.headDim) /
                                            chip.readBandwidth;
  return p;
}

//===----------------------------------------------------------------------===//
// CPUs
//===----------------------------------------------------------------------===//

double cpuInstructions(const Chip &chip, const Format &f, const Schedule &s) {
  double lanes = double(chip.lanes), codes = 2.0 * double(f.group * f.headDim);
  double expand = 2.5 * codes / lanes;
  // A product reads its operands once for each row or column of the registers.
  double products =
      codes * double(s.rows) / lanes *
      (1 + 1 / double(s.registerRows) + lanes / double(s.registerColumns));
  double vectors = double(s.registerRows * s.registerColumns) / lanes;
  if (vectors > (chip.lanes >= 16 ? 28 : 12))
    products *= 1.5; // does not fit the registers
  double softmax = 12 * double(f.group * s.rows) / lanes;
  double tiles = double(f.group) / double(s.tokens);
  return expand + products + softmax +
         tiles * (2 * double(f.headDim * s.rows) / lanes + 200);
}

Prediction predictCpu(const Chip &chip, const Work &work, const Schedule &s) {
  double processors = double(chip.processors);
  Prediction p;
  Grid grid =
      gridOf(work, s, processors * double(std::max<int64_t>(s.programs, 1)));
  p.occupancy = 1;
  p.waves = std::ceil(grid.programs / processors);
  p.instructions = cpuInstructions(chip, work.format, s);
  p.bytesInFlight = double(work.format.recordBytes());
  double active = std::min(processors, grid.programs);
  double compute = grid.records * p.instructions / chip.instructionRate;
  double memory = active * grid.records * double(work.format.recordBytes()) /
                  chip.readBandwidth;
  p.seconds = kCpuLaunchSeconds + p.waves * (std::max(compute, memory) +
                                             grid.tiles * kCpuTileSeconds);
  return p;
}

} // namespace

double movedBytes(const VariantKey &key, const Bucket &bucket) {
  if (key.kernel != "attend")
    return storeBytes(key, bucket);
  Work work(key, {}, bucket);
  return double(bucket.work()) * work.blocks *
         double(work.format.recordBytes());
}

Prediction predict(const Chip &chip, const VariantKey &key,
                   const Schedule &schedule, const Bucket &bucket) {
  if (key.kernel != "attend")
    return predictStore(chip, key, schedule, bucket);
  Work work(key, schedule, bucket);
  Prediction p = chip.gpu ? predictGpu(chip, work, schedule)
                          : predictCpu(chip, work, schedule);
  p.units = work.tiles * work.blocks;
  p.bytes = p.units * double(work.format.recordBytes());
  return p;
}

} // namespace kvarn::tune
