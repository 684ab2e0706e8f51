//===- CudaDriverTest.cpp - Drivers that are missing or broken ------------===//
//
// A process opens the driver once, so each of these needs one of its own: a
// death test that does not die.
//
//===----------------------------------------------------------------------===//

#include "test/unit/runtime/CudaFixture.h"

#include <cstdio>

using namespace kvarn;
using namespace kvarn::test;

namespace {
class CudaDriverDeathTest : public testing::Test {
protected:
  CudaDriverDeathTest() {
    testing::FLAGS_gtest_death_test_style = "threadsafe"; // a fresh process
  }
};
} // namespace

/// Prints why a kernel for a GPU cannot be selected, and what explain says.
[[noreturn]] static void select() {
  TempLibrary folder({onGpu(scaleVariant())});
  Library library = folder.open();
  Request request = Request("scale").target("nvidia");
  std::string message =
      errorOf(KVARN_STATUS_UNSUPPORTED, [&] { library.select(request); });
  std::fprintf(stderr, "<%s>", message.c_str());
  bool explained =
      library.explain(request).find(message.substr(9)) != std::string::npos;
  // By id too.
  bool same = errorOf(KVARN_STATUS_UNSUPPORTED,
                      [&] { library.select("scale.1"); }) == message;
  std::filesystem::remove_all(folder.path());
  std::_Exit(explained && same && !testing::Test::HasFailure() ? 0 : 1);
}

#define EXPECT_REASON(prepare, message)                                        \
  EXPECT_EXIT(                                                                 \
      {                                                                        \
        prepare;                                                               \
        select();                                                              \
      },                                                                       \
      testing::ExitedWithCode(0), "<scale.1: " message ">")

TEST_F(CudaDriverDeathTest, WithoutADriver) {
  EXPECT_REASON(setenv("KVARN_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1),
                "needs the NVIDIA driver: /nowhere/libcuda.so.1: cannot open "
                "shared object file: No such file or directory");
}

TEST_F(CudaDriverDeathTest, OfAnotherKind) {
  EXPECT_REASON(setenv("KVARN_CUDA_DRIVER", "libc.so.6", 1),
                "needs a newer NVIDIA driver: libc.so.6 has no cuInit");
}

/// With a driver that cannot capture it, no launch begins early.
TEST_F(CudaDriverDeathTest, WithoutEarlyLaunches) {
  auto launch = [](int version) {
    fakeCuda().version = version;
    Variant sum = onGpu(sumVariant());
    sum.launches[1].early = true;
    TempLibrary folder({sum});
    DeviceFloats x(0, {1, 2}), sums(0, {0}), memory(0, std::vector<float>(128));
    auto options = make<kvarn_launch_options>();
    options.workspace = memory.data();
    options.workspace_bytes = 512;
    folder.open().select("sum.1").launch(
        {{"x", x.tensor({1, 2})}, {"sums", sums.tensor({1})}}, &options);
    std::filesystem::remove_all(folder.path());
    std::_Exit(fakeCuda().launches.at(1).early ? 1 : 2);
  };
  EXPECT_EXIT(launch(12020), testing::ExitedWithCode(2), "");
  EXPECT_EXIT(launch(12030), testing::ExitedWithCode(1), "");
}

TEST_F(CudaDriverDeathTest, ThatIsOld) {
  EXPECT_REASON(fakeCuda().version = 11080,
                "needs an NVIDIA driver for CUDA 12.1, but this one is for "
                "11.8");
}

TEST_F(CudaDriverDeathTest, WithoutAGpu) {
  EXPECT_REASON(fakeCuda().devices.clear(),
                "needs an NVIDIA GPU, but the driver finds none");
  EXPECT_REASON(fakeCuda().failures["cuInit"] = 100,
                "needs an NVIDIA GPU, but the driver finds none");
}

TEST_F(CudaDriverDeathTest, ThatFails) {
  std::map<std::string, int> &failures = fakeCuda().failures;
  EXPECT_REASON(failures["cuInit"] = 719,
                "the NVIDIA driver does not start: CUDA_ERROR_LAUNCH_FAILED "
                ".unspecified launch failure.");
  EXPECT_REASON(failures["cuDriverGetVersion"] = 1,
                "the NVIDIA driver has no version: CUDA_ERROR_INVALID_VALUE");
  EXPECT_REASON(failures["cuDeviceGetCount"] = 1,
                "the NVIDIA driver does not list its GPUs: "
                "CUDA_ERROR_INVALID_VALUE");
  for (const char *function :
       {"cuDeviceGet", "cuDeviceGetName", "cuDeviceGetAttribute"})
    EXPECT_REASON(failures[function] = 1,
                  "the NVIDIA driver does not describe CUDA device 0: "
                  "CUDA_ERROR_INVALID_VALUE");
}
