//===- CudaSelectTest.cpp - Choosing and loading kernels of a GPU ---------===//

#include "test/unit/runtime/CudaFixture.h"

using namespace kvarn;
using namespace kvarn::test;

namespace {
class CudaSelect : public Cuda {
protected:
  static Variant variant(const std::string &id, const std::string &chip,
                         BinaryKind kind = BinaryKind::Cubin) {
    Variant result = onGpu(scaleVariant(), chip, kind);
    result.id = id;
    return result;
  }
  static Request request() { return Request("scale").target("nvidia"); }

  /// Why the only variant is not taken; its status is checked.
  static std::string reason(const Variant &variant) {
    TempLibrary folder({variant});
    Library library = folder.open();
    return errorOf(KVARN_STATUS_UNSUPPORTED,
                   [&] { library.select(request()); });
  }
  /// Why loading the only variant fails.
  static std::string loading(kvarn_status status, const Variant &variant) {
    TempLibrary folder({variant});
    Library library = folder.open();
    return errorOf(status, [&] { library.select(request()); });
  }
};
} // namespace

TEST_F(CudaSelect, ChipsAndDevices) {
  constexpr BinaryKind cubin = BinaryKind::Cubin, ptx = BinaryKind::Ptx;
  auto runs = [&](int device, const char *chip, BinaryKind kind) {
    ScopedDevice current(device);
    return reason(variant("a", chip, kind)) == "no error";
  };
  // Device 0 is a 9.0, device 1 an 8.0.
  for (const char *chip : {"sm_90a", "sm_90"})
    for (BinaryKind kind : {cubin, ptx}) {
      EXPECT_TRUE(runs(0, chip, kind)) << chip;
      EXPECT_FALSE(runs(1, chip, kind)) << chip;
    }
  EXPECT_TRUE(runs(1, "sm_80", cubin));
  EXPECT_FALSE(runs(0, "sm_80", cubin));
  EXPECT_TRUE(runs(0, "sm_80", ptx));
  EXPECT_FALSE(runs(1, "sm_86", ptx));
  EXPECT_TRUE(runs(0, "sm_86", ptx));
  EXPECT_FALSE(runs(0, "sm_100", ptx));
  // A PTX text for a chip's own instructions does not run on later ones.
  EXPECT_FALSE(runs(0, "sm_80a", ptx));
}

TEST_F(CudaSelect, ReasonsNameWhatWasExpected) {
  std::string has = ", but CUDA device 0 (Fake H200) has ";
  EXPECT_EQ(reason(variant("a", "sm_100a")),
            "a: is a cubin for sm_100a, which needs compute capability exactly "
            "10.0" +
                has + "9.0");
  EXPECT_EQ(
      reason(variant("a", "sm_86")),
      "a: is a cubin for sm_86, which needs compute capability 8.6 to 8.x" +
          has + "9.0");
  EXPECT_EQ(reason(variant("a", "sm_100", BinaryKind::Ptx)),
            "a: is a ptx for sm_100, which needs compute capability 10.0 or "
            "later" +
                has + "9.0");
  for (const char *chip : {"", "sm_", "sm_9x", "sm_100f", "gfx942"})
    EXPECT_EQ(reason(variant("a", chip)),
              "a: needs the chip '" + std::string(chip) +
                  "', which this runtime does not know");
  Variant large = variant("a", "sm_90a");
  large.launches[0].sharedBytes = (227 << 10) + 1;
  EXPECT_EQ(reason(large), "a: launch 0 (scale_row) needs 232449 bytes of "
                           "shared memory" +
                               has + "232448 for a block");
  Variant wide = variant("a", "sm_80", BinaryKind::Ptx);
  wide.launches[0].cluster = 2;
  {
    ScopedDevice other(1);
    EXPECT_EQ(reason(wide),
              "a: launch 0 (scale_row) needs clusters, which come with compute "
              "capability 9.0, but CUDA device 1 (Fake A100) has 8.0");
  }
  EXPECT_EQ(reason(wide), "no error");
  Variant crowd = variant("a", "sm_90a");
  crowd.launches[0].block = 1024;
  EXPECT_EQ(reason(crowd), "no error");
}

TEST_F(CudaSelect, OnlyWhoAsksForATargetGetsAGpu) {
  TempLibrary folder({variant("a", "sm_90a")});
  Library library = folder.open();
  std::string message = errorOf(KVARN_STATUS_UNSUPPORTED,
                                [&] { library.select(Request("scale")); });
  EXPECT_TRUE(message.starts_with("a: is for nvptx, but this CPU is "))
      << message;
}

