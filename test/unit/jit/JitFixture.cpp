//===- JitFixture.cpp - Caches and kernels for tests of the JIT -----------===//

#include "test/unit/jit/JitFixture.h"

#include "test/oracle/Attention.h"
#include "test/oracle/Random.h"
#include "test/oracle/Rotation.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace kvarn::test {

namespace fs = std::filesystem;

TempCache::TempCache() {
  std::string pattern = (fs::temp_directory_path() / "kvarn-XXXXXX").string();
  folder = mkdtemp(pattern.data());
  cache = path("cache");
}

TempCache::~TempCache() {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

std::vector<std::string> TempCache::list(const std::string &suffix) const {
  std::vector<std::string> names;
  for (const fs::directory_entry &entry : fs::directory_iterator(path()))
    if (entry.path().filename().string().ends_with(suffix))
      names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

kvarn_jit_options jitOptions(const std::string &cache,
                             kvarn_compiler compiler) {
  auto options = make<kvarn_jit_options>();
  options.cache_folder = cache.c_str();
  options.compiler = compiler;
  return options;
}

//===----------------------------------------------------------------------===//
// Small kernels
//===----------------------------------------------------------------------===//

static constexpr int kDim = 64, kHeads = 2, kBlocks = 2;

/// Two blocks, both in the pool, in each other's place.
static int32_t blockToSlot[kBlocks] = {1, 0};

std::vector<SmallKernel> smallKernels() {
  std::vector<SmallKernel> kernels;
  for (auto [kernel, dtype] :
       {std::pair("append", "f16"), {"append", "bf16"}, {"materialize", "f16"}})
    for (int key : {2, 4, 8})
      for (int value : {2, 4, 8})
        for (int group : {64, 128})
          kernels.push_back(
              {kernel, oracle::Format{key, value, group, kDim}.name(), dtype});
  kernels.resize(50);
  return kernels;
}

Request SmallKernel::request() const {
  Request request(kernel);
  request.format(format).dtype(dtype).headDim(kDim);
  return request;
}

namespace {
/// Two blocks of K and V.
struct Data {
  Data(int group, bool bfloat, uint64_t seed)
      : group(group), bfloat(bfloat), tokens(kBlocks * group) {
    oracle::Rng rng(seed);
    for (int side = 0; side < 2; ++side) {
      raw[side] = oracle::Matrix(tokens * kHeads, kDim);
      for (double &x : raw[side].data) {
        x = round(2 * rng.uniform() - 1);
        given[side].push_back(bfloat ? oracle::doubleToBfloat16(x)
                                     : oracle::doubleToHalf(x));
      }
      pool[side].resize(raw[side].data.size());
    }
  }

  double round(double x) const {
    return bfloat ? oracle::roundToBfloat16(x) : oracle::roundToHalf(x);
  }
  Tensor tokensTensor(const std::vector<uint16_t> &values) const {
    return Tensor(values.data(), bfloat ? BF16 : F16, {tokens, kHeads, kDim});
  }
  Tensor poolTensor(int side) const {
    return Tensor(pool[side].data(), F16, {kBlocks, group, kHeads, kDim});
  }
  /// The row of the pool that holds row `row` of the tokens.
  int64_t poolRow(int64_t row) const {
    int64_t rows = int64_t(group) * kHeads;
    return blockToSlot[row / rows] * rows + row % rows;
  }

  int group;
  bool bfloat;
  int64_t tokens;
  oracle::Matrix raw[2];
  std::vector<uint16_t> given[2], pool[2];
};
} // namespace

static std::string checkAppend(const Kernel &kernel, Data data) {
  std::vector<int64_t> mapping;
  for (int64_t token = 0; token < data.tokens; ++token)
    mapping.push_back(token);
  Tensor k = data.tokensTensor(data.given[0]),
         v = data.tokensTensor(data.given[1]);
  Tensor poolK = data.poolTensor(0), poolV = data.poolTensor(1);
  Tensor slots(mapping.data(), I64, {data.tokens});
  Tensor table(blockToSlot, I32, {kBlocks});
  auto args = make<kvarn_append_args>();
  args.k = k;
  args.v = v;
  args.slot_mapping = slots;
  args.pool_k = poolK;
  args.pool_v = poolV;
  args.block_to_slot = table;
  kernel.append(args);
  for (int side = 0; side < 2; ++side) {
    std::vector<uint16_t> rotated;
    for (int64_t row = 0; row < data.tokens * kHeads; ++row) {
      auto begin = data.pool[side].begin() + data.poolRow(row) * kDim;
      rotated.insert(rotated.end(), begin, begin + kDim);
    }
    oracle::RotationCheck check =
        oracle::checkRotation(data.raw[side], rotated);
    if (!check.passed)
      return "append: " + check.message;
  }
  return "";
}

static std::string checkMaterialize(const Kernel &kernel, Data data,
                                    const std::string &format) {
  for (int side = 0; side < 2; ++side)
    for (int64_t row = 0; row < data.tokens * kHeads; ++row) {
      auto source = data.raw[side].row(static_cast<int>(row));
      std::vector<double> values(source.begin(), source.end());
      oracle::rotate(values);
      for (int i = 0; i < kDim; ++i)
        data.pool[side][data.poolRow(row) * kDim + i] =
            oracle::doubleToHalf(values[i]);
    }
  oracle::Format record;
  std::sscanf(format.c_str(), "kvarn_k%dv%d_g%d", &record.keyBits,
              &record.valueBits, &record.group);
  record.headDim = kDim;
  std::vector<uint8_t> bytes(kBlocks * kHeads * record.recordBytes());
  std::vector<uint16_t> out[2];
  for (auto &values : out)
    values.resize(data.given[0].size(), 0x7e00);
  int32_t blocks[kBlocks] = {0, 1}, length = static_cast<int32_t>(data.tokens);
  Tensor pages(bytes.data(), I8, {kBlocks, kHeads, record.recordBytes()});
  Tensor poolK = data.poolTensor(0), poolV = data.poolTensor(1);
  Tensor blockTable(blocks, I32, {1, kBlocks}),
      table(blockToSlot, I32, {kBlocks});
  Tensor lengths(&length, I32, {1});
  Tensor kOut(out[0].data(), F16, {1, data.tokens, kHeads, kDim});
  Tensor vOut(out[1].data(), F16, {1, data.tokens, kHeads, kDim});
  auto args = make<kvarn_materialize_args>();
  args.pages = pages;
  args.pool_k = poolK;
  args.pool_v = poolV;
  args.block_table = blockTable;
  args.block_to_slot = table;
  args.seq_lens = lengths;
  args.k_out = kOut;
  args.v_out = vOut;
  kernel.materialize(args);
  for (int side = 0; side < 2; ++side) {
    std::vector<double> got;
    for (uint16_t bits : out[side])
      got.push_back(oracle::halfToDouble(bits));
    double error = oracle::relativeError(got, data.raw[side].data);
    if (!(error < 1e-3))
      return "materialize: relative error " + std::to_string(error);
  }
  return "";
}

std::string SmallKernel::check(const Kernel &handle, uint64_t seed) const {
  Data data(format.ends_with("g64") ? 64 : 128, dtype == "bf16", seed);
  return kernel == "append" ? checkAppend(handle, std::move(data))
                            : checkMaterialize(handle, std::move(data), format);
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

Request attendRequest() {
  Request request("attend");
  request.format("kvarn_k4v2_g64").dtype("f16").headDim(kDim).ratio(2);
  request.features("causal");
  return request;
}

std::string checkAttend(const Kernel &kernel, uint64_t seed,
                        const kvarn_launch_options *options) {
  Data data(64, false, seed);
  oracle::Rng rng(seed + 1);
  for (int side = 0; side < 2; ++side)
    for (size_t i = 0; i < data.given[side].size(); ++i)
      data.pool[side][i] = data.given[side][i];
  constexpr int heads = 2 * kHeads;
  std::vector<uint16_t> q, out(heads * kDim, 0x7e00);
  for (int i = 0; i < heads * kDim; ++i)
    q.push_back(oracle::doubleToHalf(2 * rng.uniform() - 1));
  int32_t start[] = {0, 1}, blocks[kBlocks] = {0, 1}, length = 100;
  oracle::Format format{4, 2, 64, kDim};
  std::vector<uint8_t> bytes(kBlocks * kHeads * format.recordBytes());

  oracle::AttentionInput input;
  input.cache.format = format;
  input.cache.kvHeads = kHeads;
  input.cache.records = bytes.data();
  input.cache.headStride = format.recordBytes();
  input.cache.blockStride = kHeads * format.recordBytes();
  input.cache.poolK = oracle::TensorView(
      data.pool[0].data(), oracle::DType::F16, {kBlocks, 64, kHeads, kDim});
  input.cache.poolV = oracle::TensorView(
      data.pool[1].data(), oracle::DType::F16, {kBlocks, 64, kHeads, kDim});
  input.cache.blockTable = blocks;
  input.cache.blockTableStride = kBlocks;
  input.cache.blockToSlot = blockToSlot;
  input.cache.seqLens = std::span(&length, 1);
  input.q = oracle::TensorView(q.data(), oracle::DType::F16, {1, heads, kDim});
  input.queryStart = start;
  input.scale = 1 / std::sqrt(double(kDim));
  oracle::AttentionResult exact = oracle::attend(input);

  Tensor qTensor(q.data(), F16, {1, heads, kDim}), starts(start, I32, {2});
  Tensor pages(bytes.data(), I8, {kBlocks, kHeads, format.recordBytes()});
  Tensor poolK = data.poolTensor(0), poolV = data.poolTensor(1);
  Tensor blockTable(blocks, I32, {1, kBlocks}),
      table(blockToSlot, I32, {kBlocks});
  Tensor lengths(&length, I32, {1}),
      outTensor(out.data(), F16, {1, heads, kDim});
  auto args = make<kvarn_attend_args>();
  args.q = qTensor;
  args.query_start = starts;
  args.pages = pages;
  args.pool_k = poolK;
  args.pool_v = poolV;
  args.block_table = blockTable;
  args.block_to_slot = table;
  args.seq_lens = lengths;
  args.out = outTensor;
  kernel.attend(args, options);
  std::vector<double> got;
  for (uint16_t bits : out)
    got.push_back(oracle::halfToDouble(bits));
  double error = oracle::relativeError(got, exact.out);
  return error < oracle::errorLimit(input, exact)
             ? ""
             : "attend: relative error " + std::to_string(error);
}

} // namespace kvarn::test
