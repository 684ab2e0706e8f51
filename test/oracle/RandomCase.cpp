//===- RandomCase.cpp - Random attention cases ----------------------------===//

#include "test/oracle/RandomCase.h"

#include "test/oracle/Random.h"
#include "test/oracle/Rotation.h"
#include "test/oracle/Store.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvarn::oracle {

static int randomLength(Rng &rng, int group, int maxLength) {
  double kind = rng.uniform();
  if (kind < 0.1)
    return 0;
  if (kind < 0.3)
    return static_cast<int>(rng.between(1, std::min(group, maxLength)));
  if (kind < 0.55) { // around the end of a block
    int64_t end = group * rng.between(1, std::max(maxLength / group, 1));
    return static_cast<int>(
        std::clamp<int64_t>(end + rng.between(-1, 1), 0, maxLength));
  }
  return static_cast<int>(rng.between(1, maxLength));
}

CaseSpec randomSpec(uint64_t seed, int maxLength) {
  Rng rng(seed);
  CaseSpec spec;
  spec.format.keyBits = rng.pick<int>({2, 4, 4, 4, 8});
  spec.format.valueBits = rng.pick<int>({2, 2, 4, 4, 8});
  spec.format.group = rng.pick<int>({64, 128});
  spec.format.headDim = rng.pick<int>({64, 128, 128, 256});
  spec.ratio = rng.pick<int>({1, 2, 4, 5, 6, 7, 8, 12, 16});
  spec.kvHeads = rng.pick<int>({1, 2, 3, 4});
  spec.queryType = rng.chance(0.5) ? DType::F16 : DType::BF16;
  int64_t batch = rng.between(1, 5);
  bool decode = rng.chance(0.5); // one query token each, the common case
  for (int64_t b = 0; b < batch; ++b) {
    int length = randomLength(rng, spec.format.group, maxLength);
    int count = static_cast<int>(rng.between(0, 8));
    // An empty request may still have one row, as a captured graph pads them.
    count = std::min(decode ? 1 : count, std::max(length, 1));
    spec.lengths.push_back(length);
    spec.queryCounts.push_back(count);
  }
  if (spec.queryCounts == std::vector<int>(batch, 0))
    spec.queryCounts.back() = 1;
  spec.causal = rng.chance(0.8);
  if (rng.chance(0.3))
    spec.window = rng.pick<int64_t>({1, 17, spec.format.group, 300});
  if (rng.chance(0.3))
    spec.softcap = rng.pick<double>({5, 30, 50});
  spec.sinks = rng.chance(0.3);
  spec.recordPadding = rng.pick<int64_t>({0, 0, 64, 512});
  return spec;
}

namespace {

struct Block {
  int tokens = 0; // 0 = belongs to nobody
  bool pooled = false;
};

/// Fills a RandomCase, one topic after the other.
class Builder {
public:
  Builder(const CaseSpec &spec, uint64_t seed) : rng(seed), spec(spec) {
    result.spec = spec;
  }

  RandomCase build() {
    require(spec.format.isSupported(), "unsupported format");
    require(spec.lengths.size() == spec.queryCounts.size(),
            "one query count per request");
    require(spec.queryType != DType::F32, "q is f16 or bf16");
    result.scale = 1 / std::sqrt(static_cast<double>(spec.format.headDim));
    result.seqLens.assign(spec.lengths.begin(), spec.lengths.end());
    result.queryStart = {0};
    for (int count : spec.queryCounts)
      result.queryStart.push_back(result.queryStart.back() + count);
    placeBlocks();
    allocate();
    for (int head = 0; head < spec.kvHeads; ++head)
      fillHead(head);
    if (spec.sinks)
      for (int head = 0; head < result.queryHeads(); ++head)
        result.sinks.push_back(static_cast<float>(2 * rng.normal()));
    fillQueries();
    return std::move(result);
  }

private:
  void placeBlocks();
  void allocate();
  void fillHead(int head);
  void fillNew(int head, const ChannelProfile profiles[2]);
  void fillPooled(int block, int head, const ChannelProfile profiles[2]);
  std::vector<uint8_t> makeRecord(const ChannelProfile profiles[2]);
  void fillQueries();
  double logitStd(const Matrix &keys, std::vector<double> q,
                  VisibleRange seen) const;

