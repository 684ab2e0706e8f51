//===- ReadChecks.cpp - attend and materialize against the oracle ---------===//

#include "tools/kvarn-run/Conformance/Checks.h"
#include "tools/kvarn-run/Text.h"

#include "test/oracle/Rotation.h"

#include <algorithm>
#include <cmath>

namespace kvarn::run {

//===----------------------------------------------------------------------===//
// attend
//===----------------------------------------------------------------------===//

static std::vector<HostTensor>
launchAttend(const Kernel &kernel, const AttendCase &input, int threads) {
  std::vector<HostTensor> results;
  results.emplace_back(input.q.dtype(), input.q.shape());
  results[0].fill(0x7f);
  if (kernel.hasFeature("lse")) {
    results.emplace_back(
        DType::F32, std::vector<int64_t>{input.q.extent(0), input.q.extent(1)});
    results[1].fill(0x7f);
  }
  kvarn_attend_args args = {};
  args.struct_size = sizeof args;
  args.q = input.q.descriptor();
  args.query_start = input.queryStart.descriptor();
  args.pages = input.cache.pages.descriptor();
  args.pool_k = input.cache.poolK.descriptor();
  args.pool_v = input.cache.poolV.descriptor();
  args.block_table = input.cache.blockTable.descriptor();
  args.block_to_slot = input.cache.blockToSlot.descriptor();
  args.seq_lens = input.cache.seqLens.descriptor();
  args.scale = static_cast<float>(input.scale);
  args.window = static_cast<int32_t>(input.window);
  args.softcap = static_cast<float>(input.softcap);
  args.sinks = kernel.hasFeature("sinks") ? input.sinks.descriptor() : nullptr;
  args.out = results[0].descriptor();
  args.lse = results.size() > 1 ? results[1].descriptor() : nullptr;
  kvarn_launch_options options = launchOptions(threads);
  check(kvarn_attend(kernel.get(), &args, &options));
  return results;
}

/// Rows that see nothing: their output must be 0, and no other's all zero.
static Figure checkEmptyRows(const std::vector<double> &out,
                             const std::vector<double> &lse) {
  size_t wrong = 0, dim = out.size() / std::max<size_t>(lse.size(), 1);
  for (size_t row = 0; row < lse.size(); ++row)
    if (lse[row] == -INFINITY)
      wrong += std::any_of(out.begin() + static_cast<int64_t>(row * dim),
                           out.begin() + static_cast<int64_t>((row + 1) * dim),
                           [](double value) { return value != 0; });
  return {std::to_string(wrong) + " rows not 0", "0", wrong == 0, ""};
}

/// Largest difference of the logarithms of the sums. Both must be -inf in the
/// same places.
static double lseError(const std::vector<double> &got,
                       const std::vector<double> &want) {
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::isinf(want[i]) && got[i] == want[i])
      continue;
    double error =
        std::abs(got[i] - want[i]) / std::max(1.0, std::abs(want[i]) / 8);
    worst = error <= worst ? worst : error; // NaN wins
    if (std::isnan(error))
      return error;
  }
  return worst;
}

HostTensor checkAttend(const Context &context, const Kernel &kernel,
                       const AttendCase &input,
                       const oracle::AttentionInput &reference) {
  auto results = runRepeatedly(context, "attend", kernel, [&](int threads) {
    return launchAttend(kernel, input, threads);
  });
  oracle::AttentionResult exact = oracle::attend(reference);
  std::vector<double> out = toDoubles(results[0]);
  double limit = oracle::errorLimit(reference, exact);
  // The limit is for fp16 outputs; bf16 rounds more coarsely by itself.
  if (input.q.dtype() == DType::BF16)
    limit += oracle::relativeError(roundTo(DType::BF16, exact.out), exact.out);
  // Values of 1e4 in a constant tile add up to more than fp16 holds.
  std::vector<double> want = exact.out;
  if (input.q.dtype() == DType::F16)
    for (double &value : want)
      value = std::clamp(value, -oracle::kHalfMax, oracle::kHalfMax);
  context.add("attend", below(oracle::relativeError(out, want), limit), kernel);
  context.add("attend empty", checkEmptyRows(out, exact.lse), kernel);
  if (results.size() > 1) {
    // As for `out`: three times what rounding q to fp16 does, if that is more.
    double rounding = lseError(
        oracle::attend(reference, oracle::QueryRounding::Half).lse, exact.lse);
    context.add("attend lse",
                below(lseError(toDoubles(results[1]), exact.lse),
                      std::max(5e-3, 3 * rounding)),
                kernel);
  }
  return std::move(results[0]);
}

//===----------------------------------------------------------------------===//
// materialize
//===----------------------------------------------------------------------===//

