//===- LaunchTest.cpp - Launching kernels by named arguments --------------===//

#include "test/unit/runtime/Fixture.h"

#include <numeric>

using namespace kvarn;
using namespace kvarn::test;

namespace {
class Launching : public testing::Test {
protected:
  Launching()
      : folder({scaleVariant(), sumVariant(), visitVariant()}),
        library(folder.open()), scale(library.select("scale.1")) {
    std::iota(x.begin(), x.end(), 1.0f);
  }

  static Variant visitVariant() {
    Variant variant = makeVariant(
        "visit.1", "visit",
        {tensor("visits", DType::I64, {-1}, true), scalar("nx", DType::I32),
         scalar("ny", DType::I32), scalar("nz", DType::I64)},
        "visit");
    variant.launches[0].grid = {Rule::param("nx"), Rule::param("ny"),
                                Rule::param("nz")};
    variant.launches[0].sharedBytes = 100;
    return variant;
  }

  /// The error of scaling `in` to `out`.
  std::string error(const Tensor &in, const Tensor &out) {
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] {
      scale.launch({{"x", in}, {"factor", 2}, {"y", out}});
    });
  }

  TempLibrary folder;
  Library library;
  Kernel scale;
  std::vector<float> x = std::vector<float>(12), y = std::vector<float>(12);
};
} // namespace

TEST_F(Launching, RunsEveryCellOnce) {
  Kernel kernel = library.select("visit.1");
  for (int threads : {0, 1, 2, 7}) {
    std::vector<int64_t> visits(5 * 7 * 11);
    auto options = make<kvarn_launch_options>();
    options.threads = threads;
    kernel.launch({{"visits", Tensor(visits.data(), I64, {5 * 7 * 11})},
                   {"nx", 5},
                   {"ny", 7},
                   {"nz", 11}},
                  &options);
    for (int64_t count : visits)
      ASSERT_EQ(count, 1);
  }
  kernel.launch({{"visits", Tensor(nullptr, I64, {0})},
                 {"nx", 5},
                 {"ny", 0},
                 {"nz", 11}});
}

TEST_F(Launching, PassesTensorsAndScalars) {
  scale.launch({{"factor", 0.5},
                {"y", Tensor(y.data(), F32, {3, 4})},
                {"x", Tensor(x.data(), F32, {3, 4})}});
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(y[i], x[i] * 0.5f);
  // Strided input, with a byte offset: columns 1 and 2 of rows 2 and 0.
  Tensor strided(x.data(), F32, {2, 2}, {-8, 1});
  kvarn_tensor view = *strided.get();
  view.byte_offset = 9 * sizeof(float);
  scale.launch(
      {{"factor", 1}, {"y", Tensor(y.data(), F32, {2, 2})}, {"x", &view}});
  EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 4),
            (std::vector<float>{10, 11, 2, 3}));
}

TEST_F(Launching, BuffersConnectLaunches) {
  Kernel sum = library.select("sum.1");
  std::vector<float> sums(3);
  Tensor in(x.data(), F32, {3, 4}), out(sums.data(), F32, {3});
  std::vector<Argument> arguments = {{"x", in}, {"sums", out}};
  sum.launch(arguments);
  EXPECT_EQ(sums, (std::vector<float>{30, 174, 446}));

  // Two buffers, each rounded up to the alignment of the workspace.
  EXPECT_EQ(sum.workspaceBytes(arguments), 512u);
  EXPECT_EQ(scale.workspaceBytes({{"x", in}, {"factor", 1}, {"y", in}}), 0u);
  Tensor shapeOnly(nullptr, F32, {100, 64}), noSums(nullptr, F32, {100});
  EXPECT_EQ(sum.workspaceBytes({{"x", shapeOnly}, {"sums", noSums}}),
            256u + 100 * 64 * 4);

  alignas(256) char workspace[512];
  auto options = make<kvarn_launch_options>();
  options.workspace = workspace;
  options.workspace_bytes = 512;
  sums.assign(3, 0);
  sum.launch(arguments, &options);
  EXPECT_EQ(sums[2], 446);
  EXPECT_EQ(reinterpret_cast<float *>(workspace + 256)[11], 144);

  options.workspace_bytes = 511;
  auto launch = [&] { sum.launch(arguments, &options); };
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, launch),
            "options.workspace: expected 512 bytes, got 511");
  options.workspace_bytes = 512;
  options.workspace = workspace + 64;
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, launch),
            "options.workspace: expected an address that is a multiple of 256");
}