TEST_F(CudaSelect, TheBestForTheDeviceIsChosen) {
  TempLibrary folder(
      {variant("p80", "sm_80", BinaryKind::Ptx), variant("c80", "sm_80"),
       variant("p90a", "sm_90a", BinaryKind::Ptx),
       variant("p90", "sm_90", BinaryKind::Ptx), variant("c90", "sm_90"),
       variant("c90a", "sm_90a"), variant("c90a-2", "sm_90a")});
  Library library = folder.open();
  EXPECT_EQ(library.explain(request()),
            "chosen: c90a\n"
            "  p80: matches, but uses less of the device than c90a\n"
            "  c80: is a cubin for sm_80, which needs compute capability 8.0 "
            "to 8.x, but CUDA device 0 (Fake H200) has 9.0\n"
            "  p90a: matches, but uses less of the device than c90a\n"
            "  p90: matches, but uses less of the device than c90a\n"
            "  c90: matches, but uses less of the device than c90a\n"
            "  c90a: chosen\n"
            "  c90a-2: matches, but stands behind c90a in the manifest\n");
  ScopedDevice other(1);
  EXPECT_EQ(library.select(request()).variant().id, std::string("c80"));
}

TEST_F(CudaSelect, OneMemberOfTheFamily) {
  TempLibrary folder({variant("c90", "sm_90"), variant("c90a", "sm_90a"),
                      variant("p80", "sm_80", BinaryKind::Ptx)});
  Library library = folder.open();
  for (auto [target, id] :
       {std::pair("sm_80", "p80"), {"sm_90", "c90"}, {"nvidia", "c90a"}})
    EXPECT_EQ(library.select(Request("scale").target(target)).variant().id,
              std::string(id));
}

