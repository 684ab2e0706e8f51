//===- CpuRecordTest.cpp - Records are read and written right -------------===//

#include "test/codegen/Harness.h"

#include "format/Format.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

using namespace kvarn;
using namespace kvarn::test;

namespace {

/// A cache of a few records with gaps, and what is in it.
struct Cache {
  static constexpr int64_t kBlocks = 3, kHeads = 2, kBlock = 2, kHead = 1;

  explicit Cache(const Format &format)
      : format(format), headStride(format.recordBytes() + 6),
        blockStride(kHeads * headStride + 10), bytes(kBlocks * blockStride) {
    std::mt19937 engine(format.headDim + format.keyBits);
    for (uint8_t &byte : bytes)
      byte = engine();
  }

  uint8_t *record() {
    return bytes.data() + kBlock * blockStride + kHead * headStride;
  }

  uint32_t code(Part part, int64_t token, int64_t channel) {
    auto [word, bit] = format.position(part, token, channel);
    uint32_t value;
    memcpy(&value, record() + format.codeOffset(part) + 4 * word, 4);
    return value >> bit & ((1u << format.bits(part)) - 1);
  }

  Half element(kvarn::Vector vector, int64_t index) {
    Half value;
    memcpy(&value, record() + format.vectorOffset(vector) + 2 * index, 2);
    return value;
  }

  Params &addTo(Params &params) {
    return params.array(bytes.data(), {kBlocks, kHeads, format.recordBytes()},
                        {blockStride, headStride, 1});
  }

  Format format;
  int64_t headStride, blockStride;
  std::vector<uint8_t> bytes;
};

Words words(const Format &f, int64_t tokens) {
  auto text = [](int64_t value) { return std::to_string(value); };
  bool keyToken = f.bitAxis(Part::Key) == Axis::Token;
  bool valueToken = f.bitAxis(Part::Value) == Axis::Token;
  return {{"KB", text(f.keyBits)},
          {"VB", text(f.valueBits)},
          {"G", text(f.group)},
          {"D", text(f.headDim)},
          {"LAYOUT", std::string(layoutName(f.layout))},
          {"T", text(tokens)},
          {"KEY_SCALES", text(keyToken ? tokens : f.headDim)},
          {"KEY_AXIS", text(keyToken ? 1 : 0)},
          {"VALUE_SCALES", text(valueToken ? tokens : f.headDim)},
          {"VALUE_AXIS", text(valueToken ? 0 : 1)},
          {"VALUE_LENGTH", text(valueToken ? f.group : f.headDim)},
          {"W_FACTOR", valueToken ? "%veb" : "%w1"},
          {"O_FACTOR", valueToken ? "%o1" : "%veb"},
          {"M", "3"},
          {"RR", "2"},
          {"RC", "64"}};
}

void checkCodes(Cache &cache, int64_t start, int64_t tokens,
                const std::vector<float> &keys,
                const std::vector<float> &values) {
  int64_t d = cache.format.headDim;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t c = 0; c < d; ++c) {
      ASSERT_EQ(keys[c * tokens + t], cache.code(Part::Key, start + t, c))
          << "key " << t << ", " << c;
      ASSERT_EQ(values[t * d + c], cache.code(Part::Value, start + t, c))
          << "value " << t << ", " << c;
    }
}

void checkLoads(Program &program, Cache &cache, int64_t start, int64_t tokens) {
  int64_t d = cache.format.headDim, g = cache.format.group;
  std::vector<float> keys(d * tokens), values(d * tokens);
  std::vector<Half> vectors(2 * g);
  Params params;
  cache.addTo(params)
      .integer(start)
      .array(keys.data(), {d, tokens})
      .array(values.data(), {tokens, d});
  program.run("load", params, Cache::kBlock, Cache::kHead);
  checkCodes(cache, start, tokens, keys, values);
  std::fill(keys.begin(), keys.end(), 0);
  std::fill(values.begin(), values.end(), 0);
  params.array(vectors.data(), {2 * g});
  program.run("slots", params, Cache::kBlock, Cache::kHead);
  checkCodes(cache, start, tokens, keys, values);
  for (int64_t t = 0; t < tokens; ++t) {
    Half zero = cache.element(kvarn::Vector::ValueZero, start + t);
    Half token = cache.element(kvarn::Vector::KeyToken, start + t);
    ASSERT_EQ(memcmp(&vectors[t], &zero, 2), 0);
    ASSERT_EQ(memcmp(&vectors[g + t], &token, 2), 0);
  }
}

