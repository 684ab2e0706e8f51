//===- AttendCase.cpp - Cases of the oracle for attend --------------------===//

#include "tools/kvarn-run/Conformance/AttendCase.h"

#include <algorithm>

namespace kvarn::run {

oracle::Format oracleFormat(const Format &format) {
  return {static_cast<int>(format.keyBits), static_cast<int>(format.valueBits),
          static_cast<int>(format.group), static_cast<int>(format.headDim)};
}

static oracle::TensorView halfView(const HostTensor &tensor) {
  return {
      tensor.bytes().data(),
      oracle::DType::F16,
      {tensor.extent(0), tensor.extent(1), tensor.extent(2), tensor.extent(3)}};
}

oracle::CacheView CacheTensors::view(const Format &format,
                                     const HostTensor &reference) const {
  oracle::CacheView view;
  view.format = oracleFormat(format);
  view.kvHeads = static_cast<int>(pages.extent(1));
  view.records = reference.bytes().data();
  view.headStride = pages.extent(2);
  view.blockStride = pages.extent(1) * pages.extent(2);
  view.poolK = halfView(poolK);
  view.poolV = halfView(poolV);
  view.blockTable = blockTable.as<int32_t>().data();
  view.blockTableStride = blockTable.extent(1);
  view.blockToSlot = blockToSlot.as<int32_t>();
  view.seqLens = seqLens.as<int32_t>();
  return view;
}

template <typename T>
static HostTensor copyTensor(DType dtype, std::vector<int64_t> shape,
                             const std::vector<T> &values) {
  HostTensor tensor(dtype, std::move(shape));
  std::copy(values.begin(), values.end(), tensor.as<T>().begin());
  return tensor;
}

AttendCase attendCase(const oracle::RandomCase &random) {
  const oracle::CaseSpec &spec = random.spec;
  auto batch = static_cast<int64_t>(random.seqLens.size());
  std::vector<int64_t> pool = {random.slots, spec.format.group, spec.kvHeads,
                               spec.format.headDim};
  AttendCase result;
  result.cache.pages =
      copyTensor(DType::U8, {random.blocks, spec.kvHeads, random.recordStride},
                 random.cache);
  result.cache.poolK = copyTensor(DType::F16, pool, random.poolK);
  result.cache.poolV = copyTensor(DType::F16, pool, random.poolV);
  result.cache.blockTable =
      copyTensor(DType::I32, {batch, random.maxBlocks}, random.blockTable);
  result.cache.blockToSlot =
      copyTensor(DType::I32, {random.blocks}, random.blockToSlot);
  result.cache.seqLens = copyTensor(DType::I32, {batch}, random.seqLens);
  result.q = copyTensor(
      spec.queryType == oracle::DType::BF16 ? DType::BF16 : DType::F16,
      {random.queryTokens(), random.queryHeads(), spec.format.headDim},
      random.q);
  result.queryStart = copyTensor(DType::I32, {batch + 1}, random.queryStart);
  result.sinks = copyTensor(
      DType::F32, {static_cast<int64_t>(random.sinks.size())}, random.sinks);
  if (spec.newTokens) {
    std::vector<int64_t> shape = {random.queryTokens(), spec.kvHeads,
                                  spec.format.headDim};
    result.newK = copyTensor(result.q.dtype(), shape, random.newK);
    result.newV = copyTensor(result.q.dtype(), shape, random.newV);
  }
  result.scale = random.scale;
  result.softcap = spec.softcap;
  result.window = spec.window;
  return result;
}

std::vector<HostTensor> launchAttend(const Kernel &kernel,
                                     const AttendCase &input,
                                     const Running &running) {
  std::vector<HostTensor> results;
  results.emplace_back(input.q.dtype(), input.q.shape());
  results[0].fill(0x7f);
  if (kernel.hasFeature("lse")) {
    results.emplace_back(
        DType::F32, std::vector<int64_t>{input.q.extent(0), input.q.extent(1)});
    results[1].fill(0x7f);
  }
  Launch launch(running, kernel);
  kvarn_attend_args args = {};
  args.struct_size = sizeof args;
  args.q = launch.read(input.q);
  args.query_start = launch.read(input.queryStart);
  args.pages = launch.read(input.cache.pages);
  args.pool_k = launch.read(input.cache.poolK);
  args.pool_v = launch.read(input.cache.poolV);
  args.block_table = launch.read(input.cache.blockTable);
  args.block_to_slot = launch.read(input.cache.blockToSlot);
  args.seq_lens = launch.read(input.cache.seqLens);
  args.scale = static_cast<float>(input.scale);
  args.window = static_cast<int32_t>(input.window);
  args.softcap = static_cast<float>(input.softcap);
  args.sinks = kernel.hasFeature("sinks") ? launch.read(input.sinks) : nullptr;
  if (kernel.hasFeature("new")) {
    args.new_k = launch.read(input.newK);
    args.new_v = launch.read(input.newV);
  }
  args.out = launch.write(results[0]);
  args.lse = results.size() > 1 ? launch.write(results[1]) : nullptr;
  launch.run(args);
  return results;
}

} // namespace kvarn::run
