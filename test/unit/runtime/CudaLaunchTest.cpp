//===- CudaLaunchTest.cpp - Launches on the fake CUDA driver --------------===//

#include "test/unit/runtime/CudaFixture.h"

#include <cstring>
#include <thread>

using namespace kvarn;
using namespace kvarn::test;

using Status = kvarn_status;

namespace {
/// The fixture's scale, with a grid that a test chooses.
Variant gridVariant() {
  Variant variant = onGpu(makeVariant(
      "grid.1", "grid",
      {scalar("nx", DType::I64), scalar("ny", DType::I64),
       scalar("nz", DType::I64), tensor("x", DType::F32, {-1}, true)},
      "record_33"));
  variant.launches[0].grid = {Rule::param("nx"), Rule::param("ny"),
                              Rule::param("nz")};
  return variant;
}

class CudaLaunch : public Cuda {
protected:
  CudaLaunch()
      : folder({onGpu(scaleVariant()), onGpu(sumVariant()), gridVariant()}),
        library(folder.open()), scale(library.select("scale.1")) {}

  std::vector<Argument> scaleArguments() const {
    return {{"x", x}, {"factor", 0.5}, {"y", y}};
  }
  std::string error(Status status, const Kernel &kernel,
                    const std::vector<Argument> &arguments,
                    const kvarn_launch_options *options = nullptr) const {
    return errorOf(status, [&] { kernel.launch(arguments, options); });
  }

  TempLibrary folder;
  Library library;
  Kernel scale;
  DeviceFloats in{0, {1, 2, 3, 4, 5, 6}}, out{0, std::vector<float>(6)};
  Tensor x = in.tensor({2, 3}), y = out.tensor({2, 3});
};
} // namespace

TEST_F(CudaLaunch, PassesWordsGridAndStream) {
  driver(); // the test's own use of it
  cuda::CUstream stream = nullptr;
  {
    ScopedDevice device(0);
    ASSERT_EQ(driver().cuStreamCreate(&stream, 0), 0);
  }
  auto options = make<kvarn_launch_options>();
  options.stream = stream;
  scale.launch(scaleArguments(), &options);
  EXPECT_EQ(out.read(), (std::vector<float>{0.5, 1, 1.5, 2, 2.5, 3}));
  ASSERT_EQ(fake.launches.size(), 1u);
  const FakeLaunch &launch = fake.launches[0];
  EXPECT_EQ(launch.entry, "scale_row");
  EXPECT_EQ(launch.grid, (std::array<unsigned, 3>{2, 1, 1}));
  EXPECT_EQ(launch.block, (std::array<unsigned, 3>{128, 1, 1}));
  EXPECT_EQ(launch.sharedBytes, 4096u);
  EXPECT_EQ(launch.clusterX, 0u);
  EXPECT_EQ(launch.stream, stream);
  int64_t half = 0;
  float factor = 0.5;
  std::memcpy(&half, &factor, sizeof factor);
  EXPECT_EQ(launch.params,
            (std::vector<int64_t>{
                reinterpret_cast<intptr_t>(in.data()), 2, 3, 3, 1, half,
                reinterpret_cast<intptr_t>(out.data()), 2, 3, 3, 1}));
  driver().cuStreamDestroy(stream);
}

TEST_F(CudaLaunch, LeavesNoContextBehind) {
  cuda::CUcontext context = nullptr;
  scale.launch(scaleArguments());
  driver().cuCtxGetCurrent(&context);
  EXPECT_EQ(context, nullptr);
  fake.failures["cuLaunchKernelEx"] = 719;
  EXPECT_NE(error(KVARN_STATUS_DEVICE, scale, scaleArguments()), "");
  driver().cuCtxGetCurrent(&context);
  EXPECT_EQ(context, nullptr);
}

