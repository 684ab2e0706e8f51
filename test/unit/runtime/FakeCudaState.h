//===- FakeCudaState.h - The insides of the fake driver ---------*- C++ -*-===//

#ifndef KVARN_TEST_UNIT_RUNTIME_FAKECUDASTATE_H
#define KVARN_TEST_UNIT_RUNTIME_FAKECUDASTATE_H

#include "runtime/CudaDriver.h"
#include "test/unit/runtime/FakeCuda.h"

#include <chrono>
#include <functional>
#include <set>
#include <sys/mman.h>

namespace kvarn::test {

/// What a kernel may have without asking.
inline constexpr int kLegacySharedBytes = 48 << 10;

using Entry = void (*)(const int64_t *params, void *scratch, int64_t x,
                       int64_t y, int64_t z);

} // namespace kvarn::test

namespace kvarn::cuda {

struct CUctx_st {
  int device;
  int users = 0;
};
struct CUmod_st {
  CUcontext context;
  void *object;     // NULL for a PTX text
  std::string text; // whose kernels do nothing
  std::vector<CUfunction> functions;
};
struct CUfunc_st {
  CUmodule module;
  std::string name;
  test::Entry entry;
  int dynamicShared = test::kLegacySharedBytes;
  bool largeClusters = false;
};
struct CUstream_st {
  CUcontext context = nullptr;
  bool blocking = true;      // waits for the default stream
  CUgraph capture = nullptr; // being recorded
  bool invalidated = false;
};
struct CUevent_st {
  std::chrono::steady_clock::time_point time;
};
struct CUgraph_st {
  std::vector<std::function<CUresult()>> work;
};
struct CUgraphExec_st {
  std::vector<std::function<CUresult()>> work;
};

} // namespace kvarn::cuda

namespace kvarn::test {

using namespace kvarn::cuda;

// Names of cuda.h that the project does not use.
inline constexpr CUresult kNotInitialized = 3, kInvalidDevice = 101,
                          kInvalidContext = 201, kInvalidHandle = 400,
                          kIllegalAddress = 700, kCaptureUnsupported = 900,
                          kCaptureInvalidated = 901, kCaptureImplicit = 906;
struct State {
  bool initialized = false;
  std::map<int, CUcontext> primary;
  std::map<uintptr_t, size_t> memory; // address -> bytes
  std::set<CUstream> capturing;
  CUstream_st defaultStream;
};

State &state();
/// The contexts of this thread, the current one last.
std::vector<CUcontext> &contextStack();
/// Counts the call; not 0 if it is to fail. cuInit works before cuInit.
CUresult enter(const std::string &name, bool early = false);
/// What allocates or waits is not allowed during a capture, and spoils it.
CUresult checkUnsafe();
CUstream streamOf(CUstream stream);
/// Runs `work` now, or records it if the stream is being captured.
CUresult submit(CUstream stream, std::function<CUresult()> work);
bool isDeviceMemory(uintptr_t address, size_t bytes);

/// Opens all memory of the device to the driver and the kernels.
class Unlocked {
public:
  Unlocked() { protect(PROT_READ | PROT_WRITE); }
  ~Unlocked() { protect(PROT_NONE); }

private:
  static void protect(int flags) {
    for (auto [address, bytes] : state().memory)
      mprotect(reinterpret_cast<void *>(address), bytes, flags);
  }
};

} // namespace kvarn::test

#define ENTER(name)                                                            \
  std::lock_guard lock(fakeCuda().mutex);                                      \
  if (CUresult entered = enter(name))                                          \
    return entered;

#define FAKE(name, ...) extern "C" CUresult name(__VA_ARGS__)

#endif // KVARN_TEST_UNIT_RUNTIME_FAKECUDASTATE_H
