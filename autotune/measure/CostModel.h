//===- CostModel.h - What a schedule will take ------------------*- C++ -*-===//
//
// A rough time from what is known before a kernel is compiled: bytes,
// instructions, occupancy, bytes in flight, waves. It decides which schedules
// are worth compiling and in which order they are measured, nothing else;
// docs/tuning.md has the formula.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_AUTOTUNE_MEASURE_COSTMODEL_H
#define KVARN_AUTOTUNE_MEASURE_COSTMODEL_H

#include "autotune/measure/Schedule.h"
#include "autotune/measure/Task.h"

namespace kvarn::tune {

/// What the model knows of a chip (dialect/Targets.h: Chip). Of a CPU, a
/// processor is a thread and an instruction one of a vector.
struct Chip {
  bool gpu = false;
  int64_t lanes = 16; // f32 of a vector, threads of a warp
  int64_t processors = 1;
  int64_t threads = 1, registers = 0, sharedBytes = 0; // of a processor
  double instructionRate = 1, readBandwidth = 1;       // per second
};

json toJson(const Chip &chip);
Chip chipFromJson(const json &object);

struct Prediction {
  double bytes = 0;         // read from memory, and written
  double instructions = 0;  // of a unit of work
  double units = 0;         // attention: records times row tiles; else programs
  double occupancy = 0;     // programs of a processor at a time
  double bytesInFlight = 0; // of a processor
  double waves = 0;
  double seconds = 0;
};

/// One call of a kernel for `key`, which must have a format, of this size.
Prediction predict(const Chip &chip, const VariantKey &key,
                   const Schedule &schedule, const Bucket &bucket);

/// Bytes that a launch reads and writes. Attention writes next to nothing: of
/// the cache that it reads.
double movedBytes(const VariantKey &key, const Bucket &bucket);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_COSTMODEL_H
