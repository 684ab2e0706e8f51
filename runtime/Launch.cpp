//===- Launch.cpp - From arguments by name to launches --------------------===//

#include "runtime/Launch.h"

#include "runtime/Arguments.h"
#include "runtime/Status.h"

#include <cstdlib>

namespace kvarn::runtime {

namespace {
/// A launch of a variant with certain arguments.
class Plan {
public:
  Plan(const kvarn_kernel &kernel)
      : variant(kernel.variant()), backend(kernel.backend) {}

  kvarn_status bind(std::span<const kvarn_argument> arguments, bool needData);
  kvarn_status checkExtents() const;
  /// Shapes and places of the buffers, from address 0.
  kvarn_status placeBuffers();
  kvarn_status makeCalls(std::vector<LaunchCall> &calls) const;

  size_t workspaceBytes() const { return bytes; }
  kvarn_device device() const { return bound.device; }
  void setWorkspace(void *workspace) {
    for (Argument &buffer : buffers)
      buffer.word +=
          static_cast<int64_t>(reinterpret_cast<uintptr_t>(workspace));
  }

private:
  kvarn_status evaluate(const Rule &rule, const std::string &what,
                        int64_t &value) const;
  const Argument &find(const std::string &name, bool &scalar) const;

  const Variant &variant;
  const Backend &backend;
  BoundArguments bound;
  std::vector<Argument> buffers;
  size_t bytes = 0;
  RuleInputs inputs;
};
} // namespace

kvarn_status Plan::bind(std::span<const kvarn_argument> arguments,
                        bool needData) {
  KVARN_TRY(bindArguments(variant, backend, arguments, needData, bound));
  auto find = [this](std::string_view name) -> const Argument * {
    for (size_t i = 0; i < bound.list.size(); ++i)
      if (variant.parameters[i].name == name)
        return &bound.list[i];
    return nullptr;
  };
  inputs.dim = [find](std::string_view tensor,
                      int64_t dimension) -> std::optional<int64_t> {
    const Argument *found = find(tensor);
    if (!found || dimension < 0 ||
        static_cast<size_t>(dimension) >= found->shape.size())
      return std::nullopt;
    return found->shape[static_cast<size_t>(dimension)];
  };
  inputs.param = [find](std::string_view name) -> std::optional<int64_t> {
    const Argument *found = find(name);
    return found ? std::optional(found->word) : std::nullopt;
  };
  inputs.device = [this](std::string_view fact) {
    return backend.fact(fact, bound.device);
  };
  return KVARN_STATUS_OK;
}

/// All rules are sizes: negative values are errors.
kvarn_status Plan::evaluate(const Rule &rule, const std::string &what,
                            int64_t &value) const {
  std::string error;
  std::optional<int64_t> result = evaluateRule(rule, inputs, error);
  if (!result)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                variant.id + ": " + what + ": " + error);
  if (*result < 0)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, variant.id + ": " + what + ": " +
                                                   printRule(rule) + " is " +
                                                   std::to_string(*result));
  value = *result;
  return KVARN_STATUS_OK;
}

kvarn_status Plan::checkExtents() const {
  for (const ExtentCheck &check : variant.checks) {
    int64_t expected = 0;
    KVARN_TRY(evaluate(check.extent, "checks of " + check.tensor, expected));
    // readManifest() made sure that the dimension is there.
    int64_t extent = *inputs.dim(check.tensor, check.dimension);
    if (extent != expected)
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  check.tensor + ": expected extent " +
                      std::to_string(check.dimension) + " to be " +
                      printRule(check.extent) + " = " +
                      std::to_string(expected) + ", got " +
                      std::to_string(extent));
  }
  return KVARN_STATUS_OK;
}

kvarn_status Plan::placeBuffers() {
  int64_t end = 0;
  for (const Buffer &buffer : variant.buffers) {
    Argument &placed = buffers.emplace_back();
    placed.word = end;
    int64_t size = dtypeBytes(buffer.dtype);
    bool fits = true;
    for (size_t i = 0; i < buffer.shape.size(); ++i) {
      KVARN_TRY(evaluate(buffer.shape[i],
                         buffer.name + ".shape[" + std::to_string(i) + "]",
                         placed.shape.emplace_back()));
      fits = fits && !__builtin_mul_overflow(size, placed.shape[i], &size);
    }
    constexpr int64_t alignment = KVARN_WORKSPACE_ALIGNMENT;
    fits = fits && contiguousStrides(placed.shape, placed.strides) &&
           !__builtin_add_overflow(end, size, &end) &&
           !__builtin_add_overflow(end, alignment - 1, &end);
    if (!fits)
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  variant.id + ": " + buffer.name +
                      " is larger than the address space");
    end = end / alignment * alignment;
  }
  bytes = static_cast<size_t>(end);
  return KVARN_STATUS_OK;
}