  Rng rng;
  const CaseSpec &spec;
  RandomCase result;
  std::vector<Block> blocks;
};

} // namespace

void Builder::placeBlocks() {
  int group = spec.format.group, batch = static_cast<int>(spec.lengths.size());
  std::vector<int32_t> lengths = result.cachedTokens();
  auto blocksOf = [&](int b) { return (lengths[b] + group - 1) / group; };
  int total = 2; // two blocks that nobody uses
  for (int b = 0; b < batch; ++b) {
    total += blocksOf(b);
    result.maxBlocks = std::max(result.maxBlocks, blocksOf(b) + 1);
  }
  blocks.resize(total);
  std::vector<int> free(total);
  std::iota(free.begin(), free.end(), 0);
  rng.shuffle(free);

  result.blockTable.assign(batch * result.maxBlocks, -1);
  for (int b = 0; b < batch; ++b) {
    int32_t *row = &result.blockTable[b * result.maxBlocks];
    int shared = 0;
    if (b > 0 && rng.chance(spec.sharedPrefix))
      shared = std::min(lengths[b], lengths[b - 1]) / group;
    std::copy_n(row - (b > 0 ? result.maxBlocks : 0), shared, row);
    for (int i = shared; i < blocksOf(b); ++i) {
      row[i] = free.back();
      free.pop_back();
      Block &block = blocks[row[i]];
      block.tokens = std::min(group, lengths[b] - i * group);
      block.pooled = block.tokens < group || // unfinished
                     rng.chance(i == 0 ? spec.pooledFirst : spec.pooledOther);
    }
  }
  result.blocks = total;
}

void Builder::allocate() {
  auto pooled = std::count_if(blocks.begin(), blocks.end(),
                              [](const Block &block) { return block.pooled; });
  result.slots = static_cast<int>(pooled) + 1; // one that nobody uses
  std::vector<int> free(result.slots);
  std::iota(free.begin(), free.end(), 0);
  rng.shuffle(free);
  for (const Block &block : blocks) {
    result.blockToSlot.push_back(block.pooled ? free.back() : -1);
    if (block.pooled)
      free.pop_back();
  }
  int byte = spec.unused == UnusedMemory::NaN      ? 0xff
             : spec.unused == UnusedMemory::Finite ? 0x63 // 945 as fp16
                                                   : 0;
  auto half = static_cast<uint16_t>(byte << 8 | byte);
  result.recordStride = spec.format.recordBytes() + spec.recordPadding;
  result.cache.assign(result.blocks * spec.kvHeads * result.recordStride,
                      static_cast<uint8_t>(byte));
  result.poolK.assign(static_cast<size_t>(result.slots) * spec.format.group *
                          spec.kvHeads * spec.format.headDim,
                      half);
  result.poolV = result.poolK;
  if (spec.newTokens)
    result.newK.assign(static_cast<size_t>(result.queryTokens()) *
                           spec.kvHeads * spec.format.headDim,
                       half);
  result.newV = result.newK;
}

void Builder::fillHead(int head) {
  const ChannelProfile profiles[2] = {
      randomProfile(rng, Side::Key, spec.format.headDim),
      randomProfile(rng, Side::Value, spec.format.headDim)};
  for (int block = 0; block < result.blocks; ++block) {
    if (blocks[block].tokens == 0)
      continue;
    if (blocks[block].pooled) {
      fillPooled(block, head, profiles);
      continue;
    }
    std::vector<uint8_t> record = makeRecord(profiles);
    int64_t index = static_cast<int64_t>(block) * spec.kvHeads + head;
    std::copy(record.begin(), record.end(),
              result.cache.begin() + index * result.recordStride);
  }
  if (spec.newTokens)
    fillNew(head, profiles);
}

