//===- PageManagerTest.cpp - Who owns which block and slot ----------------===//

#include "test/unit/runtime/Fixture.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace kvarn;
using namespace kvarn::test;

static constexpr int64_t G = 64;

static kvarn_pages_options smallOptions() {
  auto options = make<kvarn_pages_options>();
  options.format = "kvarn_k4v2_g64";
  options.head_dim = 128;
  options.kv_heads = 8;
  options.blocks = 8;
  options.slots = 5;
  options.max_requests = 3;
  options.max_blocks = 6;
  return options;
}

using Pairs = std::vector<int32_t>;

static int32_t slotOf(const Pages &pages, int32_t block) {
  return pages.tables().block_to_slot[block];
}

TEST(Pages, Measure) {
  kvarn_pages_options options = smallOptions();
  options.layers = 2;
  options.slots = 10;
  auto sizes = make<kvarn_pages_sizes>();
  int64_t slot = 64 * 8 * 128 * 2 * 2 * 2, block = 7296 * 8 * 2;
  check(kvarn_pages_measure(&options, 10 * slot + 3 * block - 1, &sizes));
  EXPECT_EQ(sizes.block_tokens, 64);
  EXPECT_EQ(sizes.block_bytes, block);
  EXPECT_EQ(sizes.slot_bytes, slot);
  EXPECT_EQ(sizes.bytes_per_token, 114.0 * 8 * 2);
  EXPECT_EQ(sizes.blocks_that_fit, 2);
  EXPECT_EQ(sizes.tokens_that_fit, 128);
  check(kvarn_pages_measure(&options, 0, &sizes));
  EXPECT_EQ(sizes.blocks_that_fit, 0);
  for (int64_t bytes : {int64_t(-1), INT64_MIN})
    EXPECT_KVARN_ERROR(kvarn_pages_measure(&options, bytes, &sizes),
                       KVARN_STATUS_INVALID_ARGUMENT,
                       "memory_bytes is " + std::to_string(bytes) +
                           ", expected at least 0");
}

TEST(Pages, OptionErrors) {
  auto error = [](auto change) {
    kvarn_pages_options options = smallOptions();
    change(options);
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                   [&] { Pages pages(options); });
  };
  EXPECT_TRUE(error([](auto &o) {
                o.format = nullptr;
              }).starts_with("options.format is '', expected one of "));
  EXPECT_EQ(error([](auto &o) { o.head_dim = 100; }),
            "options.head_dim is 100, expected one of 64, 128, 256");
  EXPECT_EQ(error([](auto &o) { o.kv_heads = 0; }),
            "options.kv_heads is 0, expected 1 to 65536");
  EXPECT_EQ(error([](auto &o) { o.record_stride = 7295; }),
            "options.record_stride is 7295, expected 7296 to 16777216");
  EXPECT_EQ(error([](auto &o) { o.slots = 0; }),
            "options.slots is 0, expected 1 to 2147483647");
  EXPECT_EQ(error([](auto &o) { o.max_blocks = int64_t(1) << 25; }),
            "options.max_blocks is 33554432, expected 1 to 33554431");
  EXPECT_EQ(error([](auto &o) { o.struct_size = 0; }),
            "options.struct_size is not set");
}

TEST(Pages, AppendGivesBlocksAndSlots) {
  Pages pages(smallOptions());
  int32_t r = pages.begin();
  std::vector<int64_t> mapping = pages.append(r, G + 2);
  kvarn_pages_tables tables = pages.tables();
  const int32_t *row = tables.block_table + r * 6;
  EXPECT_EQ(tables.seq_lens[r], G + 2);
  ASSERT_EQ(mapping.size(), size_t(G + 2));
  for (int64_t t = 0; t < G + 2; ++t)
    EXPECT_EQ(mapping[t], row[t / G] * G + t % G);
  EXPECT_NE(slotOf(pages, row[0]), slotOf(pages, row[1]));
  EXPECT_EQ(row[2], 0);
  kvarn_pages_request_info info = pages.request(r);
  EXPECT_EQ(info.length, G + 2);
  EXPECT_EQ(info.committed, 0);
  EXPECT_EQ(info.blocks, 2);
  EXPECT_EQ(info.room, G - 2 + 3 * G); // 3 free slots
  int32_t table[6], length;
  check(kvarn_pages_gather(pages.get(), &r, 1, table, &length));
  EXPECT_TRUE(std::equal(table, table + 6, row));
  EXPECT_EQ(length, G + 2);
}

