//===- Assemble.cpp - PTX to machine code ---------------------------------===//

#include "codegen/nvptx/Assemble.h"

#include "codegen/Codegen.h"
#include "codegen/ExternalTool.h"
#include "codegen/nvptx/NvJitLink.h"
#include "format/Environment.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;

static constexpr char kVariable[] = "KVARN_PTX_ASSEMBLER";

//===----------------------------------------------------------------------===//
// Which assembler
//===----------------------------------------------------------------------===//

namespace {
enum class Choice { Any, NvJitLink, Ptxas, None, Unknown };
} // namespace

static StringRef choiceText() {
  const char *text = ::kvarn::environment(::kvarn::Variable::PtxAssembler);
  return text ? text : "";
}

static Choice readChoice() {
  return llvm::StringSwitch<Choice>(choiceText())
      .Case("", Choice::Any)
      .Case("nvjitlink", Choice::NvJitLink)
      .Case("ptxas", Choice::Ptxas)
      .Case("none", Choice::None)
      .Default(Choice::Unknown);
}

std::string mlir::kvarn::nvptx::describeBadAssemblerName() {
  if (readChoice() != Choice::Unknown)
    return {};
  return (Twine(kVariable) + " is '" + choiceText() +
          "', expected nvjitlink, ptxas or none")
      .str();
}

static std::string findPtxas(Choice choice) {
  if (choice == Choice::Any || choice == Choice::Ptxas)
    return findCudaTool("ptxas");
  return {};
}

static bool canUseNvJitLink(Choice choice) {
  return (choice == Choice::Any || choice == Choice::NvJitLink) &&
         hasNvJitLink();
}

/// nvJitLink assembles code that other code may be linked to. Before sm_90 that
/// calls functions for what lanes do together and spills registers around these
/// calls: such chips have `ptxas`, if there is one.
static bool prefersNvJitLink(Choice choice, StringRef ptxas, StringRef chip) {
  const Target *target = findTarget(chip);
  bool spills = target && !target->bulkCopies;
  return canUseNvJitLink(choice) && (!spills || ptxas.empty());
}

std::string mlir::kvarn::nvptx::describeMissingAssembler(bool required) {
  Choice choice = readChoice();
  if (!required && (choice == Choice::Any || choice == Choice::None))
    return {};
  if (canUseNvJitLink(choice) || !findPtxas(choice).empty())
    return {};
  switch (choice) {
  case Choice::Any:
    return "cannot find an assembler for PTX: neither libnvJitLink.so nor "
           "ptxas, which come with a CUDA toolkit";
  case Choice::NvJitLink:
    return "cannot load libnvJitLink.so, which KVARN_PTX_ASSEMBLER=nvjitlink "
           "asks for";
  case Choice::Ptxas:
    return "cannot find ptxas, which KVARN_PTX_ASSEMBLER=ptxas asks for";
  case Choice::None:
    return "no assembler for PTX: KVARN_PTX_ASSEMBLER=none";
  case Choice::Unknown:
    break;
  }
  return describeBadAssemblerName();
}

/// "13.0 V13.0.88" of "Cuda compilation tools, release 13.0, V13.0.88".
static std::string releaseOf(StringRef text) {
  StringRef line = text.split("release ").second.split('\n').first;
  auto [release, build] = line.split(',');
  return (release.trim() + " " + build.trim()).str();
}

std::string mlir::kvarn::nvptx::assemblerVersion(StringRef chip) {
  Choice choice = readChoice();
  std::string ptxas = findPtxas(choice);
  if (prefersNvJitLink(choice, ptxas, chip))
    return "nvJitLink " + nvJitLinkVersion();
  if (ptxas.empty())
    return {};
  return "ptxas " + releaseOf(runTool({ptxas, "--version"}).text);
}

//===----------------------------------------------------------------------===//
// Running it
//===----------------------------------------------------------------------===//

static Assembly runPtxas(const std::string &ptxas, StringRef ptx,
                         StringRef chip) {
  Assembly assembly;
  TemporaryFile input("ptx"), output("cubin");
  input.write(ptx);
  if (input.error() || output.error()) {
    assembly.log = "cannot write temporary files";
    return assembly;
  }
  std::string arch = ("-arch=" + chip).str();
  ToolRun run = runTool({ptxas, arch, "-v", input.path(), "-o", output.path()});
  assembly.ok = run.ok;
  assembly.log = run.text;
  if (run.ok)
    assembly.cubin = output.read();
  return assembly;
}

