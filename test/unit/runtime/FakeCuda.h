//===- FakeCuda.h - A CUDA driver without a GPU -----------------*- C++ -*-===//
//
// A libcuda.so.1 for tests: it knows contexts, modules, memory, streams,
// captures and graphs, is as strict about them as the real one, and can be told
// to fail. A module is a shared object with entries in the calling convention
// of CPU kernels, which a launch really runs; kernels of a PTX text do nothing.
// Memory of the "device" cannot be touched by anybody but the driver and the
// kernels.
//
// A test program that links it finds it under the name libcuda.so.1; others
// take it by KVARN_CUDA_DRIVER. KVARN_FAKE_CUDA_FAIL="cuMemAlloc=2,..." makes
// functions fail there (=2@5: from the fifth call on), KVARN_FAKE_CUDA_CHIP=80
// and KVARN_FAKE_CUDA_NAME=... change the first device, and with
// KVARN_FAKE_CUDA_CRASH=719 kernels fail while they run;
// KVARN_FAKE_CUDA_MEMORY=1000000 is what it has, in bytes. With
// KVARN_FAKE_CUDA_COUNT=1 it prints at the end how often what was called.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_UNIT_RUNTIME_FAKECUDA_H
#define KVARN_TEST_UNIT_RUNTIME_FAKECUDA_H

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace kvarn::test {

struct FakeDevice {
  std::string name;
  int major, minor, multiprocessors;
  int sharedBytes = 227 << 10, threads = 1024, cacheBytes = 1 << 20;
};

/// One launch, as the driver saw it.
struct FakeLaunch {
  int device;
  std::string entry;
  std::array<unsigned, 3> grid, block;
  unsigned sharedBytes, clusterX; // 0 = no attribute
  bool early;                     // may begin before the one before it ends
  std::vector<int64_t> params;
  void *stream;
  bool captured;
};

/// The state of the driver. Tests may look at it and change it between calls.
struct FakeCuda {
  FakeCuda();

  int version = 13000;
  std::vector<FakeDevice> devices = {{"Fake H200", 9, 0, 132},
                                     {"Fake A100", 8, 0, 108, 163 << 10}};
  std::map<std::string, int> failures;     // function -> what it returns
  std::map<std::string, int> firstFailure; // and from which call on
  int crash = 0;                           // what waiting for a kernel returns
  int staticShared = 0, threadsOfKernel = 1024;
  size_t memory = size_t(1) << 30;

  std::vector<FakeLaunch> launches;
  std::map<std::string, int> calls;    // how often each function was called
  std::vector<std::string> attributes; // "entry 8=100000"
  int modules = 0, contexts = 0;       // alive

  std::recursive_mutex mutex;
};

FakeCuda &fakeCuda();

} // namespace kvarn::test

#endif // KVARN_TEST_UNIT_RUNTIME_FAKECUDA_H