TEST_F(CudaLaunch, WorkspaceIsTheCallers) {
  Kernel sum = library.select("sum.1");
  DeviceFloats sums(0, {0, 0}), memory(0, std::vector<float>(128));
  Tensor result = sums.tensor({2});
  std::vector<Argument> arguments = {{"x", x}, {"sums", result}};
  EXPECT_EQ(sum.workspaceBytes(arguments), 512u);
  EXPECT_EQ(error(KVARN_STATUS_INVALID_ARGUMENT, sum, arguments),
            "options.workspace: expected 512 bytes of device memory, got 0");
  auto options = make<kvarn_launch_options>();
  options.workspace = memory.data();
  options.workspace_bytes = 511;
  EXPECT_EQ(error(KVARN_STATUS_INVALID_ARGUMENT, sum, arguments, &options),
            "options.workspace: expected 512 bytes of device memory, got 511");
  options.workspace_bytes = 512;
  sum.launch(arguments, &options);
  EXPECT_EQ(sums.read(), (std::vector<float>{14, 77}));
  ASSERT_EQ(fake.launches.size(), 2u); // in order, through the workspace
  EXPECT_EQ(fake.launches[0].entry, "square_row");
  EXPECT_EQ(fake.launches[1].entry, "sum_row");
  EXPECT_EQ(fake.launches[1].params[0],
            reinterpret_cast<intptr_t>(memory.data()) + 256);
}

/// Only what is right behind a launch of the same call may begin before it has
/// ended.
TEST_F(CudaLaunch, BeginsEarly) {
  Variant sum = onGpu(sumVariant());
  for (Launch &launch : sum.launches)
    launch.early = true;
  sum.launches.push_back(sum.launches[1]);
  Variant alone = sum, gap = sum;
  alone.id = "alone.1";
  alone.launches[0].grid[0] = alone.launches[2].grid[0] = 0;
  gap.id = "gap.1";
  gap.launches[1].grid[0] = 0;
  TempLibrary other({sum, alone, gap});
  Library early(other.open());
  DeviceFloats sums(0, {0, 0}), memory(0, std::vector<float>(128));
  Tensor result = sums.tensor({2});
  auto options = make<kvarn_launch_options>();
  options.workspace = memory.data();
  options.workspace_bytes = 512;
  auto launch = [&](const char *id) {
    fake.launches.clear();
    early.select(id).launch({{"x", x}, {"sums", result}}, &options);
  };
  auto whichAreEarly = [&] {
    std::vector<bool> all;
    for (const FakeLaunch &each : fake.launches)
      all.push_back(each.early);
    return all;
  };
  launch("sum.1");
  EXPECT_EQ(sums.read(), (std::vector<float>{14, 77}));
  EXPECT_EQ(whichAreEarly(), (std::vector<bool>{false, true, true}));
  launch("sum.1"); // not behind what another call launched
  EXPECT_EQ(whichAreEarly(), (std::vector<bool>{false, true, true}));
  launch("alone.1");
  EXPECT_EQ(whichAreEarly(), (std::vector<bool>{false}));
  launch("gap.1");
  EXPECT_EQ(whichAreEarly(), (std::vector<bool>{false, false}));
}

TEST_F(CudaLaunch, GridLimits) {
  Kernel grid = library.select("grid.1");
  DeviceFloats floats(0, std::vector<float>(8));
  Tensor tensor = floats.tensor({8});
  auto arguments = [&](int64_t nx, int64_t ny, int64_t nz) {
    return std::vector<Argument>{
        {"nx", nx}, {"ny", ny}, {"nz", nz}, {"x", tensor}};
  };
  auto refused = [&](int64_t nx, int64_t ny, int64_t nz) {
    return error(KVARN_STATUS_INVALID_ARGUMENT, grid, arguments(nx, ny, nz));
  };
  std::string start = "grid.1: launch 0 (record_33): the grid has ";
  EXPECT_EQ(refused(int64_t(1) << 31, 1, 1),
            start + "2147483648 cells in x, expected at most 2147483647");
  EXPECT_EQ(refused(1, 65536, 1),
            start + "65536 cells in y, expected at most 65535");
  EXPECT_EQ(refused(1, 1, 65536),
            start + "65536 cells in z, expected at most 65535");
  EXPECT_EQ(fake.launches.size(), 0u);
  grid.launch(arguments(3, 0, 2)); // nothing to do
  EXPECT_EQ(fake.launches.size(), 0u);
}

