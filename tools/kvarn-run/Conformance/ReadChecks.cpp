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
  auto results =
      runRepeatedly(context, "attend", kernel, [&](const Running &running) {
        return launchAttend(kernel, input, running);
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
                                                 int64_t dim,
                                                 const Running &running) {
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
  Launch launch(running, kernel);
  kvarn_materialize_args args = {};
  args.struct_size = sizeof args;
  args.pages = launch.read(cache.pages);
  args.pool_k = launch.read(cache.poolK);
  args.pool_v = launch.read(cache.poolV);
  args.block_table = launch.read(cache.blockTable);
  args.block_to_slot = launch.read(cache.blockToSlot);
  args.seq_lens = launch.read(cache.seqLens);
  args.k_out = launch.write(results[0]);
  args.v_out = launch.write(results[1]);
  launch.run(args);
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
  auto results = runRepeatedly(
      context, "materialize", kernel, [&](const Running &running) {
        return launchMaterialize(kernel, cache, view.format.headDim, running);
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
