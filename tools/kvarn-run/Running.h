//===- Running.h - Where and how kernels run ------------------------------===//

#ifndef KVARN_TOOLS_RUN_RUNNING_H
#define KVARN_TOOLS_RUN_RUNNING_H

#include "tools/kvarn-run/Gpu.h"
#include "tools/kvarn-run/Runtime.h"
#include "tools/kvarn-run/Tensors.h"

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace kvarn::run {

/// The workspace of launches that follow each other: zeroed when it is made,
/// then left to the kernel.
struct Workspace {
  HostTensor host;
  GpuMemory gpu;
  size_t bytes = 0;
};

/// What the options --device and --threads say.
class Running {
  mutable std::shared_ptr<Gpu> started; // first: memory of it goes before it

public:
  int threads = 0;             // of a CPU, 0 = all
  std::string device = "auto"; // or "cpu", "cuda", "cuda:1"
  /// Of all launches; without one, each launch has its own.
  std::shared_ptr<Workspace> workspace;

  /// What is wrong with the text of --device, or "".
  static std::string describeDeviceError(const std::string &text);

  /// The kernel of `library` for `request`, on the device that was asked for.
  /// Without a target, "auto" is a GPU if the library has kernels for no CPU.
  /// Throws Error.
  Kernel select(const Library &library, Request request) const;
  Kernel selectId(const Library &library, const std::string &id) const;
  /// Why, for people.
  std::string explain(const Library &library, Request request) const;

  /// The GPU. It is started when it is first asked for. Throws Error.
  const Gpu &gpu() const;

private:
  std::string target(const Library &library, const Request &request) const;
};

/// One launch of a kernel. Tensors of the host go to the device and, if they
/// are written, come back.
class Launch {
public:
  Launch(const Running &running, const Kernel &kernel);

  /// For the arguments: `tensor`, where the kernel can read it. It must outlive
  /// the launch. NULL stays NULL.
  const kvarn_tensor *read(const HostTensor *tensor);
  const kvarn_tensor *read(const HostTensor &tensor) { return read(&tensor); }
  /// The same for one that is read and written.
  const kvarn_tensor *write(HostTensor *tensor);
  const kvarn_tensor *write(HostTensor &tensor) { return write(&tensor); }

  /// Runs the kernel and waits. Throws Error.
  void run(const kvarn_attend_args &args);
  void run(const kvarn_append_args &args);
  void run(const kvarn_flush_args &args);
  void run(const kvarn_pack_args &args);
  void run(const kvarn_unflush_args &args);
  void run(const kvarn_materialize_args &args);
  void run(const kvarn_relayout_args &args);
  void run(const std::vector<kvarn_argument> &arguments);

  /// Called by run() before the kernel runs, when the runtime has checked the
  /// shapes and types of the arguments; may throw.
  std::function<void()> beforeLaunch;

private:
  struct Placed {
    GpuMemory memory;
    kvarn_tensor tensor;
    HostTensor *host; // to be written back, or NULL
  };
  const kvarn_tensor *place(const HostTensor &tensor, HostTensor *back);
  kvarn_launch_options prepare(size_t workspaceBytes);
  void finish();

  const Running &running;
  const Kernel &kernel;
  const Gpu *gpu; // NULL on the CPU
  std::list<Placed> placed;
  std::shared_ptr<Workspace> workspace;
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_RUNNING_H
