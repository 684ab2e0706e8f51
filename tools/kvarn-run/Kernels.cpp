//===- Kernels.cpp - One subcommand per kernel of a cache -----------------===//
//
// Its options are the parameters in kvarn_cache.h; tensors are .npy files. What
// the kernels have in common comes from runtime/KernelTensors.h.
//
//===----------------------------------------------------------------------===//

#include "runtime/KernelTensors.h"
#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/Indices.h"
#include "tools/kvarn-run/OptionChecks.h"
#include "tools/kvarn-run/Tensors.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>

namespace kvarn::run {

using runtime::Access;
using runtime::KernelOf;
using runtime::KernelTensor;

namespace {

/// The tensors that a subcommand reads and writes, by their names in
/// kvarn_cache.h.
class TensorFiles {
public:
  explicit TensorFiles(CLI::App &app) : app(app) {}

  CLI::Option *input(const std::string &name, const std::string &help) {
    return file(inputs, name, name, help, "Tensors read (.npy)");
  }
  /// Written to the option `option`.
  CLI::Option *output(const std::string &name, const std::string &option,
                      const std::string &help) {
    return file(outputs, name, option, help, "Tensors written (.npy)");
  }

  bool given(const std::string &name) const {
    auto in = inputs.find(name), out = outputs.find(name);
    return (in != inputs.end() && !in->second.path.empty()) ||
           (out != outputs.end() && !out->second.path.empty());
  }
  /// NULL if it was not given.
  HostTensor *find(const std::string &name) {
    auto found = tensors.find(name);
    return found == tensors.end() ? nullptr : &found->second;
  }
  void create(const std::string &name, DType dtype,
              std::vector<int64_t> shape) {
    tensors[name] =
        createTensor(outputs.at(name).option, dtype, std::move(shape));
  }

  void read() {
    checkOutputs();
    for (const auto &[name, file] : inputs)
      if (!file.path.empty())
        tensors[name] = loadTensor(file.path);
  }
  /// What was read, for checkIndices.
  std::map<std::string, IndexInputs::Tensor> indexTensors() const {
    std::map<std::string, IndexInputs::Tensor> found;
    for (const auto &[name, file] : inputs)
      if (!file.path.empty())
        found[name] = {file.option + "=" + file.path, &tensors.at(name)};
    return found;
  }
  void write() {
    OutputFiles files;
    for (const auto &[name, file] : outputs)
      if (!file.path.empty())
        saveTensor(files, file.path, tensors.at(name));
    commit(files);
  }

private:
  struct File {
    std::string option, path;
  };
  using Files = std::map<std::string, File>;

  CLI::Option *file(Files &files, const std::string &name, std::string option,
                    const std::string &help, const char *group) {
    std::replace(option.begin(), option.end(), '_', '-');
    File &added = files[name];
    added.option = "--" + option;
    return app.add_option(added.option, added.path, help)
        ->type_name("FILE")
        ->group(group);
  }
  void checkOutputs() const {
    std::vector<std::pair<std::string, std::string>> written;
    for (const auto &[name, file] : outputs)
      written.emplace_back(file.option, file.path);
    requireDistinct(written);
  }

