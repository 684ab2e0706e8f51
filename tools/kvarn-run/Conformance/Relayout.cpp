//===- Relayout.cpp - Records from one layout to another ------------------===//

#include "tools/kvarn-run/Conformance/Relayout.h"

#include <algorithm>
#include <vector>

namespace kvarn::run {

namespace {
/// Where a code lies in both layouts.
struct Move {
  int64_t fromByte, toByte;
  int fromBit, toBit, mask;
};
} // namespace

static void addMoves(std::vector<Move> &moves, const Format &from,
                     const Format &to, Part part) {
  int mask = (1 << from.bits(part)) - 1;
  for (int64_t token = 0; token < from.group; ++token)
    for (int64_t channel = 0; channel < from.headDim; ++channel) {
      CodePosition a = from.position(part, token, channel);
      CodePosition b = to.position(part, token, channel);
      // A code does not cross bytes: its size divides 8.
      moves.push_back({from.codeOffset(part) + 4 * a.word + a.bit / 8,
                       to.codeOffset(part) + 4 * b.word + b.bit / 8,
                       static_cast<int>(a.bit % 8), static_cast<int>(b.bit % 8),
                       mask});
    }
}

void relayout(std::span<uint8_t> pages, int64_t stride, const Format &format,
              Layout from, Layout to) {
  if (from == to)
    return;
  Format source = format, target = format;
  source.layout = from;
  target.layout = to;
  std::vector<Move> moves;
  addMoves(moves, source, target, Part::Key);
  addMoves(moves, source, target, Part::Value);
  std::vector<uint8_t> record(static_cast<size_t>(format.recordBytes()));
  for (size_t at = 0; at + record.size() <= pages.size();
       at += static_cast<size_t>(stride)) {
    uint8_t *bytes = pages.data() + at;
    std::copy_n(bytes, record.size(), record.begin());
    for (Part part : {Part::Key, Part::Value})
      std::fill_n(bytes + format.codeOffset(part), format.codeBytes(part), 0);
    for (const Move &move : moves)
      bytes[move.toByte] |= static_cast<uint8_t>(
          (record[move.fromByte] >> move.fromBit & move.mask) << move.toBit);
  }
}

} // namespace kvarn::run
