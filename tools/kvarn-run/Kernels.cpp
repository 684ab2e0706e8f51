//===- Kernels.cpp - attend, append, flush, materialize, relayout ---------===//
//
// One subcommand per kernel of a cache. Its options are the parameters in
// kvarn.h; tensors are .npy files.
//
//===----------------------------------------------------------------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/Tensors.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <map>
#include <memory>

namespace kvarn::run {

namespace {

/// The subcommand of one kernel: its options, then its tensors.
class KernelCommand {
public:
  KernelCommand(CLI::App &app, const std::string &name, const std::string &help)
      : app(*app.add_subcommand(name, help)), kernel(name) {}

  /// `name` as in kvarn.h; the option has dashes.
  CLI::Option *input(const std::string &name, const std::string &help) {
    return file(name, optionName(name), help, "Tensors read (.npy)");
  }
  /// A tensor that the kernel changes is read as `name` and written to the
  /// option NAME-out.
  void inOut(const std::string &name, const std::string &help) {
    input(name, help)->required();
    output(name, optionName(name) + "-out", name + " afterwards");
  }
  CLI::Option *output(const std::string &name, const std::string &option,
                      const std::string &help) {
    return file(name + " out", option, help, "Tensors written (.npy)");
  }
  void cacheInputs(bool write);

  bool given(const std::string &name) const { return !paths.at(name).empty(); }
  HostTensor &tensor(const std::string &name) { return tensors.at(name); }
  /// NULL if it was not given.
  HostTensor *find(const std::string &name) {
    auto found = tensors.find(name);
    return found == tensors.end() ? nullptr : &found->second;
  }
  /// Extent `i` of a tensor, 0 if it has no such dimension: the runtime then
  /// says what is wrong.
  int64_t extent(const std::string &name, size_t i) const {
    const std::vector<int64_t> &shape = tensors.at(name).shape();
    return i < shape.size() ? shape[i] : 0;
  }
  void create(const std::string &name, DType dtype,
              std::vector<int64_t> shape) {
    tensors[name] = HostTensor(dtype, std::move(shape));
  }

  void readInputs();
  void writeOutputs();

  CLI::App &app;
  std::string kernel;
  Selection selection;

private:
  static std::string optionName(std::string name) {
    std::replace(name.begin(), name.end(), '_', '-');
    return "--" + name;
  }
  CLI::Option *file(const std::string &key, const std::string &option,
                    const std::string &help, const char *group) {
    return app.add_option(option, paths[key], help)
        ->type_name("FILE")
        ->group(group);
  }