  CLI::App &app;
  Files inputs, outputs;
  std::map<std::string, HostTensor> tensors;
};

/// The subcommand of the kernel that takes `Args`.
template <typename Args> class KernelCommand {
public:
  KernelCommand(CLI::App &app, const std::string &help)
      : app(*app.add_subcommand(KernelOf<Args>::name, help)), files(this->app) {
    for (const KernelTensor<Args> &each : KernelOf<Args>::tensors)
      addTensor(each);
  }

  /// After the options of its own.
  void finish(Action &action, std::function<int()> run) {
    selection.addTo(app);
    app.callback([&action, run = std::move(run)] { action = run; });
  }

  /// Reads the tensors and the library, and says what they ask for.
  Request begin();
  /// The extent called `name`, 0 if no tensor that was read has it.
  int64_t extent(const std::string &name) const {
    auto found = extents.find(name);
    return found == extents.end() ? 0 : found->second;
  }
  void setExtent(const std::string &name, int64_t value) {
    extents[name] = value;
  }
  Kernel select(const Request &request) const {
    return selection.select(*library, request);
  }
  /// Tokens of a block.
  int64_t group(const Kernel &kernel) const {
    std::optional<Format> format = formatOf(kernel.info());
    return std::max<int64_t>(format ? format->group : extent("G"), 1);
  }
  /// Runs the kernel on `args`, whose scalars are set, and writes the results.
  int run(const Kernel &kernel, Args args = {});

  CLI::App &app;
  TensorFiles files;
  Selection selection;

private:
  void addTensor(const KernelTensor<Args> &tensor);

  std::unique_ptr<Library> library;
  std::map<std::string, int64_t> extents;
};

} // namespace

/// "T Hq D" as words.
static std::vector<std::string> splitDims(const char *dims) {
  std::istringstream text(dims);
  std::vector<std::string> names;
  for (std::string name; text >> name;)
    names.push_back(name);
  return names;
}

template <typename Args>
void KernelCommand<Args>::addTensor(const KernelTensor<Args> &tensor) {
  std::string help = "[" + joinList(splitDims(tensor.dims), ", ") + "] ";
  help += tensor.type == std::string("dtype") ? "f2 or bfloat16" : tensor.type;
  if (*tensor.help)
    help += std::string(": ") + tensor.help;
  CLI::Option *option = tensor.access == Access::Write
                            ? files.output(tensor.name, tensor.name, help)
                            : files.input(tensor.name, help);
  if (!*tensor.feature)
    option->required();
  // A tensor that the kernel changes is read, and written elsewhere.
  if (tensor.access == Access::ReadWrite)
    files.output(tensor.name, tensor.name + std::string("-out"),
                 tensor.name + std::string(" afterwards"));
}

template <typename Args> Request KernelCommand<Args>::begin() {
  files.read();
  library = std::make_unique<Library>(selection.library);
  Request request;
  request.kernel = KernelOf<Args>::name;
  for (const KernelTensor<Args> &each : KernelOf<Args>::tensors) {
    const HostTensor *tensor = files.find(each.name);
    if (!tensor)
      continue;
    std::vector<std::string> names = splitDims(each.dims);
    // A wrong rank is left to the runtime, which says what is wrong.
    for (size_t i = 0; i < std::min(names.size(), tensor->shape().size()); ++i)
      extents.emplace(names[i], tensor->extent(i));
    if (request.dtype.empty() && each.type == std::string("dtype"))
      request.dtype = npy::dtypeName(tensor->dtype());
  }
  request.headDim = extent("D");
  return request;
}

template <typename Args>
int KernelCommand<Args>::run(const Kernel &kernel, Args args) {
  for (const KernelTensor<Args> &each : KernelOf<Args>::tensors) {
    if (each.access != Access::Write || !files.given(each.name))
      continue;
    std::vector<int64_t> shape;
    for (const std::string &name : splitDims(each.dims))
      shape.push_back(extent(name));
    auto own = npy::parseDType(kernel.info().dtype).value_or(DType::F16);
    files.create(each.name,
                 each.type == std::string("dtype") ? own : DType::F32,
                 std::move(shape));
  }
  Launch launch(selection.running, kernel);
  launch.beforeLaunch = [&] {
    checkIndices(
        {KernelOf<Args>::name, files.indexTensors(), extents, group(kernel)});
  };
  args.struct_size = sizeof args;
  for (const KernelTensor<Args> &each : KernelOf<Args>::tensors) {
    HostTensor *tensor = files.find(each.name);
    args.*each.member = each.access == Access::Read ? launch.read(tensor)
                                                    : launch.write(tensor);
  }
  launch.run(args);
  files.write();
  return kDone;
}

//===----------------------------------------------------------------------===//
// The kernels
//===----------------------------------------------------------------------===//

/// Of a kernel that needs no options of its own.
template <typename Args>
static void addPlain(CLI::App &app, Action &action, const char *help) {
  auto command = std::make_shared<KernelCommand<Args>>(app, help);
  command->finish(
      action, [=] { return command->run(command->select(command->begin())); });
}

namespace {
struct AttendOptions {
  float scale = 0, softcap = 0;
  int32_t window = 0;
  bool full = false;
};
} // namespace

static int runAttend(KernelCommand<kvarn_attend_args> &command,
                     const AttendOptions &options) {
  Request request = command.begin();
  std::vector<std::string> features;
  if (!options.full)
    features.emplace_back("causal");
  if (command.files.given("lse"))
    features.emplace_back("lse");
  if (command.files.given("new_k"))
    features.emplace_back("new");
  if (command.files.given("sinks"))
    features.emplace_back("sinks");
  if (options.softcap != 0)
    features.emplace_back("softcap");
  if (options.window != 0)
    features.emplace_back("window");
  request.features = joinList(features, ",");
  request.kvHeads = command.extent("Hk");
  request.ratio = command.extent("Hq") / std::max<int64_t>(request.kvHeads, 1);
  request.maxBatch = command.extent("B");
  kvarn_attend_args args = {};
  args.scale = options.scale;
  args.window = options.window;
  args.softcap = options.softcap;
  return command.run(command.select(request), args);
}

static void addAttend(CLI::App &app, Action &action) {
  auto command = std::make_shared<KernelCommand<kvarn_attend_args>>(
      app, "Attention of queries over a paged cache");
  auto options = std::make_shared<AttendOptions>();
  CLI::App &sub = command->app;
  const char *group = "Scalars";
  sub.add_option("--scale", options->scale, "Of the scores, 0 = 1 / sqrt(D)")
      ->check(finiteNumber(/*hasSign=*/true))
      ->group(group);
  sub.add_option("--window", options->window, "Tokens seen, 0 = no window")
      ->check(integerFrom<int32_t>(0, INT32_MAX))
      ->group(group);
  sub.add_option("--softcap", options->softcap, "0 = none")
      ->check(finiteNumber(/*hasSign=*/false))
      ->group(group);
  sub.add_flag("--non-causal", options->full,
               "Every query token sees all tokens")
      ->group(group);
  command->finish(action, [=] { return runAttend(*command, *options); });
}

/// The longest of seq_lens; bad ones are refused later.
static int64_t longest(const HostTensor &lengths) {
  int64_t length = 0;
  if (lengths.dtype() == DType::I32)
    for (int32_t value : lengths.as<int32_t>())
      length = std::max<int64_t>(length, value);
  return length;
}

static int runMaterialize(KernelCommand<kvarn_materialize_args> &command,
                          int64_t length) {
  Kernel kernel = command.select(command.begin());
  int64_t least = longest(*command.files.find("seq_lens"));
  if (length > 0 && length < least)
    throw Error(kInput, "--length: " + std::to_string(length) +
                            " is less than the longest of seq_lens, " +
                            std::to_string(least));
  // No tensors for requests that are longer than the table: they are refused
  // later, too.
  int64_t group = command.group(kernel), room = command.extent("max_blocks");
  if ((least + group - 1) / group > room)
    least = room * group;
  command.setExtent("L", length > 0 ? length : least);
  return command.run(kernel);
}

static void addMaterialize(CLI::App &app, Action &action) {
  auto command = std::make_shared<KernelCommand<kvarn_materialize_args>>(
      app, "Keys and values of a cache, rotated back");
  auto length = std::make_shared<int64_t>(0);
  command->app
      .add_option("--length", *length, "L (default: the longest request)")
      ->check(integerFrom<int64_t>(1, kMostCounted))
      ->group("Scalars");
  command->finish(action, [=] { return runMaterialize(*command, *length); });
}

void addKernelCommands(CLI::App &app, Action &action) {
  addAttend(app, action);
  addPlain<kvarn_append_args>(app, action,
                              "Rotates new keys and values into the pool");
  addPlain<kvarn_flush_args>(app, action,
                             "Packs blocks of the pool into pages");
  addPlain<kvarn_pack_args>(app, action,
                            "Packs blocks of new keys and values into pages");
  addPlain<kvarn_unflush_args>(app, action,
                               "Copies packed blocks back to the pool");
  addMaterialize(app, action);
  addPlain<kvarn_relayout_args>(
      app, action, "Copies records into pages of the other layout");
}

} // namespace kvarn::run