/// Rows of q [m, d] times keys and of p [m, g] times values, and the results.
struct Sums {
  const std::vector<float> &q, &p, &scores, &out;
};

/// No result is off by more than `tolerance`.
void checkSums(const Sums &sums, int64_t d, int64_t g,
               const std::function<double(Part, int64_t, int64_t)> &number,
               double tolerance) {
  for (int64_t i = 0; i * d < int64_t(sums.q.size()); ++i) {
    for (int64_t t = 0; t < g; ++t) {
      double sum = 0;
      for (int64_t c = 0; c < d; ++c)
        sum += double(sums.q[i * d + c]) * number(Part::Key, t, c);
      ASSERT_NEAR(sums.scores[i * g + t], sum, tolerance)
          << "score of token " << t;
    }
    for (int64_t c = 0; c < d; ++c) {
      double sum = 0;
      for (int64_t t = 0; t < g; ++t)
        sum += double(sums.p[i * g + t]) * number(Part::Value, t, c);
      ASSERT_NEAR(sums.out[i * d + c], sum, tolerance) << "channel " << c;
    }
  }
}

void checkProducts(Program &program, Cache &cache) {
  int64_t d = cache.format.headDim, g = cache.format.group, m = 3;
  auto q = randomFloats(m * d, 1), p = randomFloats(m * g, 2);
  std::vector<float> scores(m * g), out(m * d);
  Params params;
  cache.addTo(params)
      .array(q.data(), {m, d})
      .array(scores.data(), {m, g})
      .array(p.data(), {m, g})
      .array(out.data(), {m, d});
  program.run("product", params, Cache::kBlock, Cache::kHead);
  auto code = [&](Part part, int64_t t, int64_t c) {
    return double(cache.code(part, t, c));
  };
  checkSums({q, p, scores, out}, d, g, code, 0.02);
}

void checkStores(Program &program, Cache &cache) {
  int64_t d = cache.format.headDim, g = cache.format.group;
  // What is there and what shall be there: every byte of both parts' codes and
  // two vectors change, nothing else.
  Cache want = cache;
  std::vector<uint8_t> k(g * d), v(g * d);
  for (int64_t t = 0; t < g; ++t)
    for (int64_t c = 0; c < d; ++c) {
      k[t * d + c] = cache.code(Part::Key, t, c);
      v[t * d + c] = cache.code(Part::Value, t, c);
    }
  auto scale = toHalf(randomFloats(d, 1)), zero = toHalf(randomFloats(g, 2));
  memcpy(want.record() + want.format.vectorOffset(kvarn::Vector::KeyScale),
         scale.data(), 2 * d);
  memcpy(want.record() + want.format.vectorOffset(kvarn::Vector::ValueZero),
         zero.data(), 2 * g);
  for (Part part : {Part::Key, Part::Value})
    memset(cache.record() + cache.format.codeOffset(part), 0xee,
           cache.format.codeBytes(part));
  Params params;
  params.array(k.data(), {g, d})
      .array(v.data(), {g, d})
      .array(scale.data(), {d})
      .array(zero.data(), {g});
  program.run("store", cache.addTo(params), Cache::kBlock, Cache::kHead);
  ASSERT_EQ(cache.bytes, want.bytes);
}

