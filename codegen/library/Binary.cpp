//===- Binary.cpp - The binary of a variant, by backend -------------------===//

#include "codegen/library/Binary.h"

#include "codegen/Codegen.h"
#include "codegen/ExternalTool.h"
#include "codegen/nvptx/Assemble.h"
#include "codegen/nvptx/FatBinary.h"

using namespace mlir;
using namespace mlir::kvarn;
using ::kvarn::BinaryKind;
using ::kvarn::Variant;

static LogicalResult writeBytes(ModuleOp kernels, StringRef bytes,
                                const LibraryWriter &writer,
                                const Variant &variant) {
  std::string error;
  if (failed(writer.write(variant.binary.file, bytes, error)))
    return emitError(kernels.getLoc()) << error;
  return success();
}

//===----------------------------------------------------------------------===//
// CPUs: a shared object
//===----------------------------------------------------------------------===//

static std::string describeMissingOnCpu(Stage stage) {
  if (stage == Stage::Library && findLinker().empty())
    return "cannot find ld.lld-19 (Debian package lld-19), which links kernels";
  return {};
}

static LogicalResult writeSharedObject(ModuleOp kernels, const Target &target,
                                       bool, const LibraryWriter &writer,
                                       Variant &variant) {
  FailureOr<std::string> object = emitObject(kernels, target);
  if (failed(object))
    return failure();
  variant.binary.kind = BinaryKind::SharedObject;
  variant.binary.file = variant.id + ".so";
  // Not in its place: on a full disk a linker crashes, and names no library.
  TemporaryFile linked("so");
  if (linked.error())
    return emitError(kernels.getLoc())
           << "cannot create a temporary file: " << linked.error().message();
  if (failed(linkSharedObject(*object, linked.path(),
                              [&] { return emitError(kernels.getLoc()); })))
    return failure();
  return writeBytes(kernels, linked.read(), writer, variant);
}

//===----------------------------------------------------------------------===//
// NVIDIA: a cubin, or PTX that the driver assembles
//===----------------------------------------------------------------------===//

static std::string describeMissingOnNvptx(Stage stage) {
  if (stage == Stage::Library)
    return nvptx::describeMissingAssembler(/*required=*/false);
  std::string missing;
  if (stage == Stage::Cubin || stage == Stage::Fatbin)
    missing = nvptx::describeMissingAssembler();
  if (missing.empty() && stage == Stage::Fatbin)
    missing = nvptx::describeMissingFatBinaryTool();
  return missing;
}

/// What the assembler says of the kernels goes to their launches.
static void noteResources(const nvptx::Cubin &cubin, Variant &variant) {
  for (const nvptx::Resources &kernel : cubin.kernels)
    for (::kvarn::Launch &launch : variant.launches)
      if (launch.entry == kernel.kernel) {
        launch.registers = kernel.registers;
        launch.spillBytes = std::max(kernel.spillStores, kernel.spillLoads);
      }
}

static LogicalResult writeCubinOrPtx(ModuleOp kernels, const Target &target,
                                     bool portable, const LibraryWriter &writer,
                                     Variant &variant) {
  std::string bytes;
  if (portable || !nvptx::describeMissingAssembler().empty()) {
    FailureOr<std::string> ptx = emitAssembly(kernels, target);
    if (failed(ptx))
      return failure();
    bytes = std::move(*ptx);
    variant.binary.kind = BinaryKind::Ptx;
    variant.binary.file = variant.id + ".ptx";
  } else {
    FailureOr<nvptx::Cubin> cubin = nvptx::emitCubin(kernels, target);
    if (failed(cubin))
      return failure();
    noteResources(*cubin, variant);
    bytes = std::move(cubin->bytes);
    variant.binary.kind = BinaryKind::Cubin;
    variant.binary.file = variant.id + ".cubin";
  }
  return writeBytes(kernels, bytes, writer, variant);
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

namespace {

struct BackendRow {
  Backend backend;
  std::string (*describeMissing)(Stage stage);
  LogicalResult (*write)(ModuleOp kernels, const Target &target, bool portable,
                         const LibraryWriter &writer, Variant &variant);
};

} // namespace

/// Backends without a row have no libraries and need no tools.
static constexpr BackendRow kBackends[] = {
    {Backend::Cpu, describeMissingOnCpu, writeSharedObject},
    {Backend::Nvptx, describeMissingOnNvptx, writeCubinOrPtx}};

static const BackendRow *findBackend(const Target &target) {
  for (const BackendRow &row : kBackends)
    if (row.backend == target.backend)
      return &row;
  return nullptr;
}

std::string mlir::kvarn::describeMissingTool(const Target &target,
                                             Stage stage) {
  const BackendRow *row = findBackend(target);
  return row ? row->describeMissing(stage) : std::string();
}

LogicalResult mlir::kvarn::writeBinary(ModuleOp kernels, const Target &target,
                                       bool portable,
                                       const LibraryWriter &writer,
                                       Variant &variant) {
  const BackendRow *row = findBackend(target);
  if (!row)
    return emitError(kernels.getLoc())
           << "target '" << target.name << "' has no kernel libraries";
  return row->write(kernels, target, portable, writer, variant);
}
