//===- Jit.cpp - jit ------------------------------------------------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/Gpu.h"
#include "tools/kvarn-run/OptionChecks.h"

#include <chrono>
#include <cstdio>
#include <memory>

namespace kvarn::run {

namespace {
struct JitOptions {
  std::vector<std::string> libraries;
  std::string cache;
  Request request;
  bool command = false;

  void addTo(CLI::App &app);
};

struct Destroy {
  void operator()(kvarn_jit *jit) const { kvarn_jit_destroy(jit); }
};
struct Close {
  void operator()(kvarn_library *library) const {
    kvarn_library_close(library);
  }
};
} // namespace

void JitOptions::addTo(CLI::App &app) {
  app.add_option("--library", libraries,
                 "Look in this library first; may be repeated")
      ->type_name("DIR")
      ->allow_extra_args(false);
  app.add_option("--cache", cache,
                 "The cache (default: KVARN_CACHE_DIR, see --help-env)")
      ->type_name("DIR");
  app.add_flag("--command", command,
               "Print the command that builds the kernel, and stop");
  const char *group = "Request";
  auto text = [&](const char *name, std::string &value, const char *help) {
    return app.add_option(name, value, help)->type_name("NAME")->group(group);
  };
  auto number = [&](const char *name, int64_t &value, const char *help) {
    app.add_option(name, value, help)
        ->type_name("N")
        ->check(integerFrom<int64_t>(1, kMostCounted))
        ->group(group);
  };
  text("--kernel", request.kernel, "attend, append, ...")->required();
  text("--format", request.format, "kvarn_k4v2_g128, ...");
  text("--layout", request.layout, "reference or mma16816");
  number("--head-dim", request.headDim, "Elements of a head");
  number("--ratio", request.ratio, "Of attend: query heads per KV head");
  text("--dtype", request.dtype, "f16 or bf16");
  text("--features", request.features,
       "Of attend: causal,window,softcap,sinks,lse,new");
  text("--options", request.options, "Options of the kernel: iterations=8,...");
  text("--target", request.target, "auto, x86_64, nvidia, sm_90a, ...")
      ->default_str("auto");
  number("--max-query-tokens", request.maxQueryTokens,
         "Of attend: query tokens of a request");
}

static const char *origin(const kvarn_jit_stats &stats) {
  if (stats.compiled)
    return "compiled";
  return stats.from_cache ? "from the cache" : "from a library";
}

/// The GPU of a request that may be for one, if there is any. A server has
/// started the driver long before it asks for a kernel: that is no part of the
/// time.
static std::unique_ptr<Gpu> startGpu(const std::string &target) {
  std::string none;
  const cuda::Driver *driver = nullptr;
  if (target == "auto" || target == "nvidia" || target.starts_with("sm_"))
    driver = cuda::Driver::get(none);
  try {
    if (driver && !driver->devices().empty())
      return std::make_unique<Gpu>(0);
  } catch (const Error &) { // it may not be needed
  }
  return nullptr;
}

static int jit(const JitOptions &given) {
  std::vector<std::unique_ptr<kvarn_library, Close>> owners;
  std::vector<kvarn_library *> libraries;
  for (const std::string &path : given.libraries) {
    kvarn_library *library = nullptr;
    check(kvarn_library_open(path.c_str(), &library));
    owners.emplace_back(library);
    libraries.push_back(library);
  }
  kvarn_jit_options options = {};
  options.struct_size = sizeof options;
  options.libraries = libraries.data();
  options.library_count = libraries.size();
  options.cache_folder = given.cache.empty() ? nullptr : given.cache.c_str();
  kvarn_jit *created = nullptr;
  check(kvarn_jit_create(&options, &created));
  std::unique_ptr<kvarn_jit, Destroy> jit(created);
  kvarn_request request = given.request.raw();
  if (given.command) {
    char *command = nullptr;
    check(kvarn_jit_command(jit.get(), &request, &command));
    std::printf("%s\n", command);
    kvarn_string_free(command);
    return kDone;
  }
  std::unique_ptr<Gpu> gpu = startGpu(given.request.target);
  auto start = std::chrono::steady_clock::now();
  kvarn_kernel *handle = nullptr;
  check(kvarn_jit_get(jit.get(), &request, &handle));
  std::chrono::duration<double, std::milli> time =
      std::chrono::steady_clock::now() - start;
  kvarn_jit_stats stats = {};
  stats.struct_size = sizeof stats;
  check(kvarn_jit_get_stats(jit.get(), &stats));
  Kernel kernel(handle);
  std::printf("%s %s in %.1f ms, sha256 %s\n", kernel.info().id, origin(stats),
              time.count(), kernel.hash().c_str());
  return kDone;
}

void addJitCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<JitOptions>();
  options->request.target = "auto";
  CLI::App &command = *app.add_subcommand(
      "jit", "Makes sure that the cache has a kernel, as a program that asks "
             "for it on demand");
  options->addTo(command);
  command.callback([=, &action] { action = [=] { return jit(*options); }; });
}

} // namespace kvarn::run
