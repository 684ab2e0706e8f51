//===- Compiler.cpp - The compiler, for kernels that are missing ----------===//

#include "runtime/Compiler.h"

#include "format/Environment.h"
#include "format/Fingerprint.h"
#include "runtime/Process.h"
#include "runtime/Status.h"

#include <dlfcn.h>
#include <filesystem>
#include <thread>

namespace kvarn::runtime {

namespace fs = std::filesystem;

std::string compilerOfThisBuild() {
  return std::string("kvarn " KVARN_VERSION " (build ") + kFingerprint + ")";
}

std::string runtimeFolder() {
  static const char here = 0; // unlike a function, surely in libkvarn.so
  Dl_info info;
  std::error_code ignored;
  if (!dladdr(&here, &info) || !info.dli_fname)
    return {};
  return fs::canonical(info.dli_fname, ignored).parent_path();
}

//===----------------------------------------------------------------------===//
// In this process
//===----------------------------------------------------------------------===//

namespace {
using Print = void (*)(void *context, const char *text, size_t size);
using Run = int (*)(int argc, const char *const *argv, Print print,
                    void *context);

/// The entry of libkvarn-compiler.so, or why there is none.
struct CompilerLibrary {
  Run run = nullptr;
  std::string error;
};
} // namespace

/// The file beside libkvarn.so, or else its plain name, for the loader.
static std::string findCompilerLibrary() {
  fs::path beside = runtimeFolder() / fs::path(KVARN_COMPILER_LIBRARY);
  std::error_code ignored;
  return beside.has_parent_path() && fs::exists(beside, ignored)
             ? beside.string()
             : KVARN_COMPILER_LIBRARY;
}

static CompilerLibrary openCompilerLibrary() {
  std::string path = findCompilerLibrary();
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) {
    const char *reason = dlerror();
    return {nullptr, "cannot open the compiler: " +
                         std::string(reason ? reason : path.c_str())};
  }
  auto fingerprint = reinterpret_cast<const char *(*)()>(
      dlsym(handle, "kvarn_compiler_fingerprint"));
  auto run = reinterpret_cast<Run>(dlsym(handle, "kvarn_compiler_run"));
  if (!run || !fingerprint)
    return {nullptr, path + ": is not a compiler of KVarN " KVARN_VERSION};
  if (fingerprint() != std::string_view(kFingerprint))
    return {nullptr, path + ": is the compiler of build " + fingerprint() +
                         ", but this runtime is of build " + kFingerprint};
  return {run, ""};
}

static Compilation runInProcess(const std::vector<std::string> &arguments) {
  // Tried once: what is installed does not change under a running program.
  static const CompilerLibrary library = openCompilerLibrary();
  Compilation result;
  if (!library.run) {
    result.missing = library.error;
    return result;
  }
  std::vector<const char *> words = {"kvarn-compile"};
  for (const std::string &argument : arguments)
    words.push_back(argument.c_str());
  auto print = [](void *context, const char *text, size_t size) {
    static_cast<std::string *>(context)->append(text, size);
  };
  // LLVM needs more stack than threads of servers may have.
  std::thread([&] {
    result.exitCode = library.run(static_cast<int>(words.size()), words.data(),
                                  print, &result.output);
  }).join();
  if (result.exitCode != 0)
    result.failure = "the compiler failed with exit code " +
                     std::to_string(result.exitCode) + "\n" + result.output;
  return result;
}

//===----------------------------------------------------------------------===//
// In a child
//===----------------------------------------------------------------------===//

static Compilation runChild(const std::string &program,
                            const std::vector<std::string> &arguments) {
  Compilation result;
  if (!isProgram(program)) {
    result.missing = "'" + program + "' is not a program that can be run";
    return result;
  }
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  ProcessResult process = runProcess(words);
  result.exitCode = process.exitCode;
  result.output = process.output;
  if (!process.failure.empty())
    result.missing = process.failure;
  else if (process.exitCode != 0)
    result.failure =
        "the compiler " + process.describe() + "\n" + process.output;
  return result;
}

//===----------------------------------------------------------------------===//
// Which of them
//===----------------------------------------------------------------------===//

kvarn_status Compiler::create(int32_t mode, const char *program,
                              Compiler &compiler) {
  const char *named = program ? program : environment(Variable::Compiler);
  if (mode == KVARN_COMPILER_DEFAULT) {
    bool none = named && named == std::string_view("none");
    mode = none    ? KVARN_COMPILER_NONE
           : named ? KVARN_COMPILER_CHILD
                   : KVARN_COMPILER_IN_PROCESS;
  }
  if (mode < KVARN_COMPILER_IN_PROCESS || mode > KVARN_COMPILER_NONE)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "options.compiler: expected a kvarn_compiler, got " +
                    std::to_string(mode));
  compiler.mode = mode;
  if (mode == KVARN_COMPILER_CHILD)
    compiler.program = named ? named : findProgram("kvarn-compile");
  return KVARN_STATUS_OK;
}

Compilation Compiler::run(const std::vector<std::string> &arguments) const {
  switch (mode) {
  case KVARN_COMPILER_NONE:
    return {"compiling is switched off", 0, "", ""};
  case KVARN_COMPILER_IN_PROCESS:
    return runInProcess(arguments);
  default:
    if (program.empty())
      return {"kvarn-compile not found beside this program or in PATH", 0, "",
              ""};
    return runChild(program, arguments);
  }
}

} // namespace kvarn::runtime
