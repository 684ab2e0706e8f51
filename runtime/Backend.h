//===- Backend.h - Kinds of devices -----------------------------*- C++ -*-===//
//
// A backend loads binaries and launches them on one kind of device. To add one:
// a file with a subclass, and a line in findBackend(). The current device is
// the one that a thread has chosen by the means of its kind of device.
//
// The calling convention of a kernel on a CPU (kKernelAbi 1): a shared object
// exports, for each launch of its variant,
//
//   void entry(const int64_t *params, void *scratch,
//              int64_t x, int64_t y, int64_t z);
//
// which is called once for each cell of the grid, from many threads at once and
// in any order. `params` holds the arguments of the launch in order, as 8-byte
// words:
//   tensor or buffer  address of the first element, the extents, the strides in
//                     elements
//   scalar            one word: f32 in the low 4 bytes, i32 sign-extended, i64
// `scratch` is `sharedBytes` of memory, 64-byte aligned, not initialized, which
// belongs to the call.
//
// On an NVIDIA GPU: a cubin or PTX text has, for each launch of its variant, a
// kernel called `entry` whose parameters are exactly those words, each one 64
// bits (.u64), in order.
//
// The place in the grid is %ctaid. There are `block` threads in x, `cluster`
// CTAs of neighbouring x in a cluster, and `sharedBytes` of dynamic shared
// memory, not initialized. Launches run in order on one stream; a kernel may
// count on those before it being done, unless its launch is `early`: then every
// CTA must execute griddepcontrol.wait before it counts on anything that they
// do, and before it stores. No kernel may count on memory of the host.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_RUNTIME_BACKEND_H
#define KVARN_RUNTIME_BACKEND_H

#include "format/Manifest.h"
#include "runtime/kvarn.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvarn::runtime {

/// One launch, ready to run.
struct LaunchCall {
  size_t index; // in Variant::launches
  std::array<int64_t, 3> grid;
  std::vector<int64_t> params;
};

/// A device, as tables of schedules name it.
struct DeviceIdentity {
  std::string name;       // "NVIDIA H200"
  int64_t processors = 0; // multiprocessors; of a CPU threads

  bool operator==(const DeviceIdentity &) const = default;
};

/// A variant whose binary is loaded. Safe to use from several threads.
class LoadedVariant {
public:
  virtual ~LoadedVariant() = default;

  /// Loads it on the current device, if it is not there yet.
  virtual kvarn_status prepare() const = 0;

  /// Runs the calls in order on `device`, one that Backend::deviceFor() gave.
  virtual kvarn_status run(const std::vector<LaunchCall> &calls,
                           const kvarn_launch_options &options,
                           kvarn_device device) const = 0;
};

class Backend {
public:
  virtual ~Backend() = default;

  /// Whether there is such a device at all.
  virtual bool isPresent() const = 0;

  /// Why `variant` does not run on the current device; "" if it does.
  virtual std::string missing(const Variant &variant) const = 0;

  /// How much `variant` makes of the device. Of variants that run here and
  /// compute the same, the one with the larger value is taken.
  virtual std::array<int64_t, 2> preference(const Variant &variant) const = 0;

  /// The name that the compiler has for the current device, or why it has none.
  virtual kvarn_status compilerTarget(std::string &name) const = 0;

  /// The current device; nothing if there is none.
  virtual DeviceIdentity identity() const = 0;

  /// Loads the binary at `path`, whose hash has been checked.
  virtual kvarn_status load(const Variant &variant, const std::string &path,
                            std::unique_ptr<LoadedVariant> &loaded) const = 0;

  /// The device whose kernels reach `memory`, if there is one.
  virtual std::optional<kvarn_device> deviceFor(kvarn_device memory) const = 0;

  /// The device of a launch that has no tensors.
  virtual kvarn_device currentDevice() const = 0;

  virtual kvarn_status
  checkOptions(const kvarn_launch_options &options) const = 0;

  /// Whether the runtime may allocate the workspace of a launch with calloc.
  virtual bool usesHostMemory() const = 0;

  /// For launch rules.
  virtual std::optional<int64_t> fact(std::string_view name,
                                      kvarn_device device) const = 0;
};

const Backend &cpuBackend();
const Backend &cudaBackend();

/// The backend for Requirements::arch, or nullptr.
const Backend *findBackend(std::string_view arch);

/// The backend for kvarn_request::target, or nullptr. NULL is the CPU.
const Backend *backendOfTarget(const char *target);

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_BACKEND_H
