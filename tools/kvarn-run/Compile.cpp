//===- Compile.cpp - Kernel libraries made on demand ----------------------===//

#include "tools/kvarn-run/Compile.h"

#include "tools/kvarn-run/Compiler.h"
#include "tools/kvarn-run/RunningOptions.h"
#include "tools/kvarn-run/Text.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

namespace kvarn::run {

namespace fs = std::filesystem;

#if defined(__aarch64__)
static constexpr const char *kHostTarget = "aarch64";
#else
static constexpr const char *kHostTarget = "x86_64";
#endif

/// All that can be checked, in the order in which a library has them.
static const std::vector<std::string> kKernels = {
    "attend", "append", "flush", "pack", "unflush", "materialize", "relayout"};

std::string Need::describe() const {
  std::string text = format + " head_dim " + std::to_string(headDim);
  if (ratio())
    text += " ratio " + std::to_string(ratio()) + " " + dtype + " features " +
            (features.empty() ? "none" : features);
  if (iterations != 8)
    text += " iterations " + std::to_string(iterations);
  return text;
}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  if (temporary)
    fs::remove_all(folder, ignored);
}

const std::string &WorkFolder::path(const std::string &keep) {
  if (!folder.empty())
    return folder;
  std::error_code error;
  if (!keep.empty()) {
    fs::create_directories(keep, error);
    if (error)
      throw Error(kInput, keep + ": cannot create: " + error.message());
    return folder = keep;
  }
  fs::path place = fs::temp_directory_path(error);
  std::string name = (place / "kvarn-run-XXXXXX").string();
  if (error || !mkdtemp(name.data()))
    throw Error(kInput, name + ": cannot create a temporary folder");
  temporary = true;
  return folder = name;
}

void LibrarySource::addTo(CLI::App &app) {
  const char *group = "Kernels";
  auto *library =
      app.add_option("--library", given,
                     "Use this library, or all NAME.kvlib in this folder, and "
                     "skip what they lack; may be repeated")
          ->type_name("DIR")
          ->allow_extra_args(false)
          ->group(group);
  auto compiled = [&](const char *name, std::string &value, const char *help) {
    app.add_option(name, value, help)->excludes(library)->group(group);
  };
  app.add_option("--target", target,
                 "Kernels for this target: sm_90a, ... (default: this CPU, or "
                 "what the libraries have)")
      ->group(group);
  app.add_option("--kernels", kernels,
                 "Check these only: " + joinList(kKernels, ","))
      ->delimiter(',')
      ->check(CLI::IsMember(kKernels))
      ->group(group);
  compiled("--schedule-from", scheduleFrom,
           "with the schedules of this other target");
  compiled("--schedule", schedule, "with this schedule");
  app.add_option("--layout", layout, "reference or mma16816")
      ->check(CLI::IsMember({"reference", "mma16816"}))
      ->group(group);
  app.add_option("--compile-option", compilerArguments,
                 "Passed on to kvarn-compile; may be repeated")
      ->excludes(library)
      ->allow_extra_args(false)
      ->group(group);
  compiled("--keep", keep, "Keep the libraries in this folder");
  app.add_option("--compile-only", compileOnly,
                 "Make the libraries in this folder and run nothing, for "
                 "--library elsewhere")
      ->type_name("DIR")
      ->excludes(library)
      ->group(group);
  addRunningOptions(app, running);
}

std::vector<std::string>
LibrarySource::command(const Need &need, const std::string &output) const {
  // A library without attend is not worth its own option: one ratio will do.
  int64_t kvHeads = need.kvHeads ? need.kvHeads : 1;
  std::vector<std::string> words = {
      findCompiler(),
      "--format=" + need.format,
      "--head-dim=" + std::to_string(need.headDim),
      "--query-heads=" +
          std::to_string(need.kvHeads ? need.queryHeads : kvHeads),
      "--kv-heads=" + std::to_string(kvHeads),
      "--dtype=" + need.dtype,
      "--target=" + (target.empty() ? kHostTarget : target)};
  if (!scheduleFrom.empty())
    words.push_back("--schedule-from=" + scheduleFrom);
  if (!schedule.empty())
    words.push_back("--schedule=" + schedule);
  if (!layout.empty())
    words.push_back("--layout=" + layout);
  std::vector<std::string> wanted;
  for (const std::string &kernel : kKernels)
    if (wants(kernel) && (need.kvHeads || kernel != "attend"))
      wanted.push_back(kernel);
  words.push_back("--kernels=" + joinList(wanted, ","));
  if (need.features.empty())
    words.insert(words.end(), {"--features", ""});
  else if (need.features != "causal")
    words.push_back("--features=" + need.features);
  if (need.iterations != 8)
    words.push_back("--iterations=" + std::to_string(need.iterations));
  words.insert(words.end(), compilerArguments.begin(), compilerArguments.end());
  words.insert(words.end(), {"-o", output});
  return words;
}