/// Positions behind the longest request; they must be 0.
static constexpr int64_t kTail = 3;

static std::vector<HostTensor> launchMaterialize(const Kernel &kernel,
                                                 const CacheTensors &cache,
                                                 int64_t dim, int threads) {
  auto lengths = cache.seqLens.as<int32_t>();
  int64_t longest =
      lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  std::vector<int64_t> shape = {cache.seqLens.extent(0), longest + kTail,
                                cache.pages.extent(1), dim};
  DType dtype = npy::parseDType(kernel.info().dtype).value_or(DType::F16);
  std::vector<HostTensor> results;
  for (int side = 0; side < 2; ++side) {
    results.emplace_back(dtype, shape);
    results.back().fill(0x7f);
  }
  kvarn_materialize_args args = {};
  args.struct_size = sizeof args;
  args.pages = cache.pages.descriptor();
  args.pool_k = cache.poolK.descriptor();
  args.pool_v = cache.poolV.descriptor();
  args.block_table = cache.blockTable.descriptor();
  args.block_to_slot = cache.blockToSlot.descriptor();
  args.seq_lens = cache.seqLens.descriptor();
  args.k_out = results[0].descriptor();
  args.v_out = results[1].descriptor();
  kvarn_launch_options options = launchOptions(threads);
  check(kvarn_materialize(kernel.get(), &args, &options));
  return results;
}

namespace {
/// How materialize may get from the record to its result.
struct DenseOptions {
  bool rotateBack = true;
  bool roundFirst = false; // to fp16, which saturates, before the rotation
};
} // namespace

/// What materialize should give: [B, L, Hk, D].
static std::vector<double> expectDense(const oracle::CacheView &view,
                                       oracle::Side side, int64_t length,
                                       DenseOptions options) {
  int64_t dim = view.format.headDim, heads = view.kvHeads;
  auto batch = static_cast<int64_t>(view.seqLens.size());
  std::vector<double> dense(static_cast<size_t>(batch * length * heads * dim));
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t head = 0; head < heads; ++head) {
      oracle::Matrix tokens = oracle::gatherContext(
          view, static_cast<int>(b), static_cast<int>(head), side);
      for (int t = 0; t < tokens.rows; ++t) {
        if (options.roundFirst)
          for (double &value : tokens.row(t))
            value = oracle::roundToHalf(value);
        if (options.rotateBack)
          oracle::rotate(tokens.row(t));
        std::copy_n(tokens.row(t).begin(), dim,
                    dense.begin() + ((b * length + t) * heads + head) * dim);
      }
    }
  return dense;
}

/// Positions at or beyond a request's length.
static Figure checkTail(const std::vector<double> &got,
                        const oracle::CacheView &view, int64_t length) {
  int64_t row = static_cast<int64_t>(view.format.headDim) * view.kvHeads;
  size_t wrong = 0;
  for (size_t b = 0; b < view.seqLens.size(); ++b)
    for (int64_t t = view.seqLens[b]; t < length; ++t)
      for (int64_t i = 0; i < row; ++i)
        wrong += got[static_cast<size_t>(
                     (static_cast<int64_t>(b) * length + t) * row + i)] != 0;
  return {std::to_string(wrong) + " elements not 0", "0", wrong == 0, ""};
}

void checkMaterialize(const Context &context, const Kernel &kernel,
                      const CacheTensors &cache,
                      const oracle::CacheView &view) {
  auto results =
      runRepeatedly(context, "materialize", kernel, [&](int threads) {
        return launchMaterialize(kernel, cache, view.format.headDim, threads);
      });
  int64_t length = results[0].extent(1);
  bool rotateBack = kernel.option("frame").value_or("original") != "rotated";
  for (bool isKey : {true, false}) {
    const HostTensor &result = results[isKey ? 0 : 1];
    std::vector<double> got = toDoubles(result);
    oracle::Side side = isKey ? oracle::Side::Key : oracle::Side::Value;
    // A value beyond the range of fp16 may saturate before the rotation or
    // after it. Otherwise there is little between the two.
    double error = INFINITY, limit = 1e-3;
    for (bool roundFirst : {false, true}) {
      std::vector<double> want =
          expectDense(view, side, length, {rotateBack, roundFirst});
      std::vector<double> rounded = roundTo(result.dtype(), want);
      error = std::min(error, relativeL2(got, rounded));
      // The limit is for fp16 results; bf16 rounds more coarsely by itself.
      if (result.dtype() == DType::BF16 && !roundFirst)
        limit += relativeL2(rounded, want);
    }
    std::string name = std::string("materialize ") + (isKey ? "k" : "v");
    context.add(name, below(error, limit), kernel);
    context.add(name + " end", checkTail(got, view, length), kernel);
  }
}

} // namespace kvarn::run