FailureOr<Cubin>
mlir::kvarn::nvptx::assemble(StringRef ptx, StringRef chip,
                             function_ref<InFlightDiagnostic()> emitError) {
  Choice choice = readChoice();
  std::string ptxas = findPtxas(choice);
  Assembly assembly;
  bool links = prefersNvJitLink(choice, ptxas, chip);
  if (!links && ptxas.empty())
    return emitError() << describeMissingAssembler();
  if (!links)
    assembly = runPtxas(ptxas, ptx, chip);
  // `ptxas` may be older than the PTX.
  if (!assembly.ok && canUseNvJitLink(choice))
    assembly = runNvJitLink(ptx, chip);
  if (assembly.ok && !assembly.cubin.empty()) {
    Cubin cubin;
    cubin.bytes = std::move(assembly.cubin);
    readLog(assembly.log, cubin);
    return cubin;
  }
  TemporaryFile input("ptx");
  input.write(ptx);
  input.keep();
  return emitError() << "assembling for " << chip
                     << " failed: " << StringRef(assembly.log).rtrim()
                     << "\nto repeat: " << (ptxas.empty() ? "ptxas" : ptxas)
                     << " -arch=" << chip << " -v " << input.path()
                     << " -o /dev/null";
}

FailureOr<Cubin> mlir::kvarn::nvptx::emitCubin(ModuleOp module,
                                               const Target &target) {
  FailureOr<std::string> ptx = emitAssembly(module, target);
  if (failed(ptx))
    return failure();
  Location location = module.getLoc();
  FailureOr<Cubin> cubin =
      assemble(*ptx, target.cpu, [&] { return emitError(location); });
  if (failed(cubin))
    return failure();
  for (const Resources &kernel : cubin->kernels)
    if (kernel.spillStores || kernel.spillLoads)
      emitWarning(location)
          << "kernel '" << kernel.kernel << "' spills on " << target.name
          << ": " << kernel.registers << " registers, " << kernel.spillStores
          << " bytes stored, " << kernel.spillLoads << " bytes loaded";
  for (const std::string &line : cubin->advice)
    emitWarning(location) << "assembler for " << target.name << ": " << line;
  return cubin;
}

//===----------------------------------------------------------------------===//
// What it says
//===----------------------------------------------------------------------===//

/// The number in front of `unit`, or 0: "Used 8 registers, used 0 barriers".
static int64_t numberBefore(StringRef line, StringRef unit) {
  size_t at = line.find(unit);
  if (at == StringRef::npos)
    return 0;
  StringRef before = line.take_front(at).rtrim();
  StringRef digits = before.take_back(
      before.size() - (before.find_last_not_of("0123456789") + 1));
  int64_t number = 0;
  return digits.getAsInteger(10, number) ? 0 : number;
}

/// The text between the first two quotes.
static StringRef quoted(StringRef line) {
  return line.split('\'').second.split('\'').first;
}

void mlir::kvarn::nvptx::readLog(StringRef log, Cubin &cubin) {
  SmallVector<StringRef> lines;
  log.split(lines, '\n', -1, /*KeepEmpty=*/false);
  for (StringRef line : lines) {
    if (line.contains("Compiling entry function '")) {
      cubin.kernels.emplace_back();
      cubin.kernels.back().kernel = quoted(line).str();
    } else if (line.contains("warning :") || line.contains("(C75")) {
      // C75xx: instructions of a tensor core that wait for each other.
      cubin.advice.push_back(line.trim().str());
    } else if (!cubin.kernels.empty()) {
      Resources &kernel = cubin.kernels.back();
      if (line.contains("bytes stack frame")) {
        kernel.stackBytes = numberBefore(line, " bytes stack frame");
        kernel.spillStores = numberBefore(line, " bytes spill stores");
        kernel.spillLoads = numberBefore(line, " bytes spill loads");
      } else if (line.contains(": Used ")) {
        kernel.registers = numberBefore(line, " registers");
        kernel.staticSharedBytes = numberBefore(line, " bytes smem");
      }
    }
  }
}
