//===- Launch.cpp - launch: kernels of users' programs --------------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/OptionChecks.h"
#include "tools/kvarn-run/Tensors.h"
#include "tools/kvarn-run/Text.h"

#include <map>
#include <memory>

namespace kvarn::run {

namespace {

struct LaunchCommand {
  std::string kernel;
  std::vector<std::string> inputs, outputs;
  Selection selection;

  // What the arguments name, by parameter.
  std::map<std::string, HostTensor> tensors;
  std::map<std::string, kvarn_argument> scalars;
  std::map<std::string, std::string> outputPaths;

  void readInput(const std::string &text);
  void makeOutput(const std::string &text);
  int run();
};

} // namespace

/// "NAME=REST" in two.
static std::pair<std::string, std::string>
splitArgument(const char *option, const std::string &text,
              const char *expected) {
  size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
    throw Error(kInput, std::string(option) + ": found '" + text +
                            "', expected " + expected);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void LaunchCommand::readInput(const std::string &text) {
  auto [name, value] = splitArgument("--arg", text, "NAME=FILE or NAME=NUMBER");
  if (tensors.count(name) || scalars.count(name))
    throw Error(kInput, "--arg: '" + name + "' is given twice");
  kvarn_argument argument = {};
  if (parseNumber(value, argument.value.integer)) {
    argument.kind = KVARN_ARGUMENT_INTEGER;
    scalars[name] = argument;
  } else if (parseNumber(value, argument.value.real)) {
    argument.kind = KVARN_ARGUMENT_REAL;
    scalars[name] = argument;
  } else {
    tensors[name] = loadTensor(value);
  }
}

/// NAME=FILE, for a tensor that is also read, or NAME=SHAPE:DTYPE=FILE.
void LaunchCommand::makeOutput(const std::string &text) {
  const char *expected =
      "NAME=SHAPE:DTYPE=FILE, such as out=4x128:f16=out.npy, or NAME=FILE for "
      "a tensor given by --arg";
  auto [name, rest] = splitArgument("--out", text, expected);
  if (outputPaths.count(name))
    throw Error(kInput, "--out: '" + name + "' is given twice");
  if (tensors.count(name)) {
    outputPaths[name] = rest;
    return;
  }
  auto [type, path] = splitArgument("--out", rest, expected);
  size_t colon = type.find(':');
  std::vector<int64_t> shape;
  for (const std::string &item :
       splitList(std::string_view(type).substr(0, colon), 'x')) {
    int64_t extent = 0;
    if (!parseNumber(item, extent) || extent < 0)
      throw Error(kInput, "--out: found extent '" + item + "' of '" + name +
                              "', expected a number");
    shape.push_back(extent);
  }
  std::string dtypeText =
      colon == std::string::npos ? "" : type.substr(colon + 1);
  std::optional<DType> dtype = npy::parseDType(dtypeText);
  if (!dtype)
    throw Error(kInput, "--out: found element type '" + dtypeText + "' of '" +
                            name +
                            "', expected f16, bf16, f32, i8, u8, i32 or i64");
  tensors[name] =
      createTensor("--out: '" + name + "'", *dtype, std::move(shape));
  outputPaths[name] = path;
}

int LaunchCommand::run() {
  Library library(selection.library);
  Request request;
  request.kernel = kernel;
  Kernel chosen = selection.select(library, request);
  for (const std::string &text : inputs)
    readInput(text);
  for (const std::string &text : outputs)
    makeOutput(text);
  std::vector<std::pair<std::string, std::string>> written;
  for (const auto &[name, path] : outputPaths)
    written.emplace_back("--out: '" + name + "'", path);
  requireDistinct(written);
  std::vector<kvarn_argument> arguments;
  for (auto &[name, argument] : scalars) {
    argument.name = name.c_str();
    arguments.push_back(argument);
  }
  Launch launch(selection.running, chosen);
  for (auto &[name, tensor] : tensors) {
    kvarn_argument argument = {name.c_str(), KVARN_ARGUMENT_TENSOR, {}};
    argument.value.tensor =
        outputPaths.count(name) ? launch.write(tensor) : launch.read(tensor);
    arguments.push_back(argument);
  }
  launch.run(arguments);
  OutputFiles files;
  for (const auto &[name, path] : outputPaths)
    saveTensor(files, path, tensors.at(name));
  commit(files);
  return kDone;
}

void addLaunchCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<LaunchCommand>();
  CLI::App &sub =
      *app.add_subcommand("launch", "Runs any kernel of a library by name");
  sub.add_option("kernel", command->kernel, "Name of the kernel")
      ->required()
      ->type_name("KERNEL");
  sub.add_option("--arg", command->inputs,
                 "A tensor or scalar: NAME=FILE or NAME=NUMBER")
      ->type_name("ARG")
      ->allow_extra_args(false)
      ->group("Arguments");
  sub.add_option("--out", command->outputs,
                 "A tensor written: NAME=SHAPE:DTYPE=FILE (out=4x128:f16=o.npy)"
                 ", or NAME=FILE if it is also read")
      ->type_name("OUT")
      ->allow_extra_args(false)
      ->group("Arguments");
  command->selection.addTo(sub);
  sub.callback([=, &action] { action = [=] { return command->run(); }; });
}

} // namespace kvarn::run
