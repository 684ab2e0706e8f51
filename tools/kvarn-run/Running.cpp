//===- Running.cpp - Where and how kernels run ----------------------------===//

#include "tools/kvarn-run/Running.h"

#include <charconv>

namespace kvarn::run {

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

/// The number in "cuda:1"; 0 for "cuda", -1 for anything else.
static int gpuNumber(const std::string &device) {
  if (device == "cuda")
    return 0;
  int number = -1;
  const char *end = device.data() + device.size();
  if (!device.starts_with("cuda:") || device.size() == 5 || device[5] == '-')
    return -1;
  auto [stop, error] = std::from_chars(device.data() + 5, end, number);
  return error == std::errc() && stop == end ? number : -1;
}

std::string Running::describeDeviceError(const std::string &text) {
  return text == "auto" || text == "cpu" || gpuNumber(text) >= 0
             ? ""
             : "found '" + text + "', expected auto, cpu, cuda or cuda:N";
}

const Gpu &Running::gpu() const {
  if (!started)
    started = std::make_shared<Gpu>(std::max(gpuNumber(device), 0));
  return *started;
}

/// The target to ask for; "" is the CPU.
std::string Running::target(const Library &library,
                            const Request &request) const {
  std::string gpu = library.gpuTarget(request.kernel);
  if (!request.target.empty())
    return request.target;
  if (gpuNumber(device) >= 0 && gpu.empty())
    throw Error(kInput, "--device=" + device + ": " + library.path() +
                            " has no kernel '" + request.kernel +
                            "' for a GPU");
  bool host = device == "cpu" ||
              (device == "auto" && library.hasCpuKernel(request.kernel));
  return host ? "" : gpu;
}

Kernel Running::select(const Library &library, Request request) const {
  request.target = target(library, request);
  // The runtime chooses for the device that is current.
  if (request.target.starts_with("sm_") ||
      (!request.target.empty() &&
       request.target == library.gpuTarget(request.kernel)))
    gpu();
  return library.select(request);
}

Kernel Running::selectId(const Library &library, const std::string &id) const {
  for (const kvarn_variant_info &info : library.variants())
    if (id == info.id && isGpuKind(info.binary_kind))
      gpu();
  return library.selectId(id);
}

std::string Running::explain(const Library &library, Request request) const {
  request.target = target(library, request);
  return library.explain(request);
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Launch::Launch(const Running &running, const Kernel &kernel)
    : running(running), kernel(kernel),
      gpu(isGpuKind(kernel.info().binary_kind) ? &running.gpu() : nullptr),
      workspace(running.workspace ? running.workspace
                                  : std::make_shared<Workspace>()) {}

const kvarn_tensor *Launch::place(const HostTensor &tensor, HostTensor *back) {
  if (!gpu)
    return tensor.descriptor();
  placed.push_back(
      {GpuMemory(*gpu, tensor.bytes().size()), *tensor.descriptor(), back});
  Placed &last = placed.back();
  gpu->copyIn(last.memory, tensor.bytes());
  last.tensor.data = last.memory.data();
  last.tensor.device = gpu->device();
  return &last.tensor;
}

const kvarn_tensor *Launch::read(const HostTensor *tensor) {
  return tensor ? place(*tensor, nullptr) : nullptr;
}

const kvarn_tensor *Launch::write(HostTensor *tensor) {
  return tensor ? place(*tensor, tensor) : nullptr;
}

kvarn_launch_options Launch::prepare(size_t bytes) {
  if (beforeLaunch)
    beforeLaunch();
  if (bytes != workspace->bytes) {
    workspace->bytes = bytes;
    if (gpu) {
      workspace->gpu = GpuMemory(*gpu, bytes);
      gpu->fill(workspace->gpu, 0);
    } else {
      workspace->host = HostTensor(DType::U8, {static_cast<int64_t>(bytes)});
    }
  }
  kvarn_launch_options options = launchOptions(running.threads);
  options.stream = gpu ? gpu->stream() : nullptr;
  options.workspace_bytes = bytes;
  if (bytes > 0)
    options.workspace =
        gpu ? workspace->gpu.data() : workspace->host.bytes().data();
  return options;
}

void Launch::finish() {
  if (!gpu)
    return;
  gpu->finish(kernel.info().id);
  for (Placed &each : placed)
    if (each.host)
      gpu->copyOut(each.host->bytes(), each.memory);
}

// One way for the typed calls: how to measure and how to launch.
#define KVARN_RUN(name)                                                        \
  void Launch::run(const kvarn_##name##_args &args) {                          \
    size_t bytes = 0;                                                          \
    check(kvarn_##name##_workspace_bytes(kernel.get(), &args, &bytes));        \
    kvarn_launch_options options = prepare(bytes);                             \
    check(kvarn_##name(kernel.get(), &args, &options));                        \
    finish();                                                                  \
  }
KVARN_RUN(attend)
KVARN_RUN(append)
KVARN_RUN(flush)
KVARN_RUN(pack)
KVARN_RUN(unflush)
KVARN_RUN(materialize)
KVARN_RUN(relayout)
#undef KVARN_RUN

void Launch::run(const std::vector<kvarn_argument> &arguments) {
  size_t bytes = 0;
  check(kvarn_workspace_bytes(kernel.get(), arguments.data(), arguments.size(),
                              &bytes));
  kvarn_launch_options options = prepare(bytes);
  check(
      kvarn_launch(kernel.get(), arguments.data(), arguments.size(), &options));
  finish();
}

} // namespace kvarn::run
