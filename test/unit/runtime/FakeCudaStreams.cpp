//===- FakeCudaStreams.cpp - Memory, streams and graphs of the fake -------===//

#include "test/unit/runtime/FakeCudaState.h"

#include <cstring>

using namespace kvarn::test;

static thread_local int captureMode = 0; // global

CUresult kvarn::test::checkUnsafe() {
  if (state().capturing.empty() ||
      captureMode == CU_STREAM_CAPTURE_MODE_RELAXED)
    return CUDA_SUCCESS;
  for (CUstream stream : state().capturing)
    stream->invalidated = true;
  return kCaptureUnsupported;
}

CUstream kvarn::test::streamOf(CUstream stream) {
  return stream ? stream : &state().defaultStream;
}

bool kvarn::test::isDeviceMemory(uintptr_t address, size_t bytes) {
  auto after = state().memory.upper_bound(address);
  if (after == state().memory.begin())
    return false;
  auto [start, size] = *std::prev(after);
  return address - start <= size && bytes <= size - (address - start);
}

CUresult kvarn::test::submit(CUstream stream, std::function<CUresult()> work) {
  stream = streamOf(stream);
  if (stream->invalidated)
    return kCaptureInvalidated;
  if (!stream->capture)
    return work();
  stream->capture->work.push_back(std::move(work));
  return CUDA_SUCCESS;
}

static CUresult copy(CUstream stream, uintptr_t to, bool toDevice,
                     uintptr_t from, bool fromDevice, size_t bytes) {
  if ((toDevice && !isDeviceMemory(to, bytes)) ||
      (fromDevice && !isDeviceMemory(from, bytes)))
    return CUDA_ERROR_INVALID_VALUE;
  return submit(stream, [=] {
    Unlocked unlocked;
    std::memmove(reinterpret_cast<void *>(to),
                 reinterpret_cast<const void *>(from), bytes);
    return CUDA_SUCCESS;
  });
}

static size_t freeMemory() {
  size_t taken = 0;
  for (auto &[address, bytes] : state().memory)
    taken += bytes;
  return fakeCuda().memory - std::min(taken, fakeCuda().memory);
}

