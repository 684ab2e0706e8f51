//===- Selection.cpp - Options that choose a kernel -----------------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/OptionChecks.h"
#include "tools/kvarn-run/RunningOptions.h"

#include <cstdio>

namespace kvarn::run {

void Selection::addTo(CLI::App &app) {
  const char *group = "Selection (default: what the tensors say)";
  app.add_option("--library", library, "Folder of the kernel library")
      ->required()
      ->type_name("DIR")
      ->group(group);
  auto text = [&](const char *name, std::string &value, const char *help) {
    app.add_option(name, value, help)->type_name("NAME")->group(group);
  };
  auto number = [&](const char *name, int64_t &value, const char *help) {
    app.add_option(name, value, help)
        ->type_name("N")
        ->check(integerFrom<int64_t>(1, kMostCounted))
        ->group(group);
  };
  text("--format", request.format, "kvarn_k4v2_g128, ...");
  text("--layout", request.layout, "reference or mma16816");
  number("--head-dim", request.headDim, "Elements of a head");
  number("--ratio", request.ratio, "Query heads per KV head");
  text("--dtype", request.dtype, "f16 or bf16");
  app.add_option("--features", features,
                 "All features of the kernel: "
                 "causal,window,softcap,sinks,lse,new")
      ->type_name("LIST")
      ->group(group);
  app.add_option("--options", request.options,
                 "Options of the kernel: iterations=8,...")
      ->type_name("LIST")
      ->group(group);
  text("--target", request.target,
       "x86_64, nvidia, sm_90a, ... (default: --device)");
  number("--query-rows", request.queryRows, "Bucket of query rows");
  text("--id", id, "The variant itself, by its id");
  app.add_flag("--explain", explain, "Say which variant is taken and why")
      ->group(group);
  addRunningOptions(app, running);
}

/// `given` wins over what was found out.
template <typename T> static void prefer(T &value, const T &given) {
  if (given != T())
    value = given;
}

Kernel Selection::select(const Library &library, Request wanted) const {
  if (!id.empty())
    return running.selectId(library, id);
  prefer(wanted.format, request.format);
  prefer(wanted.layout, request.layout);
  prefer(wanted.headDim, request.headDim);
  prefer(wanted.ratio, request.ratio);
  prefer(wanted.dtype, request.dtype);
  prefer(wanted.options, request.options);
  prefer(wanted.target, request.target);
  prefer(wanted.queryRows, request.queryRows);
  if (features)
    wanted.features = *features;
  if (explain)
    std::fputs(running.explain(library, wanted).c_str(), stdout);
  return running.select(library, wanted);
}

} // namespace kvarn::run
