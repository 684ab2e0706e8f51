//===- Shadow.h - What a cache should hold --------------------------------===//
//
// Requests and their tokens, without numbers of blocks and slots: a block is an
// object that lives as long as somebody points to it. Nothing of the runtime is
// used, so that its mistakes show as differences.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_RUN_ROUNDTRIP_SHADOW_H
#define KVARN_TOOLS_RUN_ROUNDTRIP_SHADOW_H

#include "tools/kvarn-run/Conformance/Checks.h"

#include <memory>
#include <vector>

namespace kvarn::run {

/// The G tokens of a block, of which the first ones exist.
struct ShadowBlock {
  std::vector<uint16_t> k, v; // [G, Hk, D] rotated f16, as in a slot
  /// How far rounding may have moved the elements of each [G, Hk] row.
  std::vector<double> kNoise, vNoise;
  std::vector<uint8_t> records; // [Hk, record] of layout reference
  bool packed = false;          // read from the records
  bool inFlight = false;        // flushed, but still read from the slot
  bool cut = false;             // truncated while in flight
  bool first = false;           // of its request

  std::vector<uint16_t> &rows(oracle::Side side) {
    return side == oracle::Side::Key ? k : v;
  }
  const std::vector<uint16_t> &rows(oracle::Side side) const {
    return side == oracle::Side::Key ? k : v;
  }
  const std::vector<double> &noise(oracle::Side side) const {
    return side == oracle::Side::Key ? kNoise : vNoise;
  }
};
using ShadowBlockRef = std::shared_ptr<ShadowBlock>;

struct ShadowRequest {
  int64_t length = 0, committed = 0;
  std::vector<ShadowBlockRef> blocks;
};

/// New keys and values of one token.
struct TokenValues {
  std::vector<double> k, v; // [Hk, D] raw
};

class Shadow {
public:
  Shadow(const Format &format, int64_t kvHeads)
      : format(format), kvHeads(kvHeads) {}

  /// Puts a token behind the last one.
  void append(ShadowRequest &request, const TokenValues &token) const;
  /// Shares whole, committed blocks within the first `tokens` tokens.
  ShadowRequest fork(const ShadowRequest &parent, int64_t tokens) const;
  /// Keeps the first `length` tokens, fewer if the cut falls into a block that
  /// others use. Returns the packed block that has to return to a slot, if one
  /// has.
  ShadowBlockRef truncate(ShadowRequest &request, int64_t length) const;

  /// One head of a block as [token][channel].
  oracle::Matrix tile(const ShadowBlock &block, oracle::Side side,
                      int64_t head) const;
  std::span<const uint8_t> record(const ShadowBlock &block, int64_t head) const;

  /// A cache of its own that holds `requests`, in layout reference.
  CacheTensors makeCache(std::span<const ShadowRequest *const> requests) const;

  const Format format; // layout reference
  const int64_t kvHeads;

private:
  ShadowBlockRef newBlock(bool first) const;
  /// Elements of one token.
  size_t rowSize() const {
    return static_cast<size_t>(kvHeads * format.headDim);
  }
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_ROUNDTRIP_SHADOW_H
