//===- Simulation.h - Steps of a small serving engine ---------------------===//

#ifndef KVARN_TOOLS_RUN_ROUNDTRIP_SIMULATION_H
#define KVARN_TOOLS_RUN_ROUNDTRIP_SIMULATION_H

#include "runtime/kvarn.hpp"
#include "test/oracle/Random.h"
#include "tools/kvarn-run/Roundtrip/Judge.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace kvarn::run {

struct RoundtripOptions {
  int64_t steps = 500, every = 10;
  uint64_t seed = 1;
  Need need;
  bool firstBlockPacked = false;
};

/// Small, so that all of them run out.
inline constexpr int64_t kRequests = 6, kColumns = 10, kBlocks = 40,
                         kSlots = 18;

/// How often things were done, for people and tests.
struct Counts {
  int64_t requests = 0, forks = 0, tokens = 0, dropped = 0, rollbacks = 0,
          unflushed = 0, flushed = 0, packed = 0, cutInFlight = 0, refused = 0;
};

/// The tokens of the last append: what pack can still read.
struct LastRows {
  HostTensor k, v;
  std::map<const ShadowBlock *, int64_t> first; // row of a block's first token
};

/// Requests that come and go, share prefixes, guess tokens and are rolled back.
/// The page manager decides where everything goes, the shadow knows what must
/// be there. What differs throws Difference.
class Simulation {
public:
  Simulation(const RoundtripOptions &options, Engine &engine);

  void step(int64_t number);
  void report(Report &report, const std::string &where) const;

private:
  /// New tokens of one request.
  struct Entry {
    int32_t request;
    std::vector<int64_t> mapping;
  };

  void arrive();
  std::vector<Entry> chooseBatch();
  void decode(const std::vector<Entry> &batch, bool check);
  void appendTokens(const std::vector<Entry> &batch);
  void accept(const std::vector<Entry> &batch);
  bool mayBeFlushed(const ShadowBlock &block) const;
  void flushSome();
  void finishFlushes();
  void rollBack();
  void leave();
  /// kvarn_pages_truncate, and what it says of un-flushing.
  void truncate(int32_t request, int64_t length);
  void checkTables();

  ShadowBlock &blockAt(int32_t number) { return *numbers.at(number); }
  TokenValues makeToken();
  HostTensor blockToSlot() const;
  int32_t anyRequest();

  RoundtripOptions options;
  Engine &engine;
  Format format;
  Shadow shadow;
  Judge judge;
  Pages pages;
  oracle::Rng rng;
  DType dtype;
  oracle::ChannelProfile keyProfile, valueProfile;
  std::map<int32_t, ShadowRequest> live;
  std::map<int32_t, ShadowBlock *> numbers; // of blocks in use
  std::vector<std::weak_ptr<ShadowBlock>> inFlight;
  LastRows last;
  Counts counts;
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_ROUNDTRIP_SIMULATION_H