/// Rows that stand for no token of a request keep what unused memory has.
void Builder::fillNew(int head, const ChannelProfile profiles[2]) {
  int headDim = spec.format.headDim;
  std::vector<int32_t> cached = result.cachedTokens();
  for (Side side : {Side::Key, Side::Value}) {
    bool isKey = side == Side::Key;
    uint16_t *rows = (isKey ? result.newK : result.newV).data();
    for (size_t b = 0; b < cached.size(); ++b) {
      int count = spec.lengths[b] - cached[b];
      Matrix tile =
          randomTile(rng, TileKind::Ordinary, profiles[isKey ? 0 : 1], count);
      for (int t = 0; t < count; ++t)
        for (int d = 0; d < headDim; ++d) {
          int64_t row = result.queryStart[b + 1] - count + t;
          storeElement(rows, spec.queryType,
                       (row * spec.kvHeads + head) * headDim + d, tile(t, d));
        }
    }
  }
}

void Builder::fillPooled(int block, int head,
                         const ChannelProfile profiles[2]) {
  int headDim = spec.format.headDim;
  for (Side side : {Side::Key, Side::Value}) {
    bool isKey = side == Side::Key;
    Matrix tile = rotateReference(randomTile(rng, TileKind::Ordinary,
                                             profiles[isKey ? 0 : 1],
                                             blocks[block].tokens));
    std::vector<uint16_t> &pool = isKey ? result.poolK : result.poolV;
    int64_t slot = result.blockToSlot[block];
    for (int t = 0; t < tile.rows; ++t) {
      int64_t row = (slot * spec.format.group + t) * spec.kvHeads + head;
      for (int d = 0; d < headDim; ++d)
        pool[row * headDim + d] = doubleToHalf(tile(t, d));
    }
  }
}

std::vector<uint8_t> Builder::makeRecord(const ChannelProfile profiles[2]) {
  const Format &format = spec.format;
  int special = spec.specialTiles ? static_cast<int>(rng.below(16)) : -1;
  static const TileKind kinds[] = {TileKind::Constant, TileKind::Zero,
                                   TileKind::Tiny, TileKind::Huge};
  bool isKind = special >= 0 && special < 4;
  if (isKind || (spec.storedRecords && special != 4 && special != 5)) {
    TileKind kind = isKind ? kinds[special] : TileKind::Ordinary;
    // Sequenced by hand: the order of arguments is the compiler's choice.
    Matrix keys = randomTile(rng, kind, profiles[0], format.group);
    Matrix values = randomTile(rng, kind, profiles[1], format.group);
    return storeRecord(rotateReference(keys), rotateReference(values), format);
  }
  Record record;
  record.key = syntheticTile(rng, format, Side::Key);
  if (special == 4 || special == 5)
    record.value = largeScaleValues(rng, format, special == 4 ? 300 : 2e4);
  else
    record.value = syntheticTile(rng, format, Side::Value);
  return encodeRecord(format, record);
}

double Builder::logitStd(const Matrix &keys, std::vector<double> q,
                         VisibleRange seen) const {
  if (seen.size() == 0)
    return 0;
  rotate(q);
  double sum = 0, squares = 0, count = static_cast<double>(seen.size());
  for (int64_t t = seen.begin; t < seen.end; ++t) {
    double score = dot(q, keys.row(static_cast<int>(t)));
    sum += score;
    squares += score * score;
  }
  double variance = squares / count - sum * sum / (count * count);
  return result.scale * std::sqrt(std::max(variance, 0.0));
}