TEST_F(CudaLaunch, FailuresOfTheDriver) {
  std::string start =
      "scale.1: launch 0 (scale_row) on CUDA device 0 (Fake H200): ";
  fake.failures["cuLaunchKernelEx"] = 719;
  EXPECT_EQ(error(KVARN_STATUS_DEVICE, scale, scaleArguments()),
            start + "CUDA_ERROR_LAUNCH_FAILED (unspecified launch failure)");
  fake.failures["cuLaunchKernelEx"] = 1;
  EXPECT_EQ(error(KVARN_STATUS_DEVICE, scale, scaleArguments()),
            start + "CUDA_ERROR_INVALID_VALUE");
  fake.failures["cuLaunchKernelEx"] = 12345;
  EXPECT_EQ(error(KVARN_STATUS_DEVICE, scale, scaleArguments()),
            start + "error 12345");
  fake.failures = {{"cuCtxPushCurrent", 400}};
  EXPECT_EQ(error(KVARN_STATUS_DEVICE, scale, scaleArguments()),
            "scale.1: CUDA device 0 (Fake H200): CUDA_ERROR_INVALID_HANDLE");
  fake.failures.clear(); // unloading needs it
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

TEST_F(CudaLaunch, TensorsMustBeOnOneDevice) {
  DeviceFloats other(1, std::vector<float>(6));
  Tensor far = other.tensor({2, 3});
  auto refused = [&](const Tensor &first, const Tensor &second) {
    return error(KVARN_STATUS_INVALID_ARGUMENT, scale,
                 {{"x", first}, {"factor", 1}, {"y", second}});
  };
  EXPECT_EQ(refused(x, far), "y: is on CUDA device 1, but x is on CUDA device "
                             "0");
  std::vector<float> host(6);
  EXPECT_EQ(refused(Tensor(host.data(), F32, {2, 3}), y),
            "x: is on the CPU, where the kernel cannot reach it");
  EXPECT_EQ(refused(x, Tensor(host.data(), F32, {2, 3}, {},
                              {KVARN_DEVICE_CUDA_HOST, 0})),
            "y: is on the CPU (pinned), where the kernel cannot reach it");
  for (int id : {-1, 2})
    EXPECT_EQ(refused(x, Tensor(host.data(), F32, {2, 3}, {},
                                {KVARN_DEVICE_CUDA, id})),
              "y: is on CUDA device " + std::to_string(id) +
                  ", where the kernel cannot reach it");
  EXPECT_EQ(refused(x, Tensor(host.data(), F32, {2, 3}, {}, {10, 0})),
            "y: is on a device of type 10, where the kernel cannot reach it");
}

TEST_F(CudaLaunch, TheDeviceIsThatOfTheTensors) {
  // Two modules: one for each device that a variant is used on.
  Variant variant = onGpu(sumVariant(), "sm_80", BinaryKind::Ptx);
  variant.buffers[0].shape = {Rule::device("sm_count")};
  TempLibrary both({variant});
  {
    Library opened = both.open();
    int before = fake.modules;
    Kernel sum = opened.select("sum.1");
    EXPECT_EQ(fake.modules, before + 1);
    for (int device : {1, 0, 1}) {
      DeviceFloats data(device, {3, 4}), sums(device, {0}),
          memory(device, std::vector<float>(256));
      Tensor from = data.tensor({1, 2}), to = sums.tensor({1});
      std::vector<Argument> arguments = {{"x", from}, {"sums", to}};
      // 132 or 108 bytes, then 8.
      size_t bytes = sum.workspaceBytes(arguments);
      EXPECT_EQ(bytes, 512u);
      auto options = make<kvarn_launch_options>();
      options.workspace = memory.data();
      options.workspace_bytes = bytes;
      sum.launch(arguments, &options);
      EXPECT_EQ(sums.read(), std::vector<float>{25});
      EXPECT_EQ(fake.launches.back().device, device);
      EXPECT_EQ(fake.launches.front().params.size(), 10u);
    }
    EXPECT_EQ(fake.modules, before + 2);
  }
  EXPECT_EQ(fake.calls["cuModuleUnload"], 2);
}

TEST_F(CudaLaunch, FactsAreThoseOfTheDevice) {
  Variant variant = onGpu(sumVariant(), "sm_80", BinaryKind::Ptx);
  variant.buffers[1].shape = {Rule::mul(Rule::device("sm_count"), 64)};
  TempLibrary both({variant});
  Kernel sum = both.open().select("sum.1");
  auto bytes = [&](int device) {
    kvarn_device place = {KVARN_DEVICE_CUDA, device};
    Tensor from(nullptr, F32, {1, 2}, {}, place),
        to(nullptr, F32, {1}, {}, place);
    return sum.workspaceBytes({{"x", from}, {"sums", to}});
  };
  EXPECT_EQ(bytes(0), 256 + 132u * 256);
  EXPECT_EQ(bytes(1), 256 + 108u * 256);
  // Without devices, nothing is known.
  Tensor from(nullptr, F32, {1, 2}), to(nullptr, F32, {1});
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                    [&] { sum.workspaceBytes({{"x", from}, {"sums", to}}); }),
            "x: is on the CPU, where the kernel cannot reach it");
}

