//===- Random.h - Random numbers and tiles, the same everywhere -----------===//
//
// The engine is fixed by the C++ standard, its distributions are not; these
// are written out with exact arithmetic, so that a seed names the same data
// with every standard library.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_RANDOM_H
#define KVARN_TEST_ORACLE_RANDOM_H

#include "test/oracle/Matrix.h"
#include "test/oracle/Record.h"

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace kvarn::oracle {

class Rng {
public:
  explicit Rng(uint64_t seed) : engine(seed) {}

  uint64_t next() { return engine(); }
  /// In [0, count). The bias of the remainder does not matter here.
  int64_t below(int64_t count) {
    return static_cast<int64_t>(next() % static_cast<uint64_t>(count));
  }
  /// In [low, high].
  int64_t between(int64_t low, int64_t high) {
    return low + below(high - low + 1);
  }
  /// In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double uniform(double low, double high) {
    return low + (high - low) * uniform();
  }
  bool chance(double probability) { return uniform() < probability; }
  /// Mean 0, variance 1, at most 6: the sum of twelve uniform numbers, which
  /// needs no logarithm and no cosine.
  double normal();
  template <typename T> const T &pick(const std::vector<T> &values) {
    return values[below(static_cast<int64_t>(values.size()))];
  }
  template <typename T> void shuffle(std::vector<T> &values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[below(static_cast<int64_t>(i))]);
  }

private:
  std::mt19937_64 engine;
};

/// What the channels of one head look like: K has a few channels with a large
/// mean and spread, V is mild.
struct ChannelProfile {
  std::vector<double> mean;
  std::vector<double> amplitude;
};
ChannelProfile randomProfile(Rng &rng, Side side, int headDim);

enum class TileKind {
  Ordinary,
  Constant, // one value everywhere; up to 1e4, which overflows when rotated
  Zero,
  Tiny, // 1e-4 times an ordinary one
  Huge, // 1e4 times an ordinary one
};

/// Raw values before the rotation, all representable in fp16.
Matrix randomTile(Rng &rng, TileKind kind, const ChannelProfile &profile,
                  int tokens);

/// A record side with random codes and plausible vectors: much cheaper than
/// storing a tile. Dequantized values have a spread around 1. The vectors are
/// not rounded to fp16.
QuantizedTile syntheticTile(Rng &rng, const Format &format, Side side);

/// A V side whose Vscale is about `scale` (300 and 2e4 break a kernel that
/// lets p * Vscale overflow) and whose Vch brings the values back to about 1.
QuantizedTile largeScaleValues(Rng &rng, const Format &format, double scale);

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_RANDOM_H