  std::map<std::string, std::string> paths;
  std::map<std::string, HostTensor> tensors;
};

} // namespace

void KernelCommand::cacheInputs(bool write) {
  const char *pages = "[blocks, Hk, record] u1", *k = "[slots, G, Hk, D] f2";
  write ? inOut("pages", pages) : void(input("pages", pages)->required());
  input("pool_k", k)->required();
  input("pool_v", "as pool_k")->required();
  if (write)
    return;
  input("block_table", "[B, max_blocks] i4")->required();
  input("block_to_slot", "[blocks] i4, -1 = packed")->required();
  input("seq_lens", "[B] i4")->required();
}

void KernelCommand::readInputs() {
  for (const auto &[name, path] : paths)
    if (!path.empty() && !name.ends_with(" out"))
      tensors[name] = loadTensor(path);
}

void KernelCommand::writeOutputs() {
  OutputFiles files;
  for (const auto &[name, path] : paths)
    if (!path.empty() && name.ends_with(" out"))
      saveTensor(files, path, tensors.at(name.substr(0, name.size() - 4)));
  commit(files);
}

static std::string dtypeOf(const HostTensor &tensor) {
  return std::string(npy::dtypeName(tensor.dtype()));
}

namespace {
struct AttendOptions {
  float scale = 0, softcap = 0;
  int32_t window = 0;
  bool full = false;
};
} // namespace

static int runAttend(KernelCommand &command, const AttendOptions &options) {
  command.readInputs();
  Library library(command.selection.library);
  const HostTensor &q = command.tensor("q");
  std::vector<std::string> features;
  if (!options.full)
    features.emplace_back("causal");
  if (command.given("lse out"))
    features.emplace_back("lse");
  if (command.given("sinks"))
    features.emplace_back("sinks");
  if (options.softcap != 0)
    features.emplace_back("softcap");
  if (options.window != 0)
    features.emplace_back("window");
  Request request;
  request.kernel = command.kernel;
  request.features = joinList(features, ",");
  request.dtype = dtypeOf(q);
  request.headDim = command.extent("q", 2);
  request.ratio =
      command.extent("q", 1) / std::max<int64_t>(command.extent("pages", 1), 1);
  request.maxBatch = command.extent("seq_lens", 0);
  Kernel kernel = command.selection.select(library, request);

  command.create("out", q.dtype(), q.shape());
  if (command.given("lse out"))
    command.create("lse", DType::F32,
                   {command.extent("q", 0), command.extent("q", 1)});
  Launch launch(command.selection.running, kernel);
  kvarn_attend_args args = {};
  args.struct_size = sizeof args;
  args.q = launch.read(command.find("q"));
  args.query_start = launch.read(command.find("query_start"));
  args.pages = launch.read(command.find("pages"));
  args.pool_k = launch.read(command.find("pool_k"));
  args.pool_v = launch.read(command.find("pool_v"));
  args.block_table = launch.read(command.find("block_table"));
  args.block_to_slot = launch.read(command.find("block_to_slot"));
  args.seq_lens = launch.read(command.find("seq_lens"));
  args.scale = options.scale;
  args.window = options.window;
  args.softcap = options.softcap;
  args.sinks = launch.read(command.find("sinks"));
  args.out = launch.write(command.find("out"));
  args.lse = launch.write(command.find("lse"));
  launch.run(args);
  command.writeOutputs();
  return kDone;
}

static void addAttend(CLI::App &app, Action &action) {
  auto command = std::make_shared<KernelCommand>(
      app, "attend", "Attention of queries over a paged cache");
  auto options = std::make_shared<AttendOptions>();
  command->input("q", "[T, Hq, D] f2 or bfloat16")->required();
  command->input("query_start", "[B + 1] i4")->required();
  command->cacheInputs(false);
  command->input("sinks", "[Hq] f4: a sink logit per head");
  command->output("out", "--out", "[T, Hq, D]")->required();
  command->output("lse", "--lse", "[T, Hq] f4: logarithm of the sum");
  CLI::App &sub = command->app;
  const char *group = "Scalars";
  sub.add_option("--scale", options->scale, "Of the scores, 0 = 1 / sqrt(D)")
      ->group(group);
  sub.add_option("--window", options->window, "Tokens seen, 0 = no window")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  sub.add_option("--softcap", options->softcap, "0 = none")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  sub.add_flag("--non-causal", options->full,
               "Every query token sees all tokens")
      ->group(group);
  command->selection.addTo(sub);
  sub.callback(
      [=, &action] { action = [=] { return runAttend(*command, *options); }; });
}

static int runAppend(KernelCommand &command) {
  command.readInputs();
  Library library(command.selection.library);
  Request request;
  request.kernel = command.kernel;
  request.dtype = dtypeOf(command.tensor("k"));
  request.headDim = command.extent("k", 2);
  Kernel kernel = command.selection.select(library, request);
  Launch launch(command.selection.running, kernel);
  kvarn_append_args args = {};
  args.struct_size = sizeof args;
  args.k = launch.read(command.find("k"));
  args.v = launch.read(command.find("v"));
  args.slot_mapping = launch.read(command.find("slot_mapping"));
  args.pool_k = launch.write(command.find("pool_k"));
  args.pool_v = launch.write(command.find("pool_v"));
  args.block_to_slot = launch.read(command.find("block_to_slot"));
  launch.run(args);
  command.writeOutputs();
  return kDone;
}

static void addAppend(CLI::App &app, Action &action) {
  auto command = std::make_shared<KernelCommand>(
      app, "append", "Rotates new keys and values into the pool");
  command->input("k", "[T, Hk, D] f2 or bfloat16")->required();
  command->input("v", "[T, Hk, D], as k")->required();
  command->input("slot_mapping", "[T] i8: block * G + offset, -1 = skip")
      ->required();
  command->inOut("pool_k", "[slots, G, Hk, D] f2");
  command->inOut("pool_v", "as pool_k");
  command->input("block_to_slot", "[blocks] i4, -1 = packed")->required();
  command->selection.addTo(command->app);
  command->app.callback(
      [=, &action] { action = [=] { return runAppend(*command); }; });
}

static int runFlush(KernelCommand &command) {
  command.readInputs();
  Library library(command.selection.library);
  Request request;
  request.kernel = command.kernel;
  request.headDim = command.extent("pool_k", 3);
  Kernel kernel = command.selection.select(library, request);
  Launch launch(command.selection.running, kernel);
  kvarn_flush_args args = {};
  args.struct_size = sizeof args;
  args.pairs = launch.read(command.find("pairs"));
  args.count = launch.read(command.find("count"));
  args.pages = launch.write(command.find("pages"));
  args.pool_k = launch.read(command.find("pool_k"));
  args.pool_v = launch.read(command.find("pool_v"));
  launch.run(args);
  command.writeOutputs();
  return kDone;
}

static void addFlush(CLI::App &app, Action &action) {
  auto command = std::make_shared<KernelCommand>(
      app, "flush", "Packs blocks of the pool into pages");
  command->input("pairs", "[capacity, 2] i4: block, slot")->required();
  command->input("count", "[1] i4: the pairs in use")->required();
  command->cacheInputs(true);
  command->selection.addTo(command->app);
  command->app.callback(
      [=, &action] { action = [=] { return runFlush(*command); }; });
}

/// The longest of seq_lens; bad ones are left to the runtime.
static int64_t longest(const HostTensor &lengths) {
  int64_t length = 0;
  if (lengths.dtype() == DType::I32)
    for (int32_t value : lengths.as<int32_t>())
      length = std::max<int64_t>(length, value);
  return length;
}

static int runMaterialize(KernelCommand &command, int64_t length) {
  command.readInputs();
  Library library(command.selection.library);
  Request request;
  request.kernel = command.kernel;
  request.headDim = command.extent("pool_k", 3);
  Kernel kernel = command.selection.select(library, request);
  const HostTensor &lengths = command.tensor("seq_lens");
  if (length > 0 && length < longest(lengths))
    throw Error(kInput, "--length: " + std::to_string(length) +
                            " is less than the longest of seq_lens, " +
                            std::to_string(longest(lengths)));
  std::vector<int64_t> shape = {
      command.extent("seq_lens", 0), length > 0 ? length : longest(lengths),
      command.extent("pages", 1), command.extent("pool_k", 3)};
  DType dtype = npy::parseDType(kernel.info().dtype).value_or(DType::F16);
  command.create("k", dtype, shape);
  command.create("v", dtype, shape);
  Launch launch(command.selection.running, kernel);
  kvarn_materialize_args args = {};
  args.struct_size = sizeof args;
  args.pages = launch.read(command.find("pages"));
  args.pool_k = launch.read(command.find("pool_k"));
  args.pool_v = launch.read(command.find("pool_v"));
  args.block_table = launch.read(command.find("block_table"));
  args.block_to_slot = launch.read(command.find("block_to_slot"));
  args.seq_lens = launch.read(command.find("seq_lens"));
  args.k_out = launch.write(command.find("k"));
  args.v_out = launch.write(command.find("v"));
  launch.run(args);
  command.writeOutputs();
  return kDone;
}

static void addMaterialize(CLI::App &app, Action &action) {
  auto command = std::make_shared<KernelCommand>(
      app, "materialize", "Keys and values of a cache, rotated back");
  command->cacheInputs(false);
  command->output("k", "--k-out", "[B, L, Hk, D]")->required();
  command->output("v", "--v-out", "[B, L, Hk, D]")->required();
  auto length = std::make_shared<int64_t>(0);
  command->app
      .add_option("--length", *length, "L (default: the longest request)")
      ->check(CLI::PositiveNumber)
      ->group("Scalars");
  command->selection.addTo(command->app);
  command->app.callback([=, &action] {
    action = [=] { return runMaterialize(*command, *length); };
  });
}

static int runRelayout(KernelCommand &command) {
  command.readInputs();
  Library library(command.selection.library);
  Request request;
  request.kernel = command.kernel;
  Kernel kernel = command.selection.select(library, request);
  Launch launch(command.selection.running, kernel);
  kvarn_relayout_args args = {};
  args.struct_size = sizeof args;
  args.pairs = launch.read(command.find("pairs"));
  args.count = launch.read(command.find("count"));
  args.source_pages = launch.read(command.find("source_pages"));
  args.pages = launch.write(command.find("pages"));
  launch.run(args);
  command.writeOutputs();
  return kDone;
}

static void addRelayout(CLI::App &app, Action &action) {
  auto command = std::make_shared<KernelCommand>(
      app, "relayout", "Copies records into pages of the other layout");
  command->input("pairs", "[capacity, 2] i4: block read, block written")
      ->required();
  command->input("count", "[1] i4: the pairs in use")->required();
  command->input("source_pages", "[blocks, Hk, record] u1")->required();
  command->inOut("pages", "[blocks, Hk, record] u1, --layout");
  command->selection.addTo(command->app);
  command->app.callback(
      [=, &action] { action = [=] { return runRelayout(*command); }; });
}

void addKernelCommands(CLI::App &app, Action &action) {
  addAttend(app, action);
  addAppend(app, action);
  addFlush(app, action);
  addMaterialize(app, action);
  addRelayout(app, action);
}

} // namespace kvarn::run
