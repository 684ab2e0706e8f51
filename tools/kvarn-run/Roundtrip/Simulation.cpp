//===- Simulation.cpp - Steps of a small serving engine -------------------===//

#include "tools/kvarn-run/Roundtrip/Simulation.h"

#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace kvarn::run {

//===----------------------------------------------------------------------===//
// Set-up
//===----------------------------------------------------------------------===//

static Format referenceLayout(Format format) {
  format.layout = Layout::Reference;
  return format;
}

static kvarn_pages_options pageOptions(const RoundtripOptions &options,
                                       const Format &format) {
  auto result = make<kvarn_pages_options>();
  result.format = options.need.format.c_str();
  result.head_dim = format.headDim;
  result.kv_heads = options.need.kvHeads;
  result.blocks = kBlocks;
  result.slots = kSlots;
  result.max_requests = kRequests;
  result.max_blocks = kColumns;
  result.first_block_packed = options.firstBlockPacked;
  return result;
}

Simulation::Simulation(const RoundtripOptions &options, Engine &engine)
    : options(options), engine(engine),
      format(referenceLayout(engine.format())),
      shadow(format, options.need.kvHeads),
      judge(engine, shadow, storeOptions(engine.flushKernel(), 8),
            engine.flushKernel().option("range").value_or("minmax") ==
                "minmax"),
      pages(pageOptions(options, format)), rng(options.seed),
      dtype(options.need.dtype == "bf16" ? DType::BF16 : DType::F16),
      keyProfile(oracle::randomProfile(rng, oracle::Side::Key,
                                       static_cast<int>(format.headDim))),
      valueProfile(oracle::randomProfile(rng, oracle::Side::Value,
                                         static_cast<int>(format.headDim))) {}

TokenValues Simulation::makeToken() {
  TokenValues token;
  for (bool key : {true, false}) {
    const oracle::ChannelProfile &profile = key ? keyProfile : valueProfile;
    std::vector<double> &values = key ? token.k : token.v;
    for (int64_t head = 0; head < shadow.kvHeads; ++head)
      for (size_t d = 0; d < profile.mean.size(); ++d)
        values.push_back(profile.mean[d] + profile.amplitude[d] * rng.normal());
    values = roundTo(dtype, std::move(values));
  }
  return token;
}

HostTensor Simulation::blockToSlot() const {
  return intTensor({kBlocks}, std::span(pages.tables().block_to_slot,
                                        static_cast<size_t>(kBlocks)));
}

int32_t Simulation::anyRequest() {
  auto at = live.begin();
  std::advance(at, rng.below(static_cast<int64_t>(live.size())));
  return at->first;
}

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

void Simulation::arrive() {
  if (live.size() == kRequests)
    return;
  ++counts.requests;
  if (live.empty() || rng.chance(0.5)) {
    live[pages.begin()] = {};
    return;
  }
  int32_t number = anyRequest();
  const ShadowRequest &parent = live.at(number);
  int64_t tokens = rng.between(0, parent.length);
  auto [child, shared] = pages.fork(number, tokens);
  ShadowRequest expected = shadow.fork(parent, tokens);
  if (shared != expected.length)
    throw Difference(formatText("fork shares %lld tokens, expected %lld",
                                static_cast<long long>(shared),
                                static_cast<long long>(expected.length)));
  counts.forks += shared > 0;
  live[child] = std::move(expected);
}

void Simulation::leave() {
  // Those that have no room left first.
  int32_t request = anyRequest();
  for (const auto &[each, values] : live)
    if (pages.request(each).room == 0)
      request = each;
  pages.end(request);
  live.erase(request);
}