TEST(Pages, SpeculativeTokensAreNotFlushed) {
  Pages pages(smallOptions());
  int32_t r = pages.begin();
  pages.append(r, 2 * G);
  pages.commit(r, 2 * G - 1);
  EXPECT_EQ(pages.takeFlushes(), Pairs());
  pages.commit(r, 1);
  int32_t block = pages.tables().block_table[r * 6 + 1];
  EXPECT_EQ(pages.takeFlushes(), (Pairs{block, slotOf(pages, block)}));
  // Readable in the pool until the flush is over.
  EXPECT_GE(slotOf(pages, block), 0);
  EXPECT_EQ(pages.usage().free_slots, 3);
  pages.flushed();
  EXPECT_EQ(slotOf(pages, block), -1);
  EXPECT_EQ(pages.usage().free_slots, 4);
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { pages.commit(r, 1); }),
            "tokens is 1, but the request has 0 speculative tokens");
}

TEST(Pages, FirstBlockStaysUnlessAsked) {
  for (int packed : {0, 1}) {
    kvarn_pages_options options = smallOptions();
    options.first_block_packed = packed;
    Pages pages(options);
    int32_t r = pages.begin();
    pages.append(r, 3 * G);
    pages.commit(r, 3 * G);
    EXPECT_EQ(pages.usage().pending_flushes, 2 + packed);
    // In parts, oldest first.
    int32_t pairs[2];
    size_t count = 0;
    check(kvarn_pages_take_flushes(pages.get(), pairs, 1, &count));
    EXPECT_EQ(count, 1u);
    EXPECT_EQ(pairs[0], pages.tables().block_table[r * 6 + 1 - packed]);
    EXPECT_EQ(pages.takeFlushes().size(), size_t(2 * (1 + packed)));
  }
}

TEST(Pages, ExhaustionChangesNothing) {
  Pages pages(smallOptions());
  int32_t a = pages.begin(), b = pages.begin();
  pages.append(a, 4 * G);
  kvarn_pages_tables tables = pages.tables();
  std::vector<int32_t> before(tables.block_table, tables.block_table + 18);
  int64_t mapping[2 * G] = {-7};
  EXPECT_KVARN_ERROR(
      kvarn_pages_append(pages.get(), b, G + 1, mapping), KVARN_STATUS_CAPACITY,
      "no room for 65 tokens, only for 64: 4 free blocks, 1 free "
      "slots, 6 free columns of the request");
  EXPECT_EQ(mapping[0], -7);
  EXPECT_EQ(pages.request(b).length, 0);
  EXPECT_EQ(before,
            std::vector<int32_t>(tables.block_table, tables.block_table + 18));
  pages.append(b, G);
  EXPECT_KVARN_ERROR(
      kvarn_pages_append(pages.get(), b, INT64_MAX, nullptr),
      KVARN_STATUS_CAPACITY,
      "no room for 9223372036854775807 tokens, only for 0: 3 free blocks, "
      "0 free slots, 5 free columns of the request");
  pages.begin();
  EXPECT_EQ(errorOf(KVARN_STATUS_CAPACITY, [&] { pages.begin(); }),
            "all 3 requests are in use");
  EXPECT_EQ(errorOf(KVARN_STATUS_CAPACITY, [&] { pages.fork(a, 0); }),
            "all 3 requests are in use");
  EXPECT_EQ(errorOf(KVARN_STATUS_NOT_FOUND, [&] { pages.append(3, 1); }),
            "no request 3");
  pages.end(a);
  EXPECT_EQ(errorOf(KVARN_STATUS_NOT_FOUND, [&] { pages.end(a); }),
            "no request 0");
  EXPECT_EQ(pages.usage().free_slots, 4);
}