TEST_F(CudaSelect, TheOrderOfChipsAndKinds) {
  auto chosen = [&](std::vector<Variant> variants) {
    TempLibrary folder(std::move(variants));
    Library library = folder.open();
    return std::string(library.select(request()).variant().id);
  };
  constexpr BinaryKind ptx = BinaryKind::Ptx;
  EXPECT_EQ(
      chosen({variant("p80", "sm_80", ptx), variant("p86", "sm_86", ptx)}),
      "p86");
  EXPECT_EQ(
      chosen({variant("p86", "sm_86", ptx), variant("p90", "sm_90", ptx)}),
      "p90");
  EXPECT_EQ(chosen({variant("p90", "sm_90", ptx), variant("c90", "sm_90")}),
            "c90");
  EXPECT_EQ(chosen({variant("c90", "sm_90"), variant("p90a", "sm_90a", ptx)}),
            "p90a");
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

TEST_F(CudaSelect, SharedMemoryIsRaisedAtLoading) {
  auto attributes = [&](int64_t bytes, int fixed) {
    fake.attributes.clear();
    fake.staticShared = fixed;
    Variant large = variant("a", "sm_90a");
    large.launches[0].sharedBytes = bytes;
    TempLibrary folder({large});
    Library library = folder.open();
    Kernel kernel = library.select(request());
    DeviceFloats in(0, {1}), out(0, {0});
    Tensor x = in.tensor({1, 1}), y = out.tensor({1, 1});
    kernel.launch({{"x", x}, {"factor", 1}, {"y", y}});
    return fake.attributes;
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(attributes(48 << 10, 0), List());
  EXPECT_EQ(attributes((48 << 10) + 1, 0), List{"scale_row 8=49153"});
  EXPECT_EQ(attributes(48 << 10, 16), List{"scale_row 8=49152"});
  EXPECT_EQ(attributes(227 << 10, 0), List{"scale_row 8=232448"});
  fake.staticShared = 1;
  Variant full = variant("a", "sm_90a");
  full.launches[0].sharedBytes = 227 << 10;
  EXPECT_EQ(reason(full),
            "a: launch 0 (scale_row): needs 232449 bytes of shared memory, but "
            "CUDA device 0 (Fake H200) has 232448 for a block");
  fake.staticShared = 0;
  fake.failures["cuFuncSetAttribute"] = 1;
  EXPECT_EQ(loading(KVARN_STATUS_DEVICE, full),
            "a: launch 0 (scale_row): cannot have 232448 bytes of shared "
            "memory: CUDA_ERROR_INVALID_VALUE");
}

TEST_F(CudaSelect, Clusters) {
  Variant wide = variant("a", "sm_90a");
  wide.launches[0].cluster = 16;
  {
    TempLibrary folder({wide});
    Kernel kernel = folder.open().select(request());
    EXPECT_EQ(fake.attributes, std::vector<std::string>{"scale_row 14=1"});
    DeviceFloats in(0, std::vector<float>(32)), out(0, std::vector<float>(32));
    Tensor x = in.tensor({32, 1}), y = out.tensor({32, 1});
    kernel.launch({{"x", x}, {"factor", 1}, {"y", y}});
    EXPECT_EQ(fake.launches.back().clusterX, 16u);
    Tensor less = in.tensor({31, 1});
    EXPECT_EQ(
        errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                [&] { kernel.launch({{"x", less}, {"factor", 1}, {"y", y}}); }),
        "a: launch 0 (scale_row): the grid has 31 cells in x, expected a "
        "multiple of the cluster, 16");
  }
  fake.failures["cuFuncSetAttribute"] = 1;
  EXPECT_EQ(loading(KVARN_STATUS_DEVICE, wide),
            "a: launch 0 (scale_row): cannot have clusters of 16: "
            "CUDA_ERROR_INVALID_VALUE");
}

TEST_F(CudaSelect, ThreadsThatTheRegistersAllow) {
  fake.threadsOfKernel = 64;
  EXPECT_EQ(reason(variant("a", "sm_90a")),
            "a: launch 0 (scale_row): needs 128 threads, but its registers "
            "leave room for 64");
}

TEST_F(CudaSelect, DamagedBinaries) {
  Variant odd = variant("a", "sm_90a");
  odd.launches[0].entry = "nothing";
  EXPECT_EQ(loading(KVARN_STATUS_CORRUPT, odd),
            "a: kernels.cubin has no kernel 'nothing'");
  TempLibrary folder({variant("a", "sm_90a", BinaryKind::Ptx)});
  std::string text = "not a kernel";
  folder.writeFile("kernels.ptx", text);
  Library library = folder.open();
  EXPECT_NE(errorOf(KVARN_STATUS_CORRUPT, [&] { library.select(request()); })
                .find("has 12 bytes, the manifest says"),
            std::string::npos);
}

TEST_F(CudaSelect, FailuresOfTheDriver) {
  std::string start =
      "a: cannot load kernels.cubin on CUDA device 0 (Fake H200): ";
  auto fails = [&](const char *function, int code, kvarn_status status) {
    fake.failures = {{function, code}};
    int contexts = fake.contexts, modules = fake.modules;
    std::string message = loading(status, variant("a", "sm_90a"));
    fake.failures.clear();
    EXPECT_EQ(fake.contexts, contexts); // nothing is kept
    EXPECT_EQ(fake.modules, modules);
    return message;
  };
  EXPECT_EQ(fails("cuModuleLoadDataEx", 2, KVARN_STATUS_OUT_OF_MEMORY),
            start + "CUDA_ERROR_OUT_OF_MEMORY");
  EXPECT_EQ(fails("cuModuleLoadDataEx", 209, KVARN_STATUS_UNSUPPORTED),
            start + "CUDA_ERROR_NO_BINARY_FOR_GPU");
  EXPECT_EQ(fails("cuModuleLoadDataEx", 200, KVARN_STATUS_CORRUPT),
            start + "CUDA_ERROR_INVALID_IMAGE");
  EXPECT_EQ(fails("cuDevicePrimaryCtxRetain", 2, KVARN_STATUS_OUT_OF_MEMORY),
            "a: CUDA device 0 (Fake H200): CUDA_ERROR_OUT_OF_MEMORY");
  EXPECT_EQ(fails("cuCtxPushCurrent", 719, KVARN_STATUS_DEVICE),
            "a: CUDA device 0 (Fake H200): CUDA_ERROR_LAUNCH_FAILED "
            "(unspecified launch failure)");
  for (const char *function : {"cuModuleGetFunction", "cuFuncGetAttribute"})
    EXPECT_EQ(fails(function, 719, KVARN_STATUS_DEVICE),
              "a: launch 0 (scale_row): CUDA_ERROR_LAUNCH_FAILED (unspecified "
              "launch failure)");
}

/// Where each request has programs of its own, a hint says nothing of more
/// requests, also of fewer heads.
TEST_F(CudaSelect, HintsAreNotNearToMoreRequests) {
  Variant single = variant("single", "sm_90a"),
          even = variant("even", "sm_90a");
  single.hint.maxBatch = 1;
  even.hint.maxBatch = 64;
  single.hint.kvHeads = even.hint.kvHeads = 8;
  single.hint.context = even.hint.context = 4096;
  even.launches[0].grid[0] = Rule::device("sm_count");
  auto chosen = [&](int64_t batch, int64_t heads) {
    TempLibrary folder({single, even});
    Library library = folder.open();
    Request asked = request();
    asked.maxBatch(batch).kvHeads(heads).context(4096);
    return std::string(library.select(asked).variant().id);
  };
  EXPECT_EQ(chosen(1, 8), "single");
  EXPECT_EQ(chosen(1, 16), "single");
  EXPECT_EQ(chosen(2, 8), "even");
  EXPECT_EQ(chosen(8, 1), "even");
  // Nothing but that: the nearest of those that are far.
  even.hint = single.hint;
  even.hint.context = 131072;
  even.launches = single.launches;
  EXPECT_EQ(chosen(2, 8), "single");
  // A grid that shares the work evenly is for any number.
  single.launches[0].grid[0] = Rule::device("sm_count");
  even.hint.maxBatch = 64;
  EXPECT_EQ(chosen(2, 8), "single");
}

/// What the driver's compiler says about a PTX text is in the message.
TEST_F(CudaSelect, TheDriversLogIsShown) {
  TempLibrary folder({variant("a", "sm_90a", BinaryKind::Ptx)}, "not a kernel");
  EXPECT_EQ(
      errorOf(KVARN_STATUS_CORRUPT, [&] { folder.open().select(request()); }),
      "a: cannot load kernels.ptx on CUDA device 0 (Fake H200): "
      "CUDA_ERROR_INVALID_IMAGE\nline 1: not a kernel");
}
