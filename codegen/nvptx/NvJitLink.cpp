//===- NvJitLink.cpp - The assembler as a library -------------------------===//

#include "codegen/nvptx/NvJitLink.h"

#include "codegen/ExternalTool.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/Twine.h"

#include <dlfcn.h>

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;

// nvJitLink.h, as far as it is used: nothing of a toolkit is needed to build.
using Handle = void *;
using Result = int; // 0 = success
static constexpr int kInputPtx = 2;

namespace {

struct Api {
  Result (*create)(Handle *, uint32_t, const char *const *) = nullptr;
  Result (*destroy)(Handle *) = nullptr;
  Result (*addData)(Handle, int, const void *, size_t, const char *) = nullptr;
  Result (*complete)(Handle) = nullptr;
  Result (*cubinSize)(Handle, size_t *) = nullptr;
  Result (*cubin)(Handle, void *) = nullptr;
  Result (*errorLogSize)(Handle, size_t *) = nullptr;
  Result (*errorLog)(Handle, char *) = nullptr;
  Result (*infoLogSize)(Handle, size_t *) = nullptr;
  Result (*infoLog)(Handle, char *) = nullptr;
  Result (*version)(unsigned *, unsigned *) = nullptr; // may be missing
};

} // namespace

/// Sets all members from the symbols nvJitLinkNAME`suffix`.
static bool loadSymbols(void *library, const std::string &prefix,
                        const std::string &suffix, Api &api) {
  bool ok = true;
  auto load = [&](auto &function, const char *name) {
    void *symbol = dlsym(library, (prefix + name + suffix).c_str());
    function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol);
    ok &= symbol != nullptr;
  };
  load(api.create, "Create");
  load(api.destroy, "Destroy");
  load(api.addData, "AddData");
  load(api.complete, "Complete");
  load(api.cubinSize, "GetLinkedCubinSize");
  load(api.cubin, "GetLinkedCubin");
  load(api.errorLogSize, "GetErrorLogSize");
  load(api.errorLog, "GetErrorLog");
  load(api.infoLogSize, "GetInfoLogSize");
  load(api.infoLog, "GetInfoLog");
  return ok;
}

static void *openLibrary() {
  std::string home = cudaHome();
  for (const std::string &folder : {std::string(), home + "/lib64/"})
    for (const char *name :
         {"libnvJitLink.so.13", "libnvJitLink.so.12", "libnvJitLink.so"})
      if (void *library =
              dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL))
        return library;
  return nullptr;
}

static std::optional<Api> loadApi() {
  void *library = openLibrary();
  Api api;
  if (!library)
    return std::nullopt;
  api.version = reinterpret_cast<decltype(api.version)>(
      dlsym(library, "nvJitLinkVersion"));
  if (loadSymbols(library, "nvJitLink", "", api))
    return api;
  // A library may have only the names behind the inline functions of its
  // header: __nvJitLinkCreate_12_4.
  for (int major : {13, 12})
    for (int minor = 9; minor >= 0; --minor)
      if (loadSymbols(library, "__nvJitLink",
                      "_" + std::to_string(major) + "_" + std::to_string(minor),
                      api))
        return api;
  return std::nullopt;
}

static const std::optional<Api> &getApi() {
  static const std::optional<Api> api = loadApi();
  return api;
}

bool mlir::kvarn::nvptx::hasNvJitLink() { return getApi().has_value(); }

std::string mlir::kvarn::nvptx::nvJitLinkVersion() {
  unsigned major = 0, minor = 0;
  const Api &api = *getApi();
  if (!api.version || api.version(&major, &minor))
    return "of unknown version";
  return std::to_string(major) + "." + std::to_string(minor);
}

static std::string readText(Handle handle, Result (*size)(Handle, size_t *),
                            Result (*text)(Handle, char *)) {
  size_t bytes = 0;
  if (size(handle, &bytes) || !bytes)
    return {};
  std::string result(bytes, '\0');
  if (text(handle, result.data()))
    return {};
  // Some versions count the zero at the end.
  return result.substr(0, result.find('\0'));
}

Assembly mlir::kvarn::nvptx::runNvJitLink(StringRef ptx, StringRef chip) {
  const Api &api = *getApi();
  Assembly assembly;
  std::string arch = ("-arch=" + chip).str();
  const char *options[] = {arch.c_str(), "-verbose"};
  Handle handle = nullptr;
  if (Result code = api.create(&handle, std::size(options), options)) {
    assembly.log = "nvJitLinkCreate returns " + std::to_string(code);
    return assembly;
  }
  auto destroy = llvm::make_scope_exit([&] { api.destroy(&handle); });
  // Completing what could not be added succeeds.
  assembly.ok =
      !api.addData(handle, kInputPtx, ptx.data(), ptx.size(), "kernels") &&
      !api.complete(handle);
  assembly.log = readText(handle, api.errorLogSize, api.errorLog);
  if (!assembly.ok)
    return assembly;
  assembly.log += readText(handle, api.infoLogSize, api.infoLog);
  size_t bytes = 0;
  assembly.ok = !api.cubinSize(handle, &bytes);
  assembly.cubin.resize(bytes);
  assembly.ok = assembly.ok && !api.cubin(handle, assembly.cubin.data());
  return assembly;
}