TEST(Pages, RollbackOfSpeculativeTokens) {
  Pages pages(smallOptions());
  int32_t r = pages.begin();
  pages.append(r, G + 3);
  pages.commit(r, G + 1);
  pages.append(r, G);
  EXPECT_EQ(pages.request(r).blocks, 3);
  kvarn_pages_truncation cut = pages.truncate(r, G + 1);
  EXPECT_EQ(cut.length, G + 1);
  EXPECT_EQ(cut.unflush_block, -1);
  EXPECT_EQ(pages.request(r).blocks, 2);
  EXPECT_EQ(pages.usage().free_blocks, 6);
  EXPECT_EQ(pages.usage().free_slots, 3);
  EXPECT_EQ(kvarn_pages_truncate(pages.get(), r, G + 1, nullptr),
            KVARN_STATUS_OK);
  EXPECT_KVARN_ERROR(kvarn_pages_truncate(pages.get(), r, G, nullptr),
                     KVARN_STATUS_INVALID_ARGUMENT,
                     "truncation is NULL, but committed tokens are dropped");
  EXPECT_EQ(
      errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { pages.truncate(r, G + 2); }),
      "length is 66, expected 0 to 65");
}

TEST(Pages, RollbackAcrossAFlushNeedsAnUnflush) {
  Pages pages(smallOptions());
  int32_t r = pages.begin();
  pages.append(r, 3 * G);
  pages.commit(r, 3 * G);
  pages.takeFlushes();
  pages.flushed();
  int32_t block = pages.tables().block_table[r * 6 + 1];
  // At a border of blocks the block stays packed.
  EXPECT_EQ(pages.truncate(r, 2 * G).unflush_block, -1);
  EXPECT_EQ(slotOf(pages, block), -1);
  kvarn_pages_truncation cut = pages.truncate(r, 2 * G - 1);
  EXPECT_EQ(cut.unflush_block, block);
  EXPECT_EQ(cut.unflush_slot, slotOf(pages, block));
  EXPECT_GE(cut.unflush_slot, 0);
  // Filled again, it is flushed again.
  pages.append(r, 1);
  pages.commit(r, 1);
  EXPECT_EQ(pages.takeFlushes(), (Pairs{block, cut.unflush_slot}));
}

TEST(Pages, UnflushNeedsASlot) {
  Pages pages(smallOptions());
  int32_t a = pages.begin(), b = pages.begin();
  pages.append(a, 3 * G);
  pages.commit(a, 3 * G);
  pages.takeFlushes();
  pages.flushed();
  pages.append(b, 4 * G); // takes the last slots
  auto truncate = [&] { pages.truncate(a, 3 * G - 1); };
  EXPECT_EQ(errorOf(KVARN_STATUS_CAPACITY, truncate),
            "no free slot for the block that is cut");
  EXPECT_EQ(pages.request(a).length, 3 * G);
  // The slot of a block that the same call drops will do.
  pages.truncate(b, 3 * G);
  pages.append(a, 1);
  EXPECT_EQ(pages.usage().free_slots, 0);
  EXPECT_GE(pages.truncate(a, 3 * G - 1).unflush_slot, 0);
}

TEST(Pages, ABlockInFlightIsNotReused) {
  Pages pages(smallOptions());
  int32_t r = pages.begin();
  pages.append(r, 2 * G);
  pages.commit(r, 2 * G);
  Pairs pairs = pages.takeFlushes();
  pages.end(r);
  EXPECT_EQ(pages.usage().free_blocks, 7);
  EXPECT_EQ(pages.usage().free_slots, 4);
  EXPECT_EQ(pages.usage().flushes_in_flight, 1);
  pages.flushed();
  EXPECT_EQ(pages.usage().free_blocks, 8);
  EXPECT_EQ(pages.usage().free_slots, 5);
  EXPECT_EQ(slotOf(pages, pairs[0]), -1);
}