void Simulation::truncate(int32_t request, int64_t length) {
  ShadowRequest &own = live.at(request);
  kvarn_pages_truncation result;
  try {
    result = pages.truncate(request, length);
  } catch (const kvarn::Error &error) {
    if (error.status() != KVARN_STATUS_CAPACITY)
      throw;
    ++counts.refused; // and nothing has changed, as the tables show
    return;
  }
  bool inFlightBefore = false;
  if (length % format.group != 0 && length < own.length)
    inFlightBefore =
        own.blocks[static_cast<size_t>(length / format.group)]->inFlight;
  ShadowBlockRef back = shadow.truncate(own, length);
  counts.cutInFlight += inFlightBefore && own.length == length;
  if (result.length != own.length || (result.unflush_block >= 0) != !!back)
    throw Difference(formatText(
        "truncate to %lld left %lld tokens and un-flushes block %d, expected "
        "%lld tokens and %s block",
        static_cast<long long>(length), static_cast<long long>(result.length),
        result.unflush_block, static_cast<long long>(own.length),
        back ? "a" : "no"));
  if (!back)
    return;
  ++counts.unflushed;
  BlockPair pair = {result.unflush_block, result.unflush_slot};
  engine.unflush({&pair, 1});
  judge.checkUnflushed(*back, result.unflush_slot);
  back->packed = false;
}