void Builder::fillQueries() {
  int headDim = spec.format.headDim, heads = result.queryHeads();
  result.q.resize(static_cast<size_t>(result.queryTokens()) * heads * headDim);
  for (size_t b = 0; b < spec.lengths.size(); ++b) {
    int request = static_cast<int>(b), count = spec.queryCounts[b];
    if (count == 0)
      continue;
    for (int kvHead = 0; kvHead < spec.kvHeads; ++kvHead) {
      Matrix keys = gatherTokens(result.input(), request, kvHead, Side::Key);
      for (int row = 0; row < count * spec.ratio; ++row) {
        int j = row / spec.ratio, head = kvHead * spec.ratio + row % spec.ratio;
        std::vector<double> q;
        for (int d = 0; d < headDim; ++d)
          q.push_back(rng.normal() * (rng.chance(0.03) ? 3 : 1));
        double std = logitStd(
            keys, q,
            visibleRange(spec.lengths[b], count, j, spec.causal, spec.window));
        // 0.97: rounding to bf16 moves the std a little. Nearly
        // equal scores would need an absurd q, so there is a bound.
        double want = spec.logitStd * 0.97 * rng.uniform(0.1, 1);
        double factor = std > 0 ? std::min(want / std, 8.0) : 1.0;
        int64_t at =
            ((result.queryStart[b] + j) * int64_t(heads) + head) * headDim;
        for (int d = 0; d < headDim; ++d)
          storeElement(result.q.data(), spec.queryType, at + d, q[d] * factor);
      }
    }
  }
}

RandomCase makeCase(const CaseSpec &spec, uint64_t seed) {
  return Builder(spec, seed).build();
}

std::vector<int32_t> RandomCase::cachedTokens() const {
  std::vector<int32_t> cached = seqLens;
  for (size_t b = 0; spec.newTokens && b < cached.size(); ++b)
    cached[b] = std::max(cached[b] - spec.queryCounts[b], 0);
  return cached;
}

AttentionInput RandomCase::input() const {
  const Format &format = spec.format;
  AttentionInput input;
  input.cache.format = format;
  input.cache.kvHeads = spec.kvHeads;
  input.cache.records = cache.data();
  input.cache.headStride = recordStride;
  input.cache.blockStride = recordStride * spec.kvHeads;
  std::initializer_list<int64_t> poolShape = {slots, format.group, spec.kvHeads,
                                              format.headDim};
  input.cache.poolK = {poolK.data(), DType::F16, poolShape};
  input.cache.poolV = {poolV.data(), DType::F16, poolShape};
  input.cache.blockTable = blockTable.data();
  input.cache.blockTableStride = maxBlocks;
  input.cache.blockToSlot = blockToSlot;
  input.cache.seqLens = seqLens;
  input.q = {
      q.data(), spec.queryType, {queryTokens(), queryHeads(), format.headDim}};
  input.queryStart = queryStart;
  input.scale = scale;
  input.causal = spec.causal;
  input.window = spec.window;
  input.softcap = spec.softcap;
  input.sinks = sinks;
  if (spec.newTokens) {
    std::initializer_list<int64_t> shape = {queryTokens(), spec.kvHeads,
                                            format.headDim};
    input.newK = {newK.data(), spec.queryType, shape};
    input.newV = {newV.data(), spec.queryType, shape};
  }
  return input;
}

std::string RandomCase::describe() const {
  std::string text = spec.format.name() +
                     " D=" + std::to_string(spec.format.headDim) +
                     (spec.queryType == DType::F16 ? " f16" : " bf16") +
                     " Hk=" + std::to_string(spec.kvHeads) +
                     " ratio=" + std::to_string(spec.ratio);
  text += spec.causal ? " causal" : " full";
  if (spec.window)
    text += " window=" + std::to_string(spec.window);
  if (spec.softcap > 0)
    text += " softcap=" + std::to_string(spec.softcap);
  text += spec.sinks ? " sinks" : "";
  text += spec.newTokens ? " new" : "";
  text += spec.specialTiles ? " special" : "";
  text += " lengths/queries";
  for (size_t b = 0; b < spec.lengths.size(); ++b)
    text += " " + std::to_string(spec.lengths[b]) + "/" +
            std::to_string(spec.queryCounts[b]);
  return text;
}

} // namespace kvarn::oracle
