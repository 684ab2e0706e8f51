//===- StoreModel.cpp - What writing a cache will take --------------------===//

#include "autotune/measure/StoreModel.h"

#include "autotune/measure/Error.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace kvarn::tune {

using namespace cost;

namespace {

/// Instructions of a warp for 32 elements.
struct Family {
  std::string_view kernel;
  double wide, narrow; // once, with operand = f32 and f16
  double iteration;    // of each round of normalizing
  /// Of a thread, for an element of the tile; of fp16 there are two in one.
  double registers = 2.5;
};

constexpr Family kFamilies[] = {
    {"append", 20, 20, 0},     {"flush", 6, 6, 13},
    {"pack", 18, 18, 13},      {"unflush", 25, 25, 0},
    {"materialize", 25, 9, 0}, {"relayout", 6, 6, 0, 0.25}};

/// Rows and columns of a tile whose sums a warp exchanges with one other.
constexpr double kExchange = 7.0 / 32;

/// Registers of a thread: for what is not the tile, and at most.
constexpr double kOwnRegisters = 40, kMostRegisters = 255;

/// The work of one call. A program goes over tiles, one after the other.
struct StoreWork {
  StoreWork(const VariantKey &key, const Schedule &s, const Bucket &b);

  const Family *family = nullptr;
  double instructions = 0; // once
  double programs = 0;
  double elements = 0; // of a program
  double tile = 0;     // elements of it at a time
  double bytes = 4;    // of an element, read and written
  double iterations = 0;
  double sums = 0; // rows and columns of a tile that is normalized
};

} // namespace

static double blocksOf(int64_t tokens, const Format &format) {
  return double((tokens + format.group - 1) / format.group);
}

static int64_t iterationsOf(const VariantKey &key) {
  auto found = key.options.find("iterations");
  return found == key.options.end()
             ? 8
             : std::clamp<int64_t>(std::atoll(found->second.c_str()), 0, 64);
}

StoreWork::StoreWork(const VariantKey &key, const Schedule &s,
                     const Bucket &b) {
  for (const Family &each : kFamilies)
    if (each.kernel == key.kernel)
      family = &each;
  if (!family)
    throw InputError("no cost model for kernel '" + key.kernel + "'");
  instructions = s.narrow ? family->narrow : family->wide;
  Format format = formatOf(key);
  double block = double(format.group * format.headDim);
  auto work = double(b.work());
  elements = tile = block;
  if (key.kernel == "append") {
    programs = std::ceil(work / double(s.rows));
    elements = tile = 2 * double(s.rows * format.headDim);
  } else if (key.kernel == "materialize") {
    programs = work * blocksOf(b.context, format);
    elements = 2 * block;
    tile = double(s.tokens * format.headDim);
  } else {
    programs = 2 * work; // K and V apart
    if (key.kernel == "unflush")
      tile = double(s.tokens * format.headDim);
    if (key.kernel == "relayout")
      bytes = double(format.recordBytes()) / block;
  }
  if (family->iteration > 0) {
    iterations = double(iterationsOf(key));
    sums = double(format.group + format.headDim);
  }
}

/// Of a program with `warps` warps, which exchange their sums in each round.
static double programInstructions(const StoreWork &work, double lanes,
                                  double warps) {
  return work.elements / lanes *
             (work.instructions + work.family->iteration * work.iterations) +
         work.iterations * work.sums * kExchange * warps * warps;
}

static Prediction predictGpu(const Chip &chip, const StoreWork &work,
                             const Schedule &s, double bytes) {
  double processors = double(chip.processors), warps = double(s.warps);
  double threads = warps * double(chip.lanes);
  Prediction p;
  p.instructions = programInstructions(work, double(chip.lanes), warps);
  double each = work.family->registers / (s.narrow ? 2 : 1);
  double wanted = kOwnRegisters + each * work.tile / threads;
  double most = kMostRegisters;
  if (s.programs > 0) // the compiler sees to it that they fit
    most =
        std::min(most, double(chip.registers) / (threads * double(s.programs)));
  if (wanted > most)
    p.instructions *= 1 + 2 * (wanted - most) / most;
  double resident = std::max(
      1.0, std::floor(std::min(double(chip.threads) / threads,
                               double(chip.registers) /
                                   (threads * std::min(wanted, most)))));
  p.waves = std::ceil(work.programs / (processors * resident));
  double programs = std::min(work.programs, processors * resident);
  p.occupancy = std::min(resident, std::ceil(programs / processors));
  double busy = p.occupancy * warps;
  double issue = p.occupancy * p.instructions /
                 (chip.instructionRate * busy / (busy + kHidingWarps));
  double alone = p.instructions / warps * kSlotsPerIssue / chip.instructionRate;
  p.bytesInFlight = p.occupancy * work.tile * work.bytes;
  double share = chip.readBandwidth / processors;
  double rate = std::min(
      chip.readBandwidth,
      std::min(processors, programs) *
          std::min(share * kMostOfShare, p.bytesInFlight / kMemoryLatency));
  double memory = bytes / work.programs * programs / rate;
  // Of each tile, whose loads nothing hides.
  double tiles = std::ceil(work.elements / work.tile);
  p.seconds = kLaunchSeconds + p.waves * (std::max({issue, alone, memory}) +
                                          tiles * kMemoryLatency);
  return p;
}

static Prediction predictCpu(const Chip &chip, const StoreWork &work,
                             double bytes) {
  double processors = double(chip.processors);
  Prediction p;
  p.occupancy = 1;
  p.waves = std::ceil(work.programs / processors);
  p.instructions = programInstructions(work, double(chip.lanes), 1);
  p.bytesInFlight = work.tile * work.bytes;
  double memory = bytes / work.programs * std::min(processors, work.programs) /
                  chip.readBandwidth;
  p.seconds = kCpuLaunchSeconds +
              p.waves * std::max(p.instructions / chip.instructionRate, memory);
  return p;
}

double storeBytes(const VariantKey &key, const Bucket &bucket) {
  Format format = formatOf(key);
  auto work = double(bucket.work());
  double row = 4 * double(format.headDim); // of K and V, 16 bits each
  double record = double(format.recordBytes());
  if (key.kernel == "append")
    return 2 * work * row;
  if (key.kernel == "materialize")
    return work * (blocksOf(bucket.context, format) * record +
                   double(bucket.context) * row);
  if (key.kernel == "relayout")
    return 2 * work * record;
  return work * (record + double(format.group) * row);
}

Prediction predictStore(const Chip &chip, const VariantKey &key,
                        const Schedule &schedule, const Bucket &bucket) {
  StoreWork work(key, schedule, bucket);
  double bytes = storeBytes(key, bucket);
  Prediction p = chip.gpu ? predictGpu(chip, work, schedule, bytes)
                          : predictCpu(chip, work, bytes);
  p.bytes = bytes;
  p.units = work.programs;
  return p;
}

} // namespace kvarn::tune
