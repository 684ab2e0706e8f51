//===- Checks.h - Checks of kernels against the oracle --------------------===//
//
// algorithm.md, section 6. Shared by conformance (cases from files), random
// (cases of the oracle) and the autotuner.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_RUN_CONFORMANCE_CHECKS_H
#define KVARN_TOOLS_RUN_CONFORMANCE_CHECKS_H

#include "test/oracle/Attention.h"
#include "test/oracle/Random.h"
#include "test/oracle/StoreCheck.h"
#include "tools/kvarn-run/Conformance/AttendCase.h"
#include "tools/kvarn-run/Conformance/Report.h"
#include "tools/kvarn-run/Running.h"

#include <functional>
#include <string>
#include <vector>

namespace kvarn::run {

/// Where the checks of one case go to and how kernels are run.
struct Context {
  Report &report;
  std::string where; // names the case
  const Running &running;

  void add(const std::string &check, const Figure &figure,
           const Kernel &kernel) const {
    report.add(where, check, figure, kernel.hash());
  }
};

/// Runs `launch` as wanted, again with the same workspace and, on a CPU, with
/// one thread or all; adds the checks "NAME repeat" and "NAME threads". The
/// function returns the tensors written; those of the first run are the result.
std::vector<HostTensor> runRepeatedly(
    const Context &context, const std::string &name, const Kernel &kernel,
    const std::function<std::vector<HostTensor>(const Running &)> &launch);

/// Checks that `tensor` holds `byte` wherever `owned` says false, given the
/// index of a byte.
Figure untouched(const HostTensor &tensor, uint8_t byte,
                 const std::function<bool(size_t)> &owned);

/// Checks that the bytes are the same.
Figure sameBytes(const HostTensor &got, const HostTensor &want);

//===-- Store -------------------------------------------------------------===//

/// Tiles to be stored: K and V, raw and rotated, as [tiles, G, D].
struct TileSet {
  Format format; // layout that of the kernels
  int64_t recordStride = 0;
  int64_t iterations = 8;
  HostTensor k, v;               // f16 or bf16
  HostTensor kRotated, vRotated; // f16: what the rotation should give
};

/// What a kernel that packs was made with; `iterations` if it does not say.
oracle::StoreOptions storeOptions(const Kernel &kernel, int64_t iterations);

/// What a comparison of a slot has found.
struct PoolDifference {
  int worst = 0; // fp16 ulps
  size_t differing = 0, elements = 0;
};
/// Compares `got`(token, channel), fp16 bits, with what `record` stands for.
/// Kernels round once from fp32 numbers, whose own rounding counts: nothing
/// that is within 2^-22 of the magnitudes added up is called different.
void comparePool(const std::function<uint16_t(int, int)> &got,
                 const oracle::QuantizedTile &record, oracle::Side side,
                 PoolDifference &result);

/// One of fp16 tiles [tiles, G, D], as [token][channel].
oracle::Matrix tileMatrix(const HostTensor &tiles, int64_t tile,
                          const Format &format);

struct StoreKernels {
  Kernel append, flush, pack; // pack: or none
};

/// Rotation through append, then packing of the wanted rotated values through
/// flush, then both at once. Returns the records of flush, [tiles, stride] in
/// layout reference.
HostTensor checkStore(const Context &context, const StoreKernels &kernels,
                      const TileSet &tiles);

// The same one by one.
void checkAppend(const Context &context, const Kernel &kernel,
                 const TileSet &tiles);
void checkFlush(const Context &context, const Kernel &kernel,
                const TileSet &tiles);
/// The records of the wanted rotated values.
void checkPack(const Context &context, const Kernel &kernel,
               const TileSet &tiles);

/// Tiles of these kinds, in any order, for a kernel that takes tokens of type
/// `dtype`.
TileSet randomTiles(const Format &format, DType dtype,
                    std::vector<oracle::TileKind> kinds, uint64_t seed);
/// Every kind, as they come from a model.
std::vector<oracle::TileKind> allTileKinds();
/// The records [tiles, stride] that the oracle makes of them.
HostTensor storeTiles(const TileSet &tiles);

/// `records` [tiles, stride] of layout reference, back to the pool.
void checkUnflush(const Context &context, const Kernel &kernel,
                  const TileSet &tiles, const HostTensor &records);

/// Records [tiles, stride] of layout `from` to layout `to`, and over
/// themselves. `format` has any layout.
void checkRelayout(const Context &context, const std::string &name,
                   const Kernel &kernel, const HostTensor &records,
                   const Format &format, Layout from, Layout to);

struct RelayoutKernels {
  Kernel there, back; // from layout reference to mma16816, and back
};

/// Records of layout reference, there and back.
void checkRelayouts(const Context &context, const RelayoutKernels &kernels,
                    const HostTensor &records, const Format &format);

//===-- Reading -----------------------------------------------------------===//

/// Attention against `exact`. Returns `out`.
HostTensor checkAttend(const Context &context, const Kernel &kernel,
                       const AttendCase &input,
                       const oracle::AttentionInput &reference);

/// Keys and values of a whole cache against the oracle's.
void checkMaterialize(const Context &context, const Kernel &kernel,
                      const CacheTensors &cache, const oracle::CacheView &view);

/// ||got - want|| / ||want||; values below the normal range of fp16 count as if
/// they were at its lower end.
double relativeL2(const std::vector<double> &got,
                  const std::vector<double> &want);

/// `values` rounded to `dtype` and back; f32 stays.
std::vector<double> roundTo(DType dtype, std::vector<double> values);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_CONFORMANCE_CHECKS_H
