//===- RandomCase.h - Random attention cases ------------------------------===//
//
//   CaseSpec spec = randomSpec(seed);     // what the case looks like
//   spec.format = ...;                    // pin what the kernel fixes
//   RandomCase c = makeCase(spec, seed);  // all its tensors
//   AttentionResult want = attend(c.input());
//   ok = relativeError(got, want.out) <= errorLimit(c.input(), want);
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_RANDOMCASE_H
#define KVARN_TEST_ORACLE_RANDOMCASE_H

#include "test/oracle/Attention.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvarn::oracle {

/// What lies in memory that belongs to no token: the rest of an unfinished
/// block, unused slots and records, padding. NaN by default, as a caller's NaN
/// that was left behind in a slot must not spread to the next request.
enum class UnusedMemory { NaN, Finite, Zero };

struct CaseSpec {
  Format format;
  int kvHeads = 1;
  int ratio = 1;                // query heads per KV head
  DType queryType = DType::F16; // F16 or BF16
  std::vector<int> lengths;     // seq_lens
  std::vector<int> queryCounts; // query tokens of each request
  bool causal = true;
  int64_t window = 0;
  double softcap = 0;
  bool sinks = false;
  /// K and V of the query tokens are tensors of their own, raw, and what the
  /// cache holds ends before them.
  bool newTokens = false;

  double logitStd = 4;       // q is scaled so that no row exceeds this
  double pooledFirst = 0.7;  // chance of a first block in the pool
  double pooledOther = 0.1;  // of another complete block
  double sharedPrefix = 0.2; // chance to share the full blocks of the request
                             // before
  int64_t recordPadding = 0; // bytes between records
  /// Make every record with storeRecord (3 ms each at 128 x 128)
  /// instead of syntheticTile.
  bool storedRecords = false;
  /// A part of the records: constant, zero, 1e-4, 1e4, Vscale of 300 and 2e4.
  bool specialTiles = false;
  UnusedMemory unused = UnusedMemory::NaN;
};

/// A random spec: 1 to 5 requests of 0 to `maxLength` tokens with 0 to 8 query
/// tokens, any supported format, ratios 1 to 16, every feature now and then.
/// `specialTiles` and `storedRecords` are left off.
CaseSpec randomSpec(uint64_t seed, int maxLength = 2000);

/// All tensors of a case, dense, in the shapes of docs: contract.md.
struct RandomCase {
  CaseSpec spec;
  int blocks = 0;
  int slots = 0;
  int maxBlocks = 0;
  int64_t recordStride = 0;
  double scale = 1;
  std::vector<uint16_t> q;            // [T, Hq, D], bits of spec.queryType
  std::vector<int32_t> queryStart;    // [B + 1]
  std::vector<int32_t> seqLens;       // [B]
  std::vector<int32_t> blockTable;    // [B, maxBlocks], -1 beyond the cached
  std::vector<int32_t> blockToSlot;   // [blocks]
  std::vector<uint16_t> poolK, poolV; // [slots, G, Hk, D], fp16, rotated
  std::vector<uint8_t> cache;         // [blocks, Hk, recordStride]
  std::vector<float> sinks;           // [Hq] or empty
  std::vector<uint16_t> newK, newV;   // [T, Hk, D] as q, not rotated, or empty

  int queryHeads() const { return spec.kvHeads * spec.ratio; }
  int queryTokens() const { return queryStart.back(); }
  /// Tokens of each request that the cache holds.
  std::vector<int32_t> cachedTokens() const;
  /// Points into this case, which must outlive it.
  AttentionInput input() const;
  /// One line for error messages.
  std::string describe() const;
};

RandomCase makeCase(const CaseSpec &spec, uint64_t seed);

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_RANDOMCASE_H
