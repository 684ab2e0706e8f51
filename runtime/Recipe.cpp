//===- Recipe.cpp - How a requested kernel is compiled --------------------===//

#include "runtime/Recipe.h"

#include "format/Environment.h"
#include "format/Format.h"
#include "format/Hash.h"
#include "runtime/Backend.h"
#include "runtime/Compiler.h"
#include "runtime/Cpu.h"
#include "runtime/Select.h"
#include "runtime/Status.h"

#include <algorithm>
#include <bit>

namespace kvarn::runtime {

static constexpr std::string_view kAttend = "attend", kRelayout = "relayout";

namespace {
/// An option of a kernel's key, as the compiler's command line has it.
struct OptionRow {
  std::string_view kernel, option, flag;
};
} // namespace

static constexpr OptionRow kOptions[] = {
    {"flush", "iterations", "--iterations"},
    {"flush", "prescale", "--prescale"},
    {"flush", "range", "--range"},
    {"materialize", "frame", "--frame"},
    {"relayout", "source", "--source-layout"}};

/// Tiles of attention have no more query rows than this.
static constexpr int64_t kMaxRows = 16;

int64_t compiledQueryTokens(const kvarn_request &request) {
  int64_t ratio = std::clamp<int64_t>(request.ratio, 1, kMaxRows);
  if (request.query_rows > 0)
    return std::max<int64_t>(request.query_rows / ratio, 1);
  int64_t tokens = std::clamp<int64_t>(request.max_query_tokens, 1, kMaxRows);
  auto rows = std::bit_ceil(static_cast<uint64_t>(tokens * ratio));
  return std::max<int64_t>(
      std::min(static_cast<int64_t>(rows), kMaxRows) / ratio, 1);
}

//===----------------------------------------------------------------------===//
// What the compiler must know
//===----------------------------------------------------------------------===//

static kvarn_status invalid(const kvarn_request &request, const char *member,
                            const std::string &expected) {
  return fail(KVARN_STATUS_INVALID_ARGUMENT,
              std::string("request.") + member + ": expected " + expected +
                  " to compile kernel '" + request.kernel + "'");
}

static kvarn_status checkRequest(const kvarn_request &request) {
  if (!request.kernel || !*request.kernel)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "request.kernel is not set");
  std::optional<Format> format =
      parseFormatName(request.format ? request.format : "");
  if (!format)
    return invalid(request, "format", "one of " + knownFormatNames());
  format->headDim = request.head_dim;
  if (std::string error = describeFormatError(*format); !error.empty())
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "request: " + error);
  bool attends = request.kernel == kAttend;
  if (attends ? request.ratio < 1 : request.ratio != 0)
    return invalid(request, "ratio",
                   attends ? "query heads per KV head" : "0, it has none,");
  if (!attends && request.query_rows != 0)
    return invalid(request, "query_rows", "0, it has none,");
  if (!attends && request.features && *request.features)
    return invalid(request, "features", "NULL, it has none,");
  if (request.kernel == kRelayout && request.dtype)
    return invalid(request, "dtype", "NULL, it has none,");
  return checkForcedCpu();
}

/// A family is compiled for the member that fits the device, anything else as
/// it is named; with the schedules of the device, if it is for its chip.
static kvarn_status findTarget(const kvarn_request &request,
                               std::string &target, ScheduleTable &schedules) {
  const Backend *backend = backendOfTarget(request.target);
  if (!backend)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "request.target: no kernel can be compiled for '" +
                    std::string(request.target ? request.target : "") +
                    "', expected auto, x86_64, aarch64, nvidia, or a member "
                    "of these");
  target = request.target ? request.target : "";
  if (target.empty() || target == "nvidia" || target == "x86_64")
    KVARN_TRY(backend->compilerTarget(target));
  return findSchedules(backend->identity(), target, schedules);
}

static kvarn_status addOptions(const kvarn_request &request,
                               const RequestLists &lists,
                               std::vector<std::string> &arguments) {
  for (auto &[name, value] : lists.options) {
    auto row = std::find_if(
        std::begin(kOptions), std::end(kOptions), [&](const OptionRow &row) {
          return row.kernel == request.kernel && row.option == name;
        });
    if (row == std::end(kOptions))
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "request.options: kernel '" + std::string(request.kernel) +
                      "' has no option '" + name + "'");
    arguments.push_back(std::string(row->flag) + "=" + value);
  }
  return KVARN_STATUS_OK;
}

static std::string join(const std::vector<std::string> &items) {
  std::string text;
  for (const std::string &item : items)
    text += (text.empty() ? "" : ",") + item;
  return text;
}

kvarn_status makeRecipe(const kvarn_request &request, Recipe &recipe) {
  KVARN_TRY(checkRequest(request));
  RequestLists lists;
  KVARN_TRY(parseLists(request, lists));
  std::string target;
  KVARN_TRY(findTarget(request, target, recipe.schedules));
  std::string layout = request.layout ? request.layout : kDefaultLayout;
  recipe.kernel = "kernel '" + std::string(request.kernel) + "'";
  recipe.arguments = {"--kernels=" + std::string(request.kernel),
                      "--format=" + std::string(request.format),
                      "--layout=" + layout,
                      "--head-dim=" + std::to_string(request.head_dim),
                      "--query-heads=" +
                          std::to_string(std::max<int64_t>(request.ratio, 1)),
                      "--kv-heads=1",
                      "--target=" + target};
  if (request.dtype)
    recipe.arguments.push_back("--dtype=" + std::string(request.dtype));
  if (request.kernel == kAttend) {
    recipe.arguments.push_back("--features=" + (lists.features.empty()
                                                    ? "none"
                                                    : join(lists.features)));
    recipe.arguments.push_back("--query-tokens=" +
                               std::to_string(compiledQueryTokens(request)));
  }
  return addOptions(request, lists, recipe.arguments);
}

std::vector<std::string> Recipe::command(const std::string &output) const {
  std::vector<std::string> words = arguments;
  if (!schedules.path.empty())
    words.insert(words.end(),
                 {"--schedules=" + schedules.path, "--or-default"});
  words.insert(words.end(), {"-o", output});
  return words;
}

std::string Recipe::key() const {
  const char *assembler = environment(Variable::PtxAssembler);
  std::string text = compilerOfThisBuild() + '\0' +
                     (assembler ? assembler : "") + '\0' + schedules.sha256;
  for (const std::string &argument : arguments)
    text += '\0' + argument;
  return sha256Hex(text).substr(0, 32);
}

} // namespace kvarn::runtime