TEST(CpuRecord, EveryFormat) {
  std::vector<std::string> targets = hostTargets();
  size_t turn = 0;
  for (Layout layout : {Layout::Reference, Layout::Mma16816})
    for (int64_t bits : kBits)
      for (int64_t group : kGroups)
        for (int64_t headDim : kHeadDims) {
          // The other part in the next of the sizes.
          int64_t valueBits = bits == 8 ? 2 : 2 * bits;
          Format format{bits, valueBits, group, headDim, layout};
          // Targets and sizes of tiles in turn, to save time.
          const std::string &target = targets[turn++ % targets.size()];
          int64_t tokens = turn % 3 ? 32 : group;
          SCOPED_TRACE(format.name() + " " + std::string(layoutName(layout)) +
                       " head_dim " + std::to_string(headDim) + " " + target);
          Program program("codes.mlir", target, words(format, tokens));
          Cache cache(format);
          checkLoads(program, cache, group - tokens, tokens);
          checkProducts(program, cache);
          checkStores(program, cache);
          if (HasFatalFailure())
            return;
        }
}

/// Small integers: products with bytes are exact.
std::vector<float> randomIntegers(int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<float> values(count);
  for (float &value : values)
    value = float(int(engine() % 17) - 8);
  return values;
}

/// A code where it lies in its byte.
double inPlace(Cache &cache, Part part, int64_t token, int64_t channel) {
  const Format &format = cache.format;
  int64_t index = format.bitAxis(part) == Axis::Token ? token : channel;
  return double(cache.code(part, token, channel)
                << format.bitInByte(part, index));
}

void checkWholeBytes(Program &program, Cache &cache) {
  int64_t d = cache.format.headDim, g = cache.format.group, m = 3;
  auto q = randomIntegers(m * d, 3), p = randomIntegers(m * g, 4);
  std::vector<Half> qHalf = toHalf(q), pHalf = toHalf(p);
  std::vector<float> scores(m * g), out(m * d), keys(d * g);
  Params params;
  cache.addTo(params)
      .array(qHalf.data(), {m, d})
      .array(scores.data(), {m, g})
      .array(pHalf.data(), {m, g})
      .array(out.data(), {m, d})
      .array(keys.data(), {d, g});
  program.run("product", params, Cache::kBlock, Cache::kHead);
  auto number = [&](Part part, int64_t t, int64_t c) {
    return inPlace(cache, part, t, c);
  };
  checkSums({q, p, scores, out}, d, g, number, 0);
  if (testing::Test::HasFatalFailure())
    return;
  int64_t top = cache.format.topOfByte(Part::Key);
  for (int64_t c = 0; c < d; ++c)
    for (int64_t t = 0; t < g; ++t) {
      double want = inPlace(cache, Part::Key, t, c);
      if ((c & top) == top) {
        want = 0;
        for (int64_t code : cache.format.codesOfByte(Part::Key))
          want += inPlace(cache, Part::Key, t, c - top + code);
      }
      ASSERT_EQ(keys[c * g + t] * 16777216.0, want) << "key " << t << ", " << c;
    }
}

TEST(CpuRecord, WholeBytes) {
  for (const std::string &target : hostTargets())
    for (int64_t bits : kBits) {
      Format format{bits, bits == 8 ? 2 : 2 * bits, 64, 128, Layout::Mma16816};
      SCOPED_TRACE(format.name() + " " + target);
      Program program("whole-bytes.mlir", target, words(format, 64));
      Cache cache(format);
      checkWholeBytes(program, cache);
      if (HasFatalFailure())
        return;
    }
}

TEST(CpuRecord, FewTokens) {
  // Fewer tokens than share a byte, at any place.
  for (const std::string &target : hostTargets()) {
    Format format;
    Program program("codes.mlir", target, words(format, 1));
    Cache cache(format);
    std::vector<float> keys(128), values(128);
    Params params;
    cache.addTo(params)
        .integer(37)
        .array(keys.data(), {128, 1})
        .array(values.data(), {1, 128});
    program.run("load", params, Cache::kBlock, Cache::kHead);
    checkCodes(cache, 37, 1, keys, values);
  }
}

} // namespace