void Simulation::rollBack() {
  ++counts.rollbacks;
  int32_t request = anyRequest();
  // Often where blocks were completed not long ago.
  int64_t length = live.at(request).length,
          least = rng.chance(0.5) ? length - 2 * format.group : 0;
  truncate(request, rng.between(std::max<int64_t>(least, 0), length));
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

/// Some of the requests, in any order, with a few tokens or a piece of a prompt
/// each; none if there is no room for them.
std::vector<Simulation::Entry> Simulation::chooseBatch() {
  std::vector<int32_t> order;
  for (const auto &[request, values] : live)
    if (rng.chance(0.8))
      order.push_back(request);
  rng.shuffle(order);
  std::vector<Entry> batch;
  for (int32_t request : order) {
    int64_t tokens = rng.chance(0.25) ? rng.between(1, 5 * format.group / 2)
                                      : rng.between(1, 4);
    try {
      batch.push_back({request, pages.append(request, tokens)});
    } catch (const kvarn::Error &error) {
      if (error.status() != KVARN_STATUS_CAPACITY)
        throw;
      ++counts.refused;
      batch.push_back({request, {}});
    }
  }
  return batch;
}

void Simulation::appendTokens(const std::vector<Entry> &batch) {
  std::vector<double> k, v;
  std::vector<int64_t> mapping;
  last.first.clear();
  for (const Entry &entry : batch)
    for (int64_t place : entry.mapping) {
      ShadowRequest &request = live.at(entry.request);
      TokenValues token = makeToken();
      shadow.append(request, token);
      if ((request.length - 1) % format.group == 0)
        last.first[request.blocks.back().get()] =
            static_cast<int64_t>(mapping.size());
      k.insert(k.end(), token.k.begin(), token.k.end());
      v.insert(v.end(), token.v.begin(), token.v.end());
      mapping.push_back(place);
    }
  counts.tokens += static_cast<int64_t>(mapping.size());
  // A padded batch.
  auto rows = static_cast<int64_t>(mapping.size()) + rng.between(0, 3);
  auto size = static_cast<size_t>(rows * shadow.kvHeads * format.headDim);
  k.resize(size, NAN);
  v.resize(size, NAN);
  mapping.resize(static_cast<size_t>(rows), -1);
  std::vector<int64_t> shape = {rows, shadow.kvHeads, format.headDim};
  last.k = halfTensor(dtype, shape, k);
  last.v = halfTensor(dtype, shape, v);
  HostTensor places(DType::I64, {rows});
  std::copy(mapping.begin(), mapping.end(), places.as<int64_t>().begin());
  if (rows > 0)
    engine.append(last.k, last.v, places, blockToSlot());
}

void Simulation::decode(const std::vector<Entry> &batch, bool check) {
  std::vector<int32_t> ids, starts = {0};
  std::vector<const ShadowRequest *> requests;
  for (const Entry &entry : batch) {
    ids.push_back(entry.request);
    requests.push_back(&live.at(entry.request));
    starts.push_back(starts.back() +
                     static_cast<int32_t>(entry.mapping.size()));
  }
  auto count = static_cast<int64_t>(ids.size());
  Tables tables = {HostTensor(DType::I32, {count, kColumns}), blockToSlot(),
                   HostTensor(DType::I32, {count})};
  run::check(kvarn_pages_gather(pages.get(), ids.data(), ids.size(),
                                tables.blockTable.as<int32_t>().data(),
                                tables.seqLens.as<int32_t>().data()));
  if (starts.back() == 0)
    return;
  int64_t heads = options.need.queryHeads;
  std::vector<double> values(
      static_cast<size_t>(starts.back() * heads * format.headDim));
  // Keys have channels of a few times 10: scores with a deviation of about 1.
  for (double &value : values)
    value = 0.2 * rng.normal();
  HostTensor q =
      halfTensor(dtype, {starts.back(), heads, format.headDim}, values);
  HostTensor queryStart = intTensor({count + 1}, starts);
  double scale = 1 / std::sqrt(static_cast<double>(format.headDim));
  HostTensor out = engine.attend(q, queryStart, tables, scale);
  if (check)
    judge.checkAttend(requests, q, queryStart, scale, out);
}

/// Some of the speculative tokens are accepted, the others dropped; or a later
/// step decides.
void Simulation::accept(const std::vector<Entry> &batch) {
  for (const Entry &entry : batch) {
    ShadowRequest &request = live.at(entry.request);
    int64_t guesses = request.length - request.committed;
    if (rng.chance(0.2))
      continue;
    // All of a prompt; guesses may be wrong.
    int64_t taken =
        guesses > 8 || rng.chance(0.5) ? guesses : rng.between(0, guesses);
    pages.commit(entry.request, taken);
    request.committed += taken;
    if (taken == guesses || rng.chance(0.3))
      continue;
    counts.dropped += guesses - taken;
    truncate(entry.request, request.committed);
  }
}

//===----------------------------------------------------------------------===//
// Flushing
//===----------------------------------------------------------------------===//

/// Whether all tokens of a block are final, and it is not packed yet.
bool Simulation::mayBeFlushed(const ShadowBlock &block) const {
  if (block.packed || block.inFlight ||
      (block.first && !options.firstBlockPacked))
    return false;
  for (const auto &[request, values] : live)
    for (int64_t i = 0; i < values.committed / format.group; ++i)
      if (values.blocks[static_cast<size_t>(i)].get() == &block)
        return true;
  return false;
}

void Simulation::flushSome() {
  std::vector<int32_t> list(2 * static_cast<size_t>(rng.between(1, 6)));
  size_t count = 0;
  run::check(kvarn_pages_take_flushes(pages.get(), list.data(), list.size() / 2,
                                      &count));
  std::vector<BlockPair> flushes, packs;
  for (size_t i = 0; i < count; ++i) {
    int32_t number = list[2 * i], slot = list[2 * i + 1];
    ShadowBlock &block = blockAt(number);
    if (!mayBeFlushed(block))
      throw Difference(formatText(
          "block %d is to be flushed, but it is packed, on its way, not "
          "committed or the first of its request",
          number));
    judge.checkSlot(block, slot, format.group);
    auto row = last.first.find(&block);
    if (row != last.first.end() && rng.chance(0.7))
      packs.emplace_back(number, static_cast<int32_t>(row->second));
    else
      flushes.emplace_back(number, slot);
    block.inFlight = true;
  }
  counts.flushed += static_cast<int64_t>(flushes.size());
  counts.packed += static_cast<int64_t>(packs.size());
  engine.flush(flushes);
  if (!packs.empty())
    engine.pack(last.k, last.v, packs);
  for (const std::vector<BlockPair> *each : {&flushes, &packs})
    for (auto [number, from] : *each)
      judge.checkRecord(blockAt(number), number);
  for (auto &[request, values] : live)
    for (const ShadowBlockRef &block : values.blocks)
      if (block->inFlight)
        inFlight.push_back(block);
}

void Simulation::finishFlushes() {
  pages.flushed();
  for (const std::weak_ptr<ShadowBlock> &each : inFlight)
    if (ShadowBlockRef block = each.lock(); block && block->inFlight) {
      block->inFlight = false;
      block->packed = !block->cut;
      block->cut = false;
    }
  inFlight.clear();
}

//===----------------------------------------------------------------------===//
// A step
//===----------------------------------------------------------------------===//

/// Every block of the shadow has a number of its own, and is where it should
/// be.
void Simulation::checkTables() {
  kvarn_pages_tables tables = pages.tables();
  numbers.clear();
  std::map<int32_t, const ShadowBlock *> slots;
  std::map<const ShadowBlock *, int32_t> places;
  for (const auto &[request, values] : live) {
    if (tables.seq_lens[request] != values.length)
      throw Difference(formatText("request %d has %d tokens, expected %lld",
                                  request, tables.seq_lens[request],
                                  static_cast<long long>(values.length)));
    for (size_t i = 0; i < values.blocks.size(); ++i) {
      ShadowBlock *block = values.blocks[i].get();
      int32_t number =
          tables.block_table[static_cast<size_t>(request * kColumns) + i];
      int32_t slot = tables.block_to_slot[number];
      if (numbers.emplace(number, block).first->second != block ||
          places.emplace(block, number).first->second != number ||
          (slot >= 0 && slots.emplace(slot, block).first->second != block))
        throw Difference(
            formatText("block %d or its slot %d belongs to two", number, slot));
      if ((slot < 0) != block->packed)
        throw Difference(formatText("block %d is in slot %d, expected %s",
                                    number, slot,
                                    block->packed ? "none" : "a slot"));
    }
  }
}

void Simulation::step(int64_t number) {
  if (live.empty() || rng.chance(0.2))
    arrive();
  std::vector<Entry> batch = chooseBatch();
  if (!batch.empty()) {
    appendTokens(batch);
    checkTables();
    decode(batch, number % options.every == 0);
    if (rng.chance(0.2))
      flushSome();
    accept(batch);
  }
  checkTables();
  if (rng.chance(0.5))
    flushSome();
  if (!live.empty() && rng.chance(0.15))
    rollBack();
  if (rng.chance(0.4))
    finishFlushes();
  if (!live.empty() && rng.chance(0.12))
    leave();
  checkTables();
}

void Simulation::report(Report &report, const std::string &where) const {
  auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf("%s: %lld requests (%lld of shared blocks), %lld tokens (%lld "
              "dropped), %lld blocks flushed and %lld packed, %lld rollbacks, "
              "%lld blocks un-flushed and %lld cut in flight, %lld times "
              "full\n",
              where.c_str(), number(counts.requests), number(counts.forks),
              number(counts.tokens), number(counts.dropped),
              number(counts.flushed), number(counts.packed),
              number(counts.rollbacks), number(counts.unflushed),
              number(counts.cutInFlight), number(counts.refused));
  const Findings &found = judge.found;
  double percent = 100.0 * static_cast<double>(found.rounded) /
                   static_cast<double>(std::max<size_t>(found.elements, 1));
  std::string flushHash = engine.flushKernel().hash();
  report.add(where, "slots",
             {formatText("<= 1 ulp, %.3f %%", percent), "<= 1 ulp, <= 0.3 %",
              percent <= 0.3, ""},
             flushHash);
  report.add(where, formatText("records (%lld tiles)", number(found.tiles)),
             {formatText("%d codes, %.2g", found.worstCodes, found.worstVector),
              "<= 8 codes, <= 1e-3", true, ""},
             flushHash);
  report.add(where, formatText("attend (%lld steps)", number(found.decodes)),
             below(found.worstAttend, found.decodes ? found.attendLimit : 2e-3),
             engine.attendKernel().hash());
}

} // namespace kvarn::run