TEST_F(CudaLaunch, ADeviceThatCannotRunIt) {
  DeviceFloats data(1, {1}), result(1, {0});
  Tensor from = data.tensor({1, 1}), to = result.tensor({1, 1});
  EXPECT_EQ(error(KVARN_STATUS_UNSUPPORTED, scale,
                  {{"x", from}, {"factor", 1}, {"y", to}}),
            "scale.1: is a cubin for sm_90a, which needs compute capability "
            "exactly 9.0, but CUDA device 1 (Fake A100) has 8.0");
  // Nor is it selected there, though it is loaded elsewhere.
  ScopedDevice other(1);
  EXPECT_TRUE(errorOf(KVARN_STATUS_UNSUPPORTED, [&] {
                library.select("scale.1");
              }).starts_with("scale.1: is a cubin for sm_90a"));
}

TEST_F(CudaLaunch, ManyThreadsLoadOnce) {
  TempLibrary both({onGpu(scaleVariant(), "sm_80", BinaryKind::Ptx)});
  Kernel kernel = both.open().select("scale.1");
  DeviceFloats data(1, {1, 2}), result(1, {0, 0});
  Tensor from = data.tensor({1, 2}), to = result.tensor({1, 2});
  int loads = fake.calls["cuModuleLoadDataEx"];
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j)
        kernel.launch({{"x", from}, {"factor", 3}, {"y", to}});
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(fake.calls["cuModuleLoadDataEx"], loads + 1);
  EXPECT_EQ(fake.launches.size(), 400u);
  EXPECT_EQ(result.read(), (std::vector<float>{3, 6}));
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

namespace {
/// A stream of a device that is being captured.
class Capture {
public:
  explicit Capture(int device) : device(device) {
    EXPECT_EQ(driver().cuStreamCreate(&stream, 0), 0);
    EXPECT_EQ(driver().cuStreamBeginCapture(stream, 0), 0);
    options.stream = stream;
  }
  ~Capture() {
    driver().cuGraphExecDestroy(instance);
    driver().cuStreamDestroy(stream);
  }
  cuda::CUresult end() {
    cuda::CUgraph graph = nullptr;
    cuda::CUresult result = driver().cuStreamEndCapture(stream, &graph);
    if (result == 0) {
      EXPECT_EQ(driver().cuGraphInstantiate(&instance, graph, 0), 0);
    }
    driver().cuGraphDestroy(graph);
    return result;
  }
  void replay() { EXPECT_EQ(driver().cuGraphLaunch(instance, stream), 0); }

  kvarn_launch_options options = make<kvarn_launch_options>();

private:
  ScopedDevice device;
  cuda::CUstream stream = nullptr;
  cuda::CUgraphExec instance = nullptr;
};
} // namespace

TEST_F(CudaLaunch, CanBeCaptured) {
  Variant variant = onGpu(sumVariant());
  variant.launches[1].early = true;
  TempLibrary other({variant});
  Library early(other.open());
  Kernel sum = early.select("sum.1");
  DeviceFloats sums(0, {-1, -1}), memory(0, std::vector<float>(128));
  Tensor result = sums.tensor({2});
  Capture capture(0);
  capture.options.workspace = memory.data();
  capture.options.workspace_bytes = 512;
  sum.launch({{"x", x}, {"sums", result}}, &capture.options);
  EXPECT_EQ(capture.end(), 0);
  ASSERT_EQ(fake.launches.size(), 2u);
  EXPECT_TRUE(fake.launches[0].captured);
  EXPECT_TRUE(fake.launches[1].captured && fake.launches[1].early);
  EXPECT_EQ(sums.read(), (std::vector<float>{-1, -1}));
  capture.replay();
  EXPECT_EQ(sums.read(), (std::vector<float>{14, 77}));
}