FAKE(cuMemAlloc_v2, CUdeviceptr *address, size_t bytes) {
  ENTER("cuMemAlloc")
  if (CUresult unsafe = checkUnsafe())
    return unsafe;
  if (contextStack().empty())
    return kInvalidContext;
  if (bytes == 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (bytes > freeMemory())
    return CUDA_ERROR_OUT_OF_MEMORY;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return CUDA_ERROR_OUT_OF_MEMORY;
  // Not zero, as on a device: who counts on zeros must see that it is wrong.
  std::memset(memory, 0x5a, std::min<size_t>(bytes, 1 << 20));
  mprotect(memory, bytes, PROT_NONE);
  state().memory[reinterpret_cast<uintptr_t>(memory)] = bytes;
  *address = reinterpret_cast<uintptr_t>(memory);
  return CUDA_SUCCESS;
}
FAKE(cuMemFree_v2, CUdeviceptr address) {
  ENTER("cuMemFree")
  if (CUresult unsafe = checkUnsafe())
    return unsafe;
  auto found = state().memory.find(address);
  if (found == state().memory.end())
    return CUDA_ERROR_INVALID_VALUE;
  munmap(reinterpret_cast<void *>(address), found->second);
  state().memory.erase(found);
  return CUDA_SUCCESS;
}
FAKE(cuMemGetInfo_v2, size_t *free, size_t *total) {
  ENTER("cuMemGetInfo")
  *free = freeMemory();
  *total = fakeCuda().memory;
  return CUDA_SUCCESS;
}
FAKE(cuMemcpyHtoDAsync_v2, CUdeviceptr to, const void *from, size_t bytes,
     CUstream stream) {
  ENTER("cuMemcpyHtoDAsync")
  return copy(stream, to, true, reinterpret_cast<uintptr_t>(from), false,
              bytes);
}
FAKE(cuMemcpyDtoHAsync_v2, void *to, CUdeviceptr from, size_t bytes,
     CUstream stream) {
  ENTER("cuMemcpyDtoHAsync")
  return copy(stream, reinterpret_cast<uintptr_t>(to), false, from, true,
              bytes);
}
FAKE(cuMemcpyDtoDAsync_v2, CUdeviceptr to, CUdeviceptr from, size_t bytes,
     CUstream stream) {
  ENTER("cuMemcpyDtoDAsync")
  return copy(stream, to, true, from, true, bytes);
}
FAKE(cuMemsetD8Async, CUdeviceptr to, unsigned char value, size_t bytes,
     CUstream stream) {
  ENTER("cuMemsetD8Async")
  if (!isDeviceMemory(to, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  return submit(stream, [=] {
    Unlocked unlocked;
    std::memset(reinterpret_cast<void *>(to), value, bytes);
    return CUDA_SUCCESS;
  });
}

FAKE(cuStreamCreate, CUstream *stream, unsigned flags) {
  ENTER("cuStreamCreate")
  if (contextStack().empty())
    return kInvalidContext;
  *stream =
      new CUstream_st{contextStack().back(), !(flags & CU_STREAM_NON_BLOCKING)};
  return CUDA_SUCCESS;
}
FAKE(cuStreamDestroy_v2, CUstream stream) {
  ENTER("cuStreamDestroy")
  delete stream;
  return CUDA_SUCCESS;
}
FAKE(cuStreamSynchronize, CUstream) {
  ENTER("cuStreamSynchronize")
  if (CUresult unsafe = checkUnsafe())
    return unsafe;
  return fakeCuda().launches.empty() ? CUDA_SUCCESS : fakeCuda().crash;
}
/// The default stream is that of the current context, and whoever asks about it
/// touches the streams that wait for it.
static CUresult checkDefaultStream() {
  if (contextStack().empty())
    return kInvalidContext;
  for (CUstream other : state().capturing)
    if (other->blocking && other->context == contextStack().back())
      return kCaptureImplicit;
  return CUDA_SUCCESS;
}
FAKE(cuStreamIsCapturing, CUstream stream, int *status) {
  ENTER("cuStreamIsCapturing")
  if (CUresult result = stream ? CUDA_SUCCESS : checkDefaultStream())
    return result;
  *status = streamOf(stream)->capture ? 1 : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}
FAKE(cuStreamBeginCapture_v2, CUstream stream, int) {
  ENTER("cuStreamBeginCapture")
  if (!stream || stream->capture)
    return kCaptureUnsupported; // the default stream cannot be captured
  stream->capture = new CUgraph_st();
  state().capturing.insert(stream);
  return CUDA_SUCCESS;
}
FAKE(cuStreamEndCapture, CUstream stream, CUgraph *graph) {
  ENTER("cuStreamEndCapture")
  bool spoiled = stream->invalidated || !stream->capture;
  *graph = spoiled ? nullptr : stream->capture;
  if (spoiled)
    delete stream->capture;
  stream->capture = nullptr;
  stream->invalidated = false;
  state().capturing.erase(stream);
  return spoiled ? kCaptureInvalidated : CUDA_SUCCESS;
}
FAKE(cuThreadExchangeStreamCaptureMode, int *mode) {
  ENTER("cuThreadExchangeStreamCaptureMode")
  std::swap(*mode, captureMode);
  return CUDA_SUCCESS;
}
FAKE(cuGraphInstantiateWithFlags, CUgraphExec *instance, CUgraph graph,
     unsigned long long) {
  ENTER("cuGraphInstantiate")
  *instance = new CUgraphExec_st{graph->work};
  return CUDA_SUCCESS;
}
FAKE(cuGraphLaunch, CUgraphExec instance, CUstream) {
  ENTER("cuGraphLaunch")
  for (auto &work : instance->work)
    if (CUresult result = work())
      return result;
  return CUDA_SUCCESS;
}
FAKE(cuGraphExecDestroy, CUgraphExec instance) {
  ENTER("cuGraphExecDestroy")
  delete instance;
  return CUDA_SUCCESS;
}
FAKE(cuGraphDestroy, CUgraph graph) {
  ENTER("cuGraphDestroy")
  delete graph;
  return CUDA_SUCCESS;
}
FAKE(cuEventCreate, CUevent *event, unsigned) {
  ENTER("cuEventCreate")
  *event = new CUevent_st();
  return CUDA_SUCCESS;
}
FAKE(cuEventDestroy_v2, CUevent event) {
  ENTER("cuEventDestroy")
  delete event;
  return CUDA_SUCCESS;
}
FAKE(cuEventRecord, CUevent event, CUstream stream) {
  ENTER("cuEventRecord")
  return submit(stream, [=] {
    event->time = std::chrono::steady_clock::now();
    return CUDA_SUCCESS;
  });
}
FAKE(cuEventSynchronize, CUevent) {
  ENTER("cuEventSynchronize")
  return CUDA_SUCCESS;
}
FAKE(cuEventElapsedTime, float *milliseconds, CUevent begin, CUevent end) {
  ENTER("cuEventElapsedTime")
  std::chrono::duration<float, std::milli> passed = end->time - begin->time;
  *milliseconds = std::max(passed.count(), 0.001f); // kernels of PTX take none
  return CUDA_SUCCESS;
}
