//===- Judge.cpp - What the engine did, against the shadow ----------------===//

#include "tools/kvarn-run/Roundtrip/Judge.h"

#include "test/oracle/Half.h"
#include "tools/kvarn-run/Conformance/Relayout.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cmath>

namespace kvarn::run {

using oracle::Side;

static constexpr Side kSides[] = {Side::Key, Side::Value};

static const char *nameOf(Side side) { return side == Side::Key ? "k" : "v"; }

const uint16_t *Judge::slotRow(Side side, int32_t slot) {
  const HostTensor &pool = side == Side::Key ? engine.poolK() : engine.poolV();
  return pool.as<uint16_t>().data() +
         slot * pool.extent(1) * pool.extent(2) * pool.extent(3);
}

void Judge::checkSlot(ShadowBlock &block, int32_t slot, int64_t tokens) {
  auto dim = static_cast<size_t>(shadow.format.headDim);
  auto count = static_cast<size_t>(tokens * shadow.kvHeads) * dim;
  for (Side side : kSides) {
    std::vector<uint16_t> &want = block.rows(side);
    const uint16_t *got = slotRow(side, slot);
    for (size_t i = 0; i < count; ++i) {
      int ulp = oracle::halfUlpDistance(got[i], want[i]);
      double difference = std::abs(oracle::halfToDouble(got[i]) -
                                   oracle::halfToDouble(want[i]));
      if (ulp > 1 && !(difference <= block.noise(side)[i / dim]))
        throw Difference(
            formatText("slot %d: element %zu of %s is %g, expected %g", slot, i,
                       nameOf(side), oracle::halfToDouble(got[i]),
                       oracle::halfToDouble(want[i])));
      found.rounded += ulp == 1;
      want[i] = got[i];
    }
    found.elements += count;
  }
}

void Judge::checkRecord(ShadowBlock &block, int32_t number) {
  const HostTensor &pages = engine.pages();
  auto size = static_cast<size_t>(shadow.format.recordBytes());
  for (int64_t head = 0; head < shadow.kvHeads; ++head) {
    auto own = std::span(block.records)
                   .subspan(static_cast<size_t>(head) * size, size);
    std::copy_n(pages.bytes().begin() +
                    (number * shadow.kvHeads + head) * pages.extent(2),
                size, own.begin());
    relayout(own, shadow.format.recordBytes(), shadow.format,
             engine.format().layout, Layout::Reference);
    for (Side side : kSides) {
      ++found.tiles;
      if (!exactRange)
        continue;
      oracle::StoreCheck check =
          oracle::checkStore(shadow.tile(block, side, head), own,
                             oracleFormat(shadow.format), side, options);
      if (!check.passed)
        throw Difference(formatText("record %d head %d %s: %s", number,
                                    static_cast<int>(head), nameOf(side),
                                    check.message.c_str()));
      found.worstCodes =
          std::max(found.worstCodes, check.codesDiffering - check.codesExcused);
      found.worstVector = std::max(found.worstVector, check.worstVectorError);
    }
  }
}

void Judge::checkUnflushed(ShadowBlock &block, int32_t slot) {
  int64_t dim = shadow.format.headDim;
  for (Side side : kSides) {
    const uint16_t *rows = slotRow(side, slot);
    std::copy_n(rows, block.rows(side).size(), block.rows(side).begin());
    for (int64_t head = 0; head < shadow.kvHeads; ++head) {
      auto record = oracle::decodeTile(oracleFormat(shadow.format), side,
                                       shadow.record(block, head));
      PoolDifference difference;
      comparePool(
          [&](int t, int d) {
            return rows[(t * shadow.kvHeads + head) * dim + d];
          },
          record, side, difference);
      if (difference.worst > 1)
        throw Difference(formatText(
            "slot %d head %d %s: %d ulp from what the record stands for", slot,
            static_cast<int>(head), nameOf(side), difference.worst));
      found.elements += difference.elements;
      found.rounded += difference.differing;
    }
  }
  // These values are exact from now on.
  std::fill(block.kNoise.begin(), block.kNoise.end(), 0);
  std::fill(block.vNoise.begin(), block.vNoise.end(), 0);
}

void Judge::checkAttend(std::span<const ShadowRequest *const> requests,
                        const HostTensor &q, const HostTensor &queryStart,
                        double scale, const HostTensor &out) {
  CacheTensors cache = shadow.makeCache(requests);
  oracle::AttentionInput input;
  input.cache = cache.view(shadow.format, cache.pages);
  bool half = q.dtype() == DType::F16;
  input.q = {q.bytes().data(),
             half ? oracle::DType::F16 : oracle::DType::BF16,
             {q.extent(0), q.extent(1), q.extent(2)}};
  input.queryStart = queryStart.as<int32_t>();
  input.scale = scale;
  oracle::AttentionResult exact = oracle::attend(input);
  double limit = oracle::errorLimit(input, exact);
  if (!half)
    limit += oracle::relativeError(roundTo(q.dtype(), exact.out), exact.out);
  ++found.decodes;
  // Each request by itself: a wrong one must not hide among right ones.
  size_t row = static_cast<size_t>(q.extent(1) * q.extent(2));
  std::vector<double> got = toDoubles(out);
  for (size_t b = 0; b < requests.size(); ++b) {
    size_t first = static_cast<size_t>(input.queryStart[b]) * row,
           count = static_cast<size_t>(input.queryStart[b + 1]) * row - first;
    double error =
        oracle::relativeError(std::span(got).subspan(first, count),
                              std::span(exact.out).subspan(first, count));
    if (!(error < 2 * limit))
      throw Difference(formatText("attend: request %zu of %zu, %lld tokens: "
                                  "error %.3g, limit %.3g",
                                  b, requests.size(),
                                  static_cast<long long>(requests[b]->length),
                                  error, 2 * limit));
  }
  double error = oracle::relativeError(got, exact.out);
  if (!(error < limit))
    throw Difference(
        formatText("attend: error %.3g, limit %.3g", error, limit));
  if (error * found.attendLimit >= found.worstAttend * limit) {
    found.worstAttend = error;
    found.attendLimit = limit;
  }
}

} // namespace kvarn::run
