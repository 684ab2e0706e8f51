//===- List.cpp - list and explain ----------------------------------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/Text.h"

#include <cstdio>
#include <memory>

namespace kvarn::run {

/// "-" where a variant has no such property.
static std::string orDash(const char *text) { return *text ? text : "-"; }
static std::string orDash(int64_t number) {
  return number ? std::to_string(number) : "-";
}

static int list(const std::string &path) {
  Library library(path);
  std::vector<std::vector<std::string>> rows = {
      {"kernel", "format", "layout", "D", "ratio", "rows", "dtype", "features",
       "options", "target", "schedule of", "bytes", "sha256", "id"}};
  for (const kvarn_variant_info &info : library.variants())
    rows.push_back({info.kernel, orDash(info.format), orDash(info.layout),
                    orDash(info.head_dim), orDash(info.ratio),
                    orDash(info.query_rows), orDash(info.dtype),
                    orDash(info.features), orDash(info.options), info.target,
                    orDash(info.schedule_from),
                    std::to_string(info.binary_bytes),
                    std::string(info.binary_sha256, 12), info.id});
  std::printf("%s: made by %s\n%s", path.c_str(), library.compiler().c_str(),
              formatTable(rows).c_str());
  return kDone;
}

static int explain(const Selection &selection, const std::string &kernel) {
  Library library(selection.library);
  Request request = selection.request;
  request.kernel = kernel;
  request.features =
      selection.features.value_or(kernel == "attend" ? "causal" : "");
  std::fputs(selection.running.explain(library, request).c_str(), stdout);
  return kDone;
}

void addListCommands(CLI::App &app, Action &action) {
  auto path = std::make_shared<std::string>();
  CLI::App &listing =
      *app.add_subcommand("list", "The kernels of a library, as a table");
  listing.add_option("--library", *path, "Folder of the kernel library")
      ->required()
      ->type_name("DIR");
  listing.callback([=, &action] { action = [=] { return list(*path); }; });

  auto selection = std::make_shared<Selection>();
  auto kernel = std::make_shared<std::string>();
  CLI::App &why = *app.add_subcommand(
      "explain", "Which kernel would be taken, and why not the others");
  why.add_option("--kernel", *kernel, "attend, append, ...")
      ->required()
      ->type_name("NAME");
  selection->addTo(why);
  why.callback(
      [=, &action] { action = [=] { return explain(*selection, *kernel); }; });
}

} // namespace kvarn::run