const Library *LibrarySource::compile(const Need &need) {
  const Library *&found = byNeed[need.describe()];
  if (found)
    return found;
  std::string output = work.path(onlyCompiles() ? compileOnly : keep) + "/" +
                       std::to_string(libraries.size()) + "-" + need.format +
                       ".kvlib";
  std::vector<std::string> words = command(need, output);
  ProcessResult result = runCompiler(words);
  if (result.exitCode != 0) {
    ExitCode code = result.exitCode == kInput || result.exitCode == kMissing
                        ? static_cast<ExitCode>(result.exitCode)
                        : kInternal;
    throw CompileError(code, "kvarn-compile " + result.describe() +
                                 "; to repeat it: " + commandText(words) +
                                 "\n" + result.output);
  }
  libraries.emplace_back(output);
  return found = &libraries.back();
}

void LibrarySource::open() {
  for (const std::string &path : given)
    for (const std::string &folder : findLibraries(path))
      libraries.emplace_back(folder);
}

int LibrarySource::compileAll(const std::vector<Need> &needs) {
  std::set<std::string> done;
  int failed = 0;
  for (const Need &need : needs) {
    if (!done.insert(need.describe()).second)
      continue;
    try {
      std::printf("%s: %s\n", compile(need)->path().c_str(),
                  need.describe().c_str());
    } catch (const CompileError &error) {
      if (error.code != kInternal)
        throw;
      ++failed;
      std::printf("FAIL %s: %s\n", need.describe().c_str(), error.what());
    }
  }
  std::printf("%zu libraries in %s, %d failed\n", libraries.size(),
              compileOnly.c_str(), failed);
  return failed ? kCheckFailed : kDone;
}

bool LibrarySource::wants(const std::string &kernel) const {
  return kernels.empty() ||
         std::find(kernels.begin(), kernels.end(), kernel) != kernels.end();
}

Kernel LibrarySource::selectGiven(const Request &request) const {
  for (const Library &library : libraries) {
    try {
      return running.select(library, request);
    } catch (const RuntimeError &error) {
      if (error.status != KVARN_STATUS_NOT_FOUND)
        throw;
    }
  }
  return {};
}

/// Every kernel may be in another library, but all must have one layout: they
/// share a cache. It is that of the first that is asked for.
const Library *LibrarySource::findGiven(const Need &need) {
  std::string &shared = layouts[need.describe()] = layout;
  // relayout is checked where it is there: few libraries have it.
  for (const char *kernel :
       {"attend", "flush", "append", "pack", "unflush", "materialize"}) {
    if (!wants(kernel) ||
        (kernel == std::string_view("attend") && !need.kvHeads))
      continue;
    Kernel found = selectGiven(makeRequest(need, kernel));
    if (!found)
      return nullptr;
    if (shared.empty())
      shared = found.info().layout;
  }
  return &libraries.front();
}

const Library *LibrarySource::find(const Need &need) {
  return compiles() ? compile(need) : findGiven(need);
}

Request LibrarySource::makeRequest(const Need &need,
                                   const std::string &kernel) const {
  Request request;
  request.kernel = kernel;
  request.format = need.format;
  request.headDim = need.headDim;
  auto shared = layouts.find(need.describe());
  request.layout = shared == layouts.end() ? layout : shared->second;
  if (kernel == "attend") {
    request.ratio = need.ratio();
    request.features = need.features;
  }
  if (kernel != "flush" && kernel != "unflush")
    request.dtype = need.dtype;
  if (!compiles())
    request.target = target; // else the library has no other
  return request;
}

Kernel LibrarySource::select(const Library &library, const Need &need,
                             const std::string &kernel) const {
  Request request = makeRequest(need, kernel);
  return compiles() ? running.select(library, request) : selectGiven(request);
}

Kernel LibrarySource::selectRelayout(const Library &library, const Need &need,
                                     Layout from, Layout to) const {
  Request request;
  request.kernel = "relayout";
  request.format = need.format;
  request.headDim = need.headDim;
  request.layout = layoutName(to);
  request.options = "source=" + std::string(layoutName(from));
  if (!compiles())
    request.target = target;
  return compiles() ? running.select(library, request) : selectGiven(request);
}

} // namespace kvarn::run
