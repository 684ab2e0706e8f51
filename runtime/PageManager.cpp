//===- PageManager.cpp - Who owns which block and slot --------------------===//

#include "runtime/PageManager.h"

#include "runtime/Status.h"

#include <algorithm>

namespace kvarn::runtime {

static kvarn_status invalid(const std::string &message) {
  return fail(KVARN_STATUS_INVALID_ARGUMENT, message);
}

static kvarn_status exhausted(const std::string &message) {
  return fail(KVARN_STATUS_CAPACITY, message);
}

/// A stack that hands out 0, 1, 2, ... first. Never grows beyond `count`.
static std::vector<int32_t> makeStack(int64_t count) {
  std::vector<int32_t> stack(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    stack[static_cast<size_t>(i)] = static_cast<int32_t>(count - 1 - i);
  return stack;
}

static int32_t pop(std::vector<int32_t> &stack) {
  int32_t top = stack.back();
  stack.pop_back();
  return top;
}

PageManager::PageManager(const Options &options)
    : options(options), blocks(options.blocks), requests(options.maxRequests),
      blockTable(options.maxRequests * options.maxBlocks),
      seqLens(options.maxRequests), blockToSlot(options.blocks, -1),
      freeBlocks(makeStack(options.blocks)),
      freeSlots(makeStack(options.slots)),
      freeRequests(makeStack(options.maxRequests)) {
  pending.reserve(blocks.size());
  inFlight.reserve(blocks.size());
}

kvarn_status PageManager::check(int32_t request) const {
  if (request < 0 || request >= options.maxRequests || !requests[request].live)
    return fail(KVARN_STATUS_NOT_FOUND,
                "no request " + std::to_string(request));
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

int32_t PageManager::takeBlock(bool flushable) {
  int32_t block = pop(freeBlocks);
  blocks[block] = {State::Open, 1, flushable, false, false};
  blockToSlot[block] = pop(freeSlots);
  return block;
}

void PageManager::releaseSlot(int32_t block) {
  freeSlots.push_back(blockToSlot[block]);
  blockToSlot[block] = -1;
}

void PageManager::freeBlock(int32_t block) {
  if (blockToSlot[block] >= 0)
    releaseSlot(block);
  blocks[block] = Block();
  freeBlocks.push_back(block);
}

void PageManager::dropBlock(int32_t block) {
  if (--blocks[block].users > 0)
    return;
  // A flush in flight still reads the slot and writes the block.
  if (blocks[block].state == State::InFlight)
    return;
  if (blocks[block].state == State::Pending)
    std::erase(pending, block);
  freeBlock(block);
}

void PageManager::completeBlock(int32_t block) {
  Block &b = blocks[block];
  b.complete = true;
  if (b.state == State::Open && b.flushable) {
    b.state = State::Pending;
    pending.push_back(block);
  }
}

void PageManager::setLength(int32_t request, int64_t length) {
  requests[request].length = length;
  seqLens[request] = static_cast<int32_t>(length);
}

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

kvarn_status PageManager::begin(int32_t &request) {
  if (freeRequests.empty())
    return exhausted("all " + std::to_string(options.maxRequests) +
                     " requests are in use");
  request = pop(freeRequests);
  requests[request] = {true, 0, 0};
  return KVARN_STATUS_OK;
}

kvarn_status PageManager::fork(int32_t parent, int64_t tokens, int32_t &request,
                               int64_t &shared) {
  KVARN_TRY(check(parent));
  if (tokens < 0 || tokens > requests[parent].length)
    return invalid("tokens is " + std::to_string(tokens) + ", expected 0 to " +
                   std::to_string(requests[parent].length));
  KVARN_TRY(begin(request));
  int64_t count = std::min(tokens, requests[parent].committed) / options.group;
  for (int64_t i = 0; i < count; ++i) {
    row(request)[i] = row(parent)[i];
    ++blocks[row(parent)[i]].users;
  }
  shared = count * options.group;
  setLength(request, shared);
  requests[request].committed = shared;
  return KVARN_STATUS_OK;
}

kvarn_status PageManager::end(int32_t request) {
  KVARN_TRY(check(request));
  for (int64_t i = 0; i < blocksOf(requests[request].length); ++i) {
    dropBlock(row(request)[i]);
    row(request)[i] = 0;
  }
  setLength(request, 0);
  requests[request] = Request();
  freeRequests.push_back(request);
  return KVARN_STATUS_OK;
}

kvarn_status PageManager::append(int32_t request, int64_t tokens,
                                 int64_t *slotMapping) {
  KVARN_TRY(check(request));
  if (tokens < 0)
    return invalid("tokens is " + std::to_string(tokens) +
                   ", expected at least 0");
  int64_t length = requests[request].length;
  if (int64_t limit = room(length); tokens > limit)
    return exhausted("no room for " + std::to_string(tokens) +
                     " tokens, only for " + std::to_string(limit) + ": " +
                     std::to_string(freeBlocks.size()) + " free blocks, " +
                     std::to_string(freeSlots.size()) + " free slots, " +
                     std::to_string(options.maxBlocks - blocksOf(length)) +
                     " free columns of the request");
  for (int64_t i = blocksOf(length); i < blocksOf(length + tokens); ++i)
    row(request)[i] = takeBlock(i > 0 || options.firstBlockPacked);
  setLength(request, length + tokens);
  for (int64_t i = 0; slotMapping && i < tokens; ++i) {
    int64_t token = length + i;
    slotMapping[i] = row(request)[token / options.group] * options.group +
                     token % options.group;
  }
  return KVARN_STATUS_OK;
}

kvarn_status PageManager::commit(int32_t request, int64_t tokens) {
  KVARN_TRY(check(request));
  Request &r = requests[request];
  if (tokens < 0 || tokens > r.length - r.committed)
    return invalid(
        "tokens is " + std::to_string(tokens) + ", but the request has " +
        std::to_string(r.length - r.committed) + " speculative tokens");
  int64_t first = r.committed / options.group;
  r.committed += tokens;
  for (int64_t i = first; i < r.committed / options.group; ++i)
    completeBlock(row(request)[i]);
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Truncation
//===----------------------------------------------------------------------===//

/// Whether a slot is free once the blocks from `firstDropped` on are gone.
bool PageManager::slotIsAvailable(int32_t request, int64_t firstDropped) {
  if (!freeSlots.empty())
    return true;
  int64_t count = blocksOf(requests[request].length);
  for (int64_t i = firstDropped; i < count; ++i) {
    const Block &block = blocks[row(request)[i]];
    if (block.users == 1 &&
        (block.state == State::Open || block.state == State::Pending))
      return true;
  }
  return false;
}

/// The tokens at the end of `block` are gone: it is unfinished, in the pool.
void PageManager::reopen(int32_t block, kvarn_pages_truncation &result) {
  Block &b = blocks[block];
  b.complete = false;
  if (b.state == State::InFlight) {
    b.cut = true; // the record that is being written is never looked at
    return;
  }
  if (b.state == State::Pending)
    std::erase(pending, block);
  if (b.state == State::Packed) {
    blockToSlot[block] = pop(freeSlots);
    result.unflush_block = block;
    result.unflush_slot = blockToSlot[block];
  }
  b.state = State::Open;
}

kvarn_status PageManager::truncate(int32_t request, int64_t length,
                                   kvarn_pages_truncation *truncation) {
  KVARN_TRY(check(request));
  Request &r = requests[request];
  if (length < 0 || length > r.length)
    return invalid("length is " + std::to_string(length) + ", expected 0 to " +
                   std::to_string(r.length));
  if (!truncation && length < r.committed)
    return invalid("truncation is NULL, but committed tokens are dropped");
  kvarn_pages_truncation result = {0, length, -1, -1};
  bool cutsBlock = length % options.group != 0 && length < r.length;
  int64_t index = length / options.group;
  if (cutsBlock && blocks[row(request)[index]].users > 1) {
    result.length = index * options.group;
    cutsBlock = false;
  }
  int64_t kept = blocksOf(result.length);
  if (cutsBlock && blocks[row(request)[index]].state == State::Packed &&
      !slotIsAvailable(request, kept))
    return exhausted("no free slot for the block that is cut");
  for (int64_t i = kept; i < blocksOf(r.length); ++i) {
    dropBlock(row(request)[i]);
    row(request)[i] = 0;
  }
  if (cutsBlock)
    reopen(row(request)[index], result);
  setLength(request, result.length);
  r.committed = std::min(r.committed, result.length);
  if (truncation)
    *truncation = result;
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Flushing
//===----------------------------------------------------------------------===//

size_t PageManager::takeFlushes(int32_t *pairs, size_t capacity) {
  size_t count = std::min(capacity, pending.size());
  for (size_t i = 0; i < count; ++i) {
    int32_t block = pending[i];
    pairs[2 * i] = block;
    pairs[2 * i + 1] = blockToSlot[block];
    blocks[block].state = State::InFlight;
    inFlight.push_back(block);
  }
  pending.erase(pending.begin(), pending.begin() + static_cast<int64_t>(count));
  return count;
}

void PageManager::flushed() {
  for (int32_t block : inFlight) {
    Block &b = blocks[block];
    if (b.users == 0) {
      freeBlock(block);
    } else if (b.cut) {
      b.cut = false;
      b.state = State::Open;
      if (b.complete) // filled again since
        completeBlock(block);
    } else {
      b.state = State::Packed;
      releaseSlot(block);
    }
  }
  inFlight.clear();
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

/// Tokens that a request of `length` tokens can append now.
int64_t PageManager::room(int64_t length) const {
  int64_t count = blocksOf(length);
  int64_t more = std::min({options.maxBlocks - count,
                           static_cast<int64_t>(freeBlocks.size()),
                           static_cast<int64_t>(freeSlots.size())});
  return (count + more) * options.group - length;
}

kvarn_pages_tables PageManager::tables() const {
  return {sizeof(kvarn_pages_tables), blockTable.data(), seqLens.data(),
          blockToSlot.data()};
}

kvarn_status PageManager::gather(const int32_t *ids, size_t count,
                                 int32_t *table, int32_t *lengths) const {
  for (size_t i = 0; i < count; ++i)
    KVARN_TRY(check(ids[i]));
  for (size_t i = 0; i < count; ++i) {
    if (table)
      std::copy_n(blockTable.data() + ids[i] * options.maxBlocks,
                  options.maxBlocks,
                  table + i * static_cast<size_t>(options.maxBlocks));
    if (lengths)
      lengths[i] = seqLens[ids[i]];
  }
  return KVARN_STATUS_OK;
}

kvarn_status PageManager::describe(int32_t request,
                                   kvarn_pages_request_info &info) const {
  KVARN_TRY(check(request));
  const Request &r = requests[request];
  info = {sizeof(info), r.length, r.committed, blocksOf(r.length),
          room(r.length)};
  return KVARN_STATUS_OK;
}

kvarn_pages_usage PageManager::usage() const {
  kvarn_pages_usage usage = {};
  usage.free_blocks = static_cast<int64_t>(freeBlocks.size());
  usage.free_slots = static_cast<int64_t>(freeSlots.size());
  usage.free_requests = static_cast<int64_t>(freeRequests.size());
  usage.pending_flushes = static_cast<int64_t>(pending.size());
  usage.flushes_in_flight = static_cast<int64_t>(inFlight.size());
  usage.room = freeRequests.empty() ? 0 : room(0);
  return usage;
}

} // namespace kvarn::runtime
