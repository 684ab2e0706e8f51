//===- CudaJitTest.cpp - Kernels for a GPU on demand ----------------------===//
//
// A script stands in for the compiler: it hands out a library.
//
//===----------------------------------------------------------------------===//

#include "format/Fingerprint.h"
#include "test/unit/runtime/CudaFixture.h"

#include <barrier>
#include <fstream>
#include <thread>

using namespace kvarn;
using namespace kvarn::test;
namespace fs = std::filesystem;

namespace {
class CudaJit : public Cuda {
protected:
  CudaJit() : cache(folder.path("cache")), program(folder.path("compiler")) {
    handOut(folder);
    std::ofstream(program)
        << "#!/bin/sh\necho \"$@\" >> \"$0.calls\"\n"
           "while [ \"$1\" != -o ]; do shift; done\nmkdir \"$2\"\n"
           "cp "
        << folder.path("manifest.json") << " " << folder.path("kernels.cubin")
        << " \"$2\"\n";
    fs::permissions(program, fs::perms::owner_all);
  }

  /// Makes `library` what the compiler makes.
  void handOut(const TempLibrary &library) const {
    std::string error;
    Manifest manifest =
        readManifest(library.readFile("manifest.json"), error).value();
    manifest.compiler = std::string("kvarn ") + kvarn_version() + " (build " +
                        kFingerprint + ")";
    folder.writeFile("manifest.json", writeManifest(manifest));
    folder.writeFile("kernels.cubin", library.readFile("kernels.cubin"));
  }
  /// The same, of two variants, with `more` behind their code.
  void handOutTwo(const std::string &more = "") const {
    Variant small = append("sm_90a"), large = small;
    small.id = "small";
    small.hint.context = 1000;
    large.id = "large";
    large.hint.context = 100000;
    handOut(
        TempLibrary({small, large}, folder.readFile("kernels.cubin") + more));
  }
  void emptyCache() const {
    for (const fs::directory_entry &entry : fs::directory_iterator(cache))
      fs::remove_all(entry);
  }
  void truncateBinaries() const {
    for (const fs::directory_entry &entry : fs::directory_iterator(cache))
      if (entry.is_directory())
        fs::resize_file(entry.path() / "kernels.cubin", 100);
  }

  kvarn_jit_options options() const {
    auto result = make<kvarn_jit_options>();
    result.cache_folder = cache.c_str();
    result.compiler = KVARN_COMPILER_CHILD;
    result.compiler_program = program.c_str();
    return result;
  }
  static Request request() {
    return Request("append")
        .format("kvarn_k4v2_g64")
        .headDim(64)
        .target("nvidia");
  }
  static Variant append(const std::string &chip) {
    Variant variant = onGpu(scaleVariant(), chip);
    variant.id = "append." + chip;
    variant.key.kernel = "append";
    variant.key.format = "kvarn_k4v2_g64";
    variant.key.layout = "reference";
    variant.key.headDim = 64;
    return variant;
  }

  TempLibrary folder{{append("sm_90a"), append("sm_80")}};
  std::string cache, program;
};
} // namespace

static void expectItRuns(const Kernel &kernel) {
  DeviceFloats x(0, {1, 2, 3, 4}), y(0, {0, 0, 0, 0});
  kernel.launch(
      {{"x", x.tensor({2, 2})}, {"factor", 2.0}, {"y", y.tensor({2, 2})}});
  EXPECT_EQ(y.read(), (std::vector<float>{2, 4, 6, 8}));
}

TEST_F(CudaJit, CompilesForTheCurrentDevice) {
  Jit jit({}, options());
  EXPECT_NE(jit.command(request()).find(" --target=sm_90a "),
            std::string::npos);
  EXPECT_NE(jit.command(request().target("auto")).find(" --target=sm_90a "),
            std::string::npos);
  EXPECT_NE(jit.command(request().target("sm_86")).find(" --target=sm_86 "),
            std::string::npos);
  EXPECT_STREQ(jit.get(request()).variant().id, "append.sm_90a");
  Kernel first = jit.get(request());
  {
    ScopedDevice other(1);
    EXPECT_NE(jit.command(request()).find(" --target=sm_80 "),
              std::string::npos);
    // The same request, on another device, is another kernel.
    EXPECT_STREQ(jit.get(request()).variant().id, "append.sm_80");
  }
  EXPECT_EQ(jit.get(request()).get(), first.get());
  EXPECT_EQ(jit.stats().compiled, 2);
  std::ifstream calls(program + ".calls");
  std::string line;
  std::getline(calls, line);
  EXPECT_NE(line.find(" --target=sm_90a "), std::string::npos) << line;
  std::getline(calls, line);
  EXPECT_NE(line.find(" --target=sm_80 "), std::string::npos) << line;
  expectItRuns(first);
}

/// A table of schedules, as far as the runtime reads it.
static std::string head(const std::string &chip, const std::string &device,
                        int processors) {
  return "{\"chip\": \"" + chip + "\", \"device\": {\"gpu\": \"" + device +
         "\", \"sm_count\": " + std::to_string(processors) + "}}";
}