TEST_F(CudaLaunch, NothingIsLoadedInACapture) {
  TempLibrary both({onGpu(scaleVariant(), "sm_80", BinaryKind::Ptx)});
  Kernel kernel = both.open().select("scale.1");
  DeviceFloats data(1, {1, 2}), result(1, {0, 0});
  Tensor from = data.tensor({1, 2}), to = result.tensor({1, 2});
  std::vector<Argument> arguments = {{"x", from}, {"factor", 3}, {"y", to}};
  {
    Capture capture(1);
    EXPECT_EQ(error(KVARN_STATUS_INVALID_ARGUMENT, kernel, arguments,
                    &capture.options),
              "scale.1: is not loaded on CUDA device 1 (Fake A100) yet, and "
              "options.stream is being captured; select or launch the kernel "
              "there before the capture");
    EXPECT_EQ(capture.end(), 0); // not spoiled
  }
  kernel.launch(arguments);
  {
    Capture capture(1);
    kernel.launch(arguments, &capture.options);
    EXPECT_EQ(capture.end(), 0);
  }
  // What the stream says is asked only then, and named if it is bad.
  TempLibrary again({onGpu(scaleVariant(), "sm_80", BinaryKind::Ptx)});
  Kernel fresh = again.open().select("scale.1");
  fake.failures["cuStreamIsCapturing"] = 400;
  EXPECT_EQ(error(KVARN_STATUS_DEVICE, fresh, arguments),
            "scale.1: options.stream: CUDA_ERROR_INVALID_HANDLE");
}

/// What was selected on a device can be captured there, though it was selected
/// on another one before.
TEST_F(CudaLaunch, SelectingLoadsOnTheCurrentDevice) {
  TempLibrary both({onGpu(scaleVariant(), "sm_80", BinaryKind::Ptx)});
  DeviceFloats data(1, {1, 2}), result(1, {0, 0});
  Tensor from = data.tensor({1, 2}), to = result.tensor({1, 2});
  auto check = [&](auto select) {
    fake.calls.clear();
    Kernel kernel = select();
    for (int round = 0; round < 2; ++round) {
      ScopedDevice other(1);
      EXPECT_EQ(select().get(), kernel.get());
    }
    EXPECT_EQ(fake.calls["cuModuleLoadDataEx"], 2);
    Capture capture(1);
    EXPECT_EQ(error(KVARN_STATUS_OK, kernel,
                    {{"x", from}, {"factor", 3}, {"y", to}}, &capture.options),
              "no error");
    EXPECT_EQ(capture.end(), 0);
  };
  Request request = Request("scale").target("nvidia");
  Library one = both.open(), two = both.open();
  Jit jit({both.open()});
  check([&] { return one.select(request); });
  check([&] { return two.select("scale.1"); });
  check([&] { return jit.get(request); });
}

/// The default stream is that of the device of the tensors.
TEST_F(CudaLaunch, TheFirstLaunchNeedsNoCurrentContext) {
  TempLibrary both({onGpu(scaleVariant(), "sm_80", BinaryKind::Ptx)});
  DeviceFloats data(1, {1, 2}), result(1, {0, 0});
  Tensor from = data.tensor({1, 2}), to = result.tensor({1, 2});
  auto launch = [&](double factor) {
    return error(KVARN_STATUS_OK, both.open().select("scale.1"),
                 {{"x", from}, {"factor", factor}, {"y", to}});
  };
  EXPECT_EQ(launch(3), "no error");
  EXPECT_EQ(result.read(), (std::vector<float>{3, 6}));
  Capture elsewhere(0);
  EXPECT_EQ(launch(4), "no error");
  EXPECT_EQ(elsewhere.end(), 0);
  EXPECT_EQ(result.read(), (std::vector<float>{4, 8}));
}

TEST_F(CudaLaunch, UnloadsWhileAnotherStreamIsCaptured) {
  int before = fake.modules;
  std::optional<Library> one = folder.open(), two = folder.open();
  one->select("sum.1");
  two->select("sum.1");
  EXPECT_EQ(fake.modules, before + 2);
  Capture capture(0);
  one.reset();
  std::thread([&] { two.reset(); }).join();
  fake.failures["cuFuncGetAttribute"] = 719; // when the module is loaded
  EXPECT_NE(errorOf(KVARN_STATUS_DEVICE, [&] { library.select("grid.1"); }),
            "no error");
  fake.failures.clear();
  EXPECT_EQ(fake.modules, before);
  EXPECT_EQ(capture.end(), 0);
}

TEST_F(CudaLaunch, LoadsWhileAnotherStreamIsCaptured) {
  Capture capture(0);
  std::thread([&] { library.select("sum.1"); }).join();
  library.select("grid.1");
  EXPECT_EQ(capture.end(), 0);
}
