//===- PageManager.h - Who owns which block and slot ------------*- C++ -*-===//
//
// The bookkeeping behind kvarn_pages; the rules are in kvarn_pages.h. After
// creation nothing allocates, so no operation can stop half-way: each one
// checks first, then changes.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_RUNTIME_PAGEMANAGER_H
#define KVARN_RUNTIME_PAGEMANAGER_H

#include "format/Format.h"
#include "runtime/kvarn.h"

#include <vector>

namespace kvarn::runtime {

/// Checks the members that describe the cache, and computes sizes in bytes.
kvarn_status measurePages(const kvarn_pages_options &options,
                          int64_t memoryBytes, kvarn_pages_sizes &sizes);

class PageManager {
public:
  struct Options {
    int64_t group, blocks, slots, maxRequests, maxBlocks;
    bool firstBlockPacked;
  };
  explicit PageManager(const Options &options);

  kvarn_status begin(int32_t &request);
  kvarn_status fork(int32_t parent, int64_t tokens, int32_t &request,
                    int64_t &shared);
  kvarn_status end(int32_t request);
  kvarn_status append(int32_t request, int64_t tokens, int64_t *slotMapping);
  kvarn_status commit(int32_t request, int64_t tokens);
  kvarn_status truncate(int32_t request, int64_t length,
                        kvarn_pages_truncation *truncation);
  size_t takeFlushes(int32_t *pairs, size_t capacity);
  void flushed();

  kvarn_pages_tables tables() const;
  kvarn_status gather(const int32_t *ids, size_t count, int32_t *table,
                      int32_t *lengths) const;
  kvarn_status describe(int32_t request, kvarn_pages_request_info &info) const;
  kvarn_pages_usage usage() const;

private:
  /// The life of a block. `Open`, `Pending` and `InFlight` blocks have a slot.
  enum class State {
    Free,
    Open,     // unfinished, speculative, or a first block that stays
    Pending,  // complete and committed, waits for takeFlushes()
    InFlight, // waits for flushed()
    Packed
  };
  struct Block {
    State state = State::Free;
    int32_t users = 0;     // requests; 0 and InFlight = freed when flushed
    bool flushable = true; // no first block
    bool complete = false; // all its tokens are committed
    bool cut = false;      // truncated while InFlight: must not become Packed
  };
  struct Request {
    bool live = false;
    int64_t length = 0, committed = 0;
  };

  kvarn_status check(int32_t request) const;
  int32_t *row(int32_t request) {
    return blockTable.data() + request * options.maxBlocks;
  }
  int64_t blocksOf(int64_t tokens) const {
    return (tokens + options.group - 1) / options.group;
  }
  int32_t takeBlock(bool flushable);
  void dropBlock(int32_t block);
  void freeBlock(int32_t block);
  void releaseSlot(int32_t block);
  void completeBlock(int32_t block);
  void setLength(int32_t request, int64_t length);
  bool slotIsAvailable(int32_t request, int64_t firstDropped);
  void reopen(int32_t block, kvarn_pages_truncation &result);
  int64_t room(int64_t length) const;

  Options options;
  std::vector<Block> blocks;
  std::vector<Request> requests;
  std::vector<int32_t> blockTable, seqLens, blockToSlot;
  std::vector<int32_t> freeBlocks, freeSlots, freeRequests; // stacks
  std::vector<int32_t> pending, inFlight;                   // oldest first
};

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_PAGEMANAGER_H
