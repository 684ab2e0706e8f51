//===- Sources.cpp - Where checks take their kernels from -----------------===//

#include "tools/kvarn-run/Conformance/Sources.h"

namespace kvarn::run {

void runChecks(const Context &context, LibrarySource &source, const Need &need,
               const std::function<void(const Library &)> &checks) {
  Report &report = context.report;
  try {
    if (const Library *library = source.find(need))
      checks(*library);
    else
      report.skip(context.where,
                  need.describe() + " is in none of the libraries given");
  } catch (const CompileError &error) {
    // A bad option or a missing tool fails every case alike.
    if (error.code != kInternal)
      throw;
    report.add(context.where, "compile",
               {"failed", "compiles", false, error.what()}, "-");
  } catch (const RuntimeError &error) {
    if (error.code == kMissing || error.status == KVARN_STATUS_CORRUPT ||
        error.status == KVARN_STATUS_IO)
      throw;
    report.add(context.where, "run", {"failed", "runs", false, error.what()},
               "-");
  }
}

StoreKernels storeKernels(const LibrarySource &source, const Library &library,
                          const Need &need) {
  StoreKernels kernels = {source.select(library, need, "append"),
                          source.select(library, need, "flush"),
                          {}};
  if (source.wants("pack"))
    kernels.pack = source.select(library, need, "pack");
  return kernels;
}

std::optional<RelayoutKernels> relayoutKernels(const LibrarySource &source,
                                               const Library &library,
                                               const Need &need) {
  if (!source.wants("relayout"))
    return std::nullopt;
  auto there =
      source.selectRelayout(library, need, Layout::Reference, Layout::Mma16816);
  auto back =
      source.selectRelayout(library, need, Layout::Mma16816, Layout::Reference);
  if (!there || !back)
    return std::nullopt;
  return RelayoutKernels{there, back};
}

} // namespace kvarn::run