// The record that is written holds dropped tokens: it must not be used.
TEST(Pages, ABlockCutInFlightStaysInThePool) {
  Pages pages(smallOptions());
  int32_t r = pages.begin();
  pages.append(r, 2 * G);
  pages.commit(r, 2 * G);
  Pairs pairs = pages.takeFlushes();
  EXPECT_EQ(pages.truncate(r, 2 * G - 1).unflush_block, -1);
  pages.append(r, 1);
  pages.commit(r, 1);
  EXPECT_EQ(pages.takeFlushes(), Pairs());
  pages.flushed();
  EXPECT_EQ(slotOf(pages, pairs[0]), pairs[1]);
  EXPECT_EQ(pages.takeFlushes(), pairs);
  pages.flushed();
  EXPECT_EQ(slotOf(pages, pairs[0]), -1);
}

TEST(Pages, ForksShareWholeCommittedBlocks) {
  Pages pages(smallOptions());
  int32_t parent = pages.begin();
  pages.append(parent, 3 * G);
  pages.commit(parent, 2 * G + 5);
  auto [child, shared] = pages.fork(parent, 3 * G);
  EXPECT_EQ(shared, 2 * G);
  EXPECT_EQ(pages.request(child).committed, 2 * G);
  EXPECT_EQ(pages.usage().free_blocks, 5);
  const int32_t *table = pages.tables().block_table;
  EXPECT_EQ(table[child * 6], table[parent * 6]);
  pages.append(child, 1);
  EXPECT_NE(table[child * 6 + 2], table[parent * 6 + 2]);
  // Flushed once for both.
  EXPECT_EQ(pages.takeFlushes().size(), 2u);
  pages.flushed();
  // A cut inside a shared block drops all of it, for this request.
  kvarn_pages_truncation cut = pages.truncate(child, 2 * G - 1);
  EXPECT_EQ(cut.length, G);
  EXPECT_EQ(cut.unflush_block, -1);
  EXPECT_EQ(pages.request(parent).length, 3 * G);
  EXPECT_EQ(slotOf(pages, table[parent * 6 + 1]), -1);
  // Now the block has one user, and can be cut.
  EXPECT_NE(pages.truncate(parent, 2 * G - 1).unflush_block, -1);
  pages.end(parent);
  EXPECT_EQ(pages.usage().free_blocks, 7);
  EXPECT_GE(slotOf(pages, table[child * 6]), 0);
  pages.end(child);
  EXPECT_EQ(pages.usage().free_blocks, 8);
  EXPECT_EQ(pages.usage().free_slots, 5);
}

//===----------------------------------------------------------------------===//
// Random operations against a model that follows every token
//===----------------------------------------------------------------------===//

namespace {
/// What is stored where: tokens are numbers that never repeat. The model acts
/// as the kernels do: append writes the pool, flush copies a slot to a record.
class Model {
public:
  Model(uint32_t seed, bool firstPacked)
      : random(seed), firstPacked(firstPacked), pages(options(firstPacked)) {}

  void step();
  void checkAll();

private:
  struct Request {
    std::vector<int64_t> tokens;
    int64_t committed = 0;
  };

  static kvarn_pages_options options(bool firstPacked) {
    kvarn_pages_options result = smallOptions();
    result.blocks = 12;
    result.slots = 9;
    result.max_requests = 4;
    result.first_block_packed = firstPacked;
    return result;
  }