const Argument &Plan::find(const std::string &name, bool &scalar) const {
  for (size_t i = 0; i < bound.list.size(); ++i)
    if (variant.parameters[i].name == name) {
      scalar = variant.parameters[i].kind == Parameter::Kind::Scalar;
      return bound.list[i];
    }
  scalar = false;
  size_t i = 0; // readManifest() made sure that it is there
  while (variant.buffers[i].name != name)
    ++i;
  return buffers[i];
}

kvarn_status Plan::makeCalls(std::vector<LaunchCall> &calls) const {
  for (size_t i = 0; i < variant.launches.size(); ++i) {
    LaunchCall &call = calls.emplace_back();
    call.index = i;
    for (size_t axis = 0; axis < 3; ++axis)
      KVARN_TRY(evaluate(variant.launches[i].grid[axis],
                         "launches[" + std::to_string(i) + "].grid[" +
                             std::to_string(axis) + "]",
                         call.grid[axis]));
    for (const std::string &name : variant.launches[i].arguments) {
      bool scalar;
      const Argument &argument = find(name, scalar);
      call.params.push_back(argument.word);
      if (scalar)
        continue;
      call.params.insert(call.params.end(), argument.shape.begin(),
                         argument.shape.end());
      call.params.insert(call.params.end(), argument.strides.begin(),
                         argument.strides.end());
    }
  }
  return KVARN_STATUS_OK;
}

kvarn_status workspaceBytes(const kvarn_kernel &kernel,
                            std::span<const kvarn_argument> arguments,
                            size_t &bytes) {
  Plan plan(kernel);
  KVARN_TRY(plan.bind(arguments, /*needData=*/false));
  KVARN_TRY(plan.placeBuffers());
  bytes = plan.workspaceBytes();
  return KVARN_STATUS_OK;
}

/// A workspace of the caller, or a new one that `owned` frees. calloc: pages
/// that nobody touches cost nothing.
static kvarn_status getWorkspace(const Backend &backend,
                                 const kvarn_launch_options &options,
                                 size_t bytes,
                                 std::unique_ptr<void, void (*)(void *)> &owned,
                                 void *&workspace) {
  constexpr size_t alignment = KVARN_WORKSPACE_ALIGNMENT;
  workspace = options.workspace;
  if (bytes == 0)
    return KVARN_STATUS_OK;
  if (!workspace && backend.usesHostMemory()) {
    size_t room = bytes + alignment;
    owned.reset(room > bytes ? std::calloc(room, 1) : nullptr);
    if (!owned)
      return fail(KVARN_STATUS_OUT_OF_MEMORY, "no memory for a workspace of " +
                                                  std::to_string(bytes) +
                                                  " bytes");
    workspace = owned.get();
    std::align(alignment, bytes, workspace, room);
    return KVARN_STATUS_OK;
  }
  if (!workspace || options.workspace_bytes < bytes)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "options.workspace: expected " + std::to_string(bytes) +
                    (backend.usesHostMemory()
                         ? " bytes, got "
                         : " bytes of device memory, got ") +
                    std::to_string(workspace ? options.workspace_bytes : 0));
  if (reinterpret_cast<uintptr_t>(workspace) % alignment != 0)
    return fail(
        KVARN_STATUS_INVALID_ARGUMENT,
        "options.workspace: expected an address that is a multiple of " +
            std::to_string(alignment));
  return KVARN_STATUS_OK;
}

kvarn_status launch(const kvarn_kernel &kernel,
                    std::span<const kvarn_argument> arguments,
                    const kvarn_launch_options &options) {
  KVARN_TRY(kernel.backend.checkOptions(options));
  Plan plan(kernel);
  KVARN_TRY(plan.bind(arguments, /*needData=*/true));
  KVARN_TRY(plan.checkExtents());
  KVARN_TRY(plan.placeBuffers());
  std::unique_ptr<void, void (*)(void *)> owned(nullptr, std::free);
  void *workspace = nullptr;
  KVARN_TRY(getWorkspace(kernel.backend, options, plan.workspaceBytes(), owned,
                         workspace));
  plan.setWorkspace(workspace);
  std::vector<LaunchCall> calls;
  KVARN_TRY(plan.makeCalls(calls));
  return kernel.loaded->run(calls, options, plan.device());
}

} // namespace kvarn::runtime
