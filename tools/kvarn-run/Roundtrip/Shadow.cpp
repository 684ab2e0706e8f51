//===- Shadow.cpp - What a cache should hold ------------------------------===//

#include "tools/kvarn-run/Roundtrip/Shadow.h"

#include "test/oracle/Half.h"
#include "test/oracle/Rotation.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace kvarn::run {

using oracle::Matrix;
using oracle::Side;

ShadowBlockRef Shadow::newBlock(bool first) const {
  auto block = std::make_shared<ShadowBlock>();
  size_t rows = static_cast<size_t>(format.group * kvHeads);
  for (Side side : {Side::Key, Side::Value})
    block->rows(side).resize(static_cast<size_t>(format.group) * rowSize());
  block->kNoise.resize(rows);
  block->vNoise.resize(rows);
  block->records.resize(static_cast<size_t>(kvHeads * format.recordBytes()));
  block->first = first;
  return block;
}

void Shadow::append(ShadowRequest &request, const TokenValues &token) const {
  int64_t at = request.length % format.group;
  if (at == 0)
    request.blocks.push_back(newBlock(request.blocks.empty()));
  ShadowBlock &block = *request.blocks.back();
  double entry = 1 / std::sqrt(static_cast<double>(format.headDim));
  for (bool key : {true, false}) {
    Matrix raw(static_cast<int>(kvHeads), static_cast<int>(format.headDim));
    raw.data = key ? token.k : token.v;
    Matrix rotated = oracle::rotateReference(raw);
    std::vector<uint16_t> &rows = key ? block.k : block.v;
    std::transform(rotated.data.begin(), rotated.data.end(),
                   rows.begin() + at * static_cast<int64_t>(rowSize()),
                   oracle::doubleToHalf);
    for (int head = 0; head < raw.rows; ++head) {
      double sum = 0;
      for (double value : raw.row(head))
        sum += std::abs(value);
      (key ? block.kNoise
           : block.vNoise)[static_cast<size_t>(at * kvHeads + head)] =
          sum * entry * 0x1p-22; // see compareRotated
    }
  }
  ++request.length;
}

ShadowRequest Shadow::fork(const ShadowRequest &parent, int64_t tokens) const {
  ShadowRequest child;
  int64_t count = std::min(tokens, parent.committed) / format.group;
  child.blocks.assign(parent.blocks.begin(), parent.blocks.begin() + count);
  child.length = child.committed = count * format.group;
  return child;
}

ShadowBlockRef Shadow::truncate(ShadowRequest &request, int64_t length) const {
  int64_t index = length / format.group;
  bool cuts = length % format.group != 0 && length < request.length;
  if (cuts && request.blocks[static_cast<size_t>(index)].use_count() > 1) {
    length = index * format.group;
    cuts = false;
  }
  request.blocks.resize(
      static_cast<size_t>((length + format.group - 1) / format.group));
  request.length = length;
  request.committed = std::min(request.committed, length);
  if (!cuts)
    return nullptr;
  ShadowBlock &block = *request.blocks.back();
  block.cut = block.inFlight;
  return block.packed ? request.blocks.back() : nullptr;
}

Matrix Shadow::tile(const ShadowBlock &block, Side side, int64_t head) const {
  Matrix result(static_cast<int>(format.group),
                static_cast<int>(format.headDim));
  const std::vector<uint16_t> &rows = block.rows(side);
  for (int64_t t = 0; t < format.group; ++t)
    for (int64_t d = 0; d < format.headDim; ++d)
      result(static_cast<int>(t), static_cast<int>(d)) = oracle::halfToDouble(
          rows[static_cast<size_t>((t * kvHeads + head) * format.headDim + d)]);
  return result;
}

std::span<const uint8_t> Shadow::record(const ShadowBlock &block,
                                        int64_t head) const {
  auto size = static_cast<size_t>(format.recordBytes());
  return std::span(block.records)
      .subspan(static_cast<size_t>(head) * size, size);
}

CacheTensors
Shadow::makeCache(std::span<const ShadowRequest *const> requests) const {
  std::map<const ShadowBlock *, int32_t> numbers;
  size_t columns = 1;
  int64_t slots = 0;
  for (const ShadowRequest *request : requests) {
    columns = std::max(columns, request->blocks.size());
    for (const ShadowBlockRef &block : request->blocks)
      if (numbers.emplace(block.get(), numbers.size()).second)
        slots += !block->packed;
  }
  auto blocks = static_cast<int64_t>(numbers.size());
  auto batch = static_cast<int64_t>(requests.size());
  CacheTensors cache;
  cache.pages = HostTensor(DType::U8, {blocks, kvHeads, format.recordBytes()});
  cache.poolK =
      HostTensor(DType::F16, {slots, format.group, kvHeads, format.headDim});
  cache.poolV = cache.poolK.clone();
  cache.blockTable =
      HostTensor(DType::I32, {batch, static_cast<int64_t>(columns)});
  cache.blockToSlot = HostTensor(DType::I32, {blocks});
  cache.seqLens = HostTensor(DType::I32, {batch});
  int32_t slot = 0;
  for (auto [block, number] : numbers) {
    auto size = static_cast<int64_t>(block->records.size());
    std::copy(block->records.begin(), block->records.end(),
              cache.pages.bytes().begin() + number * size);
    cache.blockToSlot.as<int32_t>()[static_cast<size_t>(number)] =
        block->packed ? -1 : slot;
    if (block->packed)
      continue;
    auto elements = static_cast<int64_t>(block->k.size());
    std::copy(block->k.begin(), block->k.end(),
              cache.poolK.as<uint16_t>().begin() + slot * elements);
    std::copy(block->v.begin(), block->v.end(),
              cache.poolV.as<uint16_t>().begin() + slot * elements);
    ++slot;
  }
  for (size_t b = 0; b < requests.size(); ++b) {
    cache.seqLens.as<int32_t>()[b] = static_cast<int32_t>(requests[b]->length);
    for (size_t i = 0; i < requests[b]->blocks.size(); ++i)
      cache.blockTable.as<int32_t>()[b * columns + i] =
          numbers.at(requests[b]->blocks[i].get());
  }
  return cache;
}

} // namespace kvarn::run