  int64_t below(int64_t n) { return static_cast<int64_t>(random() % n); }
  int32_t any() {
    auto at = requests.begin();
    std::advance(at, below(static_cast<int64_t>(requests.size())));
    return at->first;
  }
  void begin();
  void fork();
  void append();
  void truncate();
  void takeFlushes();
  void runFlush(size_t i);
  void checkToken(int32_t request, int64_t index);
  void checkFlush(int32_t block, int32_t slot);

  std::mt19937 random;
  bool firstPacked;
  Pages pages;
  std::map<int32_t, Request> requests;
  std::map<std::pair<int32_t, int64_t>, int64_t> pool, records;
  std::vector<std::pair<int32_t, int32_t>> inFlight;
  size_t executed = 0; // of inFlight: a stream runs late
  int64_t nextToken = 1;
};
} // namespace

void Model::begin() {
  int32_t request;
  kvarn_status status = kvarn_pages_begin(pages.get(), &request);
  ASSERT_EQ(status == KVARN_STATUS_OK, requests.size() < 4);
  if (status == KVARN_STATUS_OK) {
    ASSERT_TRUE(requests.try_emplace(request).second);
  }
}

void Model::fork() {
  int32_t parent = any(), request;
  const Request &from = requests[parent];
  int64_t tokens = below(from.tokens.size() + 1), shared;
  kvarn_status status =
      kvarn_pages_fork(pages.get(), parent, tokens, &request, &shared);
  ASSERT_EQ(status == KVARN_STATUS_OK, requests.size() < 4);
  if (status != KVARN_STATUS_OK)
    return;
  ASSERT_EQ(shared, std::min(tokens, from.committed) / G * G);
  Request child;
  child.tokens.assign(from.tokens.begin(), from.tokens.begin() + shared);
  child.committed = shared;
  ASSERT_TRUE(requests.emplace(request, child).second);
}

void Model::append() {
  int32_t id = any();
  int64_t count = below(3) ? below(4) : below(2 * G);
  int64_t room = pages.request(id).room;
  std::vector<int64_t> mapping(count, -7);
  kvarn_status status =
      kvarn_pages_append(pages.get(), id, count, mapping.data());
  ASSERT_EQ(status == KVARN_STATUS_OK, count <= room);
  if (status != KVARN_STATUS_OK) {
    ASSERT_EQ(status, KVARN_STATUS_CAPACITY);
    return;
  }
  for (int64_t place : mapping) {
    int32_t slot = slotOf(pages, static_cast<int32_t>(place / G));
    ASSERT_GE(slot, 0);
    pool[{slot, place % G}] = nextToken;
    requests[id].tokens.push_back(nextToken++);
  }
}

void Model::truncate() {
  int32_t id = any();
  Request &request = requests[id];
  int64_t size = static_cast<int64_t>(request.tokens.size());
  int64_t length = below(3) ? request.committed : below(size + 1);
  auto cut = make<kvarn_pages_truncation>();
  kvarn_status status = kvarn_pages_truncate(pages.get(), id, length, &cut);
  if (status != KVARN_STATUS_OK) {
    ASSERT_EQ(status, KVARN_STATUS_CAPACITY);
    ASSERT_EQ(pages.usage().free_slots, 0);
    return;
  }
  ASSERT_TRUE(cut.length == length || cut.length == length / G * G);
  request.tokens.resize(cut.length);
  request.committed = std::min(request.committed, cut.length);
  if (cut.unflush_block < 0)
    return;
  ASSERT_EQ(slotOf(pages, cut.unflush_block), cut.unflush_slot);
  while (executed < inFlight.size()) // one stream, in order
    runFlush(executed++);
  for (int64_t i = 0; i < G; ++i)
    pool[{cut.unflush_slot, i}] = records[{cut.unflush_block, i}];
}