TEST_F(Launching, Names) {
  Tensor in(x.data(), F32, {3, 4}), out(y.data(), F32, {3, 4});
  auto error = [&](std::vector<Argument> arguments) {
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                   [&] { scale.launch(arguments); });
  };
  EXPECT_EQ(error({{"x", in}, {"factor", 1}}), "y: not given");
  EXPECT_EQ(error({{"x", in}, {"factor", 1}, {"y", out}, {"z", 1}}),
            "z: no such parameter, expected x, factor, y");
  EXPECT_EQ(error({{"x", in}, {"x", in}, {"factor", 1}, {"y", out}}),
            "x: given twice");
  EXPECT_EQ(error({{nullptr, in}}), "argument 0 has no name");
  EXPECT_EQ(error({{"x", 3}, {"factor", 1}, {"y", out}}),
            "x: expected a tensor, got a scalar");
  EXPECT_EQ(error({{"x", in}, {"factor", in}, {"y", out}}),
            "factor: expected a scalar, got a tensor");
  EXPECT_EQ(error({{"x", static_cast<const kvarn_tensor *>(nullptr)},
                   {"factor", 1},
                   {"y", out}}),
            "x: the tensor is NULL");
}

TEST_F(Launching, DTypesAndShapes) {
  Tensor good(y.data(), F32, {3, 4});
  EXPECT_EQ(error(Tensor(x.data(), F16, {3, 4}), good),
            "x: expected dtype f32, got f16");
  EXPECT_EQ(error(Tensor(x.data(), {KVARN_CODE_UINT, 32, 4}, {3, 4}), good),
            "x: expected dtype f32, got u32x4");
  EXPECT_EQ(error(Tensor(x.data(), F32, {12}), good),
            "x: expected shape [any, any], got rank 1");
  EXPECT_EQ(error(Tensor(x.data(), F32, {-3, 4}), good),
            "x: extent 0 is negative: -3");
  EXPECT_EQ(error(Tensor(x.data(), F32, {INT64_MAX, 4}), good),
            "x: is larger than the address space");
  EXPECT_EQ(error(Tensor(x.data(), F32, {3, 4}, {INT64_MIN, 1}), good),
            "x: is larger than the address space");
  kvarn_tensor noShape = *good.get();
  noShape.shape = nullptr;
  EXPECT_EQ(
      errorOf(
          KVARN_STATUS_INVALID_ARGUMENT,
          [&] { scale.launch({{"x", &noShape}, {"factor", 2}, {"y", good}}); }),
      "x: shape is NULL");
}

TEST_F(Launching, StridesAndData) {
  Tensor good(y.data(), F32, {3, 4});
  EXPECT_EQ(error(Tensor(x.data(), F32, {3, 2}, {4, 2}), good),
            "x: stride 1 is 2, expected the innermost one to be 1");
  EXPECT_EQ(error(good, Tensor(y.data(), F32, {3, 4}, {0, 1})),
            "y: stride 0 is 0, but the tensor is written");
  EXPECT_EQ(error(Tensor(nullptr, F32, {3, 4}), good),
            "x: data is NULL, and the shape is [3, 4]");
  EXPECT_EQ(
      error(Tensor(reinterpret_cast<char *>(x.data()) + 2, F32, {1, 2}), good),
      "x: data is not aligned to 4 bytes");
  EXPECT_EQ(
      error(Tensor(x.data(), F32, {3, 4}, {}, {KVARN_DEVICE_CUDA, 0}), good),
      "x: is on CUDA device 0, where the kernel cannot reach it");
  // Of an extent of 1, the stride does not matter; an empty tensor has no data.
  EXPECT_EQ(error(Tensor(x.data(), F32, {3, 1}, {4, 9}), good), "no error");
  EXPECT_EQ(error(Tensor(nullptr, F32, {0, 4}), good), "no error");
}

