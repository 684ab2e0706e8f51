//===- StoreModel.h - What writing a cache will take ------------*- C++ -*-===//
//
// The part of the cost model for kernels that write a cache or read it back,
// and what it shares with the part for attention (CostModel.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_AUTOTUNE_MEASURE_STOREMODEL_H
#define KVARN_AUTOTUNE_MEASURE_STOREMODEL_H

#include "autotune/measure/CostModel.h"
#include "format/Format.h"

namespace kvarn::tune {

namespace cost {

// Constants, those of GPUs from what was measured on an H200
// (docs/performance.md).
inline constexpr double kLaunchSeconds = 5e-6; // a launch and its first loads
inline constexpr double kCpuLaunchSeconds = 5e-6;
inline constexpr double kMemoryLatency = 800e-9;
inline constexpr double kMostOfShare = 1.6;  // of the bandwidth, one processor
inline constexpr double kSlotsPerIssue = 12; // of a warp that waits for itself
inline constexpr double kHidingWarps =
    4; // with as many, half the slots are used

/// Throws InputError if there is none.
Format formatOf(const VariantKey &key);

} // namespace cost

/// As predict() and movedBytes(), for all kernels but attend.
Prediction predictStore(const Chip &chip, const VariantKey &key,
                        const Schedule &schedule, const Bucket &bucket);
double storeBytes(const VariantKey &key, const Bucket &bucket);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_STOREMODEL_H