/// Only complete blocks of committed tokens may be flushed.
void Model::checkFlush(int32_t block, int32_t slot) {
  ASSERT_EQ(slotOf(pages, block), slot);
  const int32_t *table = pages.tables().block_table;
  int users = 0;
  for (auto &[id, request] : requests)
    for (int64_t i = 0; i * G < int64_t(request.tokens.size()); ++i)
      if (table[id * 6 + i] == block) {
        ++users;
        ASSERT_LE((i + 1) * G, request.committed);
        ASSERT_TRUE(i > 0 || firstPacked);
      }
  ASSERT_GT(users, 0);
}

void Model::takeFlushes() {
  int32_t pairs[6];
  size_t count;
  check(kvarn_pages_take_flushes(pages.get(), pairs, 1 + below(3), &count));
  for (size_t i = 0; i < count; ++i) {
    checkFlush(pairs[2 * i], pairs[2 * i + 1]);
    inFlight.push_back({pairs[2 * i], pairs[2 * i + 1]});
  }
}

void Model::runFlush(size_t i) {
  auto [block, slot] = inFlight[i];
  for (int64_t j = 0; j < G; ++j)
    records[{block, j}] = pool[{slot, j}];
}

void Model::step() {
  int64_t what = below(20);
  if (requests.empty() || what == 0) {
    begin();
  } else if (what == 1) {
    fork();
  } else if (what < 9) {
    append();
  } else if (what < 13) {
    int32_t id = any();
    Request &request = requests[id];
    int64_t count = below(request.tokens.size() - request.committed + 1);
    pages.commit(id, count);
    request.committed += count;
  } else if (what < 15) {
    truncate();
  } else if (what < 17) {
    takeFlushes();
  } else if (what < 19) {
    while (executed < inFlight.size())
      runFlush(executed++);
    pages.flushed();
    inFlight.clear();
    executed = 0;
  } else if (below(3) == 0) {
    int32_t id = any();
    pages.end(id);
    requests.erase(id);
  }
}

/// What attention would read for a token.
void Model::checkToken(int32_t request, int64_t index) {
  int32_t block = pages.tables().block_table[request * 6 + index / G];
  int32_t slot = slotOf(pages, block);
  int64_t found =
      slot < 0 ? records[{block, index % G}] : pool[{slot, index % G}];
  ASSERT_EQ(found, requests[request].tokens[index])
      << "request " << request << " token " << index;
}

void Model::checkAll() {
  kvarn_pages_tables tables = pages.tables();
  std::map<int32_t, int> users;
  for (auto &[id, request] : requests) {
    int64_t size = static_cast<int64_t>(request.tokens.size());
    ASSERT_EQ(tables.seq_lens[id], size);
    ASSERT_EQ(pages.request(id).committed, request.committed);
    std::set<int32_t> own;
    for (int64_t i = 0; i * G < size; ++i) {
      ++users[tables.block_table[id * 6 + i]];
      ASSERT_TRUE(own.insert(tables.block_table[id * 6 + i]).second);
    }
    // First and last tokens of each block stand for the rest.
    for (int64_t t = 0; t < size; ++t)
      if (t % G == 0 || t % G == G - 1 || t == size - 1)
        checkToken(id, t);
  }
  std::set<int32_t> slots, busy;
  for (int32_t block = 0; block < 12; ++block)
    if (tables.block_to_slot[block] >= 0) {
      ASSERT_TRUE(slots.insert(tables.block_to_slot[block]).second);
    }
  for (auto &[block, count] : users)
    busy.insert(block);
  for (auto &[block, slot] : inFlight)
    busy.insert(block);
  kvarn_pages_usage usage = pages.usage();
  ASSERT_EQ(usage.free_blocks, 12 - int64_t(busy.size()));
  ASSERT_EQ(usage.free_slots, 9 - int64_t(slots.size()));
  ASSERT_EQ(usage.free_requests, 4 - int64_t(requests.size()));
}

TEST(Pages, RandomOperationsKeepEveryToken) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model model(seed, seed % 2);
    for (int i = 0; i < 1500; ++i) {
      model.step();
      model.checkAll();
      if (testing::Test::HasFatalFailure())
        return;
    }
  }
}