TEST_F(Launching, StaticShapesAndAlignment) {
  Variant variant = scaleVariant();
  variant.parameters[0].shape = {-1, 4};
  variant.parameters[0].alignment = 16;
  TempLibrary other({variant});
  scale = other.open().select("scale.1");
  alignas(16) float data[16] = {};
  Tensor good(y.data(), F32, {2, 4});
  EXPECT_EQ(error(Tensor(data, F32, {2, 4}), good), "no error");
  EXPECT_EQ(error(Tensor(data, F32, {2, 3}), good),
            "x: expected shape [any, 4], got [2, 3]");
  EXPECT_EQ(error(Tensor(data + 1, F32, {2, 4}), good),
            "x: data is not aligned to 16 bytes");
  EXPECT_EQ(error(Tensor(data, F32, {2, 4}, {6, 1}), good),
            "x: stride 0 is 6, expected a multiple of 16 bytes");
}

TEST_F(Launching, Scalars) {
  Kernel visit = library.select("visit.1");
  int64_t count = 0;
  Tensor visits(&count, I64, {1});
  auto error = [&](Argument nx, Argument nz) {
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] {
      visit.launch({{"visits", visits}, nx, {"ny", 1}, nz});
    });
  };
  EXPECT_EQ(error({"nx", 1.5}, {"nz", 1}),
            "nx: expected an integer, got a real number");
  EXPECT_EQ(error({"nx", int64_t(1) << 31}, {"nz", 1}),
            "nx: 2147483648 does not fit in i32");
  EXPECT_EQ(error({"nx", -1}, {"nz", 1}),
            "visit.1: launches[0].grid[0]: nx is -1");
  EXPECT_EQ(error({"nx", INT32_MAX}, {"nz", INT64_MAX}),
            "launch 0: the grid has more than 2^63 cells");
  Tensor in(x.data(), F32, {3, 4}), out(y.data(), F32, {3, 4});
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                    [&] {
                      scale.launch({{"x", in}, {"factor", 1e300}, {"y", out}});
                    }),
            "factor: does not fit in f32");
}

TEST_F(Launching, Options) {
  Tensor in(x.data(), F32, {3, 4}), out(y.data(), F32, {3, 4});
  auto options = make<kvarn_launch_options>();
  auto launch = [&] {
    scale.launch({{"x", in}, {"factor", 1}, {"y", out}}, &options);
  };
  options.threads = -1;
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, launch),
            "options.threads: expected at least 0, got -1");
  options.threads = 1;
  options.stream = &options;
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, launch),
            "options.stream: expected NULL, the kernel runs on the CPU");
  options = {};
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, launch),
            "options.struct_size is not set");
  options.struct_size = 12; // within a pointer
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, launch),
            "options.struct_size is 12, expected a size of this struct");
}

TEST_F(Launching, HugeBuffersAreErrors) {
  Kernel sum = library.select("sum.1");
  size_t bytes = 0;
  Tensor in(nullptr, F32, {int64_t(1) << 32, int64_t(1) << 32}, {0, 1}),
      out(nullptr, F32, {1});
  std::vector<Argument> arguments = {{"x", in}, {"sums", out}};
  EXPECT_KVARN_ERROR(
      kvarn_workspace_bytes(sum.get(), arguments.data(), 2, &bytes),
      KVARN_STATUS_INVALID_ARGUMENT,
      "sum.1: squares is larger than the address space");
}