TEST_F(CudaJit, TheTableOfSchedulesIsThatOfTheCurrentDevice) {
  std::string tables = folder.path("tables");
  fs::create_directory(tables);
  ScopedEnvironment place("KVARN_SCHEDULES", tables.c_str());
  auto write = [&](const char *name, const std::string &text) {
    std::ofstream(tables + "/" + name) << text;
  };
  // As the shipped one of an H200, an H100 of the same chip, half an H200.
  write("0.json", head("sm_90a", "Fake H100", 132));
  write("1.json", head("sm_90a", "Fake H200", 132));
  write("2.json", head("sm_90a", "Fake H200", 66));
  write("3.json", head("sm_80", "Fake A100", 108));
  Jit jit({}, options());
  auto table = [&](const Request &request) {
    std::string command = jit.command(request);
    size_t begin = command.find(" --schedules=");
    return begin == std::string::npos
               ? "none"
               : command.substr(begin + 13 + tables.size() + 1, 6);
  };
  EXPECT_EQ(table(request()), "1.json");
  EXPECT_EQ(table(request().target("auto")), "1.json");
  EXPECT_EQ(table(request().target("sm_90a")), "1.json");
  EXPECT_EQ(table(request().target("sm_80")), "none"); // not for its chip
  EXPECT_EQ(table(request().target("x86_64")), "none");
  {
    ScopedDevice other(1);
    EXPECT_EQ(table(request()), "3.json");
  }
  jit.get(request());
  EXPECT_EQ(jit.stats().compiled, 1);
  write("0.json", head("sm_90a", "Fake H100", 132) + "\n");
  Jit again({}, options());
  again.get(request());
  EXPECT_EQ(again.stats().from_cache, 1);
  write("1.json", head("sm_90a", "Fake H200", 132) + "\n");
  Jit anew({}, options());
  anew.get(request());
  EXPECT_EQ(anew.stats().compiled, 1);
}

// What the driver cannot load is no damage: it is not compiled again.
TEST_F(CudaJit, AnErrorOfTheDriverIsReported) {
  Jit jit({}, options());
  fake.failures["cuModuleLoadDataEx"] = cuda::CUDA_ERROR_OUT_OF_MEMORY;
  errorOf(KVARN_STATUS_OUT_OF_MEMORY, [&] { jit.get(request()); });
  fake.failures.clear();
  EXPECT_STREQ(jit.get(request()).variant().id, "append.sm_90a");
  EXPECT_EQ(jit.stats().compiled, 1);
  EXPECT_EQ(jit.stats().from_cache, 1);
}

/// Variants are loaded when they are first wanted: an entry may be damaged or
/// gone by then. It may come back with other code.
TEST_F(CudaJit, AnEntryThatWasLoadedInPartIsMadeAgain) {
  for (bool gone : {true, false})
    for (const char *more : {"", "\n"})
      for (const char *target : {"nvidia", "sm_90a"}) { // of one entry
        handOutTwo();
        Jit jit({}, options());
        Kernel small = jit.get(request().context(1000));
        EXPECT_STREQ(small.variant().id, "small");
        gone ? emptyCache() : truncateBinaries();
        handOutTwo(more);
        auto getLarge = [&] {
          return jit.get(request().target(target).context(100000));
        };
        std::optional<Kernel> large;
        ASSERT_EQ(errorOf(KVARN_STATUS_OK, [&] { large.emplace(getLarge()); }),
                  "no error");
        EXPECT_STREQ(large->variant().id, "large");
        EXPECT_EQ(getLarge().get(), large->get());
        EXPECT_EQ(jit.stats().compiled, 2);
        EXPECT_EQ(jit.stats().failed, 0);
        for (const Kernel &kernel :
             {small, *large, jit.get(request().context(1000))})
          expectItRuns(kernel);
        EXPECT_EQ(jit.stats().compiled, 2);
        emptyCache();
      }
}

/// Calls `get` in eight threads at once; nullptr stands for an error.
template <typename Get>
static std::vector<const kvarn_kernel *> getInThreads(Get get) {
  constexpr int count = 8;
  std::barrier start(count);
  std::vector<const kvarn_kernel *> kernels(count);
  std::vector<std::thread> threads;
  for (const kvarn_kernel *&kernel : kernels)
    threads.emplace_back([&] {
      start.arrive_and_wait();
      errorOf(KVARN_STATUS_OK, [&] { kernel = get().get(); });
    });
  for (std::thread &thread : threads)
    thread.join();
  return kernels;
}

TEST_F(CudaJit, ThreadsMakeAnEntryAgainOnce) {
  handOutTwo();
  Jit jit({}, options());
  Kernel small = jit.get(request().context(1000));
  emptyCache();
  handOutTwo("\n");
  Request large = request().context(100000);
  auto kernels = getInThreads([&] { return jit.get(large); });
  EXPECT_EQ(jit.stats().compiled, 2);
  for (const kvarn_kernel *kernel : kernels)
    EXPECT_EQ(kernel, jit.get(large).get());
  expectItRuns(jit.get(large));
  expectItRuns(small);
}

TEST_F(CudaJit, ThreadsLoadAnEntryOnce) {
  Jit({}, options()).get(request());
  Jit jit({}, options());
  fake.calls.clear();
  for (const kvarn_kernel *kernel :
       getInThreads([&] { return jit.get(request()); }))
    EXPECT_EQ(kernel, jit.get(request()).get());
  EXPECT_EQ(fake.calls["cuModuleLoadDataEx"], 1);
  EXPECT_EQ(jit.stats().compiled, 0);
}

TEST_F(CudaJit, SelectionFollowsTheCurrentDevice) {
  Library library = folder.open();
  for (int round = 0; round < 2; ++round) {
    EXPECT_STREQ(library.select(request()).variant().id, "append.sm_90a");
    EXPECT_STREQ(library.select(request().target("auto")).variant().id,
                 "append.sm_90a");
    ScopedDevice other(1);
    EXPECT_STREQ(library.select(request()).variant().id, "append.sm_80");
  }
}
